"""The queue's atomic steps, each with the shared part in front, and plain commands with a deadline."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Sequence
from functools import cache
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from bot.core.errors import Unavailable
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.scripts import Script, call, script, translated


@cache
def run_script(name: str) -> Script:
    """The step in ``lua/run_<name>.lua`` behind ``lua/run_shared.lua``."""
    source = script("run_shared").source + b"\n" + script(f"run_{name}").source
    return Script(f"run_{name}", source, hashlib.sha1(source, usedforsecurity=False).hexdigest())


class Steps:
    """Calls the steps of one capability; every call is one round trip and raises Unavailable."""

    def __init__(self, redis: Redis, keys: RunKeys, settings: QueueSettings) -> None:
        self._redis = redis
        self._shared = (keys.prefix.encode(), _settings(settings))

    async def __call__(self, name: str, key: str, *args: str | bytes | int) -> Any:
        """Run a step that concerns one key."""
        return await self.many(name, (key,), *args)

    async def many(self, name: str, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Run a step that concerns several keys."""
        # redis-py encodes bytes several times faster than the rest, and a step has up to a dozen arguments.
        raw = [arg if type(arg) is bytes else str(arg).encode() for arg in args]
        return await ask(call(self._redis, run_script(name), keys, (*self._shared, *raw)))


def _settings(settings: QueueSettings) -> bytes:
    """The settings as the scripts read them, each number with a space behind it."""
    bounds = (settings.team_running, settings.waiting_total, settings.waiting_team, settings.waiting_user)
    times = (settings.lease, settings.worker_lifetime, settings.patience, settings.orphan_patience)
    kept = (settings.result_lifetime, settings.source_lifetime)
    numbers = (*bounds, settings.attempts, *map(ms, times), *map(ms, kept))
    return "".join(f"{number} " for number in numbers).encode()


def ms(seconds: float) -> int:
    """Whole milliseconds."""
    return round(seconds * 1000)


async def ask(reply: Any, seconds: float | None = None) -> Any:
    """What the store answers within `seconds`; without them, within the client's own time-outs. Raises Unavailable."""
    waiting: Awaitable[Any] = reply
    try:
        if seconds is None:
            return await waiting
        async with asyncio.timeout(seconds):
            return await waiting
    except TimeoutError as error:
        raise Unavailable("The run queue does not answer right now. Try again in a moment; nothing is lost.") from error
    except RedisError as error:
        raise translated(error) from error


async def create_group(redis: Redis, stream: str, group: str) -> None:
    """Make the consumer group and its stream where they are missing. Raises Unavailable."""
    await ask(_create_group(redis, stream, group))


async def _create_group(redis: Redis, stream: str, group: str) -> None:
    try:
        await redis.xgroup_create(stream, group, id="0", mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):  # it is there
            raise


def missing_group(error: ResponseError) -> bool:
    """Whether the store says that a consumer group is not there (someone deleted it)."""
    return "NOGROUP" in str(error) or str(error).startswith("UNBLOCKED")  # the latter while a read of it blocks
