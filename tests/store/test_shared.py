"""What replicas share: a delivery is handled once, and all together keep to one rate."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from redis.asyncio import Redis

from bot.core.errors import Unavailable
from bot.store.connect import command_client
from bot.store.shared import RedisOnce, RedisRate


async def test_a_delivery_is_first_exactly_once_over_all_replicas(redis: Redis) -> None:
    key = f"event {uuid.uuid4()} \ud800"

    answers = await asyncio.gather(*(RedisOnce(redis).first(key, 60) for _ in range(50)))

    assert sorted(answers) == [False] * 49 + [True]


async def test_a_delivery_is_first_again_after_its_time(redis: Redis) -> None:
    once, key = RedisOnce(redis), str(uuid.uuid4())

    assert await once.first(key, 0.01)
    async with asyncio.timeout(5):
        while not await once.first(key, 0.01):  # noqa: ASYNC110  the time that passes is the server's
            await asyncio.sleep(0.005)


async def test_a_burst_goes_at_once_and_the_rest_waits_its_turn(redis: Redis) -> None:
    rate, bucket = RedisRate(redis), f"b{uuid.uuid4()}"

    waits = [await rate.take(bucket, per_second=10, burst=3) for _ in range(6)]

    assert waits[:3] == [0, 0, 0]
    assert 0 < max(waits) <= 0.3


async def test_replicas_never_exceed_the_rate_together(redis: Redis) -> None:
    bucket, clock = f"b{uuid.uuid4()}", asyncio.get_running_loop().time
    began = clock()

    async def may_act_at() -> float:
        wait = await RedisRate(redis).take(bucket, per_second=100, burst=1)
        return clock() - began + wait

    moments = await asyncio.gather(*(may_act_at() for _ in range(40)))

    assert max(moments) >= 0.38  # 39 intervals of 10 ms lie between the first action and the last


async def test_a_store_that_is_away_is_unavailable() -> None:
    client = command_client("unix:///nowhere/redis.sock")

    with pytest.raises(Unavailable):
        await RedisOnce(client).first("x", 1)
    with pytest.raises(Unavailable):
        await RedisRate(client).take("x", 1, 1)
    await client.aclose()
