"""Where a reply goes: written into each run's address, so that any replica can show its result."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bot.core.ids import UserId

RESPONSE_URL_SECONDS = 1800
"""How long Slack accepts a response_url (secondary sources; platforms.md section 6). We stop a minute before."""
RESPONSE_URL_USES = 5
"""How often Slack accepts one; the last use is kept for the result of a run, which may come from another process."""
_MARGIN = 60
_COMPACT = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation on Slack, and the message in it that waits for a result."""

    channel: str
    user: UserId
    thread: str = ""
    """The thread to answer in; empty for the channel itself."""
    direct: bool = False
    """A conversation with this person alone: nothing in it needs hiding."""
    url: str = ""
    """The response_url of the event."""
    until: int = 0
    """Seconds since 1970 until which `url` works."""
    ts: str = ""
    """The message that the result replaces, once it is posted."""

    def open_url(self, now: float) -> str:
        """The response_url if it still works, else nothing."""
        return self.url if now < self.until else ""

    def encode(self) -> str:
        """As JSON, what is empty left out."""
        return _COMPACT({name: value for name in self.__slots__ if (value := getattr(self, name))})

    @classmethod
    def decode(cls, text: str) -> Place:
        """From JSON. Raises ValueError or TypeError for anything that `encode` did not write."""
        return cls(**json.loads(text))


def usable_until(now: float) -> int:
    """Until when a response_url that arrived now may be used."""
    return int(now) + RESPONSE_URL_SECONDS - _MARGIN
