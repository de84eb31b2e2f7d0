"""A platform that keeps its messages, and misbehaves as it is told."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.core.ids import ChannelId, Tenant, UserId
from bot.core.views import View
from bot.ports import Clock, Lost, Refused, SlowDown


@dataclass
class Message:
    """A message as the channel shows it."""

    id: str
    tenant: Tenant
    channel: ChannelId
    key: str
    view: View
    at: datetime
    thread: str = ""
    deleted: bool = False
    edits: int = 0


@dataclass
class FakeChat:
    """Posts, replies, edits, finds, deletes. Chances are for each request.

    `lost`: it never arrives; `unanswered`: it is done and the reply is lost; `slow`: refused with a wait. `dedupe`: a
    key is not said twice within that time, as with Discord's nonce. `lag`: how long history hides a new message.
    """

    clock: Clock
    lost: float = 0.0
    unanswered: float = 0.0
    slow: float = 0.0
    dedupe: timedelta | None = timedelta(seconds=120)
    lag: timedelta = timedelta(0)
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    forbidden: set[ChannelId] = field(default_factory=set)
    messages: list[Message] = field(default_factory=list)
    requests: int = 0
    told: list[tuple[Tenant, UserId, View]] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def post(self, tenant: Tenant, channel: ChannelId, view: View, key: str) -> str:
        return self._say(tenant, channel, view, key, "")

    async def reply(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> str:
        return self._say(tenant, channel, view, key, message)

    async def edit(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> None:
        self._arrive(channel)
        for each in self._in(tenant, channel):
            if each.id == message:
                assert each.key == key
                each.view, each.edits = view, each.edits + 1
        self._answer()

    async def find(
        self, tenant: Tenant, channel: ChannelId, key: str, since: datetime, thread: str = ""
    ) -> Sequence[str]:
        self._arrive(channel)
        self._answer()
        visible = self.clock.now() - self.lag
        return [
            each.id
            for each in self._in(tenant, channel)
            if each.key == key and since <= each.at <= visible and each.thread == thread
        ]

    async def delete(self, tenant: Tenant, channel: ChannelId, message: str) -> None:
        self._arrive(channel)
        for each in self._in(tenant, channel):
            if each.id == message:
                each.deleted = True
        self._answer()

    async def tell(self, tenant: Tenant, user: UserId, channel: ChannelId, view: View) -> None:
        self.told.append((tenant, user, view))

    def shown(self, channel: ChannelId = ChannelId("c1")) -> list[Message]:  # noqa: B008  a string
        """What stands in a channel, threads included."""
        return [each for each in self.messages if each.channel == channel and not each.deleted]

    def _say(self, tenant: Tenant, channel: ChannelId, view: View, key: str, thread: str) -> str:
        self._arrive(channel)
        now = self.clock.now()
        for each in self._in(tenant, channel) if self.dedupe else ():
            if each.key == key and self.dedupe and now - each.at < self.dedupe:
                self._answer()
                return each.id
        message = Message(f"m{next(self._ids)}", tenant, channel, key, view, now, thread)
        self.messages.append(message)
        self._answer()
        return message.id

    def _in(self, tenant: Tenant, channel: ChannelId) -> Sequence[Message]:
        return [each for each in self.messages if (each.tenant, each.channel) == (tenant, channel) and not each.deleted]

    def _arrive(self, channel: ChannelId) -> None:
        self.requests += 1
        if channel in self.forbidden:
            raise Refused("I may not write in this channel: give me the permission Send Messages.")
        if self.dice.random() < self.slow:
            raise SlowDown(self.dice.choice([0.5, 2.0, 30.0]))
        if self.dice.random() < self.lost:
            raise Lost("the request never arrived")

    def _answer(self) -> None:
        if self.dice.random() < self.unanswered:
            raise Lost("the reply was lost")


class FakeRate:
    """Never has to wait."""

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        return 0.0
