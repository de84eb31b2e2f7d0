"""Commands of many tasks in one pipeline: where thousands of posts go out together, each round trip and each write to
the server's disk serves many of them. A lone command waits for nobody."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, Self

from redis.asyncio import Redis

GATHER_SECONDS = 0.4
"""How long a command waits for others in a rush: little beside the turn that a post waits for."""
RUSH = 8
"""With so many commands in one pipeline, the next ones are gathered as well."""
MOST = 256
"""Commands that go without waiting for more."""


class Commands(Protocol):
    """What the ports of the daily question need of a client."""

    def execute_command(self, *command: Any) -> Any:
        """An awaitable of the reply to a command."""
        ...

    def pipeline(self, transaction: bool = True) -> Any:
        """Commands in one round trip."""
        ...


class Gathering:
    """Commands that wait a moment for others. Leaving the block sends what still waits."""

    def __init__(self, redis: Redis, seconds: float = GATHER_SECONDS, most: int = MOST) -> None:
        self._redis = redis
        self._seconds = seconds
        self._most = most
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._rush = False
        self._timer: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._send_off()
        await asyncio.gather(*self._sending)

    async def execute_command(self, *command: Any) -> Any:
        """The reply to a command. Raises what the server or the connection raises, for this command alone."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((command, reply))
        if len(self._waiting) >= self._most:
            self._send_off()
        elif self._timer is None:
            self._timer = loop.call_later(self._seconds if self._rush else 0, self._send_off)
        return await reply

    def pipeline(self, transaction: bool = True) -> Any:
        """A pipeline of its own, which waits for nobody."""
        return self._redis.pipeline(transaction=transaction)

    def _send_off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._rush = len(self._waiting) >= RUSH
            task = asyncio.create_task(self._send(self._waiting))
            self._waiting = []
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, batch: list[tuple[tuple[Any, ...], asyncio.Future[Any]]]) -> None:
        pipeline: Any = self._redis.pipeline(transaction=False)
        for command, _ in batch:
            pipeline.execute_command(*command)
        try:
            replies = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # whatever it is, it belongs to those who wait
            replies = [error] * len(batch)
        for (_, waiting), reply in zip(batch, replies, strict=True):
            if waiting.done():
                continue  # its task was cancelled
            if isinstance(reply, Exception):
                waiting.set_exception(reply)
            else:
                waiting.set_result(reply)
