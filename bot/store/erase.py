"""Removes everything that is kept of a tenant. Interrupted, it goes on where it stopped when it is asked again."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.core.ids import Tenant
from bot.store import keys
from bot.store.schedule_wire import SEPARATOR
from bot.store.scripts import translated

BATCH = 500
"""Keys or fields in one step: about a millisecond of the server's time."""
_GLOB = re.compile(r"([*?\[\]\\^])")


async def erase_tenant(redis: Redis, tenant: Tenant, going: Callable[[], Awaitable[bool]]) -> bool:
    """Remove its schedules, then all its keys. False when `going` said in between that it is not to go. Raises
    Unavailable."""
    commands: Any = redis  # scans carry no types
    shard = keys.shard_of(tenant)
    due, out = keys.in_shard(shard, "due"), keys.in_shard(shard, "out")
    mine = _GLOB.sub(r"\\\1", tenant + SEPARATOR) + "*"
    try:
        if not await going():
            return False
        own = [keys.in_shard(shard, name, keys.part(tenant)) for name in ("sc", "ids", "audit")]
        for key in own:
            await commands.unlink(key)
        await _removed(commands.zscan_iter(due, match=mine, count=BATCH), lambda found: commands.zrem(due, *found))
        await _removed(commands.hscan_iter(out, match=mine, count=BATCH), lambda found: commands.hdel(out, *found))
        async for batch in tenant_keys(redis, tenant):
            if not await going():
                return False
            await commands.unlink(*batch)
    except RedisError as error:
        raise translated(error) from error
    return True


async def tenant_keys(redis: Redis, tenant: Tenant) -> AsyncIterator[Sequence[bytes]]:
    """All keys of a tenant but those of its schedules, in batches of at most `BATCH`; some may come twice."""
    commands: Any = redis
    pattern = _GLOB.sub(r"\\\1", keys.of(tenant, "")) + "*"
    batch: list[bytes] = []
    async for key in commands.scan_iter(match=pattern, count=BATCH):
        batch.append(key)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def _removed(pairs: Any, remove: Callable[[list[bytes]], Awaitable[object]]) -> None:
    batch: list[bytes] = []
    async for name, _ in pairs:
        batch.append(name)
        if len(batch) >= BATCH:
            await remove(batch)
            batch = []
    if batch:
        await remove(batch)
