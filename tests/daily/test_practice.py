"""Practice gives nothing away about a question of the day, and nothing for one of late."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.core.ids import Tenant
from bot.core.schedule import PostId
from bot.core.views import Reply
from tests.app.building import BANK, labels, right_letter, words
from tests.daily.building import Town
from tests.daily.test_daily import DAY, HOUR, planned


@pytest.fixture
async def town(redis: Redis, tenant: Tenant) -> Town:
    return Town(redis, tenant)


async def asked_today(town: Town) -> tuple[str, int]:
    """The quiz of today's question and its number in it."""
    post = await town.dailies.post(town.tenant, PostId(town.posted()[-1].key))
    assert post is not None
    quiz, place = BANK.places[post.item]
    return quiz.name, place + 1


async def play(town: Town, name: str, quiz: str) -> list[Reply]:
    """All that can be played of a quiz, answered right: question, verdict, question ... and what comes last."""
    seen = [await town.say(name, f"/quiz {quiz}")]
    while "A" in labels(seen[-1]):
        verdict = await town.press(name, seen[-1], right_letter(seen[-1]))
        onwards = "Next question" if "Next question" in labels(verdict) else "See result"
        seen += [verdict, await town.press(name, verdict, onwards)]
    return seen


async def test_a_question_of_the_day_is_not_asked_in_practice_while_it_is_open(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    quiz, number = await asked_today(town)
    *played, last = await play(town, "Bob", quiz)

    assert len(played) == 2 * 9
    assert not any(
        words(card).startswith(f"Quiz {quiz}") and f"question {number} of 10" in words(card) for card in played
    )
    assert "You got 9 of 9 so far" in words(last)
    assert f"Question {number}, until Tue 4 Mar, 09:30 CET" in words(last)
    assert "Answer it there: /daily" in words(last)


async def test_after_the_close_it_comes_and_gives_no_points_for_ten_days(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    quiz, number = await asked_today(town)
    await play(town, "Bob", quiz)
    await town.say("Ada", "/daily pause", admin=True)
    await town.pass_time(2 * DAY)
    question, verdict, result = await play(town, "Bob", quiz)

    assert f"question {number} of 10" in words(question)
    assert words(verdict).startswith("Right.\n")
    assert "a question of the day of the last ten days gives no practice points" in words(verdict)
    assert "You got 10 of 10" in words(result)


async def test_ten_days_later_it_is_like_any_other(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    quiz, number = await asked_today(town)
    await town.say("Ada", "/daily pause", admin=True)
    await town.pass_time(11 * DAY)
    played = await play(town, "Bob", quiz)

    mine = next(place for place, card in enumerate(played) if f"question {number} of 10" in words(card))
    assert words(played[mine + 1]).startswith("Right. +1 point")


async def test_a_card_from_before_gives_nothing_away_either(town: Town) -> None:
    await planned(town, content="quiz 1, in order")
    card = await town.say("Bob", "/quiz 1")
    await town.pass_time(HOUR)
    answered = words(await town.press("Bob", card, right_letter(card)))

    assert answered.startswith("This is a question of the day right now: /daily. Go on with /quiz 1")


async def test_the_boards_of_a_channel_turn_at_its_own_midnight(town: Town) -> None:
    await planned(town, zone="Pacific/Auckland", at="00:30")
    await town.pass_time(DAY)
    message = town.posted()[-1]
    town.clock.at = message.at + timedelta(minutes=1)
    await town.press("Bob", message.view, "A")

    assert message.at.date().isoformat().replace("-", "") not in message.key  # in UTC it is still the day before
    assert "1. Bob" in words(await town.say("Bob", "/leaderboard day"))
