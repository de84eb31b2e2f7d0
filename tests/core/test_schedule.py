"""When a question is due: one for each selected local date, whatever zones and clocks do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.ids import ChannelId, Tenant
from bot.core.schedule import (
    EVERY_DAY,
    GRACE,
    JITTER,
    SHORTEST_OPEN,
    Schedule,
    ScheduleId,
    instant,
    jitter,
    next_due,
    occurrence,
    post_id,
    skipping_next,
    upcoming,
)

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = sorted(available_timezones())
MONDAY = date(2026, 11, 23)
YEARS = 10


def a_schedule(
    zone: str = "Europe/Berlin",
    at: time = time(9),
    closes: time = time(9),
    weekdays: tuple[int, ...] = EVERY_DAY,
    since: datetime = datetime(2000, 1, 1, tzinfo=UTC),
) -> Schedule:
    return Schedule(ScheduleId("1"), Tenant("d1"), ChannelId("c1"), zone, at, closes, weekdays, since=since)


def posted(schedule: Schedule, begin: datetime, end: datetime, last: date | None = None) -> Iterator[date]:
    """The local dates that a bot which is always on time posts, and that it never posts early."""
    now = begin
    while (found := next_due(schedule, now, last)) and found.due < end:
        now = max(now, found.due)
        last = found.day
        yield found.day


def test_a_wall_time_that_is_skipped_is_read_with_the_offset_before_the_change() -> None:
    assert instant(BERLIN, date(2027, 3, 28), time(2, 30)) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)  # 03:30 there


def test_a_wall_time_that_is_repeated_is_the_first_of_the_two() -> None:
    assert instant(BERLIN, date(2026, 10, 25), time(2, 30)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_change_across_midnight_keeps_the_date() -> None:
    nuuk = ZoneInfo("America/Nuuk")  # on 27 March 2027 it goes from 23:00 to 00:00
    moment = instant(nuuk, date(2027, 3, 27), time(23, 30))

    assert moment is not None
    assert moment.astimezone(nuuk).date() == date(2027, 3, 27)


def test_a_date_that_a_zone_left_out_has_no_occurrence() -> None:
    assert instant(ZoneInfo("Pacific/Apia"), date(2011, 12, 30), time(9)) is None
    week = set(posted(a_schedule("Pacific/Apia"), datetime(2011, 12, 28, tzinfo=UTC), datetime(2012, 1, 2, tzinfo=UTC)))
    assert week >= {date(2011, 12, 29), date(2011, 12, 31)}
    assert date(2011, 12, 30) not in week


def every_date_once(zone: str, at: time, first: date, days: int) -> None:
    schedule = a_schedule(zone, at)
    before = None
    for offset in range(days):
        day = first + timedelta(days=offset)
        found = occurrence(schedule, day)
        assert found is not None, (zone, day)
        assert found.due.astimezone(ZoneInfo(zone)).date() == day
        assert before is None or timedelta(hours=20) <= found.due - before <= timedelta(hours=28), (zone, day)
        assert found.closes >= found.due + SHORTEST_OPEN
        before = found.due


@given(st.sampled_from(ZONES), st.times(), st.dates(date(2026, 1, 1), date(2035, 11, 1)))
def test_each_local_date_of_any_zone_has_exactly_one_occurrence(zone: str, at: time, first: date) -> None:
    every_date_once(zone, at.replace(second=0, microsecond=0), first, 40)


@pytest.mark.parametrize("year", [2026, 2027])
def test_each_local_date_around_every_change_of_the_clock_has_exactly_one_occurrence(year: int) -> None:
    for zone in ZONES:
        info = ZoneInfo(zone)
        noons = [datetime(year, 1, 1, 12, tzinfo=UTC) + timedelta(days=n) for n in range(365)]
        offsets = [info.utcoffset(noon.replace(tzinfo=None)) for noon in noons]
        for noon, before, after in zip(noons[1:], offsets, offsets[1:], strict=False):
            if before != after:
                for at in (time(0, 0), time(0, 30), time(1, 59), time(2, 30), time(3, 0), time(23, 30)):
                    every_date_once(zone, at, noon.date() - timedelta(days=3), 6)


def changes(zone: str) -> tuple[tuple[datetime, timedelta | None], ...]:
    """Each moment at which a zone changes its clock in the ten years, with the offset from then on."""
    info, step = ZoneInfo(zone), timedelta(days=1)
    at, end = datetime(2025, 12, 30, tzinfo=UTC), datetime(2026 + YEARS, 1, 3, tzinfo=UTC)
    found = [(at, at.astimezone(info).utcoffset())]
    while at < end:
        if (at + step).astimezone(info).utcoffset() != found[-1][1]:
            first, last = at, at + step
            while last - first > timedelta(seconds=1):
                middle = first + (last - first) // 2
                changed = middle.astimezone(info).utcoffset() != found[-1][1]
                first, last = (first, middle) if changed else (middle, last)
            found.append((last.replace(microsecond=0), last.astimezone(info).utcoffset()))
        at += step
    return tuple(found)


@cache
def kinds() -> tuple[str, ...]:
    """One zone for each way to change the clock: those that do it at the same moments by the same amounts differ in
    their names alone, and a schedule knows a zone by nothing else than what its clocks say."""
    return tuple({changes(zone): zone for zone in ZONES}.values())


@pytest.mark.parametrize("at", [time(0, 0), time(2, 30), time(23, 30)])
def test_every_zone_has_exactly_one_occurrence_on_each_date_of_ten_years(at: time) -> None:
    assert len(kinds()) > 50
    for zone in kinds():
        every_date_once(zone, at, date(2026, 1, 1), YEARS * 365 + 2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("at", [time(0, 0), time(2, 30), time(9, 0), time(23, 30)])
def test_all_zones_ten_years(at: time) -> None:
    for zone in ZONES:
        every_date_once(zone, at, date(2026, 1, 1), int(os.environ.get("SOAK_YEARS", YEARS)) * 365)


@given(
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"]
    ),
    st.times(),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 4 * 365 * 1440).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
)
def test_a_bot_that_never_sleeps_posts_each_selected_date_once(
    zone: str, at: time, days: set[int], begin: datetime
) -> None:
    schedule = a_schedule(zone, at.replace(second=0, microsecond=0), weekdays=tuple(sorted(days)), since=begin)
    dates = list(posted(schedule, begin, begin + timedelta(days=30)))

    first = begin.astimezone(ZoneInfo(zone)).date()
    selected = [each for n in range(-1, 32) if (each := first + timedelta(days=n)).weekday() in days]
    assert dates == [day for day in selected if dates[0] <= day <= dates[-1]]
    assert len(dates) >= 4 * len(days) - 1


def test_only_selected_days_ask() -> None:
    schedule = a_schedule(weekdays=(0, 2))
    days = [each.day for each in upcoming(schedule, datetime(2026, 11, 22, tzinfo=UTC), 3)]

    assert days == [MONDAY, date(2026, 11, 25), date(2026, 11, 30)]


def test_holidays_skipped_dates_and_pauses_do_not_ask() -> None:
    now = datetime(2026, 11, 23, 0, tzinfo=UTC)
    plain = a_schedule()

    for schedule, first in (
        (replace(plain, holidays=frozenset({MONDAY})), date(2026, 11, 24)),
        (skipping_next(plain, now, None), date(2026, 11, 24)),
        (skipping_next(skipping_next(plain, now, None), now, None), date(2026, 11, 25)),
        (replace(plain, paused=True, resumes=date(2026, 12, 1)), date(2026, 12, 1)),
    ):
        found = next_due(schedule, now, None)
        assert found is not None
        assert found.day == first
    assert next_due(replace(plain, paused=True), now, None) is None


def test_downtime_is_caught_up_within_the_grace_and_never_after_it() -> None:
    schedule = a_schedule()
    due = datetime(2026, 11, 23, 8, tzinfo=UTC)

    late = next_due(schedule, due + GRACE - timedelta(seconds=1), None)
    too_late = next_due(schedule, due + GRACE, None)

    assert late is not None
    assert too_late is not None
    assert (late.day, too_late.day) == (MONDAY, date(2026, 11, 24))


def test_after_long_downtime_only_one_is_caught_up() -> None:
    schedule, back = a_schedule(), datetime(2026, 11, 23, 10, tzinfo=UTC)

    assert list(posted(schedule, back, back + timedelta(days=2), date(2026, 11, 1)))[:2] == [MONDAY, date(2026, 11, 24)]


def test_there_is_no_catch_up_that_leaves_no_time_to_answer() -> None:
    schedule = a_schedule(closes=time(11))
    found = next_due(schedule, datetime(2026, 11, 23, 9, 40, tzinfo=UTC), None)  # 10:40 there

    assert found is not None
    assert found.day == date(2026, 11, 24)


def test_a_question_shortened_by_the_clock_still_takes_answers_for_an_hour() -> None:
    found = occurrence(a_schedule(at=time(1, 30), closes=time(3, 0)), date(2027, 3, 28))

    assert found is not None
    assert found.closes - found.due == SHORTEST_OPEN


def test_a_change_of_zone_never_asks_twice_on_one_date() -> None:
    moved = a_schedule("America/New_York", since=datetime(2026, 11, 23, 11, tzinfo=UTC))
    found = next_due(moved, moved.since, MONDAY)  # asked in Berlin at 09:00 already; it is 06:00 in New York

    assert found is not None
    assert found.day == date(2026, 11, 24)


def test_a_change_of_zone_eastwards_goes_on_with_the_next_date() -> None:
    moved = a_schedule("Pacific/Auckland", at=time(20), since=datetime(2026, 11, 23, 6, 30, tzinfo=UTC))
    found = next_due(moved, moved.since, date(2026, 11, 22))

    assert found is not None
    assert (found.day, found.due) == (MONDAY, datetime(2026, 11, 23, 7, tzinfo=UTC))


def test_new_settings_do_not_ask_for_what_lies_before_them() -> None:
    saved = a_schedule(since=datetime(2026, 11, 23, 8, 30, tzinfo=UTC))
    found = next_due(saved, saved.since, None)

    assert found is not None
    assert found.day == date(2026, 11, 24)


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(hours=-3), timedelta(hours=3)])
def test_a_clock_that_jumps_never_asks_twice_for_a_date(jump: timedelta) -> None:
    schedule, now = a_schedule(), datetime(2026, 11, 23, 8, tzinfo=UTC)
    found = next_due(schedule, now + jump, MONDAY)

    assert found is not None
    assert found.day > MONDAY


@given(st.text("0123456789C", min_size=1, max_size=20))
def test_a_channel_has_its_own_place_in_the_minute(channel: str) -> None:
    assert timedelta(0) <= jitter(ChannelId(channel)) < JITTER
    assert jitter(ChannelId(channel)) == jitter(ChannelId(channel))


def test_jitter_spreads_evenly() -> None:
    places = sorted(jitter(ChannelId(str(n))) / JITTER for n in range(1000))

    assert all(abs(place - n / 1000) < 0.06 for n, place in enumerate(places))


def test_an_occurrence_is_named_by_channel_date_and_schedule() -> None:
    assert post_id(ChannelId("1200000000000000123"), MONDAY, ScheduleId("1")) == "1200000000000000123-20261123-1"
