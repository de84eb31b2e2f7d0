"""Showing finished runs where they belong, even when the process that took the run is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.app.runs import Runs
from bot.core.address import Address
from bot.core.errors import Unavailable
from bot.core.views import View
from bot.ports import Log, RunQueue


class Deliveries:
    """Takes finished runs of a reply group and shows each once."""

    def __init__(self, queue: RunQueue, runs: Runs, log: Log) -> None:
        self._queue = queue
        self._runs = runs
        self._log = log

    async def serve(self, group: str, consumer: str, show: Callable[[Address, View], Awaitable[None]]) -> None:
        """Show completions until cancelled. `show` replaces the message at the address and may raise Unavailable to be
        given the same completion again later."""
        async for completion in self._queue.completions(group, consumer):
            try:
                address = Address.decode(completion.address)
                await show(address, await self._runs.result(completion.run, address, completion.result))
            except (Unavailable, TimeoutError):
                self._log.warning("delivery.postponed", run=completion.run)
                continue
            except Exception:
                self._log.exception("delivery.failed", run=completion.run)
            await self._queue.delivered(group, completion)
