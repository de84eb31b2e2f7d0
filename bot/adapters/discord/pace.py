"""How fast we may act, shared by all replicas: one edit a second in a channel, posts below Discord's global limit."""

from __future__ import annotations

import asyncio
from math import inf

from bot.core.errors import Unavailable
from bot.ports import Rate, SlowDown

EDITS_PER_SECOND = 1.0
POSTS_PER_SECOND = 40.0
"""Below the 50 requests a second of a bot (topics/rate-limits); answers to interactions do not count."""
POST_BURST = 5
"""With what follows at that rate, still fewer than 50 in any second."""
_STORE_SECONDS = 1.0


class Pace:
    """Waits for one's turn. Without the store each process keeps a careful pace of its own."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._kept: dict[str, float] = {}

    async def edit(self, channel: str) -> None:
        """Wait for the turn to edit or post in a channel. A wait that is cut short keeps its turn for the next."""
        loop = asyncio.get_running_loop()
        at = self._kept.pop(channel, 0.0)
        if at < loop.time() - 1 / EDITS_PER_SECOND:  # none was kept, or its time has passed
            at = loop.time() + await self._take(f"discord.edit.{channel}", EDITS_PER_SECOND, 1)
        try:
            await asyncio.sleep(max(at - loop.time(), 0.0))
        except asyncio.CancelledError:
            self._kept[channel] = at
            raise

    async def post(self, longest: float = inf) -> None:
        """Wait for the turn of a request that counts towards the bot's global limit. Raises SlowDown instead of waiting
        longer than `longest` seconds."""
        wait = await self._take("discord.post", POSTS_PER_SECOND, POST_BURST)
        if wait > longest:
            raise SlowDown(wait)
        await asyncio.sleep(wait)

    async def _take(self, bucket: str, per_second: float, burst: int) -> float:
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                return await self._rate.take(bucket, per_second, burst)
        except (Unavailable, TimeoutError):
            return 1.0 / per_second
