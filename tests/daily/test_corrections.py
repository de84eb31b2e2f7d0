"""A mistake in a question of the day is heard of, judged, put right and announced."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.core.ids import Tenant
from tests.app.building import words
from tests.daily.building import Town, letters
from tests.daily.test_daily import DAY, HOUR, planned

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def town(redis: Redis, tenant: Tenant) -> Town:
    """A channel whose question Bob got right and Cleo wrong."""
    town = Town(redis, tenant)
    await planned(town)
    await town.pass_time(HOUR)
    right, wrong = await letters(town, town.posted()[0])
    for name, letter in (("Bob", right), ("Cleo", wrong)):
        await town.press(name, town.posted()[0].view, letter)
    return town


async def report(town: Town, name: str, text: str) -> None:
    form = await town.press(name, await town.press(name, town.posted()[0].view, "A"), "Report a mistake")
    assert "Thank you" in words(await town.send(name, form, kind="ambiguous", text=text))


async def void(town: Town) -> None:
    card = await town.say("Ada", "/reports", admin=True)
    await town.press("Ada", card, "Void and rescore 1", admin=True)


def told(town: Town) -> list[str]:
    return [words(view) for tenant, _, view in town.chat.told if tenant == town.tenant]


async def test_whoever_planned_the_question_hears_of_reports_once(town: Town) -> None:
    await report(town, "Bob", "two are right")
    await report(town, "Cleo", "and so is mine")
    await town.pass_time(2 * MINUTE)

    (message,) = told(town)
    assert message.startswith("A mistake was reported in the question of 03 Mar")
    assert "ambiguous: two are right" in message
    assert "ambiguous: and so is mine" in message
    assert "/reports" in message
    await report(town, "Bob", "still")
    await town.pass_time(2 * MINUTE)
    assert len(told(town)) == 2


async def test_what_was_judged_meanwhile_is_not_told(town: Town) -> None:
    await report(town, "Bob", "two are right")
    await void(town)
    await town.pass_time(2 * MINUTE)

    assert told(town) == []


@pytest.mark.parametrize("unanswered", [0.0, 1.0], ids=["all well", "replies lost"])
async def test_a_question_taken_out_after_its_close_says_so_once_in_its_thread(town: Town, unanswered: float) -> None:
    await report(town, "Bob", "two are right")
    await town.pass_time(DAY)
    first = town.posted()[0]
    assert "taken out" not in words(first.view)
    town.chat.dedupe = None
    await void(town)
    town.chat.unanswered = unanswered
    await town.pass_time(2 * MINUTE)
    town.chat.unanswered = 0.0
    await town.pass_time(10 * MINUTE)

    assert "taken out: an admin found a mistake" in words(first.view)
    announced = [each for each in town.threads() if "This question was taken out" in words(each.view)]
    assert [each.thread for each in announced] == [first.id]
    assert "Everyone who answered keeps 1 point." in words(announced[0].view)
    assert "1. Bob 1 me" in words(await town.say("Bob", "/leaderboard"))


async def test_a_question_taken_out_while_it_is_open_says_so_in_its_digest_alone(town: Town) -> None:
    await report(town, "Bob", "two are right")
    await void(town)
    await town.pass_time(DAY)

    assert ["taken out" in words(each.view) for each in town.threads()] == [True]
