"""Typed names of people, places and content. Ids are strings everywhere: a snowflake does not survive a float."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

Tenant = NewType("Tenant", str)
"""A Discord server, a Slack workspace, or the demo: platform letter + platform id, such as ``d1200000000000000123``."""

ChannelId = NewType("ChannelId", str)
"""A channel inside its tenant, as the platform spells it."""

UserId = NewType("UserId", str)
"""A person inside their tenant, as the platform spells it."""

ItemId = NewType("ItemId", str)
"""An item of the bank, such as ``quiz-11-q03``."""

OptionId = NewType("OptionId", str)
"""One option of a question: its letter in the file, which is never the letter a reader sees."""


class Platform(StrEnum):
    """Where people talk. The value is the first letter of every tenant of that platform."""

    DISCORD = "d"
    SLACK = "s"
    WEB = "w"
    TERMINAL = "t"


def tenant(platform: Platform, platform_id: str) -> Tenant:
    """The tenant of `platform_id` on `platform`."""
    return Tenant(platform.value + platform_id)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who did something, where, and the platform's own id of that event (the key that makes a retry harmless)."""

    tenant: Tenant
    channel: ChannelId
    user: UserId
    name: str
    event: str
    is_admin: bool = False
    group: str = ""
    """The reply group: the bot processes that can show something to this caller later (one a platform)."""
    place: str = ""
    """Where a later reply to this event goes; opaque to all but the adapter."""
