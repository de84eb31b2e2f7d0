"""The demo's days: a week passes in a minute, in its order, and goes on after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from bot.core.ids import Tenant
from bot.store.demo_clock import RedisDemoClock
from bot.tasks import stop
from tests.app.building import words
from tests.daily.building import Town
from tests.daily.test_daily import planned

DAY = timedelta(days=1)


@pytest.fixture
async def town(redis: Redis, tenant: Tenant) -> AsyncIterator[Town]:
    """A channel whose days are open."""
    town = Town(redis, tenant, demo=True)
    running = asyncio.create_task(town.days.run(town.chat))
    await town.paused.wait()
    yield town
    await stop(running)


async def test_the_next_day_closes_the_question_and_brings_another(town: Town) -> None:
    await planned(town)
    assert "A new question" in words(await town.say("Ada", "/next"))
    (first,) = town.posted()
    await town.press("Bob", first.view, "A")
    said = words(await town.say("Ada", "/next"))

    assert said.startswith("It is Wed 5 Mar now. A new question of the day has come. The one before has closed")
    assert "closed" in words(first.view)
    assert [message.thread for message in town.threads()] == [first.id]
    assert [f"{message.at:%d %H}" for message in town.posted()] == ["03 08", "04 08"]


async def test_a_week_makes_a_streak_and_moves_the_boards(town: Town) -> None:
    await planned(town)
    for _ in range(7):
        await town.say("Ada", "/next")
        reply = words(await town.press("Bob", town.posted()[-1].view, "A"))

    assert "🔥 7 days in a row" in reply
    assert "Bob" in words(await town.say("Bob", "/leaderboard month"))
    assert len(town.posted()) == 7


async def test_a_day_without_a_question_says_so(town: Town) -> None:
    assert "Plan a question of the day with /setup" in words(await town.say("Ada", "/next"))
    await planned(town, days="wed")
    assert "No question came on this day; the next comes Wed 5 Mar, 09:30 CET." in words(await town.say("Ada", "/next"))
    await town.say("Ada", "/next")
    closing = words(await town.say("Ada", "/next"))
    assert "the next comes Wed 12 Mar, 09:30 CET. The one before has closed" in closing
    await town.say("Ada", "/daily pause", admin=True)

    assert "No question is planned now" in words(await town.say("Ada", "/next"))


async def test_two_who_ask_at_once_get_two_days(town: Town) -> None:
    began = town.clock.at
    await asyncio.gather(town.say("Ada", "/next"), town.say("Bob", "/next"))

    assert town.clock.at == began + 2 * DAY


async def test_a_question_asked_for_now_comes_by_itself(town: Town) -> None:
    await planned(town)
    await town.say("Ada", "/daily now", admin=True)
    async with asyncio.timeout(30):
        while not town.posted():
            town.paused.clear()
            await town.paused.wait()

    assert "Question of the day" in words(town.posted()[0].view)


async def test_an_open_question_is_shown_again_when_the_channel_opens_again(town: Town) -> None:
    await planned(town)
    await town.say("Ada", "/next")
    (message,) = town.posted()
    edits = message.edits
    town.paused.clear()
    second = asyncio.create_task(town.days.run(town.chat))
    await town.paused.wait()
    await stop(second)

    assert message.edits == edits + 1


async def test_days_do_not_pass_before_the_channel_is_open(redis: Redis, tenant: Tenant) -> None:
    assert "Please try again" in words(await Town(redis, tenant, demo=True).say("Ada", "/next"))


async def test_only_the_demo_has_a_next_day(redis: Redis, tenant: Tenant) -> None:
    town = Town(redis, tenant)

    assert "There is no command /next" in words(await town.say("Ada", "/next"))
    assert "/next" not in words(await town.say("Ada", "/help"))


async def test_the_demo_clock_goes_on_where_it_was_and_never_back(redis: Redis, tenant: Tenant) -> None:
    clock = RedisDemoClock(redis, tenant)
    assert abs(clock.now() - datetime.now(UTC)) < DAY / 24
    await clock.forward(clock.now() + 5 * DAY)
    await clock.forward(clock.now() - 3 * DAY)
    again = RedisDemoClock(redis, tenant)
    await again.load()

    assert abs(again.now() - datetime.now(UTC) - 5 * DAY) < DAY / 24
