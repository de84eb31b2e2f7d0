"""Clients of the store with our timeouts and retries, and what a server must be before we use it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from bot.core.errors import ConfigError, Unavailable
from bot.store import keys
from bot.store.binaries import OLDEST
from bot.store.scripts import preload, translated

SCHEMA = 1
"""The version of the data that this code reads and writes."""

_CALL_SECONDS = 2.0
_CONNECTIONS = 32
_RETRIES = 3
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Connection:
    """A checked server."""

    commands: Redis
    """For steps that are safe to repeat: pooled, short timeouts, retried."""
    blocking: Redis
    """For reads that wait on the server (XREAD BLOCK): no read timeout, no retry."""
    warnings: tuple[str, ...]
    """What works but should be changed, in sentences."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Clients of the server at `url`, checked and with every script loaded.

    Raises ConfigError when the server must not be used, Unavailable when it does not answer.
    """
    commands, blocking = command_client(url), blocking_client(url)
    try:
        warnings = await check_server(commands, url)
        await check_schema(commands)
        await preload(commands)
        yield Connection(commands, blocking, warnings)
    finally:
        await commands.aclose()
        await blocking.aclose()


def command_client(url: str) -> Redis:
    """A client for steps that are safe to repeat: at most 32 connections, callers wait for one up to 2 s."""
    return _client(
        url,
        max_connections=_CONNECTIONS,
        timeout=_CALL_SECONDS,
        socket_timeout=_CALL_SECONDS,
        socket_connect_timeout=_CALL_SECONDS,
        retry=Retry(ExponentialWithJitterBackoff(cap=1, base=0.01), _RETRIES),
    )


def blocking_client(url: str) -> Redis:
    """A client for commands that wait on the server: its own connections, no read timeout, no retry.

    The caller bounds the wait (BLOCK) and repeats it.
    """
    return _client(
        url,
        max_connections=_CONNECTIONS,
        timeout=_CALL_SECONDS,
        socket_timeout=None,
        socket_connect_timeout=_CALL_SECONDS,
        health_check_interval=15,
        retry=Retry(ExponentialWithJitterBackoff(cap=1, base=0.01), 0),
    )


def _client(url: str, **settings: Any) -> Redis:
    if not url.startswith("unix:"):
        settings["socket_keepalive"] = True
    try:
        # Protocol 2: XREAD answers with lists on every server, and without hiredis as well.
        return Redis.from_pool(BlockingConnectionPool.from_url(url, protocol=2, **settings))
    except ValueError as error:
        raise ConfigError(f"REDIS_URL is not a Redis address: {error}") from error


async def check_server(redis: Redis, url: str) -> tuple[str, ...]:
    """Refuse a server that would lose or refuse answers; returns warnings."""
    place = f"The Redis at {address(url)}"
    try:
        facts = await _facts(redis)
        _check_version(place, facts)
        _check_role(place, facts)
        policy = facts.get("maxmemory_policy") or await _configured_policy(redis)
        if policy not in (None, "noeviction"):
            raise ConfigError(
                f"{place} may evict keys when it is full (maxmemory-policy {policy}), which silently loses answers. "
                "Set it to noeviction: `redis-cli CONFIG SET maxmemory-policy noeviction`, and in its configuration."
            )
        await _probe(redis, place)
    except (ConnectionError, TimeoutError) as error:
        if isinstance(error, AuthenticationError) or isinstance(error.__context__, AuthenticationError):
            raise ConfigError(f"{place} refuses our user name or password. Correct REDIS_URL.") from error
        raise Unavailable(f"{place} does not answer: {error}. Is it running, and is REDIS_URL right?") from error
    return tuple(_warnings(place, facts, policy))


def address(url: str) -> str:
    """Where a URL points, without user name and password."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


async def _facts(redis: Redis) -> Mapping[str, Any]:
    """INFO, or nothing where it is forbidden."""
    try:
        facts: Mapping[str, Any] = await redis.info()
    except (NoPermissionError, ResponseError):
        return {}
    return facts


def _check_version(place: str, facts: Mapping[str, Any]) -> None:
    version = str(facts.get("redis_version", ""))
    major = version.split(".")[0]
    if major.isdigit() and int(major) < OLDEST:
        raise ConfigError(
            f"{place} is version {version}. Torchquiz needs Redis {OLDEST}.0 or newer, or Valkey: update it."
        )


def _check_role(place: str, facts: Mapping[str, Any]) -> None:
    if facts.get("role") == "slave":
        raise ConfigError(
            f"{place} is a read-only replica of {facts.get('master_host', 'another server')}. "
            "Point REDIS_URL at the primary."
        )


async def _configured_policy(redis: Redis) -> str | None:
    """`maxmemory-policy`, or None where managed servers hide it."""
    try:
        settings: Mapping[Any, Any] = await redis.config_get("maxmemory-policy")
    except ResponseError:
        return None
    value = settings.get("maxmemory-policy") or settings.get(b"maxmemory-policy")
    return value.decode() if isinstance(value, bytes) else value


async def _probe(redis: Redis, place: str) -> None:
    """Write and read one short-lived key, with a form of SET that only Redis 7 knows (NX with GET)."""
    key, token = keys.probe(secrets.token_hex(8)), secrets.token_bytes(8)
    try:
        await redis.set(key, token, nx=True, get=True, px=keys.PROBE_LIFETIME_MS)
        held = await redis.get(key)
    except ReadOnlyError as error:
        raise ConfigError(f"{place} is read-only. Point REDIS_URL at the primary.") from error
    except OutOfMemoryError as error:
        raise ConfigError(
            f"{place} is full. Give it more memory (maxmemory) or remove what does not belong."
        ) from error
    except NoPermissionError as error:
        raise ConfigError(
            f"{place} does not let our user write keys {keys.PREFIX}:*: {error}. Change its ACL."
        ) from error
    except ResponseError as error:
        if "syntax error" in str(error):
            raise ConfigError(f"{place} is too old. Torchquiz needs Redis {OLDEST}.0 or newer, or Valkey.") from error
        raise ConfigError(f"{place} does not accept writes: {error}") from error
    if held != token:
        raise ConfigError(f"{place} does not return what was just written to it. Is it the primary?")


def _warnings(place: str, facts: Mapping[str, Any], policy: str | None) -> list[str]:
    found = []
    if str(facts.get("aof_enabled", "1")) == "0":
        found.append(
            f"{place} keeps no append-only file: answers of the last minutes are lost when it stops suddenly. "
            "Set `appendonly yes`."
        )
    if policy is None:
        found.append(f"{place} does not tell its maxmemory-policy. Make sure that it is noeviction.")
    return found


async def check_schema(redis: Redis) -> None:
    """Write the version of the data, or refuse data that a newer Torchquiz wrote. Raises ConfigError, Unavailable."""
    client: Any = redis  # hash commands are typed for both clients at once
    try:
        await client.hsetnx(keys.META, "schema", SCHEMA)
        held: bytes = await client.hget(keys.META, "schema")
    except RedisError as error:
        raise translated(error) from error
    if not held.isdigit():
        raise ConfigError(f"{keys.META} in Redis holds no version but {held!r:.40}: is this database Torchquiz's own?")
    if int(held) > SCHEMA:
        raise ConfigError(
            f"The data in Redis is of version {int(held)}, this Torchquiz knows {SCHEMA}. "
            "Update Torchquiz, or point REDIS_URL at another database."
        )


async def signing_key(redis: Redis) -> bytes:
    """The key for button ids, made once and then shared by all replicas. Raises Unavailable."""
    fresh = secrets.token_bytes(_KEY_BYTES)
    client: Any = redis  # with `get=True` SET returns bytes, which its type does not say
    try:
        held: bytes | None = await client.set(keys.SIGNING_KEY, fresh, nx=True, get=True)
    except RedisError as error:
        raise translated(error) from error
    return held or fresh
