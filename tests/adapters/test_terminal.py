"""The terminal chat: lines in, plain cards out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from bot.adapters.terminal import Terminal, TerminalChat, card
from bot.core.actions import AskQuiz, SubmitRun
from bot.core.demo import DEMO_CHANNEL, DEMO_TENANT
from bot.core.ids import Caller
from bot.core.runs import RunFile
from bot.core.views import (
    Button,
    Code,
    Field,
    Files,
    Form,
    Heading,
    Note,
    Reply,
    Span,
    Style,
    Table,
    Text,
    View,
)
from tests.app.building import House


@dataclass
class FakeConsole:
    """Plays lines and remembers what was printed."""

    lines: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    styled: bool = False

    async def read(self, prompt: str) -> str | None:
        return self.lines.pop(0) if self.lines else None

    def write(self, text: str) -> None:
        self.printed.append(text)


async def talk(*lines: str, house: House | None = None, styled: bool = False) -> list[str]:
    """What is printed for these lines."""
    console = FakeConsole(list(lines), styled=styled)
    await Terminal((house or House()).desk, console, "Ada").chat()
    return console.printed


async def test_a_question_a_verdict_and_a_board_are_printed() -> None:
    question, verdict, board = await talk("/quiz 11", "B", "/leaderboard")

    assert "Quiz 11 · Transformers · question 1 of 10" in question
    assert question.endswith("Answer with A  B  C  D")
    assert "Why: " in verdict
    assert "!1 Next question  !2 Run the proof" in verdict
    assert "Ada  " in board
    assert "(you)" in board


async def test_a_number_presses_a_button_and_a_menu_entry() -> None:
    menu, question = await talk("/quiz", "!11")

    assert "!11 11 · Transformers" in menu
    assert "Quiz 11 · Transformers · question 1 of 10" in question


async def test_no_number_but_that_of_the_button_stands_before_a_rating() -> None:
    _, back = await talk("/interview autograd", "!2")

    assert re.search(r"^!\d+ Well · 2 d$", back, re.MULTILINE)
    assert not re.search(r"!\d+ \d", back)


async def test_letters_are_pressed_in_either_case() -> None:
    assert "Why: " in (await talk("/quiz 11", "b"))[1]


async def test_as_switches_the_player_and_each_has_their_own_game() -> None:
    *_, switched, question = await talk("/quiz 11", "A", "/as Bob", "/quiz 11")

    assert switched == "You are Bob now."
    assert "question 1 of 10" in question


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("A", "The last card has no button A."),
        ("!1", "The last card has 0 buttons."),
        ("!0", "The last card has 0 buttons."),
        ("/as", "Say who: /as Ada"),
        ("/as \u200b", "Say who: /as Ada"),
    ],
)
async def test_a_press_that_cannot_be_is_answered_with_what_can(line: str, answer: str) -> None:
    assert (await talk(line))[0].startswith(answer)


async def test_the_board_that_is_shown_already_cannot_be_pressed() -> None:
    assert (await talk("/quiz 11", "A", "/leaderboard", "!3"))[-1] == "Month is what you see already."


async def test_empty_lines_are_passed_over() -> None:
    assert await talk("", "  ") == []


async def test_a_run_prints_its_result_once() -> None:
    (result,) = await talk("/run torch.arange(3).sum()")

    assert "    tensor(3)" in result


async def test_a_watching_person_sees_progress() -> None:
    assert [each.strip() for each in (await talk("/run x", styled=True))[:2]] == ["Starting…", "Running on cpu…"]


async def test_a_form_takes_the_lines_up_to_a_dot() -> None:
    house = House()

    await talk("/run", "for x in range(2):", "    print(x)", ".", house=house)

    assert [order.source for order in house.queue.orders.values()] == ["for x in range(2):\n    print(x)"]


async def test_a_form_ends_with_the_input() -> None:
    assert "    tensor(3)" in (await talk("/run", "x"))[-1]


def test_output_is_plain_text_when_nobody_watches() -> None:
    view = View((Heading("Title"), Text((Span("strong", Style.STRONG), Span("code", Style.CODE)))), "")

    assert card(view, []) == ["", "Title", "strong`code`"]
    assert card(view, [], styled=True) == ["", "\x1b[1mTitle\x1b[0m", "\x1b[1mstrong\x1b[0m`code`"]


def test_every_block_has_a_plain_form() -> None:
    view = View(
        (
            Code("x = 1", title="Ada runs"),
            Table(("a", "b"), (("1", "2"),)),
            Files((RunFile("figure-1.png", b"123", "a line"),)),
        ),
        "",
    )

    assert card(view, ["Next"]) == [
        "",
        "Ada runs:",
        "    x = 1",
        "a | b",
        "1 | 2",
        "[figure-1.png, 3 bytes] a line",
        "!1 Next",
    ]


class OneForm(House):
    """A house that asks for a form of single lines."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sent: dict[str, str] = {}

    async def say(self, caller: Caller, line: str) -> AsyncIterator[Reply]:
        yield Form("Plan", SubmitRun(), (Field("at", "Time", "09:00"), Field("zone", "Zone", "UTC")))

    async def submit(self, caller: Caller, wire: str, values: Mapping[str, str]) -> AsyncIterator[Reply]:
        self.sent.update(values)
        yield View((Text((Span("planned"),)),), "planned")


async def test_a_box_of_one_line_takes_a_line_and_an_empty_one_keeps_what_it_holds() -> None:
    house = OneForm()
    house.desk.say = house.say  # type: ignore[method-assign]
    house.desk.submit = house.submit  # type: ignore[method-assign]
    printed = await talk("/setup", "10:30", "", house=house)

    assert printed[:2] == ["Time [09:00]", "Zone [UTC]"]
    assert house.sent == {"at": "10:30", "zone": "UTC"}


async def test_what_is_posted_is_printed_and_printed_anew_once_it_says_something_else() -> None:
    console = FakeConsole()
    terminal = Terminal(House().desk, console, "Ada")
    chat = TerminalChat(terminal)
    where = (DEMO_TENANT, DEMO_CHANNEL)
    asked = View((Text((Span("1 or 2?"),)),), "asked", (Button("A", AskQuiz("11")),), private=False)
    id = await chat.post(*where, asked, "k")
    await chat.edit(*where, id, replace(asked, blocks=(Note("1 answered"),)), "k")
    await chat.reply(*where, id, View((Text((Span("digest"),)),), "digest"), "k-digest")
    await chat.edit(*where, id, View((Text((Span("it is 1"),)),), "closed"), "k")

    assert [each.split("\n")[1] for each in console.printed] == ["1 or 2?", "digest", "it is 1"]
    assert await chat.find(*where, "k", datetime(2000, 1, 1, tzinfo=UTC)) == [id]
    await terminal.handle("a")
    assert "question 1 of 10" in console.printed[-1]  # the last card with buttons is the question
