"""Where a reply to an interaction goes, as text that any process of ours can use later."""

from __future__ import annotations

from dataclasses import dataclass

_DISCORD_EPOCH_MS = 1420070400000
TOKEN_SECONDS = 15 * 60.0
"""How long Discord accepts the token of an interaction (interactions/receiving-and-responding)."""
_MARGIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """An interaction: its id and token, the channel it came from, and what our app may do there. The token lets its
    holder write as the bot for 15 minutes: it is never logged."""

    id: str
    token: str
    channel: str
    permissions: int = 0

    def encode(self) -> str:
        """As text."""
        return f"1|{self.id}|{self.token}|{self.channel}|{self.permissions:x}"

    @classmethod
    def decode(cls, text: str) -> Place:
        """From text. Raises ValueError for anything that `encode` did not write."""
        version, id, token, channel, permissions = text.split("|")
        if version != "1":
            raise ValueError("a place of another version")
        return cls(id, token, channel, int(permissions, 16))

    def created(self) -> float:
        """When the interaction was made, in seconds since 1970; every id of Discord says so."""
        return ((int(self.id) >> 22) + _DISCORD_EPOCH_MS) / 1000

    def open(self, now: float) -> bool:
        """Whether the token can still be used at `now`, seconds since 1970."""
        return now - self.created() < TOKEN_SECONDS - _MARGIN_SECONDS

    def __repr__(self) -> str:
        return f"Place(id={self.id!r}, channel={self.channel!r})"


def snowflake(at: float) -> str:
    """The id that something made at a moment, seconds since 1970, would have at least."""
    return str(max(int(at * 1000) - _DISCORD_EPOCH_MS, 0) << 22)
