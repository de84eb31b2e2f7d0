"""`torchquiz status` tells an operator what is wrong and what to do."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from bot.cli.status import LATE, Finding, findings, told
from bot.config import Settings
from bot.core.ids import ChannelId, Tenant
from bot.core.runs import Capability
from bot.core.schedule import EVERY_DAY, Schedule, ScheduleId
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_worker_end import Offer, WorkerEnd
from bot.store.schedules import RedisSchedules
from tests.redis_server import lonely, lonely_url

__all__ = ["lonely", "lonely_url"]

NOW = datetime(2031, 3, 3, 12, 0, tzinfo=UTC)


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW


async def looked(url: str, **settings: object) -> dict[str, Finding]:
    given = Settings().model_copy(update={"redis_url": SecretStr(url), **settings})
    return {each.what: each for each in await findings(given, Still())}


async def registered(redis: Redis, offer: Offer, on: Capability = Capability.CPU) -> None:
    end = WorkerEnd(redis, redis, RunKeys(on), QueueSettings(), id=f"w-{on}", name="ada", device="cpu")
    await end.register(offer)


async def planned(redis: Redis, due: datetime) -> None:
    tenant, channel = Tenant("d1200000000000000123"), ChannelId("1300000000000000000")
    plan = Schedule(ScheduleId("1"), tenant, channel, "UTC", time(9), time(17), EVERY_DAY, since=due)
    await RedisSchedules(redis).save(plan, due, "ada", "created")


async def test_all_is_well_where_a_worker_is_ready_and_work_is_ahead(lonely: Redis, lonely_url: str) -> None:
    await registered(lonely, Offer(2, torch_version="2.13.0"))
    await planned(lonely, NOW + timedelta(hours=1))

    found = await looked(lonely_url)

    assert [each.what for each in found.values() if not each.ok] == []
    assert found["questions"].text == "340 items, 120 of them quiz questions"
    assert found["/run"].text == "1 worker, 2 runs at once, torch 2.13.0"
    assert found["daily"].text == "next work at 2031-03-03 13:00 UTC"


async def test_without_a_worker_it_says_how_to_start_one(lonely: Redis, lonely_url: str) -> None:
    found = await looked(lonely_url)

    assert not found["/run"].ok
    assert "torchquiz worker" in found["/run"].fix


@pytest.mark.parametrize(("on", "what"), [(Capability.CPU, "/run"), (Capability.GPU, "/run gpu")])
async def test_a_worker_that_cannot_run_code_says_why(
    lonely: Redis, lonely_url: str, on: Capability, what: str
) -> None:
    await registered(lonely, Offer(0, problem="bubblewrap is missing.", fix="apt install bubblewrap"), on)

    found = await looked(lonely_url)

    assert found[what] == Finding(
        what, False, "no worker can run code: bubblewrap is missing.", "apt install bubblewrap"
    )


@pytest.mark.parametrize(("late", "ok"), [(LATE, True), (LATE + timedelta(minutes=1), False)])
async def test_a_question_of_the_day_that_nobody_posts_is_noticed(
    lonely: Redis, lonely_url: str, late: timedelta, ok: bool
) -> None:
    await planned(lonely, NOW - late)

    found = await looked(lonely_url)

    assert found["daily"].ok is ok
    if not ok:
        assert found["daily"].text == "work is waiting for 6 minutes"
        assert "torchquiz bot" in found["daily"].fix


async def test_a_store_that_does_not_answer_is_named_without_its_password() -> None:
    found = await looked("redis://ada:secret@127.0.0.1:1/0")

    assert not found["store"].ok
    assert "127.0.0.1:1" in found["store"].text
    assert "secret" not in told(found.values())


async def test_a_bank_with_a_mistake_is_noticed(lonely: Redis, lonely_url: str, tmp_path: Path) -> None:
    (tmp_path / "quizzes").mkdir()
    (tmp_path / "quizzes" / "01.yaml").write_text("quiz: one\n")

    found = await looked(lonely_url, content=tmp_path)

    assert not found["questions"].ok
    assert "torchquiz content check" in found["questions"].fix


async def test_the_command_ends_with_1_and_prints_json(lonely: Redis, lonely_url: str) -> None:
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bot", "status", "--json"],
        env={"REDIS_URL": lonely_url, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1, ended.stderr
    assert {each["what"] for each in json.loads(ended.stdout)} == {"questions", "platforms", "store", "/run", "daily"}
