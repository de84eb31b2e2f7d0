"""Every command and every kind of button, over the wire: each is answered, whatever it leads to, within all limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bot.app.commands import COMMANDS
from bot.core.actions import VERBS
from tests.adapters.slack.fake_slack import Shown, labels
from tests.adapters.slack.square import CHANNEL, Square, lonely, lonely_url, square

__all__ = ["lonely", "lonely_url", "square"]

ADA = "UADA"
MOST = 150
"""Presses after which we give up looking for a verb."""
NOT_HERE = ["ra", "rd", "ro", "rs", "sd"]
"""Those on the card of a run that has ended, whose story is told in `test_stories.py`; and one that no card offers."""


def verb(element: Any) -> str:
    wire = element.get("value") or ""
    return wire.split(".")[1] if wire.startswith("r1.") else ""


def pressable(shown: Shown) -> Iterator[tuple[str, str]]:
    """The verb and the label of everything on a card."""
    for block in shown.body["blocks"]:
        for element in block["elements"] if block["type"] == "actions" else ():
            if element["type"] == "button":
                yield verb(element), element["text"]["text"]
            for option in element.get("options", ()):
                yield verb(option), option["text"]["text"]


def state(square: Square) -> tuple[object, ...]:
    """All that anyone sees, so that any answer shows."""
    slack = square.slack
    shown = tuple((key, len(each.versions), each.deleted) for key, each in slack.messages.items())
    return (shown, len(slack.dialogs), len(slack.called("views.publish")), len(slack.files))


async def answered(square: Square, doing: Any) -> None:
    """Do something and see that it is acknowledged and answered."""
    before = state(square)
    ack = await doing
    assert ack.status == 200
    await square.slack.until(lambda: state(square) != before, "an answer")


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("how", ["short", "umbrella", "mention", "alone"])
async def test_every_command_is_answered_in_every_way(square: Square, name: str, how: str) -> None:
    square.slack.admins.add(ADA)
    line = COMMANDS[name].example.removeprefix("/")
    typed = {
        "short": lambda: square.slack.command(f"/{name}", line.removeprefix(name).strip(), user=ADA),
        "umbrella": lambda: square.slack.command("/torch", line, user=ADA),
        "mention": lambda: square.slack.mention(f"<@UBOT> {line}", user=ADA),
        "alone": lambda: square.slack.say_alone(line, user=ADA),
    }
    async with square.served():
        await answered(square, typed[how]())

    assert not [event for event, _ in square.town.log.events if event.endswith("failed")]


async def press_each_kind(square: Square, seen: set[str]) -> None:
    """Press one button of every kind that can be seen, and send every form as it is, until nothing new comes."""
    slack = square.slack
    for _ in range(MOST):
        unused = [
            (shown, kind, label)
            for shown in slack.messages.values()
            if not shown.deleted and shown.to in ("", ADA)
            for kind, label in pressable(shown)
            if kind and kind not in seen
        ]
        if not unused:
            return
        shown, kind, label = unused[0]
        seen.add(kind)
        before = set(slack.dialogs)
        square.town.clock.at += timedelta(seconds=2)  # or it would be a double tap
        await answered(square, slack.press(shown, label, user=ADA))
        for dialog in set(slack.dialogs) - before:
            seen.add(json.loads(slack.dialogs[dialog]["private_metadata"])["wire"].split(".")[1])
            await answered(square, slack.submit(dialog, {}, user=ADA))


async def quiz_to_its_end(square: Square) -> None:
    """Play a quiz, wrongly as a rule, so that there is something to review."""
    slack = square.slack
    await slack.command("/quiz", "2", user=ADA)
    for number in range(1, 11):
        card = await slack.see(f"question {number} of", to=ADA)
        await slack.press(card, "A", user=ADA)
        verdict = await slack.see(f"{number} answered", to=ADA)
        await slack.press(verdict, labels(verdict.body["blocks"])[0], user=ADA)
    await slack.see("You got", to=ADA)


async def card_to_its_end(square: Square) -> None:
    """A sitting of one card."""
    slack = square.slack
    await slack.command("/flashcards", "autograd 1", user=ADA)
    card = await slack.see("Autograd · 1 of 1", to=ADA)
    await slack.press(card, "Show", user=ADA)
    await slack.until(lambda: "How well did you know it?" in card.text, "the back of the card")
    perfectly = next(each for each in labels(card.body["blocks"]) if each.startswith("5"))
    await answered(square, slack.press(card, perfectly, user=ADA))


async def test_every_kind_of_button_and_form_is_answered(square: Square) -> None:
    slack, seen = square.slack, set[str]()
    async with square.served():
        await square.planned()
        await square.simulated.pass_time(timedelta(days=1, hours=1))
        await quiz_to_its_end(square)
        lines = [each.example for each in COMMANDS.values()]
        for line in [*lines, "/flashcards", "/interview", "/concepts", "/schedules", "/daily audit", "/run"]:
            name, _, rest = line.partition(" ")
            await answered(square, slack.command(name, rest, user=ADA))
        await press_each_kind(square, seen)
        await card_to_its_end(square)
        for line in ("/reports", "/review", "/flashcards autograd"):
            name, _, rest = line.partition(" ")
            await answered(square, slack.command(name, rest, user=ADA))
            await press_each_kind(square, seen)

    assert sorted(set(VERBS) - seen) == NOT_HERE
    assert not [event for event, _ in square.town.log.events if event.endswith("failed")]
    assert CHANNEL in {each.channel for each in slack.shown()}
