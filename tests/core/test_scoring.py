"""The scoring rule, clause by clause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.core.scoring import RULE, board_score, daily_points, points_of, practice_points


def test_a_right_first_answer_to_the_daily_question_gives_ten_points_and_trying_one() -> None:
    assert (daily_points(True), daily_points(False)) == (10, 1)


def test_practice_gives_one_point_the_first_time_a_question_is_right() -> None:
    assert practice_points(True, right_before=False, points_today=0) == 1


def test_practice_gives_nothing_for_a_wrong_answer_or_a_repeat() -> None:
    assert practice_points(False, right_before=False, points_today=0) == 0
    assert practice_points(True, right_before=True, points_today=0) == 0


def test_practice_gives_at_most_ten_points_a_day() -> None:
    assert practice_points(True, right_before=False, points_today=9) == 1
    assert practice_points(True, right_before=False, points_today=10) == 0


def test_the_rule_that_members_read_names_the_numbers_that_count() -> None:
    assert RULE.startswith("Daily question: 10 points if your first answer is right, 1 for trying.")


@given(st.integers(0, 2**21 - 1), st.integers(0, 500), st.integers(0, 500))
def test_a_board_score_is_exact_as_a_double_and_gives_the_points_back(points: int, right: int, more: int) -> None:
    score = board_score(points, right, right + more)

    assert int(float(score)) == score
    assert points_of(float(score)) == points


def test_equal_points_are_ordered_by_first_try_accuracy() -> None:
    assert board_score(30, 3, 4) > board_score(30, 3, 5) > board_score(30, 0, 0)
    assert board_score(31, 0, 9) > board_score(30, 9, 9)
