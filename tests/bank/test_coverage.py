"""The bank covers every item it was asked to cover, under the same id, in the promised numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bot.bank.lint import counts
from bot.bank.tells import GUESSES, chance, share, strictly_longest, strictly_shortest
from bot.core.ids import ItemId
from bot.core.kinds.multiple_choice import MultipleChoice
from tests.app.building import BANK

_LINES = (Path(__file__).parent / "required_items.txt").read_text().splitlines()
REQUIRED = {item: fact for item, _, fact in (line.partition(" ") for line in _LINES)}
"""Each id with the fact that it shares with others; none where it stands alone."""


def test_every_required_item_is_there() -> None:
    assert sorted(REQUIRED.keys() - BANK.items.keys()) == []


def test_there_are_twelve_quizzes_of_ten_in_three_courses() -> None:
    assert {number: len(quiz.questions) for number, quiz in BANK.quizzes.items()} == dict.fromkeys(range(1, 13), 10)
    assert sorted(number for course in BANK.courses for number in course.quizzes) == list(range(1, 13))


def test_a_question_stands_in_its_quiz_at_its_number() -> None:
    for number, quiz in BANK.quizzes.items():
        assert [question.id for question in quiz.questions] == [f"quiz-{number:02}-q{n:02}" for n in range(1, 11)]


def test_the_other_kinds_have_their_numbers() -> None:
    of = counts(BANK.items.values())

    assert (of["flashcard"], of["interview"], of["follow_up"]) == (81, 38, 76)
    assert (of["concept"], of["formula"], of["pattern"]) == (15, 6, 4)


def test_at_least_305_items_have_a_proof() -> None:
    assert sum(item.proof is not None for item in BANK.items.values()) >= 305


def test_no_simple_way_to_guess_pays() -> None:
    questions = [each for quiz in BANK.quizzes.values() for each in quiz.questions if isinstance(each, MultipleChoice)]
    letters = Counter(str(each.right()) for each in questions)

    assert share(questions, strictly_longest) <= 0.3
    assert share(questions, strictly_shortest) >= 0.15
    assert all(sum(map(strictly_longest, quiz.questions)) <= 4 for quiz in BANK.quizzes.values())
    assert all(0.2 * len(questions) <= letters[letter] <= 0.3 * len(questions) for letter in "abcd")
    for picks in GUESSES.values():
        assert sum(chance(each, picks) for each in questions) < 0.4 * len(questions)


def test_topics_build_only_on_earlier_ones() -> None:
    seen: set[str] = set()
    for topic in BANK.topics:
        assert set(topic.builds_on) <= seen
        seen.add(topic.id)


def test_all_forms_of_one_fact_name_it_alike_and_all_others_their_own() -> None:
    wanted = {item: fact or item for item, fact in REQUIRED.items()}

    assert {item: BANK.items[ItemId(item)].fact for item in REQUIRED} == wanted
    assert len(set(wanted.values())) == 186
