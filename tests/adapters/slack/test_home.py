"""The App Home and the one-time welcome, over the wire, with everything the desk knows behind them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.adapters.slack import render
from bot.app.welcome import WELCOME
from bot.core.runs import RunFile
from bot.core.views import Files, Note, View
from tests.adapters.slack.fake_slack import FakeSlack, Fault, words
from tests.adapters.slack.serving import MemoryOnce, bot
from tests.adapters.slack.square import CHANNEL, Square, lonely, lonely_url, square

__all__ = ["lonely", "lonely_url", "square"]

HOUR = timedelta(hours=1)
HELLO = "Hello! I teach PyTorch"


def home(slack: FakeSlack, user: str = "U1") -> str:
    """All the words of someone's App Home."""
    return words(slack.homes[user]["blocks"]) if user in slack.homes else ""


def labels_at_home(slack: FakeSlack, user: str = "U1") -> list[str]:
    return [
        element["text"]["text"]
        for block in slack.homes[user]["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
        if element["type"] == "button"
    ]


async def test_home_shows_the_board_and_its_buttons_answer_in_the_conversation(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.open_home()
        await slack.until(lambda: home(slack), "a home")
        assert "Leaderboard · " in home(slack)
        assert "I teach PyTorch" in home(slack)

        await slack.press_home("Play Quiz 1")
        card = await slack.see("question 1 of", channel="DU1")
        await slack.press(card, "A")
        await slack.see("1 answered", channel="DU1")

    assert [each.text.splitlines()[0] for each in slack.shown()] == [
        "Hello! I teach PyTorch, one question at a time",
        card.text.splitlines()[0],
    ]


async def test_the_welcome_is_three_lines_and_a_button_that_begins_a_quiz(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.open_home(tab="messages")
        hello = await slack.see(HELLO, channel="DU1")
        await slack.press(hello, "Try now")
        await slack.see("question 1 of", channel="DU1")

    assert len(WELCOME.blocks) == 4
    assert slack.homes == {}


async def test_everyone_is_welcomed_once_over_all_replicas_and_restarts(slack: FakeSlack) -> None:
    once = MemoryOnce(slack)
    for _ in range(2):
        async with bot(slack, once=once), bot(slack, once=once):
            await asyncio.gather(*(slack.open_home(user=user) for user in ("U1", "U2", "U1") for _ in range(3)))
            await slack.until(lambda: {"U1", "U2"} <= set(slack.homes), "both homes")
        slack.clock.at += 86400 * 400
        slack.homes.clear()

    assert sorted(each.channel for each in slack.shown() if HELLO in each.text) == ["DU1", "DU2"]


async def test_without_the_store_that_remembers_nobody_is_welcomed_twice(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        running.once.away = True
        await slack.open_home()
        await slack.until(lambda: home(slack), "a home")

    assert slack.shown() == []


async def test_home_shows_todays_question_of_the_channel_where_one_answers(square: Square) -> None:
    slack = square.slack
    async with square.served():
        await square.planned()
        await slack.open_home(user="U5")
        await slack.until(lambda: "Answer one in a channel" in home(slack, "U5"), "a home without a question")
        await square.simulated.pass_time(HOUR)
        (message,) = square.posted()
        right, wrong = await square.letters(message)
        await slack.press(message, right, user="U5")
        await slack.see("Right. +10", to="U5")
        square.town.clock.at += timedelta(minutes=1)

        await slack.open_home(user="U5")
        await slack.until(lambda: "Question of the day · " in home(slack, "U5"), "the question")
        await slack.press_home(wrong, user="U5")
        again = await slack.see("Your first answer counts", channel="DU5")

    assert right in labels_at_home(slack, "U5")
    assert again.to == ""
    assert CHANNEL == message.channel


async def test_home_is_drawn_again_after_its_buttons(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.open_home()
        await slack.until(lambda: "this month" in home(slack), "a home")
        drawn = len(slack.called("views.publish"))
        await slack.press_home("Play Quiz 1")
        await slack.until(lambda: len(slack.called("views.publish")) > drawn, "another home")


@pytest.mark.parametrize("admin", [True, False])
async def test_only_admins_see_what_is_planned_in_the_team(square: Square, admin: bool) -> None:
    slack = square.slack
    async with square.served():
        await square.planned()
        await slack.open_home(user="UADA" if admin else "U1")
        await slack.until(lambda: home(slack, "UADA" if admin else "U1"), "a home")
    shown = home(slack, "UADA" if admin else "U1")

    assert ("Questions of the day of this team" in shown) == admin
    assert ("#C1 · " in shown) == admin
    assert ("at 09:30 Europe/Berlin" in shown) == admin


async def test_whoever_cannot_be_looked_up_sees_the_home_of_a_member(square: Square) -> None:
    square.slack.faults["users.info"] = [Fault(status=500)]
    square.slack.admins.add("UADA")
    async with square.served():
        await square.slack.open_home(user="UADA")
        await square.slack.until(lambda: home(square.slack, "UADA"), "a home")

    assert "Questions of the day" not in home(square.slack, "UADA")
    assert "I teach PyTorch" in home(square.slack, "UADA")


def test_home_leaves_out_files_which_it_cannot_show() -> None:
    view = View((Files((RunFile("weeks.png", b"x", "Weeks"),)), Note("in words")), "Progress.")

    assert words(render.home([(view, str)], "D1")["blocks"]) == "in words"
