"""What replicas share beside scores and runs: which deliveries were handled, and how fast all together may act."""

from __future__ import annotations

import math
import secrets

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.store import keys
from bot.store.gathering import Commands
from bot.store.scripts import call, script, translated


class RedisOnce:
    """The Once port on Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def first(self, key: str, seconds: float) -> bool:
        """True for the first call with this key within `seconds`. Raises Unavailable."""
        token = secrets.token_bytes(8)  # a retried SET whose reply was lost finds its own token: still the first
        try:
            held = await self._redis.set(keys.once(key), token, nx=True, get=True, px=math.ceil(seconds * 1000))
            return held is None or held == token
        except RedisError as error:
            raise translated(error) from error


class RedisRate:
    """The Rate port on Redis."""

    def __init__(self, redis: Commands) -> None:
        self._redis = redis
        self._step = script("rate")

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        """Reserve one action; returns the seconds to wait. Raises Unavailable."""
        interval = math.ceil(1_000_000 / per_second)
        return int(await call(self._redis, self._step, [keys.rate(bucket)], [interval, burst])) / 1_000_000
