"""Showing finished runs where they belong, even when the process that took the run is gone."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bot.core.errors import Unavailable
from bot.core.ids import Caller, ChannelId, Tenant, UserId
from bot.core.views import View
from bot.ports import Log, RunQueue

if TYPE_CHECKING:
    from bot.app.runs import Runs


@dataclass(frozen=True, slots=True)
class Address:
    """Where a later reply goes, and to whom. Travels with the run as JSON."""

    tenant: Tenant
    channel: ChannelId
    user: UserId
    name: str
    group: str
    place: str
    title: str = ""
    private: bool = False

    @classmethod
    def of(cls, caller: Caller, *, title: str, private: bool) -> Address:
        """The address of the caller's event."""
        return cls(caller.tenant, caller.channel, caller.user, caller.name, caller.group, caller.place, title, private)

    def encode(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), ensure_ascii=True, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> Address:
        """From JSON. Raises ValueError, KeyError or TypeError for anything that `encode` did not write."""
        return cls(**json.loads(text))

    def caller(self) -> Caller:
        """The person at this address, for whom the buttons of a later view are sealed."""
        return Caller(self.tenant, self.channel, self.user, self.name, event="", group=self.group, place=self.place)


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
