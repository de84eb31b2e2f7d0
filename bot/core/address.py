"""Where a later reply goes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from bot.core.ids import Caller, ChannelId, Tenant, UserId
from bot.core.runs import Capability


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
    on: Capability = Capability.CPU

    @classmethod
    def of(cls, caller: Caller, *, title: str, private: bool, on: Capability = Capability.CPU) -> Address:
        """The address of the caller's event."""
        person = caller.tenant, caller.channel, caller.user, caller.name
        return cls(*person, caller.group, caller.place, title, private, on)

    def encode(self) -> str:
        """As JSON."""
        told = {name: value for name, value in asdict(self).items() if (name, value) != ("on", Capability.CPU)}
        return json.dumps(told, ensure_ascii=True, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> Address:
        """From JSON. Raises ValueError, KeyError or TypeError for anything that `encode` did not write."""
        told = json.loads(text)
        return cls(**{**told, "on": Capability(told.get("on", Capability.CPU))})

    def caller(self) -> Caller:
        """The person at this address, for whom the buttons of a later view are sealed."""
        return Caller(self.tenant, self.channel, self.user, self.name, event="", group=self.group, place=self.place)
