"""Leaderboard periods: which board labels a day counts for, and when each label may be forgotten.

To add a period, add a line to `PERIODS`; it starts empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of days that share a board."""

    title: str
    label: Callable[[date], str]
    keep: timedelta | None
    """How long a label is kept after a day that counted for it; None keeps it for ever."""


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"w{year}{week:02}"


def _season(day: date) -> str:
    return f"s{day.year}q{(day.month + 2) // 3}"


PERIODS: Mapping[str, Period] = {
    "day": Period("today", lambda day: f"d{day:%Y%m%d}", timedelta(days=8)),
    "week": Period("this week", _week, timedelta(days=67)),
    "month": Period("this month", lambda day: f"m{day:%Y%m}", timedelta(days=431)),
    "season": Period("this season", _season, timedelta(days=492)),
    "all": Period("all time", lambda day: "a", None),
}

DEFAULT = "month"
"""Newcomers catch up within a month."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A board label that a day counts for, and when it expires (None: never)."""

    label: str
    expires: datetime | None


def buckets(day: date) -> tuple[Bucket, ...]:
    """The labels that an answer on `day` (the channel's local date) counts for, in the order of `PERIODS`."""
    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    return tuple(
        Bucket(period.label(day), midnight + period.keep if period.keep else None) for period in PERIODS.values()
    )
