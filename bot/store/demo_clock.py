"""The DemoClock port on Redis: a demo that was stopped goes on in the day it was in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.core.ids import Tenant
from bot.store import keys
from bot.store.scripts import translated


class RedisDemoClock:
    """This machine's clock and an offset, which is known after `load`."""

    def __init__(self, redis: Redis, tenant: Tenant) -> None:
        self._client: Any = redis  # execute_command carries no types
        self._key = keys.clock(tenant)
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """The demo's time in UTC."""
        return datetime.now(UTC) + self._ahead

    async def load(self) -> None:
        """Learn how far ahead it is. Raises Unavailable."""
        self._ahead = timedelta(milliseconds=int(await self._execute("GET", self._key) or 0))

    async def forward(self, to: datetime) -> None:
        """Let time jump ahead to that moment, for good; never back. Raises Unavailable."""
        ahead = max(self._ahead, to - datetime.now(UTC))
        await self._execute("SET", self._key, ahead // timedelta(milliseconds=1))
        self._ahead = ahead

    async def _execute(self, *command: object) -> Any:
        try:
            return await self._client.execute_command(*command)
        except RedisError as error:
            raise translated(error) from error
