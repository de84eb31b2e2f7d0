"""A fleet of bots on a real Redis under a clock of its own, in which everything may die, stall or get lost.

Each step of each process may be its last (before it or after it), or take longer than its lease; the platform loses
requests and replies and asks to slow down; the whole fleet is away for hours. An oracle that knows only the schedules
says which questions should stand in which channel.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from redis.asyncio import Redis

from bot.app.daily_pool import Pool
from bot.app.posting import Posting, moment_of
from bot.core.bank import Bank
from bot.core.daily import Claim
from bot.core.ids import Caller, ChannelId, OptionId, Platform, Tenant, UserId
from bot.core.schedule import EVERY_DAY, Mode, Schedule, ScheduleId, next_due, post_id, upcoming
from bot.store import keys
from bot.store.daily import RedisDailies
from bot.store.schedule_wire import moment
from bot.store.schedules import LEASE, RedisSchedules
from tests.app.fake_chat import FakeChat, FakeRate
from tests.app.fakes import FakeLog
from tests.store.daily_building import HandClock

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/Nuuk", "Africa/Casablanca")
AUTUMN, SPRING = datetime(2026, 10, 23, tzinfo=UTC), datetime(2027, 3, 12, tzinfo=UTC)
QUIET = timedelta(hours=2)
"""At the end nothing new is due any more, so that everything under way can finish."""


class Crash(Exception):
    """A process died here."""


@dataclass(frozen=True, slots=True)
class Chances:
    """What goes wrong, for each step or request."""

    crash: float = 0.12
    stall: float = 0.02
    lost: float = 0.02
    unanswered: float = 0.03
    slow: float = 0.02


@dataclass
class Result:
    """What the oracle found."""

    due: int = 0
    missed: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    removed: int = 0
    """Second messages that were detected and taken away."""
    early_or_late: list[str] = field(default_factory=list)
    digests: int = 0
    wrong_digests: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    crashes: int = 0
    stalls: int = 0


class OneShard(RedisSchedules):
    """The fleet's team lives in one shard: asking the other fifteen at each step would take most of the time."""

    async def next_at(self, platforms: Sequence[Platform]) -> Sequence[tuple[str, datetime]]:
        assert platforms
        shard = keys.shard_of(self.tenant)
        rows: Any = await self.redis.zrange(keys.in_shard(shard, "due"), 0, 0, withscores=True)
        return [(shard, moment(score)) for _, score in rows]

    tenant: Tenant
    redis: Redis


class Mortal:
    """A port of which every call may be the last thing its process did."""

    def __init__(self, inner: Any, fleet: Fleet) -> None:
        self._inner = inner
        self._fleet = fleet

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._inner, name)

        async def call(*args: Any, **named: Any) -> Any:
            await self._fleet.fate()
            result = await method(*args, **named)
            await self._fleet.fate()
            return result

        return call


class Fleet:
    """Replicas, the platform, and the time."""

    def __init__(
        self,
        redis: Redis,
        bank: Bank,
        seed: int,
        *,
        begin: datetime,
        days: int,
        channels: int = 40,
        replicas: int = 4,
        dedupe: bool = True,
        chances: Chances | None = None,
    ) -> None:
        self.dice = random.Random(seed)
        self.clock = HandClock(begin)
        self.begin, self.end = begin, begin + timedelta(days=days)
        self.tenant = Tenant("d" + uuid.uuid4().hex)
        self.chances = chances or Chances()
        self.result = Result()
        self.log = FakeLog()
        self.down = (begin + timedelta(days=days / 2), begin + timedelta(days=days / 2, hours=5))
        self.chat = FakeChat(
            self.clock,
            lost=self.chances.lost,
            unanswered=self.chances.unanswered,
            slow=self.chances.slow,
            dedupe=timedelta(seconds=120) if dedupe else None,
            lag=timedelta(seconds=20),
            dice=self.dice,
        )
        self.schedules, self.dailies = OneShard(redis, self.clock), RedisDailies(redis, self.clock)
        self.schedules.tenant, self.schedules.redis = self.tenant, redis
        self.plans = list(self._plans(channels))
        pool: Any = Pool(bank)
        self.replicas = [
            Posting(
                pool,
                Mortal(self.schedules, self),
                Mortal(self.dailies, self),
                {Platform.DISCORD: Mortal(self.chat, self)},
                FakeRate(),
                self.log,
            )
            for _ in range(replicas)
        ]
        self._stalled: dict[asyncio.Task[None], tuple[datetime, asyncio.Future[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._answered: set[str] = set()

    def _plans(self, channels: int) -> Iterator[Schedule]:
        for number in range(channels):
            at = self.dice.choice([time(2, 30), time(9), time(0, 0), time(23, 30), time(1, 59), time(3, 0)])
            yield Schedule(
                ScheduleId("1"),
                self.tenant,
                ChannelId(f"c{number}"),
                ZONES[number % len(ZONES)],
                at,
                at,
                EVERY_DAY if number % 3 else (0, 1, 2, 3, 4, 6),
                mode=Mode.SEALED if number % 5 == 0 else Mode.INSTANT,
                since=self.begin,
            )

    async def fate(self) -> None:
        """Half of the dying happens before a step and half after it; now and then one takes longer than a lease."""
        roll = self.dice.random()
        if roll < self.chances.crash / 2:
            self.result.crashes += 1
            raise Crash
        if roll > 1 - self.chances.stall / 2:
            self.result.stalls += 1
            await self._stall(timedelta(seconds=self.dice.choice([20, 61, 90, 150])))

    async def _stall(self, length: timedelta) -> None:
        task = asyncio.current_task()
        assert task is not None
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stalled[task] = (self.clock.at + length, future)
        self._changed.set()
        await future

    async def run(self) -> Result:
        """Live through the days, then judge."""
        for plan in self.plans:
            due = next_due(plan, self.clock.at, None)
            await self.schedules.save(plan, moment_of(plan, due) if due else None, "ada", "created")
        while self.clock.at < self.end:
            self._wake()
            if not self.down[0] <= self.clock.at < self.down[1]:
                for replica in self.dice.sample(self.replicas, 2):  # the others sleep
                    self._begin(self._work(replica))
            await self._quiet()
            await self._people()
            await self._advance()
        return self._judged()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._changed.set())
        self._tasks.add(task)

    async def _work(self, replica: Posting) -> None:
        try:
            for claim in await replica.claims(12):
                self._begin(self._do(replica, claim))
        except Crash:
            pass

    async def _do(self, replica: Posting, claim: Claim) -> None:
        with suppress(Crash):
            await replica.do(claim)

    async def _quiet(self) -> None:
        """Wait until everyone has finished or stalls."""
        async with asyncio.timeout(30):
            while any(not task.done() and task not in self._stalled for task in self._tasks):
                self._changed.clear()
                await self._changed.wait()
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()

    def _wake(self) -> None:
        for task, (at, future) in list(self._stalled.items()):
            if at <= self.clock.at:
                del self._stalled[task]
                future.set_result(None)

    async def _people(self) -> None:
        """Two people answer every third new question at once."""
        for message in self.chat.messages[-200:]:
            if message.key in self._answered or message.thread or message.deleted:
                continue
            self._answered.add(message.key)
            if hash(message.key) % 3:
                continue
            for name, option in (("ada", "a"), ("bob", "b")):
                caller = Caller(self.tenant, message.channel, UserId(name), name, "")
                await self.dailies.answer(caller, post_of(message.key), OptionId(option))

    async def _advance(self) -> None:
        """To the next moment at which anything can happen, and some seconds more."""
        ahead = [at for _, at in await self.schedules.next_at([Platform.DISCORD])]
        ahead += [at for at, _ in self._stalled.values()]
        soonest = max(min(ahead, default=self.end), self.clock.at + timedelta(seconds=10))
        if self.down[0] <= soonest < self.down[1]:
            soonest = self.down[1]
        self.clock.at = min(soonest + timedelta(seconds=25), self.end)

    def _judged(self) -> Result:
        before = self.begin - timedelta(seconds=1)  # what is due at the very beginning counts
        result = self.result
        shown = Counter(each.key for each in self.chat.messages if not each.deleted)
        first = {each.key: each.at for each in reversed(self.chat.messages) if not each.deleted}
        for plan in self.plans:
            for due in upcoming(plan, before, 400):
                if due.due >= self.end - QUIET:
                    break
                key = post_id(plan.channel, due.day, plan.id)
                result.due += 1
                if not shown[key]:
                    result.missed.append(key)
                elif shown[key] > 1:
                    result.duplicates.append(key)
                elif not due.due <= first[key] <= due.latest + LEASE:
                    result.early_or_late.append(f"{key} at {first[key]}, due {due.due}")
                if due.closes < self.end - QUIET and key in self._answered and not hash(key) % 3:
                    result.digests += 1
                    if shown[f"{key}-digest"] != 1:
                        result.wrong_digests.append(key)
        posted = {key for key in shown if not key.endswith("-digest")}
        expected = {
            post_id(plan.channel, due.day, plan.id) for plan in self.plans for due in upcoming(plan, before, 400)
        }
        result.early_or_late += [f"never due: {key}" for key in posted - expected]
        result.removed = sum(each.deleted for each in self.chat.messages)
        result.events = Counter(event for event, _ in self.log.events)
        return result


def post_of(key: str) -> Any:
    """The post that a message's key names."""
    return key
