"""Playing a quiz: one question after the other, the first answer final, nothing lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.views import View
from tests.app.building import House, Person, labels, right_letter, words, wrong_letter


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def ada(house: House) -> Person:
    return Person(house)


async def play(person: Person, quiz: str, wrong: int = 0) -> View:
    """Play a quiz to its end, with the first `wrong` answers wrong; returns the result card."""
    card = await person.say(f"/quiz {quiz}")
    for number in range(10):
        verdict = await person.press(card, wrong_letter(card) if number < wrong else right_letter(card))
        card = await person.press(verdict, "Next question" if number < 9 else "See result")
    assert isinstance(card, View)
    return card


async def test_a_quiz_begins_with_its_first_question_and_lettered_buttons(ada: Person) -> None:
    card = await ada.say("/quiz 11")

    assert words(card).startswith("Quiz 11 · Transformers · question 1 of 10")
    assert labels(card) == ["A", "B", "C", "D"]


async def test_a_right_answer_earns_a_point_and_an_explanation(ada: Person) -> None:
    card = await ada.say("/quiz 11")

    verdict = await ada.press(card, right_letter(card))

    assert words(verdict).startswith("Right. +1 point")
    assert "Why: " in words(verdict)
    assert "1 point this month, rank 1" in words(verdict)


async def test_a_wrong_answer_names_the_right_letter_and_why_the_choice_is_wrong(ada: Person) -> None:
    card = await ada.say("/quiz 11")

    verdict = await ada.press(card, wrong_letter(card))

    assert words(verdict).startswith(f"Not quite. It is {right_letter(card)}.")
    assert "Why not: " in words(verdict)


async def test_only_the_first_answer_counts(ada: Person) -> None:
    card = await ada.say("/quiz 11")
    wrong = wrong_letter(card)
    await ada.press(card, wrong)

    again = await ada.press(card, right_letter(card))

    assert words(again).startswith("Not quite.")
    assert f"Your first answer counts: {wrong}." in words(again)


async def test_the_same_tap_twice_gets_the_same_verdict(ada: Person) -> None:
    card = await ada.say("/quiz 11")
    wire = ada.wire(card, right_letter(card))

    first, second = await ada.click(wire), await ada.click(wire)

    assert words(first) == words(second)


async def test_a_quiz_left_is_resumed_where_it_was(ada: Person) -> None:
    card = await ada.say("/quiz 11")
    await ada.press(card, "A")

    assert "question 2 of 10" in words(await ada.say("/quiz 11"))


async def test_a_finished_quiz_shows_the_score_and_what_to_look_at_again(ada: Person) -> None:
    result = await play(ada, "11", wrong=3)

    assert "You got 7 of 10 ▰▰▰▰▰▰▰▱▱▱" in words(result)
    assert "Question 1: " in words(result)
    assert labels(result) == ["Share result", "Review what you missed", "Leaderboard", "Play again"]
    assert words(await ada.press(result, "Review what you missed")).startswith("Review · ")


async def test_a_perfect_quiz_is_praised(ada: Person) -> None:
    assert "Every one of them." in words(await play(ada, "11"))


async def test_playing_again_begins_a_new_round_that_earns_only_what_was_wrong_before(
    house: House, ada: Person
) -> None:
    result = await play(ada, "11", wrong=2)
    house.clock.at += timedelta(days=1)

    first = await ada.press(result, "Play again")
    verdict = await ada.press(first, right_letter(first))
    third = await ada.press(await ada.press(await ada.press(verdict, "Next question"), "A"), "Next question")
    repeated = await ada.press(third, right_letter(third))

    assert "question 1 of 10" in words(first)
    assert words(verdict).startswith("Right. +1 point")
    assert words(repeated).startswith("Right.\n")


async def test_pressing_play_again_twice_begins_one_round(ada: Person) -> None:
    result = await play(ada, "11")
    wire = ada.wire(result, "Play again")
    first = await ada.click(wire)
    await ada.press(first, "A")

    assert "question 2 of 10" in words(await ada.click(wire))


async def test_a_card_of_an_earlier_round_is_answered_kindly_and_counts_nothing(ada: Person) -> None:
    old = await ada.say("/quiz 11")
    result = await play(ada, "11")
    await ada.press(result, "Play again")

    assert words(await ada.press(old, "A")) == "That card is from an earlier round. Type /quiz 11 to go on."


async def test_practice_earns_at_most_ten_points_a_day_and_says_so(house: House, ada: Person) -> None:
    await play(ada, "11")
    card = await ada.say("/quiz 1")
    capped = await ada.press(card, right_letter(card))
    house.clock.at += timedelta(days=1)
    card = await ada.press(capped, "Next question")
    next_day = await ada.press(card, right_letter(card))

    assert "today's 10 practice points are reached" in words(capped)
    assert words(next_day).startswith("Right. +1 point")


async def test_every_reason_is_shown_after_answering_and_not_before(ada: Person) -> None:
    card = await ada.say("/quiz 11")
    verdict = await ada.press(card, "A")
    reasons = words(await ada.press(verdict, "Why not the others?"))
    bob = Person(ada.house, "Bob")

    assert [f"{letter} " in reasons for letter in "ABCD"] == [True] * 4
    assert "Answer it first" in words(await bob.click(bob.wire(verdict, "Why not the others?")))


async def test_two_people_see_the_options_in_their_own_order(house: House) -> None:
    orders = {words(await Person(house, f"p{number}").say("/quiz 11")) for number in range(12)}

    assert len(orders) > 4


async def test_a_result_is_shared_in_one_public_line_without_answers(ada: Person) -> None:
    result = await play(ada, "11", wrong=1)

    shared = await ada.press(result, "Share result")

    assert isinstance(shared, View)
    assert not shared.private
    assert words(shared) == "Ada got 9 of 10 in Quiz 11 · Transformers ▰▰▰▰▰▰▰▰▰▱"


async def test_a_result_can_be_shared_only_when_finished(ada: Person) -> None:
    result = await play(ada, "11")
    bob = Person(ada.house, "Bob")

    assert "Finish the quiz first" in words(await bob.click(bob.wire(result, "Share result")))


async def test_without_a_number_there_is_a_menu_of_all_quizzes(ada: Person) -> None:
    menu = await ada.say("/quiz")

    assert "question 1 of 10" in words(await ada.press(menu, "11 · Transformers"))


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/quiz 99", "There is no quiz 99."),
        ("/quiz abc", "abc is not a quiz number. Try /quiz 11, or /quiz for the list."),
        ("/quiz -1", "-1 is not a quiz number."),
        ("/quiz ١١", "١١ is not a quiz number."),
        ("/quiz 11111111111111111111", "There is no quiz 111111111…."),
        ("/quiz \u202e@everyone", "@everyone is not a quiz number."),
        ("/quizz 11", "There is no command /quizz. Type /help to see them all."),
        ("/quiz 11 Transformer", "11 Transformer is not a quiz number."),
        ("hello", "I answer commands, such as /quiz 11."),
        ("", "I answer commands"),
    ],
)
async def test_what_cannot_be_understood_is_answered_with_what_to_type(ada: Person, line: str, answer: str) -> None:
    assert words(await ada.say(line)).startswith(answer)


async def test_a_leading_zero_and_capitals_do_no_harm(ada: Person) -> None:
    assert "Quiz 1 ·" in words(await ada.say("  /QUIZ   01 "))


async def test_a_quiz_opens_by_number_and_title_as_it_is_suggested(ada: Person) -> None:
    assert "Quiz 11 ·" in words(await ada.say("/quiz 11 transformers"))
