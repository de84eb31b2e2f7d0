"""Where a later reply goes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from bot.core.ids import Caller, ChannelId, Tenant, UserId


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
