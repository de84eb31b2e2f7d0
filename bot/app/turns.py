"""Turns under a rate that all processes share: where many wait, one request to the store reserves turns for several."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from bot.ports import Rate

BLOCK = 10
"""Turns reserved at once, at most: a quarter of a second at the usual rate, lost when the process dies."""


class Turns:
    """Hands out turns on one platform, in the order in which they are asked for."""

    def __init__(
        self, rate: Rate, bucket: str, per_second: float, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._rate = rate
        self._bucket = bucket
        self._per_second = per_second
        self._pause = pause
        self._order = asyncio.Lock()
        self._waiting = 0
        self._left = 0
        self._spacing = 0.0
        self._next = 0.0

    async def take(self) -> None:
        """Wait for a turn. Raises Unavailable."""
        self._waiting += 1
        try:
            async with self._order:
                if not self._left:
                    await self._reserve(min(self._waiting, BLOCK))
                self._left -= 1
                mine = self._next
                self._next += self._spacing
        finally:
            self._waiting -= 1
        if (wait := mine - time.monotonic()) > 0:
            await self._pause(wait)

    async def _reserve(self, count: int) -> None:
        """A block counts as one action at a rate so many times lower; where nobody has to wait, it goes at once."""
        burst = max(1, int(self._per_second / 4 / count))
        wait = await self._rate.take(self._bucket, self._per_second / count, burst)
        self._left, self._next = count, time.monotonic() + wait
        self._spacing = 1 / self._per_second if wait > 0 else 0.0
