"""The Chat port over the room: what the bot says of its own accord on the demo page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from bot.adapters.web import render
from bot.adapters.web.conversation import BOT
from bot.adapters.web.room import Kind, Message, Room
from bot.app.desk import Desk
from bot.core.ids import ChannelId, Tenant, UserId
from bot.core.views import View


class RoomChat:
    """One channel, whose messages live as long as the page's server. `now` gives seconds since 1970."""

    def __init__(self, desk: Desk, room: Room, link: render.Link, now: Callable[[], float]) -> None:
        self._desk = desk
        self._room = room
        self._link = link
        self._now = now

    async def post(self, tenant: Tenant, channel: ChannelId, view: View, key: str) -> str:
        """Post a message, unless one with that key stands; returns its id."""
        return self._say(tenant, view, key, "")

    async def reply(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> str:
        """The same, below a message."""
        return self._say(tenant, view, key, message)

    async def edit(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> None:
        """Replace a message. One that an earlier server had comes back."""
        self._put(tenant, view, self._room.get(message) or Message(message, BOT, Kind.CARD, ""))

    async def find(
        self, tenant: Tenant, channel: ChannelId, key: str, since: datetime, thread: str = ""
    ) -> Sequence[str]:
        """The messages with that key since then, oldest first."""
        return [each.id for each in self._room.find(key, thread) if each.at >= since.timestamp()]

    async def delete(self, tenant: Tenant, channel: ChannelId, message: str) -> None:
        """Take a message away."""
        if held := self._room.get(message):
            self._room.put(replace(held, kind=Kind.GONE, body=True, wires=frozenset()))

    async def tell(self, tenant: Tenant, user: UserId, channel: ChannelId, view: View) -> None:
        """Say something to one player alone."""
        self._put(tenant, view, Message(self._room.next_id(), BOT, Kind.CARD, "", to=user))

    def _say(self, tenant: Tenant, view: View, key: str, thread: str) -> str:
        if held := self._room.find(key, thread):
            return held[0].id
        message = Message(self._room.next_id(), BOT, Kind.CARD, "", key=key, thread=thread)
        self._put(tenant, view, message)
        return message.id

    def _put(self, tenant: Tenant, view: View, message: Message) -> None:
        seal = self._desk.seal_for_all(tenant)
        card, wires = render.card(view, seal, self._link), render.wires(view, seal)
        self._room.put(replace(message, kind=Kind.CARD, body=card, wires=wires, at=message.at or self._now()))
