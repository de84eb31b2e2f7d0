"""Interview questions, concepts and reference: found by number, topic or word, turned over side by side."""

from __future__ import annotations

import pytest

from bot.app.study import SHELVES
from bot.core.actions import RunProof
from bot.core.ids import ItemId
from bot.core.kinds.interview import Interview
from bot.core.views import View
from tests.app.building import BANK, House, Person, action, labels, words


@pytest.fixture
def ada() -> Person:
    return Person(House())


@pytest.mark.parametrize("name", SHELVES)
async def test_a_shelf_lists_its_sections_and_opens_each_from_the_menu(ada: Person, name: str) -> None:
    menu = await ada.say(f"/{name}")
    assert isinstance(menu, View)
    assert menu.menu is not None

    for section, entry in zip(BANK.sections_of(*SHELVES[name].kinds), menu.menu.entries, strict=True):
        card = await ada.press(menu, entry.label)
        assert words(card).startswith(f"{section.title} · 1 of {len(section.items)}")


@pytest.mark.parametrize("name", SHELVES)
async def test_every_item_can_be_opened_by_number_and_turned_to_every_side(ada: Person, name: str) -> None:
    items = [item for section in BANK.sections_of(*SHELVES[name].kinds) for item in section.items]

    for number, item in enumerate(items, 1):
        card = await ada.say(f"/{name} {number}")
        for side in item.sides()[1:]:
            card = await ada.press(card, side.label)
            assert ("Think of your answer first." if side.asks else "Read on: ") in words(card)


async def test_an_interview_question_shows_its_steps_as_buttons(ada: Person) -> None:
    card = await ada.say("/interview 1")

    assert labels(card)[:4] == ["Outline", "Full answer", "Code", "Follow-up 1"]
    assert "Think of your answer first." in words(card)


async def test_an_answer_is_rated_from_one_to_five_right_where_it_is_read(ada: Person) -> None:
    card = await ada.press(await ada.say("/interview 1"), "Full answer")

    rated = await ada.press(card, "4 Well · 2 d")

    assert "Rated 4 Well: back in 2 d." in words(rated)
    assert labels(rated)[:2] == ["Next", "Undo"]
    assert "5 Perfectly · 8 d" in labels(await ada.press(rated, "Undo"))


async def test_a_follow_up_comes_with_its_own_references_and_proof(ada: Person) -> None:
    item = BANK.items[ItemId("interview-01")]
    assert isinstance(item, Interview)
    follow_up = item.follow_ups[1]

    answer = await ada.press(await ada.say("/interview 1"), "Answer 2")

    assert follow_up.sources() != item.sources()
    assert words(answer).endswith(follow_up.sources())
    assert action(answer, "Run the proof") == RunProof(follow_up.id)


async def test_a_follow_up_is_asked_without_what_would_give_its_answer_away(ada: Person) -> None:
    asked = await ada.press(await ada.say("/interview 1"), "Follow-up 2")

    assert words(asked).endswith("Think of your answer first.")
    assert not [label for label in labels(asked) if label.startswith("Run ")]


async def test_the_sample_of_an_interview_question_runs_with_its_preamble(ada: Person) -> None:
    card = await ada.press(await ada.say("/interview 1"), "Full answer")

    assert "Output\ntensor(3)" in words(await ada.press(card, "Run the code"))


async def test_next_goes_through_a_section_and_begins_again(ada: Person) -> None:
    section = BANK.sections_of("concept")[0]
    card = await ada.say("/concepts 1")

    for _ in section.items:
        card = await ada.press(card, "Next")

    assert words(card).startswith(f"{section.title} · 1 of ")


@pytest.mark.parametrize("what", ["banana", "0", "9999999999999", "-1", "\u202e"])
async def test_what_is_not_there_is_answered_with_what_is(ada: Person, what: str) -> None:
    assert "Use a number from 1 to 38, or a topic such as" in words(await ada.say(f"/interview {what}"))


async def test_a_word_of_the_question_finds_it(ada: Person) -> None:
    assert "Cross-entropy" in words(await ada.say("/reference cross-entropy"))
