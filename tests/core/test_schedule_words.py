"""What people write for a schedule, and what they are told when it cannot be."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from bot.core.errors import BadInput
from bot.core.schedule import Content, Mode
from bot.core.schedule_words import (
    content_named,
    content_text,
    days_text,
    holidays,
    mode_named,
    moment_text,
    wall_time,
    weekdays,
    zone_named,
)

KNOWN = ((1, 2, 11), (1, 2), ("autograd", "tensors"))


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("UTC", "UTC"),
    ],
)
def test_a_zone_is_known_by_its_name_or_its_city(text: str, zone: str) -> None:
    assert zone_named(text) == zone


@pytest.mark.parametrize(
    ("text", "hint"), [("Europe/Berln", "Europe/Berlin"), ("CEST!", "Europe/Berlin"), ("", "such as")]
)
def test_an_unknown_zone_is_answered_with_near_ones(text: str, hint: str) -> None:
    with pytest.raises(BadInput, match=hint):
        zone_named(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [("9", time(9)), ("9:30", time(9, 30)), ("09.30", time(9, 30)), ("12am", time(0)), ("9:15 pm", time(21, 15))],
)
def test_a_time_of_day(text: str, at: time) -> None:
    assert wall_time(text) == at


@pytest.mark.parametrize(
    ("text", "hint"), [("24:00", "00:00"), ("9:60", "09:30"), ("noon", "09:30"), ("13pm", "09:30"), ("", "09:30")]
)
def test_what_is_no_time_of_day(text: str, hint: str) -> None:
    with pytest.raises(BadInput, match=hint):
        wall_time(text)


@pytest.mark.parametrize(
    ("text", "days", "shown"),
    [
        ("mon-fri", (0, 1, 2, 3, 4), "Mon-Fri"),
        ("Mon, Wed,fri", (0, 2, 4), "Mon, Wed, Fri"),
        ("friday to monday", (0, 4, 5, 6), "Mon, Fri, Sat, Sun"),
        ("daily", (0, 1, 2, 3, 4, 5, 6), "every day"),
        ("weekends", (5, 6), "Sat, Sun"),
    ],
)
def test_days(text: str, days: tuple[int, ...], shown: str) -> None:
    assert weekdays(text) == days
    assert days_text(days) == shown


@pytest.mark.parametrize("text", ["", "someday", "m-f", "mon-", "1-5"])
def test_what_are_no_days(text: str) -> None:
    if text == "mon-":
        assert weekdays(text) == (0,)
    else:
        with pytest.raises(BadInput, match="mon-fri"):
            weekdays(text)


def test_holidays_are_dates_and_ranges() -> None:
    assert holidays("2026-12-24..2026-12-26, 2027-01-01") == {date(2026, 12, day) for day in (24, 25, 26)} | {
        date(2027, 1, 1)
    }
    for wrong in ("24.12.2026", "2026-13-01", "2026-12-26..2026-12-24", "2026-01-01..2027-01-01"):
        with pytest.raises(BadInput):
            holidays(wrong)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", Content()),
        ("everything", Content()),
        ("quiz 11", Content(quizzes=(11,))),
        ("quiz 1, course:2 topic: autograd in order", Content((1,), (2,), ("autograd",), in_order=True)),
        ("topic:tensors together", Content(topics=("tensors",), together=True)),
    ],
)
def test_content_is_read_as_it_is_written(text: str, content: Content) -> None:
    assert content_named(text, *KNOWN) == content
    assert content_named(content_text(content), *KNOWN) == content


@pytest.mark.parametrize("text", ["quiz 99", "topic:cooking", "course 9", "pancakes", "quiz"])
def test_content_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        content_named(text, *KNOWN)


def test_modes() -> None:
    assert (mode_named(" Sealed"), mode_named("")) == (Mode.SEALED, Mode.INSTANT)
    with pytest.raises(BadInput, match="sealed"):
        mode_named("later")


def test_a_moment_is_told_in_the_words_of_its_zone() -> None:
    assert moment_text(datetime(2026, 11, 23, 8, tzinfo=UTC), "Europe/Berlin") == "Mon 23 Nov, 09:00 CET"
