"""Puzzles: one seed, one puzzle; four different guesses, each with a reason of its own."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.puzzles import ERROR, MAX_SEED, SUBJECTS, puzzle
from bot.core.puzzles.puzzle import Guess, build
from bot.core.text import line

subjects = st.sampled_from(list(SUBJECTS))
seeds = st.integers(0, MAX_SEED - 1)


@given(subjects, seeds)
def test_a_puzzle_has_four_guesses_that_differ_in_what_they_say_and_in_why(subject: str, seed: int) -> None:
    made = puzzle(subject, seed)

    assert len({guess.text for guess in made.guesses}) == 4
    assert len({guess.reason for guess in made.guesses}) == 4
    assert 0 <= made.right < 4


@given(subjects, seeds)
def test_the_same_seed_makes_the_same_puzzle(subject: str, seed: int) -> None:
    assert build(SUBJECTS[subject], subject, seed) == build(SUBJECTS[subject], subject, seed)


@given(subjects, seeds)
def test_its_code_is_short_enough_to_read_at_a_glance_and_prints_once(subject: str, seed: int) -> None:
    code = puzzle(subject, seed).code

    assert len(code.splitlines()) <= 6
    assert max(map(len, code.splitlines())) <= 72
    assert sum(isinstance(node, ast.Name) and node.id == "print" for node in ast.walk(ast.parse(code))) == 1


@given(subjects, seeds)
def test_a_reason_is_one_sentence_or_two_in_our_markup(subject: str, seed: int) -> None:
    for guess in puzzle(subject, seed).guesses:
        assert guess.reason.endswith(".")
        assert len(guess.reason) < 240
        assert line(guess.reason)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_hardly_repeats_itself(subject: str) -> None:
    made = [puzzle(subject, seed) for seed in range(300)]

    assert len({each.code for each in made}) > 90
    for place in range(4):
        assert 45 < sum(each.right == place for each in made) < 105


@pytest.mark.parametrize("subject", SUBJECTS)
def test_where_an_error_can_be_right_it_is_often_wrong_as_well(subject: str) -> None:
    guessed = [puzzle(subject, seed) for seed in range(300)]
    offered = [each for each in guessed if ERROR in {guess.text for guess in each.guesses}]
    right = [each for each in offered if each.guesses[each.right].text == ERROR]

    assert len(right) < 0.75 * len(offered)


def test_the_mark_changes_with_what_is_shown() -> None:
    made = puzzle("grad", 1)
    other = replace(made, guesses=(Guess("1", "One."), *made.guesses[1:]))

    assert made.mark == puzzle("grad", 1).mark
    assert made.mark != other.mark
