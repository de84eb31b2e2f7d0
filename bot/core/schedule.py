"""When a channel's question is due: wall time in a zone, chosen days, and what a summer-time change does to them.

The local date is the identity of an occurrence: (channel, schedule, local date). A wall time that a clock change
skips is read with the offset before the change, one that it repeats is the first of the two; where that would leave
the date (Nuuk moves on at 23:00), the offset after the change is read. So each selected local date that exists has
exactly one occurrence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from hashlib import blake2b
from itertools import islice
from typing import NewType
from zoneinfo import ZoneInfo

from bot.core.ids import ChannelId, Tenant, UserId

ScheduleId = NewType("ScheduleId", str)
"""A schedule inside its channel: a number that is never given twice."""
PostId = NewType("PostId", str)
"""An occurrence inside its tenant, such as ``1200000000000000123-20261122-1``."""

GRACE = timedelta(hours=6)
"""How late an occurrence may still be posted, after downtime."""
SHORTEST_OPEN = timedelta(hours=1)
"""How long a question takes answers at least, also where a clock change shortens the day."""
LEAST_LEFT = timedelta(minutes=30)
"""A catch-up is not worth it with less time than this to answer."""
JITTER = timedelta(seconds=90)
"""Channels due in the same minute are spread over this."""
HORIZON = timedelta(days=800)
"""How far ahead an occurrence is looked for."""
_NOBODY = UserId("")
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
WORKDAYS = (0, 1, 2, 3, 4)


class Mode(StrEnum):
    """When the verdict is told."""

    INSTANT = "instant"
    """At once, in private; the first answer is final."""
    SEALED = "sealed"
    """At the close, to all; an answer may be changed until then."""


@dataclass(frozen=True, slots=True)
class Content:
    """Which questions a schedule draws from; empty means all."""

    quizzes: tuple[int, ...] = ()
    courses: tuple[int, ...] = ()
    topics: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    in_order: bool = False
    """In the order of the bank; otherwise balanced over the topics."""
    together: bool = False
    """The same question for all channels of the team that ask for it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When and what a channel is asked."""

    id: ScheduleId
    tenant: Tenant
    channel: ChannelId
    zone: str
    at: time
    closes: time
    """Wall time of the close: the next one after the post."""
    weekdays: tuple[int, ...] = WORKDAYS
    """0 is Monday."""
    content: Content = field(default_factory=Content)
    mode: Mode = Mode.INSTANT
    holidays: frozenset[date] = frozenset()
    skipped: frozenset[date] = frozenset()
    paused: bool = False
    resumes: date | None = None
    """The first date of a pause that asks again; None: when someone resumes it."""
    early: date | None = None
    """A date whose question someone asked to have at once, before its time."""
    since: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    """When these settings began to hold: nothing before it is due."""
    version: int = 0
    """Counts changes; whoever changes a schedule names the version they saw."""
    planner: UserId = _NOBODY
    """Who planned or changed it last, and is told when it cannot be carried out."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One question that is or was due."""

    day: date
    """The local date."""
    due: datetime
    closes: datetime

    @property
    def latest(self) -> datetime:
        """From this moment on it is no longer posted."""
        return min(self.due + GRACE, self.closes - LEAST_LEFT)


def instant(zone: ZoneInfo, day: date, at: time) -> datetime | None:
    """The moment of a wall time on a local date, in UTC; None on a date that the zone skipped as a whole."""
    for fold in (0, 1):
        moment = datetime.combine(day, at.replace(fold=fold), tzinfo=zone).astimezone(UTC)
        if moment.astimezone(zone).date() == day:
            return moment
    return None


def asks_on(schedule: Schedule, day: date) -> bool:
    """Whether that local date is a day of questions."""
    resting = schedule.paused and (schedule.resumes is None or day < schedule.resumes)
    return (
        day.weekday() in schedule.weekdays
        and day not in schedule.holidays
        and day not in schedule.skipped
        and not resting
    )


def occurrence(schedule: Schedule, day: date) -> Occurrence | None:
    """What is due on a local date, if anything."""
    return timed(schedule, day) if asks_on(schedule, day) else None


def timed(schedule: Schedule, day: date) -> Occurrence | None:
    """The moments of an occurrence on a local date, whether or not that day is one of questions."""
    zone = ZoneInfo(schedule.zone)
    due = instant(zone, day, schedule.at)
    if due is None:
        return None
    last_day = day if schedule.closes > schedule.at else day + timedelta(days=1)
    closes = instant(zone, last_day, schedule.closes) or due + timedelta(days=1)
    return Occurrence(day, due, max(closes, due + SHORTEST_OPEN))


def occurrences(schedule: Schedule, first: date) -> Iterator[Occurrence]:
    """All occurrences from a local date on, within the horizon."""
    for offset in range(HORIZON.days):
        found = occurrence(schedule, first + timedelta(days=offset))
        if found is not None and found.due >= schedule.since:
            yield found


def next_due(schedule: Schedule, now: datetime, last: date | None) -> Occurrence | None:
    """The occurrence to post next, which may be late already but not too late; None when there is none ahead.

    `last` is the newest local date that was dealt with: it and all before it are never due again, whatever becomes
    of the zone or the clock.
    """
    first = now.astimezone(ZoneInfo(schedule.zone)).date() - timedelta(days=2)
    if last is not None:
        first = max(first, last + timedelta(days=1))
    return next((each for each in occurrences(schedule, first) if each.latest > now), None)


def upcoming(schedule: Schedule, now: datetime, count: int, last: date | None = None) -> tuple[Occurrence, ...]:
    """The next `count` occurrences after `now`."""
    first = now.astimezone(ZoneInfo(schedule.zone)).date() - timedelta(days=1)
    if last is not None:
        first = max(first, last + timedelta(days=1))
    return tuple(islice((each for each in occurrences(schedule, first) if each.due > now), count))


def skipping_next(schedule: Schedule, now: datetime, last: date | None) -> Schedule:
    """The schedule without its next occurrence; unchanged when there is none. Dates gone by are forgotten."""
    found = next_due(schedule, now, last)
    if found is None:
        return schedule
    recent = {day for day in schedule.skipped if day > found.day - timedelta(days=30)}
    return replace(schedule, skipped=frozenset({*recent, found.day}))


def post_id(channel: ChannelId, day: date, schedule: ScheduleId) -> PostId:
    """The name of an occurrence; fits into a button."""
    return PostId(f"{channel}-{day:%Y%m%d}-{schedule}")


def jitter(channel: ChannelId, spread: timedelta = JITTER) -> timedelta:
    """How long after the minute a channel is served: always the same for a channel, spread evenly over channels."""
    share = int.from_bytes(blake2b(channel.encode(), digest_size=4).digest()) / 2**32
    return timedelta(milliseconds=int(spread.total_seconds() * 1000 * share))
