"""The demo's workspace: one tenant, one channel, and players who are known by the name they choose.

The page and the terminal share it, so that a game begun in one goes on in the other.
"""

from __future__ import annotations

from hashlib import blake2b

from bot.core.ids import ChannelId, Platform, Tenant, UserId, tenant

DEMO_TENANT: Tenant = tenant(Platform.WEB, "demo")
DEMO_CHANNEL = ChannelId("torch-quiz")


def demo_user(name: str) -> UserId:
    """The id that a chosen name always has, whatever its capitals."""
    return UserId("u" + blake2b(name.casefold().encode(), digest_size=8).hexdigest())
