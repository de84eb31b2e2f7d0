"""The front desk: adapters hand it what people typed, pressed or sent, and show what comes back."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol

from bot.app.cards import trouble
from bot.app.commands import Commands
from bot.app.deliveries import Deliveries
from bot.core.actions import PERSONAL, Action, Codec
from bot.core.address import Address
from bot.core.errors import Unavailable, UserError
from bot.core.ids import Caller, Tenant
from bot.core.views import Reply, View
from bot.ports import Clock, Log

Show = Callable[[Address, View], Awaitable[None]]


class Desk(Protocol):
    """Answers events. What people do yields one or more replies to the same event: the first is the answer, each later
    one replaces the one before it. A `Form` is always the only reply. Nothing but cancellation is ever raised."""

    def say(self, caller: Caller, line: str) -> AsyncIterator[Reply]:
        """Answer a typed line such as ``/quiz 11``."""
        ...

    def press(self, caller: Caller, wire: str) -> AsyncIterator[Reply]:
        """Answer a pressed button or chosen menu entry."""
        ...

    def submit(self, caller: Caller, wire: str, values: Mapping[str, str]) -> AsyncIterator[Reply]:
        """Answer a sent form."""
        ...

    def seal(self, caller: Caller, reply: Reply) -> Callable[[Action], str]:
        """The function with which an adapter writes the buttons of `reply`. Those of private replies and forms, and
        personal ones on any card, are the caller's alone."""
        ...

    def seal_for_all(self, tenant: Tenant) -> Callable[[Action], str]:
        """The function that writes the buttons of a message posted of our own accord: anyone there may press them."""
        ...

    async def deliver(self, group: str, consumer: str, show: Show) -> None:
        """Show finished runs of a reply group as they come, until cancelled. `show` replaces the message at the
        address."""
        ...


class FrontDesk:
    """The desk over the use cases."""

    def __init__(self, commands: Commands, deliveries: Deliveries, codec: Codec, clock: Clock, log: Log) -> None:
        self._commands = commands
        self._deliveries = deliveries
        self._codec = codec
        self._clock = clock
        self._log = log

    def say(self, caller: Caller, line: str) -> AsyncIterator[Reply]:
        """Answer a typed line."""
        return self._guarded(caller, lambda: self._commands.say(caller, line))

    def press(self, caller: Caller, wire: str) -> AsyncIterator[Reply]:
        """Answer a pressed button."""
        return self._guarded(caller, lambda: self._commands.act(caller, self._open(caller, wire), {}))

    def submit(self, caller: Caller, wire: str, values: Mapping[str, str]) -> AsyncIterator[Reply]:
        """Answer a sent form."""
        return self._guarded(caller, lambda: self._commands.act(caller, self._open(caller, wire), values))

    def seal(self, caller: Caller, reply: Reply) -> Callable[[Action], str]:
        """Those of private replies and forms, and personal ones on any card, are the caller's alone."""
        private = not isinstance(reply, View) or reply.private
        now = self._clock.now()

        def sealed(action: Action) -> str:
            owner = caller.user if private or isinstance(action, PERSONAL) else None
            return self._codec.encode(action, caller.tenant, now, owner)

        return sealed

    def seal_for_all(self, tenant: Tenant) -> Callable[[Action], str]:
        """They belong to nobody."""
        now = self._clock.now()
        return lambda action: self._codec.encode(action, tenant, now)

    async def deliver(self, group: str, consumer: str, show: Show) -> None:
        """Show finished runs as they come."""
        await self._deliveries.serve(group, consumer, show)

    def _open(self, caller: Caller, wire: str) -> Action:
        return self._codec.decode(wire, caller.tenant, caller.user, self._clock.now())

    async def _guarded(self, caller: Caller, start: Callable[[], AsyncIterator[Reply]]) -> AsyncIterator[Reply]:
        try:
            async for reply in start():
                yield reply
        except UserError as error:
            yield trouble(str(error))
        except Unavailable:
            self._log.warning("store.unavailable", tenant=caller.tenant)
            yield trouble("I can't reach my memory right now, so I don't know whether that counted. Please try again.")
        except Exception:
            ticket = secrets.token_hex(4)
            self._log.exception("desk.failed", ticket=ticket, tenant=caller.tenant)
            yield trouble(f"Something went wrong on our side. Please try again; if it stays, report error {ticket}.")
