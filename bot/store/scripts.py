"""The atomic steps in ``lua/``: how they are loaded and called, and what a store that does not answer looks like."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from bot.core.errors import Unavailable
from bot.store.gathering import Commands

_AWAY = "The score store does not answer right now. Try again in a moment; nothing is lost."
_FULL = "The score store is full, so nothing new can be saved. Tell whoever runs this bot."
_READ_ONLY = "The score store cannot be written to right now. Try again in a moment; nothing is lost."
_PASSING = ("MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "TRYAGAIN", "UNKILLABLE", "BUSY ")
"""Replies that say the server cannot serve now, not that the request was wrong."""


_AFTER: Mapping[str, str] = {"daily_answer": "daily_parts", "daily_settle": "daily_parts"}
"""Steps that begin with functions they share."""


@dataclass(frozen=True, slots=True)
class Script:
    """One atomic step and the hash that the server knows it by."""

    name: str
    source: bytes
    sha: str


@cache
def script(name: str) -> Script:
    """The step in ``lua/<name>.lua``."""
    files = (_AFTER[name], name) if name in _AFTER else (name,)
    folder = resources.files("bot.store").joinpath("lua")
    source = b"".join(folder.joinpath(f"{file}.lua").read_bytes() for file in files)
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest())


def all_scripts() -> tuple[Script, ...]:
    """The steps of the scores, by name. Those of the run queue share a preamble and are put together with it there."""
    folder = resources.files("bot.store").joinpath("lua")
    names = sorted(file.name.removesuffix(".lua") for file in folder.iterdir())
    return tuple(script(name) for name in names if not name.startswith("run_") and not name.endswith("_parts"))


async def preload(redis: Redis) -> None:
    """Load every step, so that the first call of each costs one round trip as well."""
    try:
        for step in all_scripts():
            await redis.script_load(step.source)
    except RedisError as error:
        raise translated(error) from error


async def call(redis: Commands, step: Script, keys: Iterable[str], args: Iterable[object]) -> Any:
    """Run a step in one round trip (two when the server has forgotten it). Raises Unavailable."""
    keys = tuple(keys)
    try:
        try:
            return await redis.execute_command("EVALSHA", step.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await redis.execute_command("EVAL", step.source, len(keys), *keys, *args)
    except RedisError as error:
        raise translated(error) from error


def translated(error: RedisError) -> Exception:
    """`error` as Unavailable where the store is away or cannot write; itself where the request was wrong."""
    match error:
        case AuthenticationError():
            return error
        case ReadOnlyError():
            return Unavailable(_READ_ONLY)
        case OutOfMemoryError():
            return Unavailable(_FULL)
        case ConnectionError() | TimeoutError():
            return Unavailable(_AWAY)
        case ResponseError() if str(error).startswith(_PASSING):
            return Unavailable(_AWAY)
    return error
