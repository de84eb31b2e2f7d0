"""What happens to answers when the network or the server fails in the middle."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from bot.core.errors import Unavailable
from bot.core.ids import Tenant
from bot.core.scoring import Recorded
from bot.ports import PracticeAnswer
from bot.store import keys
from bot.store.binaries import Preference
from bot.store.connect import command_client
from bot.store.scores import RedisScores
from bot.store.server import embedded_server
from tests.store.building import ITEMS, MONTH, a_caller, an_answer
from tests.store.proxy import Fate, proxied

FAULTS = 10_000
CLICKERS = 32


def clicks(tenant: Tenant, person: str) -> list[PracticeAnswer]:
    return [an_answer(a_caller(tenant, person), item, correct=n % 3 > 0) for n, item in enumerate(ITEMS)]


async def until_recorded(scores: RedisScores, click: PracticeAnswer) -> Recorded:
    """Click again as long as the bot says "try again"."""
    while True:
        try:
            return await scores.record_practice(click)
        except Unavailable:
            continue


async def assert_boards_equal_the_log(redis: Redis, tenant: Tenant, people: int) -> None:
    """Every person answered every item once, and the boards add up to the log."""
    client: Any = redis
    log = [entry for _, entry in await client.xrange(keys.log(tenant))]
    assert len(log) == people * len(ITEMS) == len({(entry[b"user"], entry[b"item"]) for entry in log})
    points: Counter[bytes] = Counter()
    for entry in log:
        points[entry[b"user"]] += int(entry[b"points"])
    for scope in ("c1", "t"):
        board = await client.zrange(keys.board(tenant, scope, MONTH), 0, -1, withscores=True)
        assert dict(points) == {user: int(score) >> 32 for user, score in board}


async def test_ten_thousand_network_faults_lose_nothing_and_double_nothing(
    redis: Redis, redis_url: str, tenant: Tenant, tmp_path: Path
) -> None:
    dice = random.Random(11)
    fates = [Fate.PASS] * 2 + [Fate.LOST, Fate.UNANSWERED, Fate.UNANSWERED, Fate.TORN]
    people = iter(range(10**6))
    async with proxied(redis_url, tmp_path, lambda: dice.choice(fates)) as (url, proxy):
        retry = Retry(ExponentialWithJitterBackoff(cap=0.002, base=0.0005), 3)
        pool = BlockingConnectionPool.from_url(url, max_connections=CLICKERS, timeout=5, driver_info=None, retry=retry)
        client = Redis.from_pool(pool)
        scores = RedisScores(client)

        async def click_until_enough() -> int:
            done = 0
            while proxy.faults < FAULTS:
                for click in clicks(tenant, str(next(people))):
                    recorded = await until_recorded(scores, click)
                    assert recorded.first
                    assert (click.option, click.correct) == (recorded.option, recorded.correct)
                done += 1
            return done

        done = await asyncio.gather(*(click_until_enough() for _ in range(CLICKERS)))
        await client.aclose()

    assert proxy.faults >= FAULTS
    await assert_boards_equal_the_log(redis, tenant, sum(done))


async def test_a_killed_server_keeps_every_answer_it_confirmed(tmp_path: Path, tenant: Tenant) -> None:
    people = 30
    async with embedded_server(tmp_path) as url:
        client = command_client(url)
        scores = RedisScores(client)
        confirmed = 0

        async def click_all(person: int) -> None:
            nonlocal confirmed
            for click in clicks(tenant, str(person)):
                assert (await until_recorded(scores, click)).first
                confirmed += 1

        async def kill_and_start_again(after: int) -> None:
            await reached(lambda: confirmed >= after)
            os.kill((await client.info("server"))["process_id"], signal.SIGKILL)
            async with embedded_server(tmp_path):
                await reached(lambda: confirmed >= people * len(ITEMS))

        async with asyncio.timeout(30):
            await asyncio.gather(kill_and_start_again(100), *(click_all(person) for person in range(people)))
        await assert_boards_equal_the_log(client, tenant, people)
        await client.aclose()


async def reached(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (a condition of the outside)
        await asyncio.sleep(0.001)


async def test_a_server_that_is_down_is_unavailable(tmp_path: Path, tenant: Tenant) -> None:
    client = command_client(f"unix://{tmp_path / 'nothing.sock'}")
    scores, caller = RedisScores(client), a_caller(tenant)

    for call in (
        scores.record_practice(an_answer(caller)),
        scores.progress(caller, "11", ITEMS),
        scores.restart(caller, "11", ITEMS, 1),
        scores.board(caller, "c1", MONTH, 10),
    ):
        with pytest.raises(Unavailable, match=r"does not answer right now\. Try again in a moment"):
            await call
    await client.aclose()


@pytest.mark.parametrize("program", [Preference.AUTO, Preference.BUNDLED])
async def test_a_full_or_read_only_server_is_unavailable_and_nothing_is_half_written(
    tmp_path: Path, tenant: Tenant, program: Preference
) -> None:
    async with embedded_server(tmp_path, program) as url:
        client = command_client(url)
        scores = RedisScores(client)
        await scores.record_practice(an_answer(a_caller(tenant, "first")))
        logged = await client.xlen(keys.log(tenant))
        await client.config_set("maxmemory", "1")
        with pytest.raises(Unavailable, match="full"):
            await scores.record_practice(an_answer(a_caller(tenant, "second")))
        assert (await scores.board(a_caller(tenant), "c1", MONTH, 10)).members == 1
        await client.config_set("maxmemory", "0")
        await client.replicaof("127.0.0.1", "1")
        with pytest.raises(Unavailable, match="cannot be written to"):
            await scores.record_practice(an_answer(a_caller(tenant, "second")))
        await client.replicaof("no", "one")

        assert await client.xlen(keys.log(tenant)) == logged
        assert (await scores.record_practice(an_answer(a_caller(tenant, "second")))).rank == 1
        await client.aclose()
