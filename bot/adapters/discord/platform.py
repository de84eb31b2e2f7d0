"""What the conversation needs of Discord, without its library: the first answer of an event, and later messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from bot.adapters.discord.places import Place
from bot.adapters.discord.render import Card

VIEW_CHANNEL, _SEND, _ATTACH, _SEND_IN_THREADS = 1 << 10, 1 << 11, 1 << 15, 1 << 38
_PERMISSIONS = {VIEW_CHANNEL: "View Channel", _SEND: "Send Messages", _ATTACH: "Attach Files"}


class Why(StrEnum):
    """Why Discord did not do something."""

    TAKEN = "taken"  # the event was answered before
    LATE = "late"  # its three seconds or its quarter of an hour are over
    DELETED = "deleted"  # the message is gone
    FORBIDDEN = "forbidden"  # a permission is missing
    REFUSED = "refused"  # the message itself is not acceptable
    AWAY = "away"  # no answer, or not now


class Trouble(Exception):
    """Discord did not do it, or, where it is `AWAY` without `retry_after`, did not say. `retry_after`: it did nothing,
    and asks to wait for so many seconds."""

    def __init__(self, why: Why, code: int = 0, *, retry_after: float | None = None) -> None:
        super().__init__(f"{why.value} ({code})")
        self.why = why
        self.code = code
        self.retry_after = retry_after


class First(Protocol):
    """The first answer of one event; Discord takes exactly one within three seconds. All methods raise Trouble."""

    async def message(self, card: Card, *, private: bool) -> None:
        """A new message."""
        ...

    async def update(self, card: Card) -> None:
        """The card in place of the message whose button was pressed."""
        ...

    async def wait(self, *, private: bool) -> None:
        """A new message is on its way."""
        ...

    async def wait_in_place(self) -> None:
        """Seen; the pressed message stays for now."""
        ...

    async def form(self, modal: Mapping[str, Any]) -> None:
        """A dialog."""
        ...

    async def choices(self, offered: Sequence[Mapping[str, Any]]) -> None:
        """What autocomplete offers."""
        ...


class Messages(Protocol):
    """Everything after the first answer. All methods raise Trouble."""

    async def edit(self, place: Place, card: Card, message: str = "@original") -> None:
        """Replace a message of this event."""
        ...

    async def follow_up(self, place: Place, card: Card, *, private: bool) -> str:
        """One more message to this event; returns its id."""
        ...

    async def delete(self, place: Place, message: str = "@original") -> None:
        """Take a message of this event away."""
        ...

    async def fetch(self, url: str, limit: int) -> bytes:
        """An attachment of at most `limit` bytes."""
        ...


class Channels(Protocol):
    """Messages in channels, of our own accord. All methods raise Trouble."""

    async def post(self, channel: str, card: Card, nonce: str, *, reply_to: str = "") -> str:
        """A message in a channel; with the same nonce, only once within a few minutes. Returns its id."""
        ...

    async def direct(self, user: str, card: Card, nonce: str) -> None:
        """A message to a person alone."""
        ...

    async def edit(self, channel: str, message: str, card: Card) -> None:
        """Replace a message of ours."""
        ...

    async def delete(self, channel: str, message: str) -> None:
        """Take a message of ours away."""
        ...

    async def open_thread(self, channel: str, message: str, name: str) -> str:
        """The thread of a message, which has at most one; returns its channel."""
        ...

    async def history(self, channel: str, after: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        """The first page of messages after an id: ours, oldest first, and the id to go on from, empty at the end."""
        ...


def may_post(permissions: int) -> bool:
    """Whether we can write in a channel, or in a thread, with these permissions."""
    return bool(permissions & VIEW_CHANNEL and permissions & (_SEND | _SEND_IN_THREADS))


def missing(permissions: int, *, files: bool, posting: bool) -> str:
    """A sentence that names the permission we lack in a channel, and who can grant it."""
    needed = (VIEW_CHANNEL | _SEND if posting else 0) | (_ATTACH if files else 0)
    names = [name for bit, name in _PERMISSIONS.items() if needed & bit and not permissions & bit]
    if not names:  # what we were told at the time says nothing; name what the action takes
        names = [name for bit, name in _PERMISSIONS.items() if needed & bit] or ["Send Messages"]
    wanted = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return (
        f"I lack the permission {wanted} in this channel. "
        "Whoever may manage its permissions can grant it: Edit Channel, Permissions, Torchquiz."
    )
