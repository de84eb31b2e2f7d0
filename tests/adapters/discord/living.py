"""A bot that runs against the small Discord, and the parts around it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bot.adapters.discord.serving import serve
from bot.adapters.discord.tuning import DEFAULT, Tuning
from bot.core.runs import (
    Accepted,
    Completion,
    Finished,
    Outcome,
    RunEvent,
    RunId,
    RunOrder,
    RunResult,
    Waiting,
)
from tests.adapters.discord.fake_discord import TOKEN, FakeDiscord, discord
from tests.app.building import House
from tests.app.fakes import FakeLog, FakeQueue

TUNING = replace(DEFAULT, between_edits=0.2, elsewhere=0.05, retry=0.05, close=0.3, patience=2.0, busy_patience=2.0)
"""On a busy machine everything takes longer; what is announced only because of that would be another story."""
HASTY = replace(TUNING, patience=0.15, busy_patience=1.0)
"""For stories about what takes long."""
OK = RunResult(Outcome.OK, "tensor(3)\n", exit_status=0, seconds=0.01, torch_version="2.13.0")


class MemoryOnce:
    """The Once port in memory."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    async def first(self, key: str, seconds: float) -> bool:
        now = time.monotonic()
        if self._until.get(key, 0) > now:
            return False
        self._until[key] = now + seconds
        return True


class MemoryRate:
    """The Rate port in memory. `taken` counts by the first words of a bucket."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self.taken: dict[str, int] = {}

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        kind = ".".join(bucket.split(".")[:2])
        self.taken[kind] = self.taken.get(kind, 0) + 1
        now, step = time.monotonic(), 1 / per_second
        at = max(self._at.get(bucket, 0.0), now - (burst - 1) * step)
        self._at[bucket] = at + step
        return max(at - now, 0.0)


class LiveQueue(FakeQueue):
    """A queue whose worker is the test: it says what happens to each run, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.happened: dict[RunId, list[RunEvent]] = {}
        self._changed = asyncio.Event()
        self._waiting: list[Completion] = []
        self._tickets = itertools.count(1)
        self.slow = 0.0
        """Seconds that a submission takes."""

    async def submit(self, order: RunOrder) -> Any:
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.refusal:
            return self.refusal
        again = order.id in self.orders
        self.orders[order.id] = order
        self.happened.setdefault(order.id, [])
        self._change()
        return Accepted(order.id, Waiting(0), again)

    async def follow(self, run: RunId) -> AsyncIterator[RunEvent]:
        seen = 0
        while True:
            for event in self.happened[run][seen:]:
                seen += 1
                yield event
                if isinstance(event, Finished):
                    return
            await self._changed.wait()

    def happens(self, run: RunId, *events: RunEvent) -> None:
        """Let these things happen to a run."""
        for event in events:
            self.happened[run].append(event)
            if isinstance(event, Finished):
                order = self.orders[run]
                self._waiting.append(Completion(str(next(self._tickets)), run, order.address, event.result))
        self._change()

    async def completions(self, reply_to: str, consumer: str) -> AsyncIterator[Completion]:
        while True:
            while self._waiting:
                completion = self._waiting.pop(0)
                yield completion
                if completion not in self.shown:
                    self._waiting.append(completion)
            await self._changed.wait()

    async def delivered(self, reply_to: str, completion: Completion) -> None:
        self.shown.append(completion)
        self._change()

    async def started(self, count: int = 1) -> RunId:
        """The newest run, once there are so many."""
        await self.until(lambda: len(self.orders) >= count)
        return list(self.orders)[-1]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so of the queue."""
        async with asyncio.timeout(30):
            while not condition():
                await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@dataclass
class Bot:
    """A running bot."""

    fake: FakeDiscord
    house: House
    queue: LiveQueue
    log: FakeLog
    rate: MemoryRate
    task: asyncio.Task[None]
    stop: asyncio.Event

    def logged(self, name: str) -> Sequence[dict[str, object]]:
        return [fields for event, fields in self.log.events if event == name]


@dataclass
class Parts:
    """What outlives a bot: the store."""

    queue: LiveQueue = field(default_factory=LiveQueue)
    once: MemoryOnce = field(default_factory=MemoryOnce)
    rate: MemoryRate = field(default_factory=MemoryRate)

    def __post_init__(self) -> None:
        self.house = House(queue=self.queue)


@asynccontextmanager
async def running(
    fake: FakeDiscord, parts: Parts | None = None, *, tuning: Tuning = TUNING, token: str = TOKEN, **options: Any
) -> AsyncIterator[Bot]:
    """A bot connected to `fake`, until the end of the block."""
    parts = parts or Parts()
    stop, ready, log = asyncio.Event(), asyncio.Event(), parts.house.log
    task = asyncio.create_task(
        serve(
            parts.house.desk,
            token=token,
            once=parts.once,
            rate=parts.rate,
            log=log,
            ready=lambda _: ready.set(),
            stop=stop,
            api_base=fake.api,
            now=fake.now,
            tuning=tuning,
            **options,
        )
    )
    bot = Bot(fake, parts.house, parts.queue, log, parts.rate, task, stop)
    try:
        waiting = asyncio.create_task(ready.wait())
        async with asyncio.timeout(15):
            await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            task.result()
        yield bot
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def bot_on_discord(parts: Parts | None = None, **options: Any) -> AsyncIterator[Bot]:
    """A small Discord with a bot; at the end no limit was broken and nothing failed."""
    async with discord() as fake:
        async with running(fake, parts, **options) as bot:
            yield bot
        for event, fields in bot.log.events:
            assert event not in ("discord.failed", "desk.failed", "delivery.failed", "discord.unreadable"), fields
