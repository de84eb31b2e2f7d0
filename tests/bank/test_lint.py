"""Tells and twins: what gives an answer away, and what asks the same again."""

from __future__ import annotations

from pathlib import Path

from bot.bank.lint import lint, strictly_longest
from bot.bank.load import load
from tests.bank.building import bank, question, replaced


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


def test_the_spread_of_letters_is_judged_over_a_large_bank(tmp_path: Path) -> None:
    swap = "{text: its storage, right: true, reason: A view is another look at the same storage.}"
    even = [distinct(n, swap, "{text: its values, right: true, reason: Another look.}") for n in range(1, 45)]

    assert any(
        "option b is right in 0% of all questions (between 20% and 30%)" in each
        for each in findings(bank(tmp_path, *even))
    )


def test_the_bank_that_comes_with_the_product_has_no_findings() -> None:
    assert [str(finding) for finding in lint(load())] == []
