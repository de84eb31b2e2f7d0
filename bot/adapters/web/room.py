"""The platform behind the demo page: one channel whose messages live in memory, public or for one player alone.

Every change of a message gets the next number. A feed remembers the last number it sent and asks for what came after: a
slow reader costs nothing, misses no message, and sees each in its latest form.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.core.ids import UserId

MAX_MESSAGES = 300


class Kind(StrEnum):
    """What a message holds."""

    TEXT = "text"
    CARD = "card"
    FORM = "form"
    GONE = "gone"
    """It was taken away."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message in its latest form."""

    id: str
    author: str
    kind: Kind
    body: object
    """What the page draws: text, or a rendered card or form."""
    to: UserId | None = None
    """The only player who sees it; None for everyone."""
    asked_by: str = ""
    """Whose event this answers."""
    answers: str = ""
    """The event that led to the latest form."""
    wires: frozenset[str] = frozenset()
    """The buttons it carries. A reply takes its place only when one of them was pressed."""
    final: bool = True
    key: str = ""
    """What it is found by, for one that answers nobody."""
    thread: str = ""
    """The message that it replies to, below it."""
    at: float = 0.0
    """When it was first posted, in seconds since 1970."""
    position: int = 0
    change: int = 0

    def visible(self, user: UserId) -> bool:
        """Whether that player may see it."""
        return self.to is None or self.to == user


class Room:
    """A bounded channel. Ids are unique over restarts, because run ids and the keys of retries are made from them."""

    def __init__(self, start: str, limit: int = MAX_MESSAGES) -> None:
        self.start = start
        """Names this life of the room; a feed of another life begins afresh."""
        self._limit = limit
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._ids = 0
        self._changes = 0
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def closed(self) -> bool:
        """True once the room has closed; feeds end then."""
        return self._closed

    def next_id(self) -> str:
        """An id for an event and the message that answers it."""
        self._ids += 1
        return f"{self.start}-{self._ids}"

    def get(self, message: str) -> Message | None:
        """The message of that id, if the room still holds it."""
        return self._messages.get(message)

    def find(self, key: str, thread: str = "") -> list[Message]:
        """The messages with that key, oldest first."""
        held = [each for each in self._messages.values() if each.key == key and each.thread == thread]
        return sorted((each for each in held if each.kind is not Kind.GONE), key=lambda each: each.position)

    def put(self, message: Message) -> None:
        """Post a message or replace the one with its id. Progress never replaces what is already final."""
        old = self._messages.get(message.id)
        if old is not None and old.final and not message.final:
            return
        self._changes += 1
        position, at = (old.position, old.at) if old else (self._changes, message.at)
        self._messages[message.id] = replace(message, position=position, at=at, change=self._changes)
        while len(self._messages) > self._limit:
            self._messages.popitem(last=False)
        self._wake()

    def since(self, change: int, user: UserId, *, forms: bool = True) -> list[Message]:
        """What that player may see of everything changed after `change`, oldest change first. A first look leaves the
        `forms` out: a dialog opens once, when it is asked for."""
        news = (message for message in self._messages.values() if message.change > change and message.visible(user))
        return sorted((m for m in news if forms or m.kind is not Kind.FORM), key=lambda message: message.change)

    async def wait(self, change: int, seconds: float) -> bool:
        """Wait until something changed after `change` or the room closed. False when `seconds` passed first."""
        try:
            async with asyncio.timeout(seconds):
                while self._changes <= change and not self._closed:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    @property
    def changes(self) -> int:
        """The number of the latest change."""
        return self._changes

    def close(self) -> None:
        """End every feed."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def event(message: Message) -> Mapping[str, object]:
    """The message as the feed sends it."""
    return {
        "id": message.id,
        "author": message.author,
        "private": message.to is not None,
        "asked_by": message.asked_by,
        "answers": message.answers,
        "thread": message.thread,
        "position": message.position,
        "at": message.at,
        message.kind.value: message.body,
    }
