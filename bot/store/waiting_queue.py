"""A run queue whose CPU worker is still warming up: hands runs in as soon as it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from bot.core.runs import Accepted, Cancelled, Capability, Completion, Refusal, RunEvent, RunId, RunOrder
from bot.ports import RunQueue


class WaitingQueue:
    """The RunQueue port over another one. `submit` of a CPU run waits until `ready` is set, up to a deadline."""

    def __init__(self, queue: RunQueue, ready: asyncio.Event, seconds: float) -> None:
        self._queue = queue
        self._ready = ready
        self._seconds = seconds

    async def submit(self, order: RunOrder) -> Accepted | Refusal:
        """Hand in a run; past the deadline the queue itself says what is missing."""
        if order.capability is Capability.CPU:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), self._seconds)
        return await self._queue.submit(order)

    def follow(self, run: RunId) -> AsyncIterator[RunEvent]:
        """The run's events."""
        return self._queue.follow(run)

    async def cancel(self, run: RunId, user: str) -> Cancelled:
        """Stop a run."""
        return await self._queue.cancel(run, user)

    async def source(self, run: RunId) -> str | None:
        """The code of a run."""
        return await self._queue.source(run)

    def completions(self, reply_to: str, consumer: str) -> AsyncIterator[Completion]:
        """Finished runs to show."""
        return self._queue.completions(reply_to, consumer)

    async def delivered(self, reply_to: str, completion: Completion) -> None:
        """The result has been shown."""
        await self._queue.delivered(reply_to, completion)
