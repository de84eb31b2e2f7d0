from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.core.errors import ConfigError, Unavailable
from bot.store import keys
from bot.store.connect import (
    SCHEMA,
    blocking_client,
    check_schema,
    check_server,
    command_client,
    connected,
    signing_key,
)
from bot.store.server import embedded_server


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[tuple[str, Any]]:
    """A server of this test alone, whose settings it may change: URL and client."""
    async with embedded_server(tmp_path) as url:
        client = command_client(url)
        yield url, client
        await client.aclose()


@asynccontextmanager
async def a_server_that_says(version: str) -> AsyncIterator[str]:
    """A server that answers INFO with a version and everything else with OK."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = f"redis_version:{version}\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n".encode()
        while request := await reader.read(4096):
            reply = b"$%d\r\n%s\r\n" % (len(info), info) if b"INFO\r\n" in request.upper() else b"+OK\r\n"
            writer.write(reply * (request.count(b"*")))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()


async def refusal(url: str) -> str:
    with pytest.raises((ConfigError, Unavailable)) as refused:
        async with connected(url):
            pass
    return f"{type(refused.value).__name__}: {refused.value}"


async def test_a_good_server_is_accepted_without_a_word(own: tuple[str, Any]) -> None:
    async with connected(own[0]) as connection:
        assert connection.warnings == ()
        assert await connection.blocking.get(keys.SIGNING_KEY) is None


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_evicts_is_refused(own: tuple[str, Any], policy: str) -> None:
    await own[1].config_set("maxmemory-policy", policy)

    assert f"(maxmemory-policy {policy}), which silently loses answers. Set it to noeviction" in await refusal(own[0])


async def test_a_replica_is_refused(own: tuple[str, Any]) -> None:
    await own[1].replicaof("127.0.0.1", "1")

    assert "is a read-only replica of 127.0.0.1. Point REDIS_URL at the primary." in await refusal(own[0])


async def test_a_replica_is_refused_even_where_info_is_forbidden(own: tuple[str, Any]) -> None:
    url, client = own
    await client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-info", "-config")
    await client.replicaof("127.0.0.1", "1")

    assert "is read-only. Point REDIS_URL at the primary." in await refusal(
        url.replace("unix://", "unix://app:secret@")
    )


async def test_an_old_server_is_refused() -> None:
    async with a_server_that_says("6.2.14") as url:
        assert "is version 6.2.14. Torchquiz needs Redis 7.0 or newer" in await refusal(url)


async def test_a_server_that_does_not_keep_what_it_confirms_is_refused() -> None:
    async with a_server_that_says("7.2.4") as url:
        assert "does not return what was just written" in await refusal(url)


async def test_a_full_server_is_refused(own: tuple[str, Any]) -> None:
    await own[1].config_set("maxmemory", "1")

    assert "is full. Give it more memory" in await refusal(own[0])


async def test_a_server_that_is_down_is_unavailable_and_no_secret_is_shown(tmp_path: Path) -> None:
    said = await refusal(f"unix://someone:secret@{tmp_path}/nothing.sock")

    assert said.startswith(f"Unavailable: The Redis at {tmp_path}/nothing.sock does not answer")
    assert "secret" not in said


async def test_a_wrong_password_is_a_matter_of_settings(own: tuple[str, Any]) -> None:
    said = await refusal(own[0].replace("unix://", "unix://someone:secret@"))

    assert "refuses our user name or password" in said
    assert "Correct REDIS_URL" in said
    assert "secret" not in said


async def test_a_user_that_may_not_write_is_refused(own: tuple[str, Any]) -> None:
    url, client = own
    await client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@read", "+info", "+@connection")

    assert "does not let our user write keys q1:*" in await refusal(url.replace("unix://", "unix://app:secret@"))


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://localhost:port/0", ""])
async def test_what_is_not_a_redis_address_is_refused(url: str) -> None:
    assert (await refusal(url)).startswith("ConfigError: REDIS_URL is not a Redis address")


async def test_a_server_without_an_append_only_file_is_warned_about(own: tuple[str, Any]) -> None:
    await own[1].config_set("appendonly", "no")

    async with connected(own[0]) as connection:
        assert "Set `appendonly yes`" in connection.warnings[0]


async def test_a_server_that_hides_its_policy_is_warned_about(own: tuple[str, Any]) -> None:
    url, client = own
    await client.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-info", "-config")

    async with connected(url.replace("unix://", "unix://app:secret@")) as connection:
        assert "Make sure that it is noeviction" in connection.warnings[0]


async def test_data_of_a_newer_version_are_refused(own: tuple[str, Any]) -> None:
    await check_schema(own[1])
    await own[1].hset(keys.META, "schema", SCHEMA + 1)

    assert f"is of version {SCHEMA + 1}, this Torchquiz knows {SCHEMA}. Update Torchquiz" in await refusal(own[0])


async def test_a_foreign_meta_key_is_refused(own: tuple[str, Any]) -> None:
    await own[1].hset(keys.META, "schema", "theirs")

    assert "is this database Torchquiz's own?" in await refusal(own[0])


async def test_all_replicas_share_one_signing_key(own: tuple[str, Any]) -> None:
    made = await asyncio.gather(*(signing_key(own[1]) for _ in range(20)))

    assert len(set(made)) == 1
    assert len(made[0]) == 32


async def test_the_probe_leaves_nothing_for_long(own: tuple[str, Any]) -> None:
    await check_server(own[1], own[0])

    assert [0 < await own[1].pttl(key) <= keys.PROBE_LIFETIME_MS async for key in own[1].scan_iter()] == [True]


async def test_more_callers_than_connections_wait_for_their_turn(redis: Redis) -> None:
    answers = await asyncio.gather(*(redis.get("q1:nothing") for _ in range(300)))

    assert answers == [None] * 300


async def test_the_blocking_client_waits_longer_than_a_command_may(redis_url: str, tenant: str) -> None:
    client: Any = blocking_client(redis_url)

    assert await client.blpop([f"q1:{{{tenant}}}:never"], timeout=2.2) is None
    await client.aclose()
