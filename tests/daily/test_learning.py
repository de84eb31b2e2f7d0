"""What questions of the day do to memory and to one's own progress."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.core.ids import Tenant
from bot.core.views import Files, Reply, View
from tests.app.building import labels, right_letter, words, wrong_letter
from tests.daily.building import Town, letters
from tests.daily.test_daily import DAY, HOUR, planned


@pytest.fixture
async def town(redis: Redis, tenant: Tenant) -> Town:
    return Town(redis, tenant)


def facts(stats: Reply) -> list[str]:
    """The first list of /stats."""
    return words(stats).split("\nWeakest topics")[0].split("\n")[1:]


async def test_a_missed_question_of_the_day_is_due_for_review(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    right, wrong = await letters(town, message)

    await town.press("Bob", message.view, wrong)
    await town.press("Cai", message.view, right)

    assert words(await town.say("Bob", "/review")).startswith("Review · ")
    assert "Nothing is due until Wed 5 Mar, 04:00 CET." in words(await town.say("Cai", "/review"))


async def test_a_sealed_answer_gives_nothing_away_before_the_close(town: Town) -> None:
    await planned(town, mode="sealed")
    await town.pass_time(HOUR)
    (message,) = town.posted()
    right, wrong = await letters(town, message)
    await town.press("Bob", message.view, right)
    await town.press("Bob", message.view, wrong)
    await town.press("Cai", message.view, right)

    before = [words(await town.say(name, line)) for line in ("/review", "/stats") for name in ("Bob", "Cai")]
    assert before[0] == before[1]
    assert before[2] == before[3]
    assert "Nothing is due." in before[0]

    await town.pass_time(DAY)
    assert words(await town.say("Bob", "/review")).startswith("Review · ")
    assert "Nothing is due until" in words(await town.say("Cai", "/review"))


async def test_a_voided_sealed_question_teaches_nothing(town: Town) -> None:
    await planned(town, mode="sealed")
    await town.pass_time(HOUR)
    (message,) = town.posted()
    _, wrong = await letters(town, message)
    await town.press("Bob", message.view, wrong)
    await town.say("Bob", "/stats")
    post = await town.dailies.newest(town.tenant, message.channel)
    assert post is not None
    await town.dailies.void(post, "two options are right")

    await town.pass_time(DAY)

    assert "Nothing is due." in words(await town.say("Bob", "/review"))


async def reviewed(town: Town, name: str) -> str:
    """All that a review asks, answered right or perfectly to its end."""
    asked, card = [], await town.say(name, "/review 30")
    while "A" in labels(card) or "Show" in labels(card):
        asked.append(words(card))
        if "Show" in labels(card):
            back = await town.press(name, card, "Show")
            card = await town.press(name, back, next(label for label in labels(back) if label.startswith("5 ")))
        else:
            card = await town.press(name, await town.press(name, card, right_letter(card)), "Next")
    return "\n".join(asked)


async def test_a_review_gives_no_question_of_the_day_away(town: Town) -> None:
    question = await town.say("Bob", "/quiz 1")
    for _ in range(10):
        verdict = await town.press("Bob", question, wrong_letter(question))
        question = await town.press("Bob", verdict, labels(verdict)[0])
    await town.say("Bob", "/stats")
    town.clock.at += timedelta(days=20)
    await planned(town, content="quiz 1")
    await town.pass_time(HOUR)
    (message,) = town.posted()
    stem = words(message.view).split("\n")[1]

    asked = await reviewed(town, "Bob")
    await town.press("Bob", message.view, (await letters(town, message))[1])
    asked_after = await reviewed(town, "Bob")

    assert asked.count("Review · ") in (9, 10)  # a card may ask for the same fact in its own way
    assert stem not in asked
    assert asked_after.count("Review · ") == 1


async def test_progress_counts_first_tries_streak_and_points(town: Town) -> None:
    await planned(town)
    for day in range(4):
        await town.pass_time(HOUR if day == 0 else DAY)
        message = town.posted()[-1]
        right, wrong = await letters(town, message)
        await town.press("Bob", message.view, wrong if day == 2 else right)

    stats = await town.say("Bob", "/stats")

    assert isinstance(stats, View)
    assert stats.private
    assert facts(stats)[:3] == [
        "31 points here this month, rank 1 · 31 in all",
        "3 of 4 right at the first try (75 %)",
        "Streak: 4 days, best 4",
    ]
    assert "Week of 3 Mar: 4 (Mon 1, Tue 1, Wed 1, Thu 1)" in words(stats)


async def test_a_streak_that_ended_is_shown_as_ended_and_its_best_is_kept(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    for _ in range(3):
        message = town.posted()[-1]
        await town.press("Bob", message.view, (await letters(town, message))[0])
        await town.pass_time(DAY)
    assert "Streak: 3 days, best 3" in facts(await town.say("Bob", "/stats"))

    await town.pass_time(3 * DAY)

    assert "Streak: 0 days, best 3" in facts(await town.say("Bob", "/stats"))


async def test_progress_has_a_picture_and_the_same_in_words(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    await town.press("Bob", message.view, (await letters(town, message))[0])

    stats = await town.say("Bob", "/stats")

    assert isinstance(stats, View)
    (picture,) = (file for block in stats.blocks if isinstance(block, Files) for file in block.files)
    assert picture.content.startswith(b"\x89PNG")
    assert picture.alt == (
        "A calendar of the last 8 weeks. Answers and ratings: 1, on 1 of 56 days up to 3 Mar; most on Mon 3 Mar, 1."
    )
    assert labels(stats) == ["Review", "Leaderboard"]


async def test_progress_is_nobody_elses(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    await town.press("Bob", message.view, (await letters(town, message))[0])

    assert facts(await town.say("Cai", "/stats"))[0] == "0 points so far: answer a question, such as /quiz 11."


async def test_memory_goes_on_over_days_that_pass(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    await town.press("Bob", message.view, (await letters(town, message))[1])

    assert (await reviewed(town, "Bob")).count("Review · ") == 1
    assert "Nothing is due until" in words(await town.say("Bob", "/review 9"))

    await town.pass_time(timedelta(days=12))
    assert words(await town.say("Bob", "/review")).startswith("Review · ")


async def test_a_learning_day_begins_at_four_where_the_team_is(town: Town) -> None:
    form = await town.say("Ada", "/setup", admin=True)
    card = await town.send("Ada", form, admin=True, at="9:30", zone="Asia/Tokyo", days="daily")
    await town.press("Ada", card, "Save", admin=True)
    question = await town.say("Bob", "/quiz 11")

    await town.press("Bob", question, right_letter(question))

    assert "Nothing is due until Wed 5 Mar, 04:00 JST." in words(await town.say("Bob", "/review"))
