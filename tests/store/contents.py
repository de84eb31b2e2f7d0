"""All that a server holds, as text to search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


async def content(redis: Any, key: bytes) -> bytes:
    """A key and all that stands under it."""
    read: Mapping[bytes, Callable[[], Any]] = {
        b"string": lambda: redis.get(key),
        b"hash": lambda: redis.hgetall(key),
        b"zset": lambda: redis.zrange(key, 0, -1, withscores=True),
        b"set": lambda: redis.smembers(key),
        b"stream": lambda: redis.xrange(key),
    }
    return key + repr(await read[await redis.type(key)]()).encode()


async def everything(redis: Any) -> bytes:
    """All that the server holds."""
    return b"\n".join([await content(redis, key) async for key in redis.scan_iter()])
