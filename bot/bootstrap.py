"""Builds the object graph: the only place that knows which store, which bank and which clock are in use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.asyncio import Redis

from bot.app.commands import Commands
from bot.app.daily import Daily
from bot.app.daily_pool import Pool
from bot.app.days import Days
from bot.app.deliveries import Deliveries
from bot.app.desk import Desk, FrontDesk
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
from bot.config import Settings
from bot.core.actions import Codec
from bot.core.bank import Bank
from bot.core.demo import DEMO_CHANNEL, DEMO_TENANT
from bot.core.ids import Platform
from bot.core.runs import Capability
from bot.drawing import weeks_picture
from bot.ports import Chat, Clock, Log, RunQueue
from bot.spacing import space
from bot.store.connect import connected, signing_key
from bot.store.daily import RedisDailies
from bot.store.demo_clock import RedisDemoClock
from bot.store.gathering import Gathering
from bot.store.notebooks import RedisNotebooks
from bot.store.personal_data import RedisPersonalData
from bot.store.run_queue import RedisRunQueue
from bot.store.run_workers import LiveWorker, live_workers, no_worker_yet
from bot.store.schedules import RedisSchedules
from bot.store.scores import RedisScores
from bot.store.server import redis_server
from bot.store.shared import RedisOnce, RedisRate


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The current time in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Store:
    """A store in use, with what stands on it."""

    url: str
    queue: RedisRunQueue
    scores: RedisScores
    signing_key: bytes
    warnings: tuple[str, ...]
    redis: Redis

    async def workers(self, capability: Capability = Capability.CPU) -> tuple[LiveWorker, ...]:
        """The workers that are alive. Raises Unavailable."""
        return await live_workers(self.redis, capability)

    def no_worker_yet(
        self, problem: str, fix: str, capability: Capability = Capability.CPU
    ) -> AbstractAsyncContextManager[None]:
        """Tells everyone on this store, for as long as the context, why there is no worker and what to do about it."""
        return no_worker_yet(self.redis, capability, problem, fix)

    def once(self) -> RedisOnce:
        """Which deliveries were handled, over all replicas."""
        return RedisOnce(self.redis)

    def rate(self) -> RedisRate:
        """The rates that all replicas share."""
        return RedisRate(self.redis)

    def schedules(self, clock: Clock | None = None) -> RedisSchedules:
        """The schedules of questions of the day. The server's time decides, or `clock` in a simulation."""
        return RedisSchedules(self.redis, clock)

    def dailies(self, clock: Clock | None = None) -> RedisDailies:
        """The questions of the day, on the same terms."""
        return RedisDailies(self.redis, clock)

    def notebooks(self, clock: Clock | None = None) -> RedisNotebooks:
        """What people remember, on the same terms."""
        return RedisNotebooks(self.redis, clock)


@asynccontextmanager
async def open_store(settings: Settings, progress: Callable[[str], None]) -> AsyncIterator[Store]:
    """The Redis that the settings name, or our own. Raises ConfigError or Unavailable with what to do."""
    given = settings.redis_url.get_secret_value() if settings.redis_url else None
    async with (
        redis_server(given, settings.home, progress=progress) as url,
        connected(url) as connection,
        RedisRunQueue(connection.commands, connection.blocking) as queue,
    ):
        own_key = settings.signing_key.get_secret_value().encode() if settings.signing_key else None
        yield Store(
            url=url,
            queue=queue,
            scores=RedisScores(connection.commands),
            signing_key=own_key or await signing_key(connection.commands),
            warnings=connection.warnings,
            redis=connection.commands,
        )


def build_desk(
    settings: Settings, store: Store, log: Log, queue: RunQueue, bank: Bank, days: Days | None = None
) -> Desk:
    """The front desk over a store. `queue` is the store's own, or one that waits for its worker. With `days` it keeps
    the demo's time."""
    simulated = days.clock if days else None
    clock, zone, pool = simulated or SystemClock(), settings.zone_info(), Pool(bank)
    runs, schedules, dailies = (
        Runs(bank, queue, settings.gpu_users()),
        store.schedules(simulated),
        store.dailies(simulated),
    )
    daily = Daily(pool, schedules, dailies, clock)
    local_days = LocalDays(clock, zone, schedules)
    recent = Recent(local_days, dailies)
    memory = Memory(bank, store.notebooks(simulated), space, local_days, log, dailies, recent)
    reviews = Reviews(bank, memory, space)
    commands = Commands(
        Quizzes(bank, store.scores, local_days, recent),
        reviews,
        Study(bank, reviews),
        Puzzles(),
        Leaderboards(store.scores, local_days, bank),
        Stats(bank, memory, store.scores, local_days, weeks_picture, dailies),
        runs,
        daily,
        Setup(bank, pool, schedules, daily, settings.zone),
        Reports(pool, dailies, schedules),
        Privacy(RedisPersonalData(store.redis)),
        *([days] if days else []),
        follow=memory.follow,
    )
    return FrontDesk(commands, Deliveries(queue, runs, log), Codec(store.signing_key), clock, log)


async def post_questions(store: Store, log: Log, bank: Bank, platform: Platform, chat: Chat) -> None:
    """Post the questions of the day on a platform until cancelled; any number of processes may do it."""
    async with Gathering(store.redis) as calls:
        schedules, dailies = RedisSchedules(calls), RedisDailies(calls)
        await Posting(Pool(bank), schedules, dailies, {platform: chat}, store.rate(), log).run()


def build_days(store: Store, log: Log, bank: Bank) -> Days:
    """The days of the demo's channel."""
    clock = RedisDemoClock(store.redis, DEMO_TENANT)
    schedules, dailies = store.schedules(clock), store.dailies(clock)

    def posting(chat: Chat) -> Posting:
        return Posting(Pool(bank), schedules, dailies, {Platform(DEMO_TENANT[0]): chat}, store.rate(), log)

    return Days(DEMO_TENANT, DEMO_CHANNEL, clock, schedules, dailies, posting, log)
