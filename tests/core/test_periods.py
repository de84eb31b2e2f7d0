"""Which boards a day counts for."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.core.periods import DEFAULT, PERIODS, buckets


def test_a_day_counts_for_its_day_week_month_season_and_all_time() -> None:
    assert [bucket.label for bucket in buckets(date(2026, 11, 22))] == [
        "d20261122",
        "w202647",
        "m202611",
        "s2026q4",
        "a",
    ]


def test_the_week_of_new_year_belongs_to_the_iso_year() -> None:
    assert PERIODS["week"].label(date(2027, 1, 1)) == "w202653"


def test_only_all_time_is_kept_for_ever() -> None:
    assert [bucket.expires is None for bucket in buckets(date(2026, 11, 22))] == [False, False, False, False, True]


@given(st.dates(date(2020, 1, 1), date(2100, 1, 1)))
def test_a_board_outlives_its_period(day: date) -> None:
    for bucket in buckets(day):
        last = max(
            other
            for other in (day + timedelta(days=n) for n in range(93))
            if bucket.label in {b.label for b in buckets(other)}
        )
        assert bucket.expires is None or bucket.expires.date() > last


def test_the_default_period_exists() -> None:
    assert DEFAULT in PERIODS
