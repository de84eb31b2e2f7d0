"""What replicas share: a delivery is handled once, and all together keep to one rate."""

from __future__ import annotations

import asyncio
import itertools
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
    assert waits[3:] == pytest.approx([0.1, 0.2, 0.3], abs=0.09)


async def test_replicas_never_exceed_the_rate_together(redis: Redis) -> None:
    bucket = f"b{uuid.uuid4()}"

    waits = await asyncio.gather(*(RedisRate(redis).take(bucket, per_second=100, burst=1) for _ in range(40)))

    spread = sorted(waits)
    assert all(later - earlier >= 0.004 for earlier, later in itertools.pairwise(spread))
    assert spread[-1] == pytest.approx(0.39, abs=0.1)


async def test_a_store_that_is_away_is_unavailable() -> None:
    client = command_client("unix:///nowhere/redis.sock")

    with pytest.raises(Unavailable):
        await RedisOnce(client).first("x", 1)
    with pytest.raises(Unavailable):
        await RedisRate(client).take("x", 1, 1)
    await client.aclose()
