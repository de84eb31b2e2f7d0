"""No question missed and none twice, whatever dies, stalls or gets lost, over both changes of the clock."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from bot.store.connect import command_client
from bot.store.server import embedded_server
from tests.app.building import BANK
from tests.daily.simulation import AUTUMN, SPRING, Fleet, Result


@pytest.fixture(scope="module")
def unsynced_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of our own that does not wait for the disk: nothing here dies with the machine."""
    server = embedded_server(tmp_path_factory.mktemp("unsynced"))
    with asyncio.Runner() as runner:
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest_asyncio.fixture
async def redis(unsynced_url: str) -> AsyncIterator[Redis]:
    client = command_client(unsynced_url)
    await client.config_set("appendfsync", "no")
    await client.flushall()  # what an earlier fleet left undone is none of this one's business
    yield client
    await client.aclose()


DAYS = {AUTUMN: 11, SPRING: 18}  # Berlin, New York and Nuuk change their clocks within each
LEAST_DUE = {AUTUMN: 400, SPRING: 660}  # three seeds of both: more than 3000 questions


def assert_exactly_once(result: Result) -> None:
    assert (result.missed, result.duplicates, result.early_or_late, result.wrong_digests) == ([], [], [], [])


@pytest.mark.parametrize("begin", [AUTUMN, SPRING])
@pytest.mark.parametrize(("seed", "dedupe"), [(1, True), (2, False), (3, False)])
async def test_every_question_goes_out_once(redis: Redis, begin: datetime, seed: int, dedupe: bool) -> None:
    result = await Fleet(redis, BANK, seed, begin=begin, days=DAYS[begin], dedupe=dedupe).run()

    assert_exactly_once(result)
    assert result.due >= LEAST_DUE[begin]
    print(  # noqa: T201  the figures that this test is for
        f"seed {seed} dedupe {dedupe}: {result.due} due, {result.removed} second messages removed, "
        f"{result.crashes} crashes, {result.stalls} stalls, {result.digests} digests, {dict(result.events)}"
    )


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(100, 100 + int(os.environ.get("SOAK_SEEDS", "12"))))
async def test_every_question_goes_out_once_over_many_seeds(redis: Redis, seed: int) -> None:
    begin = AUTUMN if seed % 2 else SPRING

    assert_exactly_once(await Fleet(redis, BANK, seed, begin=begin, days=24, dedupe=seed % 4 < 2).run())
