"""Drilling cards and reviewing what is due, as a person sees it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.app.memory import FOLLOW_EVERY
from bot.core.reviews import MOST_IN_SITTING
from bot.core.views import View
from tests.app.building import BANK, House, Person, labels, right_letter, words, wrong_letter

RATINGS = ["1 Not at all · now", "2 Barely · 10 min", "3 With effort · 1 d", "4 Well · 2 d", "5 Perfectly · 8 d"]


@pytest.fixture
def ada() -> Person:
    return Person(House())


def pass_time(ada: Person, days: float = 0, minutes: float = 0) -> None:
    ada.house.clock.at += timedelta(days=days, minutes=minutes)


async def drill(ada: Person, line: str, *rating_starts: str) -> View:
    """Show and rate cards; returns what comes after the last rating."""
    card = await ada.say(line)
    for start in rating_starts:
        card = await ada.press(card, "Show")
        card = await ada.press(card, next(label for label in labels(card) if label.startswith(start)))
    assert isinstance(card, View)
    return card


async def test_a_card_is_shown_turned_rated_and_the_next_one_comes(ada: Person) -> None:
    front = await ada.say("/flashcards autograd")
    back = await ada.press(front, "Show")
    following = await ada.press(back, "4 Well · 2 d")

    assert words(front).startswith("Flashcards · Autograd · 1 of ")
    assert labels(front) == ["Show"]
    assert labels(back)[:5] == RATINGS
    assert words(following).startswith("Flashcards · Modules · 2 of ")
    assert "Rated 4 Well: back in 2 d." in words(following)
    assert labels(following) == ["Show", "Undo"]


async def test_every_card_is_private_and_takes_the_place_of_the_one_before(ada: Person) -> None:
    front = await ada.say("/flashcards autograd")
    back = await ada.press(front, "Show")
    following = await ada.press(back, "4 Well · 2 d")

    for view in (front, back, following):
        assert isinstance(view, View)
        assert view.private
    assert [view.in_place for view in (front, back, following) if isinstance(view, View)] == [False, True, True]


async def test_a_sitting_ends_with_a_summary(ada: Person) -> None:
    summary = await drill(ada, "/flashcards 3", "4", "4", "1")

    assert words(summary).startswith("Flashcards · 3 cards done\n4 Well 2\n1 Not at all 1\n")
    assert labels(summary) == ["10 more cards", "Undo", "My progress"]
    assert words(await ada.press(summary, "10 more cards")).startswith("Flashcards · ")


async def test_a_card_not_known_at_all_comes_back_in_the_same_sitting(ada: Person) -> None:
    deck = [item for item in BANK.items.values() if item.kind == "flashcard" and item.topic == "device"]
    facts = {item.fact for item in deck}

    last = await drill(ada, "/flashcards device", *["1"] * len(facts))

    assert "Rated 1 Not at all: back in this sitting." in words(last)
    assert labels(last) == ["Show", "Undo"]


async def test_a_barely_known_card_waits_ten_minutes(ada: Person) -> None:
    await drill(ada, "/flashcards 1", "2")

    assert "Nothing is due until Sun 22 Nov, 12:10 UTC." in words(await ada.say("/review"))
    pass_time(ada, minutes=10)
    assert words(await ada.say("/review")).startswith("Review · ")


async def test_what_was_known_is_due_on_the_morning_of_its_day(ada: Person) -> None:
    await drill(ada, "/flashcards 1", "4")

    assert "Nothing is due until Tue 24 Nov, 04:00 UTC." in words(await ada.say("/review"))
    pass_time(ada, days=2)
    assert words(await ada.say("/review")).startswith("Review · ")


async def test_undo_brings_the_card_back_as_it_was(ada: Person) -> None:
    following = await drill(ada, "/flashcards autograd", "1")

    undone = await ada.press(following, "Undo")

    assert words(undone).startswith("Flashcards · Autograd · 1 of ")
    assert labels(undone)[:5] == RATINGS
    again = await ada.press(undone, "5 Perfectly · 8 d")
    assert "Rated 5 Perfectly: back in 8 d." in words(again)
    assert words(again).startswith("Flashcards · Modules · 2 of ")


async def test_undo_pressed_twice_takes_back_one_rating(ada: Person) -> None:
    following = await drill(ada, "/flashcards autograd", "4", "4")
    wire = ada.wire(following, "Undo")
    await ada.click(wire)

    assert "Only the newest rating can be taken back" in words(await ada.click(wire))
    assert words(await ada.say("/flashcards autograd")).startswith("Flashcards · Modules · 2 of ")


async def test_a_double_click_counts_once_and_is_answered_the_same(ada: Person) -> None:
    back = await ada.press(await ada.say("/flashcards autograd"), "Show")
    wire = ada.wire(back, "4 Well · 2 d")

    first = await ada.click(wire)

    assert await ada.click(wire) == first
    assert "4 Well: back in 2 d" in words(await ada.press(back, "1 Not at all · now"))


async def test_a_button_of_a_card_rated_since_is_answered_kindly(ada: Person) -> None:
    back = await ada.press(await ada.say("/flashcards autograd"), "Show")
    await drill(ada, "/flashcards autograd", "4", "4")

    assert "has been rated since" in words(await ada.press(back, "4 Well · 2 d"))


async def test_a_left_sitting_goes_on_where_it_was(ada: Person) -> None:
    await drill(ada, "/flashcards autograd", "4")

    assert words(await ada.say("/flashcards autograd")).startswith("Flashcards · Modules · 2 of ")


async def test_a_look_at_what_is_due_does_not_disturb_a_drill(ada: Person) -> None:
    back = await ada.press(await ada.say("/flashcards autograd"), "Show")
    await ada.say("/review")

    assert words(await ada.press(back, "4 Well · 2 d")).startswith("Flashcards · Modules · 2 of ")


async def test_a_button_of_a_sitting_long_left_still_counts(ada: Person) -> None:
    back = await ada.press(await ada.say("/flashcards autograd"), "Show")
    for topic in ("metrics", "tensors", "losses"):
        await ada.say(f"/flashcards {topic}")

    rated = await ada.press(back, "4 Well · 2 d")

    assert "Rated 4 Well: back in 2 d." in words(rated)
    assert labels(rated)[:2] == ["Next", "Undo"]


async def test_the_decks_tell_what_is_new_and_what_is_due(ada: Person) -> None:
    menu = await ada.say("/flashcards")
    assert "Classification metrics 12 new" in words(menu)

    card = await ada.press(menu, "Classification metrics")
    await ada.press(await ada.press(card, "Show"), "1 Not at all · now")

    assert "Classification metrics 1 due · 11 new" in words(await ada.say("/flashcards"))


async def test_nothing_is_due_for_a_newcomer(ada: Person) -> None:
    empty = await ada.say("/review")

    assert words(empty) == (
        "Review\nNothing is due. Play a /quiz or drill /flashcards: what you meet there comes back here."
    )
    assert labels(empty) == ["New cards", "My progress"]
    assert words(await ada.press(empty, "New cards")).startswith("Flashcards · ")


async def test_a_missed_question_comes_back_in_a_review_and_is_graded_by_the_answer(ada: Person) -> None:
    question = await ada.say("/quiz 11")
    await ada.press(question, wrong_letter(question))

    review = await ada.say("/review")
    assert words(review).startswith("Review · Transformers · 1 of 1")
    wrong = await ada.press(review, wrong_letter(review))
    assert words(wrong).startswith("Not quite. It is ")
    assert "Back in this sitting." in words(wrong)

    again = await ada.press(wrong, "Next")
    right = await ada.press(again, right_letter(again))
    assert words(right).startswith("Right.")
    assert "Back in " in words(right)
    assert "2 cards done" in words(await ada.press(right, "Next"))


async def test_answers_in_a_review_give_no_points(ada: Person) -> None:
    question = await ada.say("/quiz 11")
    await ada.press(question, wrong_letter(question))
    review = await ada.say("/review")

    await ada.press(review, right_letter(review))

    assert "1. Ada 0 me" in words(await ada.say("/leaderboard"))


async def test_the_first_answer_in_a_review_stands(ada: Person) -> None:
    question = await ada.say("/quiz 11")
    await ada.press(question, wrong_letter(question))
    review = await ada.say("/review")
    wrong, right = wrong_letter(review), right_letter(review)
    await ada.press(review, wrong)

    second = await ada.press(review, right)

    assert words(second).startswith("Not quite.")
    assert "Your first answer counts." in words(second)


async def test_a_question_answered_right_comes_back_in_some_days(ada: Person) -> None:
    question = await ada.say("/quiz 11")
    await ada.press(question, right_letter(question))

    assert "Nothing is due until Tue 24 Nov, 04:00 UTC." in words(await ada.say("/review"))
    pass_time(ada, days=3)
    assert words(await ada.say("/review")).startswith("Review · ")


async def test_items_about_one_fact_share_one_memory(ada: Person) -> None:
    cards = [item for item in BANK.items.values() if item.kind == "flashcard"]
    first, second = next((a, b) for a in cards for b in cards if a.fact == b.fact and a.id < b.id)
    await ada.press(await ada.press(await ada.say(f"/flashcards {first.id}"), "Show"), "5 Perfectly · 8 d")

    back = await ada.press(await ada.say(f"/flashcards {second.id}"), "Show")

    assert "4 Well · 2 d" not in labels(back)


async def test_an_answer_is_replied_to_before_memory_takes_it_in(ada: Person) -> None:
    """What follows the reply may fail without a trace in the chat."""

    async def broken(*_: object) -> None:
        raise RuntimeError("memory is broken")

    house = ada.house
    question = await ada.say("/quiz 11")
    verdict = await ada.press(question, right_letter(question))
    question = await ada.press(verdict, "Next question")
    assert house.notebooks is not None
    house.notebooks.page = broken  # type: ignore[method-assign, assignment]
    house.clock.at += FOLLOW_EVERY

    replies = await ada.clicks(ada.wire(question, right_letter(question)))

    assert [words(reply).split("\n")[0] for reply in replies] == ["Right. +1 point"]
    assert [event for event, _ in house.log.events] == ["notebooks.failed"]


@pytest.mark.parametrize("line", ["/flashcards autograd 0", "/flashcards 31", "/review 99999999", "/flashcards -3"])
async def test_a_wrong_number_of_cards_is_answered_with_the_right_ones(ada: Person, line: str) -> None:
    assert f"A sitting has 1 to {MOST_IN_SITTING} cards" in words(await ada.say(line))


@pytest.mark.parametrize("line", ["/flashcards banana", "/flashcards \u202e", "/flashcards " + "x" * 5000])
async def test_a_word_without_cards_is_answered_with_words_that_have_some(ada: Person, line: str) -> None:
    shown = words(await ada.say(line))

    assert "Try a topic such as" in shown


async def test_a_review_of_a_word_is_answered_with_what_it_takes(ada: Person) -> None:
    assert "takes a number of cards" in words(await ada.say("/review autograd"))


@pytest.mark.parametrize("section", range(1, 9))
async def test_every_deck_can_be_drilled_to_its_end(ada: Person, section: int) -> None:
    menu = await ada.say("/flashcards")
    assert isinstance(menu, View)
    assert menu.menu is not None
    card = await ada.press(menu, menu.menu.entries[section - 1].label)
    seen = 0
    while "Show" in labels(card):
        card = await ada.press(card, "Show")
        card = await ada.press(card, next(label for label in labels(card) if label.startswith("5 ")))
        seen += 1

    assert 0 < seen <= 10
    assert f"{seen} cards done" in words(card)
