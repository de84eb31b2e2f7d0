"""A week in a channel: planned, asked, answered, closed, told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bot.app.commands import COMMANDS
from bot.core.ids import ChannelId, Tenant, UserId
from bot.core.views import View
from tests.app.building import labels, words
from tests.daily.building import CHANNEL, Town, letters

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def town(redis: Redis, tenant: Tenant) -> Town:
    return Town(redis, tenant)


async def planned(town: Town, plan: str = "", **values: str) -> None:
    """Plan a question at 09:30 in Berlin, half an hour after the story begins."""
    form = await town.say("Ada", "/setup", admin=True)
    card = await town.send("Ada", form, admin=True, **({"at": "09:30", "days": "daily"} | values))
    assert "Saved." in words(await town.press("Ada", card, "Save", admin=True)), words(card)


async def test_setup_takes_three_steps_and_shows_the_next_three_posts_before_saving(town: Town) -> None:
    form = await town.say("Ada", "/setup", admin=True)
    card = await town.send("Ada", form, admin=True, at="9:30", zone="berlin", days="mon-fri", content="quiz 11")

    assert "Mon-Fri at 09:30 Europe/Berlin · closes 09:30 · quiz 11 · instant" in words(card)
    assert words(card).count("closes ") == 4
    assert "Mon 3 Mar, 09:30 CET, closes Tue 4 Mar, 09:30 CET" in words(card)
    assert labels(card) == ["Save", "Change"]
    saved = await town.press("Ada", card, "Save", admin=True)
    again = await town.press("Ada", card, "Save", admin=True)
    assert (
        words(saved) == words(again) == "Saved. The next question comes Mon 3 Mar, 09:30 CET. See all with /schedules."
    )
    assert len(await town.schedules.of_tenant(town.tenant)) == 1


async def test_a_plan_can_be_typed_in_one_line(town: Town) -> None:
    card = await town.say("Ada", "/setup 18:00 Asia/Tokyo sat, sun", admin=True)

    assert "Sat, Sun at 18:00 Asia/Tokyo" in words(card)


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("at", "24:00", "00:00"),
        ("zone", "Europe/Berln", "Europe/Berlin"),
        ("days", "someday", "mon-fri"),
        ("content", "quiz 999", "There is no quiz"),
        ("mode", "open", "sealed"),
    ],
)
async def test_what_cannot_be_planned_is_said_kindly(town: Town, field: str, value: str, hint: str) -> None:
    form = await town.say("Ada", "/setup", admin=True)

    assert hint in words(await town.send("Ada", form, admin=True, **{field: value}))


@pytest.mark.parametrize("command", ["/setup", "/schedules", "/daily pause", "/daily now", "/daily audit"])
async def test_only_admins_plan(town: Town, command: str) -> None:
    await planned(town)

    assert "Only admins" in words(await town.say("Bob", command))


async def test_help_stays_one_screen_and_names_what_admins_can_do(town: Town) -> None:
    shown = words(await town.say("Bob", "/help"))

    assert len(shown.splitlines()) <= 16
    assert all(f"/{name}" in shown for name in COMMANDS)
    assert "For admins: /setup" in shown


async def test_the_question_comes_at_its_time_and_says_nothing_of_who_or_what(town: Town) -> None:
    await planned(town)
    assert "The first comes Mon 3 Mar, 09:30" in words(await town.say("Bob", "/daily"))
    await town.pass_time(29 * timedelta(minutes=1))
    assert town.posted() == []
    await town.pass_time(3 * timedelta(minutes=1))
    (message,) = town.posted()
    right, wrong = await letters(town, message)
    await town.press("Bob", message.view, right)
    await town.press("Cleo", message.view, wrong)
    await town.pass_time(timedelta(seconds=10))

    shown = words(message.view)
    assert "Closes Tue 4 Mar, 09:30 CET" in shown
    assert "2 answered" in shown
    assert not any(name in shown for name in ("Bob", "Cleo", "✓", "✗"))
    assert message.edits == 1


async def test_an_answer_is_told_at_once_in_private_and_the_first_one_counts(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    right, wrong = await letters(town, message)

    verdict = await town.press("Bob", message.view, right)
    second = await town.press("Bob", message.view, wrong)

    assert isinstance(verdict, View)
    assert verdict.private
    assert words(verdict).startswith("Right. +10 points")
    assert "10 points this month, rank 1" in words(verdict)
    assert f"Your first answer counts: {right}." in words(second)
    assert words(await town.press("Cleo", message.view, wrong)).startswith(f"Not quite. It is {right}. +1 point")


async def test_at_the_close_the_message_shows_the_key_and_a_thread_gets_the_digest(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    right, wrong = await letters(town, message)
    asked = message.view
    for number in range(20):
        await town.press(f"P{number}", asked, right if number < 15 else wrong)
    await town.pass_time(DAY)

    first, second = town.posted()
    assert first.id == message.id
    assert "closed" in words(first.view)
    assert f"{right}. " in words(first.view)
    assert "15 of 20 right (75 %)" in words(first.view)
    (digest,) = town.threads()
    assert digest.thread == message.id
    assert f"Most chosen wrong: {wrong}, by 5\nWhy not: " in words(digest.view)
    assert "Report a mistake" in labels(digest.view)
    late = words(await town.press("Late", asked, right))
    assert late.startswith("This question has closed\nIt gives no points any more")
    assert words(second.view) != words(first.view)


async def test_a_sealed_answer_can_be_changed_and_shows_on_no_board_before_the_close(town: Town) -> None:
    await planned(town, mode="sealed")
    await town.pass_time(HOUR)
    (message,) = town.posted()
    right, wrong = await letters(town, message)
    locked = [words(await town.press("Bob", message.view, letter)) for letter in (wrong, right)]

    assert [text.splitlines()[0] for text in locked] == [f"Locked in: {wrong}", f"Locked in: {right}"]
    assert "Nobody is here yet" in words(await town.say("Bob", "/leaderboard"))
    await town.pass_time(DAY)
    assert "1. Bob 10 me" in words(await town.say("Bob", "/leaderboard"))


async def test_no_question_comes_twice_and_a_week_makes_a_streak(town: Town) -> None:
    await planned(town)
    streaks = []
    for _ in range(7):
        await town.pass_time(DAY)
        reply = words(await town.press("Bob", town.posted()[-1].view, "A"))
        streaks += [line for line in reply.splitlines() if "days in a row" in line]

    assert len({words(message.view).split("Closes")[0].split("\n", 1)[1] for message in town.posted()}) == 7
    assert [line.split(" · ")[0] for line in streaks] == [f"🔥 {n} days in a row" for n in range(2, 8)]
    await town.pass_time(DAY)
    assert any("Days in a row: Bob 5" in words(message.view) for message in town.threads())


async def test_admins_skip_pause_and_resume(town: Town) -> None:
    await planned(town)

    assert "Tue 4 Mar" in words(await town.say("Ada", "/daily skip", admin=True))
    assert "No question is planned now" in words(await town.say("Ada", "/daily pause", admin=True))
    await town.pass_time(2 * DAY)
    assert town.posted() == []
    assert "Wed 5 Mar, 09:30" in words(await town.say("Ada", "/daily resume", admin=True))
    assert "Thu 6 Mar" in words(await town.say("Ada", "/daily holidays 2031-03-05", admin=True))
    log = words(await town.say("Ada", "/daily audit", admin=True))
    assert [word in log for word in ("skipped 2031-03-03", "paused", "resumed", "holidays 2031-03-05", "created")] == [
        True
    ] * 5


async def test_now_brings_the_question_of_today_once(town: Town) -> None:
    await planned(town)
    await town.say("Ada", "/daily now", admin=True)
    await town.pass_time(timedelta(seconds=1))
    assert len(town.posted()) == 1
    await town.pass_time(HOUR)

    assert len(town.posted()) == 1


async def test_a_schedule_changed_since_it_was_shown_is_not_changed_again(town: Town) -> None:
    await planned(town)
    list_ = await town.say("Ada", "/schedules", admin=True)
    assert labels(list_) == ["Pause 1", "Skip next 1", "Edit 1", "Remove 1"]
    await town.press("Ada", list_, "Pause 1", admin=True)

    assert "Someone else has changed" in words(await town.press("Ada", list_, "Skip next 1", admin=True))
    assert "Removed." in words(
        await town.press("Ada", await town.say("Ada", "/schedules", admin=True), "Remove 1", admin=True)
    )


def told_of(town: Town) -> list[tuple[UserId, View]]:
    return [(user, view) for tenant, user, view in town.chat.told if tenant == town.tenant]


async def test_a_channel_that_may_not_be_written_in_pauses_its_schedule_and_says_why(town: Town) -> None:
    await planned(town)
    town.chat.forbidden.add(CHANNEL)
    await town.pass_time(HOUR)

    assert "paused: I may not write in this channel" in words(await town.say("Ada", "/daily audit", admin=True))
    ((user, told),) = told_of(town)
    assert user == "u-Ada"
    assert words(told).startswith("I may not write in this channel: give me the permission Send Messages. Until then")
    town.chat.forbidden.clear()
    await town.say("Ada", "/daily resume", admin=True)
    await town.pass_time(DAY)
    assert len(town.posted()) == 1
    assert len(told_of(town)) == 1


async def test_channels_of_a_team_get_questions_of_their_own_unless_they_ask_together(town: Town) -> None:
    questions: dict[str, set[str]] = {}
    for content in ("everything", "everything, together"):
        for number in range(4):
            town_of = ChannelId(f"{content[-3:]}{number}")
            caller = town.caller("Ada", admin=True, channel=town_of)
            form = [reply async for reply in town.desk.say(caller, "/setup")][-1]
            wire = town.desk.seal(caller, form)(form.action)  # type: ignore[union-attr]
            values = {"at": "09:30", "zone": "UTC", "days": "daily", "content": content, "mode": "instant"}
            card = [reply async for reply in town.desk.submit(caller, wire, values)][-1]
            save = town.desk.seal(caller, card)(card.buttons[0].action)  # type: ignore[union-attr]
            [_ async for _ in town.desk.press(caller, save)]
    await town.pass_time(2 * HOUR)
    for message in town.chat.messages:
        post = await town.dailies.post(town.tenant, message.key)  # type: ignore[arg-type]
        if post:
            questions.setdefault(message.channel[:3], set()).add(post.item)

    assert {kind: len(items) for kind, items in questions.items()} == {"ing": 4, "her": 1}


async def test_after_downtime_one_question_is_caught_up_and_older_ones_are_left_out(town: Town) -> None:
    await planned(town)
    town.clock.at += 3 * DAY + 3 * HOUR
    while await town.posting.tick():
        pass

    (message,) = town.posted()
    assert "20310306" in message.key
    assert "Thu 6 Mar" not in words(await town.say("Bob", "/daily"))


async def test_every_reply_lost_still_means_one_question(town: Town) -> None:
    await planned(town)
    town.chat.dedupe = None
    town.chat.unanswered = 1.0
    await town.pass_time(HOUR)
    town.chat.unanswered = 0.0
    await town.pass_time(HOUR)

    assert len(town.posted()) == 1


async def test_a_storm_of_429_is_waited_out(town: Town) -> None:
    await planned(town)
    town.chat.slow = 1.0
    await town.pass_time(HOUR)
    assert town.posted() == []
    town.chat.slow = 0.0
    await town.pass_time(HOUR)

    assert len(town.posted()) == 1


async def test_a_reported_question_is_voided_and_every_board_is_right_again(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    right, _ = await letters(town, message)
    verdict = await town.press("Bob", message.view, right)
    form = await town.press("Bob", verdict, "Report a mistake")
    assert "what kind" in words(await town.send("Bob", form, kind="bad"))
    assert "Thank you" in words(await town.send("Bob", form, kind="ambiguous", text="two are right"))
    assert "Only admins" in words(await town.say("Bob", "/reports"))

    card = await town.say("Ada", "/reports", admin=True)
    assert "ambiguous: two are right" in words(card)
    assert "keeps 1 point" in words(await town.press("Ada", card, "Void and rescore 1", admin=True))

    assert "1. Bob 1 me" in words(await town.say("Bob", "/leaderboard"))
    assert "Nobody has reported" in words(await town.say("Ada", "/reports", admin=True))
    await town.pass_time(DAY)
    assert any("taken out: an admin found a mistake" in words(each.view) for each in town.threads())


async def test_a_question_voided_after_its_close_says_so_where_it_was_asked(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    await town.press("Bob", message.view, (await letters(town, message))[0])
    await town.pass_time(DAY)
    form = await town.press("Bob", message.view, "Report a mistake")
    await town.send("Bob", form, kind="wrong")
    assert "taken out" not in words(message.view)

    await town.press("Ada", await town.say("Ada", "/reports", admin=True), "Void and rescore 1", admin=True)
    await town.pass_time(timedelta(minutes=10))

    assert "taken out: an admin found a mistake" in words(message.view)
    assert [words(each.view).splitlines()[0] for each in town.threads()] == [
        "How it went",
        "This question was taken out",
    ]


async def test_elsewhere_the_open_question_of_a_channel_where_one_answers_is_shown(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    right, _ = await letters(town, message)

    async def asked_elsewhere(name: str) -> str:
        caller = town.caller(name, channel=ChannelId("a conversation"))
        return words([reply async for reply in town.desk.say(caller, "/daily")][-1])

    assert "Answer one in a channel that has one" in await asked_elsewhere("Bob")
    await town.press("Bob", message.view, right)
    assert (await asked_elsewhere("Bob")).startswith("Question of the day · 03 Mar")
    assert "Answer one in a channel that has one" in await asked_elsewhere("Cleo")


async def test_where_nothing_is_planned_admins_see_what_the_team_has(town: Town) -> None:
    await planned(town)

    caller = town.caller("Ada", admin=True, channel=ChannelId("c9"))
    shown = words([reply async for reply in town.desk.say(caller, "/schedules")][-1])

    assert shown.startswith("Questions of the day of this team\nc1 · ")
    assert "at 09:30 Europe/Berlin" in shown


async def test_a_counter_that_the_platform_would_not_take_moves_later_without_another_answer(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    (message,) = town.posted()
    await town.press("Bob", message.view, (await letters(town, message))[0])
    town.chat.slow = 1.0
    await town.pass_time(timedelta(seconds=8))
    assert "0 answered" in words(message.view)
    town.chat.slow = 0.0
    await town.pass_time(timedelta(minutes=1))

    assert "1 answered" in words(message.view)
