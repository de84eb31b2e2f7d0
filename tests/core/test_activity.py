"""How much was done on which day."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.core.activity import DAYS, MOST, WEEKS, Activity

TODAY = date(2026, 11, 25)  # a Wednesday
days = st.integers(0, DAYS + 20).map(lambda back: TODAY - timedelta(days=back))


@given(st.lists(days, max_size=80))
def test_the_weeks_hold_what_was_counted_on_each_of_their_days(done: list[date]) -> None:
    activity = Activity().up_to(TODAY)
    for day in done:
        activity = activity.counted(day)
    shown = {
        week.start + timedelta(days=place): count
        for week in activity.weeks(TODAY)
        for place, count in enumerate(week.counts)
        if count
    }

    monday = TODAY - timedelta(days=TODAY.weekday())
    first = max(monday - timedelta(weeks=WEEKS - 1), TODAY - timedelta(days=DAYS - 1))
    assert shown == {day: count for day, count in Counter(done).items() if day >= first}


def test_the_last_week_is_that_of_today_and_begins_on_monday() -> None:
    weeks = Activity().counted(TODAY).weeks(TODAY)

    assert len(weeks) == WEEKS
    assert weeks[-1].start == date(2026, 11, 23)
    assert weeks[-1].counts == (0, 0, 1, 0, 0, 0, 0)
    assert (weeks[-1].total, weeks[-1].active) == (1, 1)


def test_what_is_taken_back_is_as_if_it_had_not_been_done() -> None:
    activity = Activity().counted(TODAY).counted(TODAY)

    assert activity.counted(TODAY, -1) == Activity().counted(TODAY)
    assert Activity().up_to(TODAY).counted(TODAY, -1) == Activity().up_to(TODAY)


def test_a_day_holds_no_more_than_a_byte() -> None:
    activity = Activity()
    for _ in range(MOST + 5):
        activity = activity.counted(TODAY)

    assert activity.weeks(TODAY)[-1].counts[2] == MOST


def test_a_clock_that_jumps_back_forgets_nothing() -> None:
    activity = Activity().counted(TODAY).counted(TODAY - timedelta(days=3))

    assert activity.weeks(TODAY - timedelta(days=3))[-1].total == 1
    assert sum(week.total for week in activity.weeks(TODAY)) == 2


def test_a_year_away_leaves_an_empty_calendar() -> None:
    assert not any(week.total for week in Activity().counted(TODAY).weeks(TODAY + timedelta(days=365)))
