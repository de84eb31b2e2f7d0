"""Finished runs for one group of bot processes: handed out until someone says that they were delivered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.core.errors import Unavailable
from bot.core.runs import Completion, Finished, RunId, RunResult
from bot.store.run_keys import REPLY_GROUP, QueueSettings, RunKeys
from bot.store.run_scripts import Steps, ask, create_group, missing_group, ms
from bot.store.run_wire import Entry, decode_event, entries, readable_result

BATCH = 16
"""Completions read at once; a process that dies with them delays at most so many."""
REMEMBERED = 1000
"""Delivered completions that are told apart from new ones when a slow answer of the store names them again."""
PAUSE_SECONDS = 0.5
"""Between two attempts to reach a store that is away."""
LONG_IDLE = 3600.0
"""Seconds after which a consumer that holds nothing is forgotten."""


class Replies:
    """One consumer of one reply stream."""

    def __init__(
        self, command: Redis, blocking: Redis, keys: RunKeys, settings: QueueSettings, reply_to: str, consumer: str
    ) -> None:
        self._command = command
        self._blocking = blocking
        self._keys = keys
        self._settings = settings
        self._steps = Steps(command, keys, settings)
        self._stream = keys.replies(reply_to)
        self._consumer = consumer
        self._held: dict[str, float] = {}
        self._shown: dict[str, None] = {}
        self._rows: list[Entry] = []

    async def read(self) -> AsyncGenerator[Completion, None]:
        """Completions for ever: first those this consumer held before, then those of dead processes and new ones."""
        since = ""
        while True:
            try:
                if not since:
                    await create_group(self._command, self._stream, REPLY_GROUP)
                    await self._steps("leave", self._stream, REPLY_GROUP, "", ms(LONG_IDLE), 0)
                    since = "0"
                while self._rows:
                    completion = await self._completion(self._rows[0])
                    del self._rows[0]
                    if completion is not None:
                        yield completion
                rows = await self._next(since)
                self._rows += self._fresh(rows)
                if since != ">":
                    since = rows[-1][0].decode() if rows else ">"
                self._rows += self._fresh(await self._orphans())
            except Unavailable:
                await asyncio.sleep(PAUSE_SECONDS)
            except ResponseError as error:
                if not missing_group(error):
                    raise
                since = ""

    async def hold(self) -> None:
        """Say that this process is still showing what it was handed. Raises Unavailable."""
        now = asyncio.get_running_loop().time()
        for entry, until in list(self._held.items()):
            if until < now:
                del self._held[entry]  # whoever was handed it has not managed to show it
        if held := list(self._held):
            answers = await self._steps("hold", self._stream, REPLY_GROUP, self._consumer, *held)
            for entry, mine in zip(held, answers, strict=True):
                if not mine:
                    self._held.pop(entry, None)

    def let_go(self, entry: str) -> None:
        """This process no longer needs a completion: it was delivered."""
        self._held.pop(entry, None)
        self._shown[entry] = None
        if len(self._shown) > REMEMBERED:
            del self._shown[next(iter(self._shown))]

    async def _next(self, since: str) -> Sequence[Entry]:
        block = min(self._settings.idle_block, self._settings.reply_lease / 4)
        read = self._blocking.xreadgroup(
            REPLY_GROUP, self._consumer, {self._stream: since}, count=BATCH, block=ms(block)
        )
        reply = await ask(read, block + self._settings.answer)
        return [row for _, rows in entries(reply) for row in rows]

    async def _orphans(self) -> Sequence[Entry]:
        claim = self._command.xautoclaim(
            self._stream, REPLY_GROUP, self._consumer, ms(self._settings.reply_lease), "0-0", count=BATCH
        )
        return cast("Sequence[Entry]", (await ask(claim))[1])

    def _fresh(self, rows: Sequence[Entry]) -> list[Entry]:
        """The rows that were not ours before (a late renewal brings those again); they are held from now on."""
        fresh = [row for row in rows if row[0].decode() not in self._held and row[0].decode() not in self._shown]
        for row in fresh:
            self._held[row[0].decode()] = math.inf  # until it is handed out
        return fresh

    async def _completion(self, row: Entry) -> Completion | None:
        entry, record = row[0].decode(), row[1]
        if entry not in self._held:
            return None  # another process has taken it in the meantime
        if not record:
            await forget(self._command, self._stream, entry)  # another process deleted it between two steps
            self.let_go(entry)
            return None
        run = RunId(record[b"run"].decode())
        result = await self._result(run, record)
        self._held[entry] = asyncio.get_running_loop().time() + self._settings.show_again
        return Completion(f"{self._keys.capability}:{entry}", run, record[b"address"].decode(), result)

    async def _result(self, run: RunId, record: Any) -> RunResult:
        last = record[b"last"]
        for _, fields in await ask(self._command.xrange(self._keys.out(run), min=last, max=last)):
            event = decode_event(fields)
            if event is not None and isinstance(event.body, Finished):
                return event.body.result
        return readable_result(record[b"result"])


async def forget(redis: Redis, stream: str, entry: str) -> None:
    """Remove a delivered completion from a reply stream. Raises Unavailable."""
    pipeline = redis.pipeline(transaction=True)
    pipeline.xack(stream, REPLY_GROUP, entry)
    pipeline.xdel(stream, entry)
    await ask(pipeline.execute())
