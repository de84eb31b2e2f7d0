"""The adapter as it is served, before the fake Slack, with a desk over memory behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.adapters.slack.client import serve
from bot.core.errors import Unavailable
from bot.core.runs import Completion, Finished, RunEvent, RunId, RunOrder, RunResult
from bot.ports import Once, Rate
from tests.adapters.slack.fake_slack import APP_TOKEN, BOT_TOKEN, SECRET, FakeSlack
from tests.app.building import House
from tests.app.fakes import HELLO, FakeQueue


class MemoryOnce:
    """The Once port in memory, by the clock of a fake Slack."""

    def __init__(self, slack: FakeSlack) -> None:
        self._slack = slack
        self._until: dict[str, float] = {}
        self.away = False

    async def first(self, key: str, seconds: float) -> bool:
        if self.away:
            raise Unavailable
        held = self._until.get(key, 0.0) > self._slack.clock.at
        if not held:
            self._until[key] = self._slack.clock.at + seconds
        return not held


class FreeRate:
    """The Rate port that always says yes."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        self.taken.append(bucket)
        return 0.0


class MemoryRate:
    """The Rate port in memory, by the monotonic clock."""

    def __init__(self) -> None:
        self._free: dict[str, float] = {}

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        now = time.monotonic()
        free = max(self._free.get(bucket, 0.0), now - burst / per_second) + 1 / per_second
        self._free[bucket] = free
        return max(free - now, 0.0)


class LiveQueue(FakeQueue):
    """A queue whose runs end when a test says so, and whose results go to whoever asks first."""

    def __init__(self, events: tuple[RunEvent, ...] = HELLO, *, held: bool = False) -> None:
        super().__init__(events)
        self.going = asyncio.Event()
        if not held:
            self.going.set()
        self.results: asyncio.Queue[Completion] = asyncio.Queue()
        self.waiting: set[RunId] = set()

    async def follow(self, run: RunId) -> AsyncIterator[RunEvent]:
        order = self.orders[run]
        for event in self.events:
            if isinstance(event, Finished):
                self.waiting.add(run)
                await self.going.wait()
                self.finish(order, event.result)
            yield event

    def finish(self, order: RunOrder, result: RunResult) -> None:
        """A run ended: its result waits to be shown."""
        self.results.put_nowait(Completion(f"t{order.id}", order.id, order.address, result))

    async def completions(self, reply_to: str, consumer: str) -> AsyncIterator[Completion]:
        while True:
            yield await self.results.get()

    async def delivered(self, reply_to: str, completion: Completion) -> None:
        self.shown.append(completion)


@dataclass
class Bot:
    """A running adapter and all around it."""

    slack: FakeSlack
    house: House
    queue: LiveQueue
    once: MemoryOnce
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    said: list[str] = field(default_factory=list)

    def events(self, name: str) -> list[dict[str, object]]:
        """The fields of all log events of that name."""
        return [fields for event, fields in self.house.log.events if event == name]


@asynccontextmanager
async def bot(
    slack: FakeSlack, *, http: bool = False, house: Any = None, once: Once | None = None,
    rate: Rate | None = None, queue: LiveQueue | None = None, **changes: Any,
) -> AsyncIterator[Bot]:  # fmt: skip
    """The adapter, served until the end of the block; it must end by itself and in good time."""
    queue = queue or LiveQueue()
    house = house or House(queue=queue)
    memory = MemoryOnce(slack)
    made = Bot(slack, house, queue, memory)
    listening = asyncio.Event()

    def ready(sentence: str) -> None:
        made.said.append(sentence)
        listening.set()

    settings: dict[str, Any] = {
        "bot_token": BOT_TOKEN,
        "app_token": None if http else APP_TOKEN,
        "signing_secret": SECRET,
        "once": once or memory,
        "rate": rate or FreeRate(),
        "log": house.log,
        "api_base": slack.api,
        "http_port": 0 if http else None,
        "stop": made.stop,
        "ready": ready,
        "http_host": "127.0.0.1",
        "now": slack.clock,
        "patience": 0.5,
    } | changes
    serving = asyncio.create_task(serve(house.desk, **settings))
    waiting = asyncio.create_task(listening.wait())
    try:
        async with asyncio.timeout(10):
            await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        if http:
            slack.bot_url = f"http://127.0.0.1:{made.said[0].rpartition(' ')[2]}/slack/events"
        yield made
    finally:
        waiting.cancel()
        made.stop.set()
        async with asyncio.timeout(10):
            await asyncio.gather(serving, return_exceptions=True)
        if not serving.cancelled() and (error := serving.exception()):
            raise error
