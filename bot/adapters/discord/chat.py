"""Messages of our own accord on Discord: posted once, found again after a crash, answered by anyone.

A message is known by its key in two ways. Its nonce makes Discord return the message that stands instead of a second
one, for a few minutes. The ids of its first components, which an app may choose and the history shows, tell later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeVar

from bot.adapters.discord import render
from bot.adapters.discord.pace import Pace
from bot.adapters.discord.places import snowflake
from bot.adapters.discord.platform import VIEW_CHANNEL, Channels, Trouble, Why, missing
from bot.core.ids import ChannelId, Tenant, UserId
from bot.core.views import View
from bot.ports import Lost, Rate, Refused, SlowDown

REQUEST_SECONDS = 20.0
"""Then it counts as lost; well within the time for which a post is claimed."""
TURN_SECONDS = 10.0
"""Who would wait longer for a turn is asked to come back instead."""
MAX_PAGES = 100
"""The history is read so far: ten thousand messages."""
MAX_THREAD_NAME = 100  # resources/channel
_MISSING_ACCESS = 50001
_UNAUTHORISED_SECONDS = 30.0

Result = TypeVar("Result")


class DiscordChat:
    """The Chat port. The id of a message in a thread is ``thread/message``."""

    def __init__(self, channels: Channels, seal: Callable[[Tenant], render.Seal], rate: Rate) -> None:
        """`seal` gives the function that writes buttons which everyone in a server may press."""
        self._channels = channels
        self._seal = seal
        self._pace = Pace(rate)

    async def post(self, tenant: Tenant, channel: ChannelId, view: View, key: str) -> str:
        """Post a message; returns its id."""
        with _as_of_the_port():
            return await self._send(channel, self._card(tenant, view, key), key)

    async def reply(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> str:
        """Post into the thread of a message, or, where threads are not to be had, below it in the channel."""
        card = self._card(tenant, view, key)
        with _as_of_the_port():
            try:
                name = render.words(view.fallback, MAX_THREAD_NAME)
                thread = await self._ask(lambda: self._channels.open_thread(channel, message, name))
                return f"{thread}/{await self._send(thread, card, key)}"
            except Trouble as caught:
                if caught.why not in (Why.FORBIDDEN, Why.REFUSED):
                    raise
            return await self._send(channel, card, key, reply_to=message)

    async def edit(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> None:
        """Replace a message of ours, at most once a second in a channel. One that is gone is no error."""
        card = self._card(tenant, view, key)
        where, id = _parts(channel, message)
        with _as_of_the_port(), _gone_is_fine():
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await self._pace.edit(where)
            except TimeoutError:
                raise SlowDown(1.0) from None
            await self._with_fewer_files(lambda each: self._channels.edit(where, id, each), card)

    async def find(
        self, tenant: Tenant, channel: ChannelId, key: str, since: datetime, thread: str = ""
    ) -> Sequence[str]:
        """The messages of ours with that key since then, oldest first; with a thread, there and below its message."""
        with _as_of_the_port():
            found = await self._search(channel, key, since)
            if thread:
                with _gone_is_fine():  # it was never opened, or taken away
                    found += [f"{thread}/{id}" for id in await self._search(thread, key, since)]
        return sorted(found, key=lambda each: int(each.rpartition("/")[2]))

    async def delete(self, tenant: Tenant, channel: ChannelId, message: str) -> None:
        """Take a message of ours away. One that is gone is no error."""
        where, id = _parts(channel, message)
        with _as_of_the_port(), _gone_is_fine():
            await self._ask(lambda: self._channels.delete(where, id))

    async def tell(self, tenant: Tenant, user: UserId, channel: ChannelId, view: View) -> None:
        """Say something about a channel to one person alone; the message names the channel so that it can be found."""
        card = render.card(replace(view, buttons=(), menu=None), str)  # what they mean belongs to the server
        card = replace(card, components=(render.text(f"-# About <#{channel}>"), *card.components))
        nonce = _nonce(f"{tenant} {user} {channel} {view.fallback}")
        with _as_of_the_port():
            try:
                await self._ask(lambda: self._channels.direct(user, card, nonce))
            except Trouble as caught:
                if caught.why is not Why.FORBIDDEN:
                    raise
                raise Refused("This person takes no messages from me.") from caught

    def _card(self, tenant: Tenant, view: View, key: str) -> render.Card:
        return marked(render.card(view, self._seal(tenant)), key)

    async def _send(self, channel: str, card: render.Card, key: str, *, reply_to: str = "") -> str:
        nonce = _nonce(key)
        return await self._with_fewer_files(
            lambda each: self._channels.post(channel, each, nonce, reply_to=reply_to), card
        )

    async def _search(self, channel: str, key: str, since: datetime) -> list[str]:
        found: list[str] = []
        after = snowflake(since.timestamp())
        for _ in range(MAX_PAGES):
            start = after
            ours, after = await self._ask(lambda: self._channels.history(channel, start))  # noqa: B023  awaited here
            found += [str(each["id"]) for each in ours if carries(each, key)]
            if not after:
                break
        return found

    async def _with_fewer_files(self, send: Callable[[render.Card], Awaitable[Result]], card: render.Card) -> Result:
        try:
            return await self._ask(lambda: send(card))
        except Trouble as caught:
            if caught.why is not Why.FORBIDDEN or not card.uploads:
                raise
            bare = card.bare(missing(VIEW_CHANNEL, files=True, posting=False))
            return await self._ask(lambda: send(bare))

    async def _ask(self, call: Callable[[], Awaitable[Result]]) -> Result:
        await self._pace.post(TURN_SECONDS)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await call()
        except TimeoutError:
            raise Trouble(Why.AWAY) from None


def marked(card: render.Card, key: str) -> render.Card:
    """The card with the key in the ids of its first two components."""
    (container,) = card.components
    first, *rest = container["components"]
    outer, inner = _ids(key)
    return render.Card(({**container, "id": outer, "components": [{**first, "id": inner}, *rest]},), card.uploads)


def carries(message: Mapping[str, Any], key: str) -> bool:
    """Whether a message, as the history shows it, has that key."""
    container: Mapping[str, Any] = next(iter(message.get("components") or ()), {})
    first: Mapping[str, Any] = next(iter(container.get("components") or ()), {})
    return (container.get("id"), first.get("id")) == _ids(key)


def _nonce(key: str) -> str:
    """At most the 25 characters that Discord takes (resources/message)."""
    return blake2b(key.encode(), digest_size=12).hexdigest()


def _ids(key: str) -> tuple[int, int]:
    """Two ids of 30 bits each, far above those that Discord counts up by itself, and never the same."""
    digest = int.from_bytes(blake2b(key.encode(), digest_size=8).digest())
    return 1 << 30 | digest & 0x1FFFFFFF, 1 << 29 | digest >> 32 & 0x1FFFFFFF


def _parts(channel: str, message: str) -> tuple[str, str]:
    thread, _, id = message.rpartition("/")
    return thread or channel, id


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except Trouble as caught:
        if caught.why is not Why.DELETED:
            raise


@contextmanager
def _as_of_the_port() -> Iterator[None]:
    try:
        yield
    except Trouble as caught:
        raise _told(caught) from caught


def _told(trouble: Trouble) -> Exception:
    """Trouble in the words of the port."""
    match trouble.why:
        case Why.AWAY if trouble.retry_after is not None:
            return SlowDown(trouble.retry_after)
        case Why.AWAY:
            return Lost(str(trouble))
        case Why.LATE | Why.TAKEN:  # the token is not accepted just now
            return SlowDown(_UNAUTHORISED_SECONDS)
        case Why.FORBIDDEN:
            seen = 0 if trouble.code == _MISSING_ACCESS else VIEW_CHANNEL
            return Refused(missing(seen, files=False, posting=True))
        case Why.DELETED:
            return Refused("The channel or the message that I wanted to write to has been deleted.")
        case _:
            return Refused(f"Discord does not take my message (error {trouble.code}). That is our mistake.")
