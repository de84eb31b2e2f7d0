"""A channel with a question of the day: desk, fleet of one, platform and clock, over a real Redis."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from bot.app.commands import Commands
from bot.app.daily import Daily
from bot.app.daily_pool import Pool
from bot.app.days import Days
from bot.app.deliveries import Deliveries
from bot.app.desk import FrontDesk
from bot.app.leaderboard import Leaderboards
from bot.app.local_days import LocalDays
from bot.app.memory import Memory
from bot.app.posting import Posting
from bot.app.privacy import Privacy
from bot.app.puzzles import Puzzles
from bot.app.quiz import Quizzes
from bot.app.recent import Recent
from bot.app.reports import Reports
from bot.app.reviews import Reviews
from bot.app.runs import Runs
from bot.app.setup import Setup
from bot.app.stats import Stats
from bot.app.study import Study
from bot.core.actions import Codec
from bot.core.ids import Caller, ChannelId, Platform, Tenant, UserId
from bot.core.schedule import PostId
from bot.core.views import Form, Reply
from bot.drawing import weeks_picture
from bot.spacing import space
from bot.store.daily import RedisDailies
from bot.store.notebooks import RedisNotebooks
from bot.store.personal_data import RedisPersonalData
from bot.store.schedules import RedisSchedules
from bot.store.scores import RedisScores
from tests.app.building import BANK, action
from tests.app.fake_chat import FakeChat, FakeRate, Message
from tests.app.fakes import FakeLog, FakeQueue
from tests.store.daily_building import HandClock

CHANNEL = ChannelId("c1")
_EVENTS = itertools.count(1)


@dataclass
class Town:
    """Everything that a channel's question of the day needs."""

    redis: Redis
    tenant: Tenant
    clock: HandClock = field(default_factory=HandClock)
    demo: bool = False
    """Whether its days can be made to pass by `/next`."""

    def __post_init__(self) -> None:
        self.schedules = RedisSchedules(self.redis, self.clock)
        self.dailies = RedisDailies(self.redis, self.clock)
        self.chat = FakeChat(self.clock)
        self.log = FakeLog()
        self.paused = asyncio.Event()
        pool, zone = Pool(BANK), ZoneInfo("Europe/Berlin")
        daily = Daily(pool, self.schedules, self.dailies, self.clock)
        runs, scores, queue = Runs(BANK, FakeQueue()), RedisScores(self.redis), FakeQueue()
        self.posting = Posting(pool, self.schedules, self.dailies, {Platform.DISCORD: self.chat}, FakeRate(), self.log)
        self.days = Days(
            self.tenant, CHANNEL, self.clock, self.schedules, self.dailies, lambda _: self.posting, self.log, self.pause
        )
        notebooks = RedisNotebooks(self.redis, self.clock)
        local_days = LocalDays(self.clock, zone, self.schedules)
        recent = Recent(local_days, self.dailies)
        memory = Memory(BANK, notebooks, space, local_days, self.log, self.dailies, recent)
        reviews = Reviews(BANK, memory, space)
        self.commands = Commands(
            Quizzes(BANK, scores, local_days, recent),
            Study(BANK, reviews),
            Puzzles(),
            Leaderboards(scores, local_days, BANK),
            runs,
            daily,
            Setup(BANK, pool, self.schedules, daily, "Europe/Berlin"),
            Reports(pool, self.dailies, self.schedules),
            Privacy(RedisPersonalData(self.redis)),
            reviews,
            Stats(BANK, memory, scores, local_days, weeks_picture, self.dailies),
            *([self.days] if self.demo else []),
            follow=memory.follow,
        )
        self.desk = FrontDesk(
            self.commands, Deliveries(queue, runs, self.log), Codec(b"0123456789abcdef"), self.clock, self.log
        )

    async def pause(self, seconds: float) -> None:
        """Wait without waiting."""
        self.paused.set()
        await asyncio.sleep(0)

    def caller(self, name: str, *, admin: bool = False, channel: ChannelId = CHANNEL) -> Caller:
        return Caller(self.tenant, channel, UserId(f"u-{name}"), name, f"e{next(_EVENTS)}", is_admin=admin)

    async def say(self, name: str, text: str, *, admin: bool = False) -> Reply:
        return [reply async for reply in self.desk.say(self.caller(name, admin=admin), text)][-1]

    async def press(self, name: str, view: Reply, label: str, *, admin: bool = False, as_of: str = "") -> Reply:
        """Press a button of a view that `as_of` (by default the same person) got, or that all can see."""
        wire = self.desk.seal(self.caller(as_of or name), view)(action(view, label))
        return [reply async for reply in self.desk.press(self.caller(name, admin=admin), wire)][-1]

    async def send(self, name: str, form: Reply, *, admin: bool = False, **values: str) -> Reply:
        assert isinstance(form, Form)
        filled = {box.name: box.value for box in form.fields} | values
        wire = self.desk.seal(self.caller(name), form)(form.action)
        return [reply async for reply in self.desk.submit(self.caller(name, admin=admin), wire, filled)][-1]

    async def pass_time(self, length: timedelta) -> None:
        """Let time pass, and do what falls due on the way."""
        end = self.clock.at + length
        while self.clock.at < end:
            ahead = [at for _, at in await self.schedules.next_at([Platform.DISCORD]) if at > self.clock.at]
            self.clock.at = min([*ahead, end])
            while await self.posting.tick():
                pass

    def posted(self) -> Sequence[Message]:
        """Questions that stand in the channel."""
        return [message for message in self.mine() if not message.thread]

    def threads(self) -> Sequence[Message]:
        """What stands in their threads."""
        return [message for message in self.mine() if message.thread]

    def mine(self) -> Sequence[Message]:
        return [message for message in self.chat.shown() if message.tenant == self.tenant]


async def letters(town: Town, message: Message) -> tuple[str, str]:
    """The letters of the right option and of the wrong one after it, found through the store as no player could."""
    post = await town.dailies.post(town.tenant, PostId(message.key))
    assert post is not None
    right = post.order.index(post.right)
    return "ABCDEF"[right], "ABCDEF"[(right + 1) % len(post.order)]
