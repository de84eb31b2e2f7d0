"""Puzzles in the chat: asked, answered, run; nothing is kept but the seed in the buttons."""

from __future__ import annotations

import pytest

from bot.app.puzzles import Puzzles
from bot.core.actions import Action, AnswerPuzzle, AskPuzzle, RunPuzzle
from bot.core.errors import NotFound
from bot.core.puzzles import SUBJECTS, puzzle
from bot.core.text import letter
from bot.core.views import Button, View
from tests.app.building import House, Person, labels, words

ROLLED = 5


@pytest.fixture
def ada() -> Person:
    return Person(House())


def right(subject: str, seed: int = ROLLED) -> str:
    return letter(puzzle(subject, seed).right)


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_a_puzzle_shows_code_and_four_lettered_guesses(ada: Person, subject: str) -> None:
    card = await ada.say(f"/puzzle {subject.upper()}")

    assert words(card).startswith(f"Puzzle · {subject}\nWhat does this print?")
    assert labels(card)[:4] == ["A", "B", "C", "D"]


async def test_without_a_subject_any_will_do_and_the_card_names_them_all(ada: Person) -> None:
    shown = words(await ada.say("/puzzle"))

    assert shown.startswith(f"Puzzle · {list(SUBJECTS)[ROLLED]}")
    assert all(subject in shown for subject in SUBJECTS)


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_a_right_guess_is_told_why_it_is_right(ada: Person, subject: str) -> None:
    made = puzzle(subject, ROLLED)
    shown = words(await ada.press(await ada.say(f"/puzzle {subject}"), right(subject)))

    assert shown.startswith("Right.\n")
    assert f"Why: {made.guesses[made.right].reason.replace('`', '')}" in shown
    assert "Why not: " not in shown


async def test_a_wrong_guess_is_told_which_mistake_leads_there(ada: Person) -> None:
    made = puzzle("grad", ROLLED)
    place = (made.right + 1) % 4
    shown = words(await ada.press(await ada.say("/puzzle grad"), letter(place)))

    assert shown.startswith(f"Not quite. It is {right('grad')}.\n")
    assert f"Why not: {made.guesses[place].reason.replace('`', '')}" in shown
    assert f"Why: {made.guesses[made.right].reason.replace('`', '')}" in shown


async def test_after_the_verdict_the_code_can_be_run_and_another_be_asked(ada: Person) -> None:
    verdict = await ada.press(await ada.say("/puzzle grad"), "A")

    run = await ada.press(verdict, "Run it")
    another = await ada.press(verdict, "Another one")

    (order,) = ada.house.queue.orders.values()
    assert order.source == puzzle("grad", ROLLED).code
    assert isinstance(run, View)
    assert run.private
    assert words(another).startswith("Puzzle · grad")


async def test_an_unknown_subject_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match=r"I have no puzzles on `cooking`\. There are `broadcasting`, `matmul`"):
        await Puzzles().typed(Person(House()).caller(), "cooking")


@pytest.mark.parametrize(
    "pressed",
    [
        AnswerPuzzle("grad", ROLLED, 0, "0000"),
        AnswerPuzzle("grad", ROLLED, 4, puzzle("grad", ROLLED).mark),
        AnswerPuzzle("gone", ROLLED, 0, "0000"),
        AskPuzzle("gone"),
        RunPuzzle("grad", ROLLED, "0000"),
        RunPuzzle("gone", ROLLED, "0000"),
    ],
)
async def test_a_button_of_another_version_asks_for_a_fresh_puzzle(ada: Person, pressed: Action) -> None:
    desk, caller = ada.house.desk, ada.caller()
    view = View((), "", buttons=(Button("Old", pressed),))

    assert "/puzzle" in words(await ada.click(desk.seal(caller, view)(pressed)))
