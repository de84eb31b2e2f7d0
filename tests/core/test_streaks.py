"""What keeps a streak and what ends it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bot.core.streaks import FREEZE_DAYS, Streak, advanced, current


def after(*answers: tuple[int, int], holes: Sequence[int] = ()) -> Streak:
    streak = Streak()
    for ordinal, day in answers:
        streak = advanced(streak, ordinal, day, holes)
    return streak


def test_answering_in_a_row_counts_up() -> None:
    assert after((1, 100), (2, 101), (3, 104)) == Streak(3, 3, 3, 0)


def test_the_date_does_not_matter_only_the_ordinal() -> None:
    assert after((1, 100), (2, 190)).length == 2


def test_one_missed_day_a_week_is_forgiven() -> None:
    assert after((1, 100), (3, 102)) == Streak(2, 2, 3, 102)
    assert after((1, 100), (3, 102), (5, 104)).length == 1
    assert after((1, 100), (3, 102), (4, 103), (6, 102 + FREEZE_DAYS)).length == 4


def test_two_missed_days_end_it_and_the_best_is_kept() -> None:
    assert after((1, 1), (2, 2), (3, 3), (6, 6)) == Streak(1, 3, 6, 0)


def test_a_question_that_never_went_out_is_not_missed() -> None:
    assert after((1, 1), (3, 3), holes=[2]) == Streak(2, 2, 3, 0)
    assert after((1, 1), (4, 4), holes=[2]).length == 2


def test_the_same_or_an_older_question_changes_nothing() -> None:
    streak = after((4, 4), (5, 5))

    assert advanced(streak, 5, 5) == advanced(streak, 3, 3) == streak


def test_the_newest_question_can_still_be_answered() -> None:
    assert [current(Streak(4, 4, 10, 0), newest) for newest in (10, 11, 12, 13)] == [4, 4, 4, 0]


@given(st.lists(st.integers(1, 400), unique=True).map(sorted))
def test_the_best_is_never_less_than_the_length(ordinals: list[int]) -> None:
    streak = after(*((ordinal, ordinal) for ordinal in ordinals))

    assert streak.best >= streak.length
    assert streak.length <= len(ordinals)
