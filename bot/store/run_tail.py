"""The events of all runs that this process follows in one capability, from one blocking read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from redis.asyncio import Redis

from bot.core.errors import NotFound, Unavailable
from bot.core.runs import Finished, Printed, RunEvent, RunId, Running, Waiting
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_scripts import ask, ms
from bot.store.run_wire import Event, decode_event, entries
from bot.tasks import stop

GONE = "The output of that run is no longer kept."
OUTAGE_SECONDS = 30.0
"""How long followers wait for a store that is away before they are told."""
PAUSE_SECONDS = 0.2
"""Between two attempts to reach a store that is away."""
CHECK_SECONDS = 30.0
"""After so much silence a follower asks whether its run still exists."""


@dataclass(slots=True, eq=False)
class _Topic:
    """One followed run: what came so far, for those who join later, and a queue for each follower."""

    events: list[Event]
    last: bytes = b"0-0"
    queues: list[asyncio.Queue[Event | Exception]] = field(default_factory=list)
    over: bool = False

    def join(self) -> asyncio.Queue[Event | Exception]:
        queue: asyncio.Queue[Event | Exception] = asyncio.Queue()
        for event in self.events:
            queue.put_nowait(event)
        self.queues.append(queue)
        return queue

    def publish(self, event: Event) -> None:
        self.events.append(event)
        self.over = isinstance(event.body, Finished)
        for queue in self.queues:
            queue.put_nowait(event)

    def fail(self, error: Exception) -> None:
        for queue in self.queues:
            queue.put_nowait(error)


class Tail:
    """One XREAD loop over the output streams of all followed runs; it sleeps while nobody follows."""

    def __init__(self, command: Redis, blocking: Redis, keys: RunKeys, settings: QueueSettings, process: str) -> None:
        self._command = command
        self._blocking = blocking
        self._keys = keys
        self._settings = settings
        self._wake = keys.wake(process)
        self._woken = b"0-0"
        self._topics: dict[str, _Topic] = {}
        self._reading: frozenset[str] = frozenset()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def follow(self, run: RunId, waiting: Waiting) -> AsyncGenerator[RunEvent, None]:
        """The run's events from its beginning, `waiting`, to its end. Raises NotFound when they have expired."""
        name = self._keys.out(run)
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = _Topic([Event(waiting)])
        queue = topic.join()
        try:
            await self._attend(name)
            async with aclosing(self._current(run, queue)) as events:
                async for event in events:
                    yield event
        finally:
            topic.queues.remove(queue)
            if not topic.queues and self._topics.get(name) is topic:
                del self._topics[name]

    async def close(self) -> None:
        """Stop the loop."""
        await stop(self._task)

    async def _attend(self, name: str) -> None:
        self._wanted.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_all(), name=f"tail {self._keys.capability}")
        elif self._reading and name not in self._reading:
            pipeline = self._command.pipeline(transaction=False)
            pipeline.xadd(self._wake, {"k": "wake"}, maxlen=1, approximate=False)
            pipeline.expire(self._wake, 3600)
            await ask(pipeline.execute())

    async def _current(self, run: RunId, queue: asyncio.Queue[Event | Exception]) -> AsyncGenerator[RunEvent, None]:
        fence = 0
        while True:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    event = await queue.get()
            except TimeoutError:
                await self._check(run)
                continue
            if isinstance(event, Exception):
                raise event
            if isinstance(event.body, Running):
                fence = event.fence
            if isinstance(event.body, Printed) and event.fence != fence:
                continue  # a worker that had lost the run was still writing
            yield event.body
            if isinstance(event.body, Finished):
                return

    async def _check(self, run: RunId) -> None:
        state = await ask(self._command.hget(self._keys.run(run), "state"))
        if state is None or (state == b"done" and not await ask(self._command.exists(self._keys.out(run)))):
            raise NotFound(GONE)

    async def _read_all(self) -> None:
        away_since: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            while all(topic.over for topic in self._topics.values()):
                self._wanted.clear()
                await self._wanted.wait()
            try:
                await self._read_once()
                away_since = None
            except Unavailable as error:
                away_since = away_since or loop.time()
                if loop.time() - away_since > OUTAGE_SECONDS:
                    self._fail(error)
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception as error:  # raised where the events are read
                self._fail(error)
                return

    def _fail(self, error: Exception) -> None:
        for topic in self._topics.values():
            topic.fail(error)

    async def _read_once(self) -> None:
        streams = {name: topic.last for name, topic in self._topics.items() if not topic.over}
        self._reading = frozenset(streams)
        block = self._settings.idle_block
        try:
            read = self._blocking.xread({self._wake: self._woken, **streams}, block=ms(block))  # type: ignore[dict-item]
            reply = await ask(read, block + self._settings.answer)
        finally:
            self._reading = frozenset()
        for raw, rows in entries(reply):
            name = raw.decode()
            if name == self._wake:
                self._woken = rows[-1][0]
            elif topic := self._topics.get(name):
                for entry, record in rows:
                    topic.last = entry
                    if event := decode_event(record):
                        topic.publish(event)
