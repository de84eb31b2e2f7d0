"""Tells and twins: what gives an answer away, and what asks the same again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.bank.authoring import example
from bot.bank.lint import lint
from bot.bank.load import FOLDER, load
from bot.bank.tells import strictly_longest
from bot.bank.wording import MOST_LABEL
from tests.app.building import BANK
from tests.bank.building import bank, question, replaced
from tests.bank.test_authoring import bank_of


def findings(folder: Path) -> list[str]:
    return [str(finding) for finding in lint(load(folder))]


def distinct(number: int, old: str = "", new: str = "") -> str:
    """A valid question whose stem shares few words with the others."""
    words = " ".join(f"word{number}x{each}" for each in range(8))
    text = question(f"quiz-01-q{number:02}").replace("What does `x.view(2, 2)` share with `x`?", f"Which {words}?")
    return text.replace(old, new) if old else text


def test_a_good_bank_has_no_findings(tmp_path: Path) -> None:
    assert findings(bank(tmp_path, *(distinct(number) for number in range(1, 4)))) == []


def test_letters_in_a_text_are_refused_because_options_are_shuffled(tmp_path: Path) -> None:
    (finding,) = findings(bank(tmp_path, replaced("The shape is what", "Option A is what")))

    assert finding.startswith("quizzes/01-basics.yaml:4:1: quiz-01-q01: says “Option A”, but options are shuffled")


def test_options_of_very_different_length_are_named(tmp_path: Path) -> None:
    (finding,) = findings(bank(tmp_path, replaced("text: its shape", "text: the shape of the tensor it came from")))

    assert "options of 11 to 36 characters (the longest at most 1.3 times the shortest)" in finding


def test_a_quiz_in_which_the_longest_is_right_too_often_is_named(tmp_path: Path) -> None:
    folder = bank(tmp_path, *(distinct(number) for number in range(1, 6)))

    assert all(strictly_longest(each) for each in load(folder).quizzes[1].questions)
    assert (
        "quiz 1: the right option is the longest in 5 questions (trim it, or write the others as fully)"
        in findings(folder)[0]
    )


def test_two_stems_of_almost_the_same_words_are_named(tmp_path: Path) -> None:
    (finding,) = findings(bank(tmp_path, question(), question("quiz-01-q02")))

    assert "quiz-01-q02: asks almost the same as quiz-01-q01" in finding


def many(right: str, wrong: str) -> list[str]:
    """As many questions as a share needs, with these two options."""
    old = "{text: its storage, right: true, reason: A view is another look at the same storage.}"
    new = "{text: " + right + ", right: true, reason: A view is another look at it.}"
    return [distinct(n, old, new).replace("text: its shape", f"text: {wrong}") for n in range(1, 45)]


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("its storage", "its shape", "the right option is the longest in 100% of all questions (at most 30%)"),
        ("its storage", "its shape", "the right option is the shortest in 0% of all questions (at least 15%)"),
        ("its storage", "its shape", "option b is right in 0% of all questions (between 20% and 30%)"),
        ("its storage", "its shape", "option a is right in 100% of all questions (between 20% and 30%)"),
        ("'`its memory`'", "its shape too", "“pick one with code” gets 100% of all questions right (at most 40%)"),
        ("its memory", "only its shape", "“avoid absolute words” gets 100% of all questions right (at most 40%)"),
    ],
)
def test_ways_to_guess_are_measured_over_a_large_bank(tmp_path: Path, right: str, wrong: str, problem: str) -> None:
    found = findings(bank(tmp_path, *many(right, wrong)))

    assert any(each == f"quizzes: {problem}" for each in found)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("text: its shape", "text: the storage.", "options 1 and 2 say the same (only one of them may be defensible)"),
        ("text: its shape", "text: a storage now", "options 1 and 2 overlap: one says what the other says and more"),
        ("text: its shape", "text: all of these", "an option says “all of these” (each option stands for one"),
        ("text: its shape", "text: none of the above", "says “none of the above”, but options are shuffled"),
        (
            "reason: The shape is what a view changes.",
            "reason: Wrong.",
            "the reason of option 2 has 1 words (say why in 4 to 35)",
        ),
        ("with `x`?", "with `x?", "shows “`” as it is in “"),
        ("What does", "What **does", "shows “**” as it is"),
        ("shape and strides", "optimizer and strides", "says “optimizer” (dataset, optimiser, normalise, colour;"),
        ("shape and strides", "`optimizer` and strides", ""),
        ("What does", "What &amp;amp; does", "shows “&amp;” as it is"),
        ("What does", "What does " + "on and " * 30, "`stem` has 67 words (at most 60)"),
        ("A view has its own", "A view has " + "and " * 40 + "its own", "a sentence of 52 words: “A view has and"),
        (
            "shape and strides",
            "`torch.jit` form",
            "speaks of `torch.jit`, which is deprecated (mark it `volatile: true`)",
        ),
        ("  code: |", "  code: |\n    # x\n", ""),
    ],
)
def test_what_reads_badly_is_named_with_what_to_do(tmp_path: Path, old: str, new: str, problem: str) -> None:
    found = findings(bank(tmp_path, replaced("its storage", "the storage").replace(old, new)))

    assert any(problem in each for each in found) if problem else found == []


def test_one_character_of_code_may_be_what_a_question_is_about(tmp_path: Path) -> None:
    text = replaced("text: its storage", "text: '`a * b`'").replace("text: its shape", "text: '`a @ b`'")

    assert findings(bank(tmp_path, text)) == []


def test_every_button_of_the_bank_fits_a_phone() -> None:
    labels = {side.label for item in BANK.items.values() for side in item.sides()[1:]}

    assert max(map(len, labels)) <= MOST_LABEL


def test_a_key_point_that_the_answer_does_not_make_is_named(tmp_path: Path) -> None:
    text = example("concept", FOLDER).replace("any_of: [storage of its own, ", "any_of: [")

    assert any("the answer makes key point 2 in none of" in each for each in findings(bank_of(tmp_path, text)))


def test_a_name_too_long_for_a_menu_is_named(tmp_path: Path) -> None:
    text = example("formula", FOLDER).replace("name: Mean absolute error", "name: " + "long " * 13)

    assert any("the name has 64 characters (at most 60)" in each for each in findings(bank_of(tmp_path, text)))


def test_a_quiz_without_course_and_a_course_without_quiz_are_named(tmp_path: Path) -> None:
    folder = bank(tmp_path, question())
    (folder / "courses.yaml").write_text("courses:\n  - {number: 1, title: First, quizzes: [2, 3, 3]}\n")

    assert findings(folder) == [
        "courses.yaml: there is no quiz 2 (remove it, or write the quiz)",
        "courses.yaml: quiz 3 stands here 2 times (keep one of them)",
        "courses.yaml: there is no quiz 3 (remove it, or write the quiz)",
        "courses.yaml: quiz 1 belongs to no course (add it to one)",
    ]


def test_a_topic_builds_only_on_earlier_ones(tmp_path: Path) -> None:
    folder = bank(tmp_path, question())
    (folder / "topics.yaml").write_text("topics:\n  - {id: tensors, title: Tensors, builds_on: [losses]}\n")

    (finding,) = findings(folder)
    assert finding.startswith("topics.yaml: `tensors` builds on `losses`, which is no earlier topic (list topics in")


def test_the_bank_that_comes_with_the_product_has_no_findings() -> None:
    assert [str(finding) for finding in lint(load())] == []
