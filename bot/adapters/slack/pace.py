"""How fast we may speak: about one message a second in a channel, over all replicas."""

from __future__ import annotations

import asyncio

from bot.core.errors import Unavailable
from bot.core.ids import Tenant
from bot.ports import Rate

POSTS_PER_SECOND = 1.0
BURST = 3
"""Slack allows about one message a second in a channel, and short bursts."""
UPDATES_PER_SECOND = 40 / 60
UPDATES_BURST = 10
"""Changes of messages of a workspace that can wait; Slack takes 50 a minute, and results want some of them."""


class Pace:
    """Turns to speak, shared by all replicas. While the store is away nobody waits: Slack's own limit then slows us
    down."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate

    async def turn(self, tenant: Tenant, channel: str) -> None:
        """Wait until the channel takes another message."""
        await asyncio.sleep(await self.until_turn(tenant, channel))

    async def update(self, tenant: Tenant) -> None:
        """Wait until the workspace takes another change that can wait."""
        await asyncio.sleep(await self._reserved(f"slack:{tenant}:updates", UPDATES_PER_SECOND, UPDATES_BURST))

    async def until_turn(self, tenant: Tenant, channel: str) -> float:
        """Reserve a turn in a channel; returns the seconds until it comes."""
        return await self._reserved(f"slack:{tenant}:{channel}", POSTS_PER_SECOND, BURST)

    async def _reserved(self, bucket: str, per_second: float, burst: int) -> float:
        try:
            return max(await self._rate.take(bucket, per_second, burst), 0.0)
        except Unavailable:
            return 0.0
