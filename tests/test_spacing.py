"""FSRS as we use it: whole days, no steps, no dice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.core.reviews import Grade, Strength
from bot.spacing import MAX_DAYS, space

strengths = st.builds(Strength, st.floats(0.01, 5000), st.floats(1, 10))
grades = st.sampled_from(Grade)
successes = st.sampled_from([Grade.HARD, Grade.GOOD, Grade.EASY])


def test_a_new_fact_begins_with_the_intervals_of_fsrs_6() -> None:
    assert [space(None, grade, 0)[1] for grade in Grade] == [1, 1, 2, 8]


@given(st.none() | strengths, grades, st.integers(0, 1000))
def test_the_same_review_gives_the_same_interval_of_whole_days(
    strength: Strength | None, grade: Grade, elapsed: int
) -> None:
    after, days = space(strength, grade, elapsed)

    assert (after, days) == space(strength, grade, elapsed)
    assert 1 <= days <= MAX_DAYS
    assert 1 <= after.difficulty <= 10


@given(strengths, successes, st.integers(0, 1000))
def test_a_success_never_makes_memory_weaker(strength: Strength, grade: Grade, elapsed: int) -> None:
    assert space(strength, grade, elapsed)[0].stability >= strength.stability


@given(strengths, st.integers(1, 1000))
def test_a_failure_never_makes_memory_stronger(strength: Strength, elapsed: int) -> None:
    assert space(strength, Grade.AGAIN, elapsed)[0].stability <= strength.stability


@given(strengths, st.integers(0, 1000))
def test_a_better_grade_never_gives_a_shorter_interval(strength: Strength, elapsed: int) -> None:
    days = [space(strength, grade, elapsed)[1] for grade in Grade]

    assert days == sorted(days)
