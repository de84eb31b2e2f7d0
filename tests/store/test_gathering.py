"""Commands of many tasks share a pipeline, and each task gets its own reply."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.core.errors import Unavailable
from bot.core.ids import Tenant
from bot.store import keys
from bot.store.connect import command_client
from bot.store.daily import RedisDailies
from bot.store.gathering import RUSH, Gathering
from tests.store.daily_building import a_post, sent


class Counted:
    """A client that counts its pipelines."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.pipelines = 0

    def pipeline(self, transaction: bool = True) -> Any:
        self.pipelines += 1
        return self._redis.pipeline(transaction=transaction)


async def test_commands_of_many_tasks_go_in_one_pipeline_and_each_gets_its_reply(redis: Redis) -> None:
    client: Any = Counted(redis)
    async with Gathering(client) as calls:
        replies = await asyncio.gather(*(calls.execute_command("ECHO", str(n)) for n in range(50)))

    assert replies == [str(n).encode() for n in range(50)]
    assert client.pipelines == 1


async def test_a_lone_command_goes_at_once_and_a_rush_is_gathered(redis: Redis) -> None:
    client: Any = Counted(redis)
    async with Gathering(client, seconds=3600) as calls:
        for _ in range(3):
            await calls.execute_command("PING")
        await asyncio.gather(*(calls.execute_command("PING") for _ in range(RUSH)))
        late = asyncio.create_task(calls.execute_command("PING"))
        await asyncio.sleep(0)
        assert client.pipelines == 4

    assert await late is True  # leaving the block sends what still waits
    assert client.pipelines == 5


async def test_a_full_pipeline_does_not_wait(redis: Redis) -> None:
    async with Gathering(redis, seconds=3600, most=RUSH) as calls:
        async with asyncio.timeout(30):
            for _ in range(3):
                await asyncio.gather(*(calls.execute_command("PING") for _ in range(RUSH)))


async def test_an_error_belongs_to_the_command_that_caused_it(redis: Redis, tenant: Tenant) -> None:
    key = keys.names(tenant)
    async with Gathering(redis) as calls:
        commands: Any = (("LPUSH", key), ("HSET", key, "u", "Ada"))
        asked = (calls.execute_command(*command) for command in commands)
        wrong, right = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(wrong, ResponseError)
    assert right == 1


async def test_who_stops_waiting_does_not_stop_the_others(redis: Redis) -> None:
    async with Gathering(redis) as calls:
        gone, stays = (asyncio.create_task(calls.execute_command("ECHO", name)) for name in ("gone", "stays"))
        await asyncio.sleep(0)
        gone.cancel()

        assert await stays == b"stays"
        with pytest.raises(asyncio.CancelledError):
            await gone


async def test_a_server_that_is_away_is_told_to_all_who_wait(tenant: Tenant) -> None:
    away = command_client("unix:///nowhere/redis.sock")
    async with Gathering(away) as calls:
        dailies = RedisDailies(calls)
        new = a_post(tenant)
        ended = await asyncio.gather(*(dailies.post(tenant, new.id) for _ in range(3)), return_exceptions=True)

    assert [type(error) for error in ended] == [Unavailable] * 3
    await away.aclose()


async def test_the_ports_do_their_work_through_it(redis: Redis, tenant: Tenant) -> None:
    async with Gathering(redis) as calls:
        post = await sent(RedisDailies(calls), a_post(tenant))

    assert await RedisDailies(redis).post(tenant, post.id) == post
