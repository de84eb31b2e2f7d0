"""How people write and read schedules: zones, times, days and content, with a kind sentence for what cannot be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from bot.core.errors import BadInput
from bot.core.schedule import EVERY_DAY, WORKDAYS, Content, Mode, Occurrence, Schedule
from bot.core.text import clip, display_name

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMED_DAYS = {"daily": EVERY_DAY, "every day": EVERY_DAY, "weekdays": WORKDAYS, "weekends": (5, 6)}
_WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@cache
def _zones() -> dict[str, str]:
    """Every IANA name by its name in small letters."""
    return {name.casefold(): name for name in sorted(available_timezones())}


def zone_named(text: str) -> str:
    """The IANA zone of that name, whatever its capitals; a city alone is enough where only one zone has it."""
    word = text.strip().replace(" ", "_").casefold()
    known = _zones()
    if word in known:
        return known[word]
    cities = {name for low, name in known.items() if word and low.rpartition("/")[2] == word and low.count("/")}
    if len(cities) == 1:
        return cities.pop()
    near = sorted(cities) or [known[low] for low in get_close_matches(word, known, 3, 0.6)]
    hint = " Did you mean " + " or ".join(f"`{name}`" for name in near[:3]) + "?" if near else ""
    raise BadInput(f"I don't know the time zone `{_shown(text)}`.{hint} Use a name such as `Europe/Berlin`.")


def wall_time(text: str) -> time:
    """``9``, ``9:30``, ``09:30`` or ``9:30 pm``."""
    match = re.fullmatch(r"(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm)?", text.strip().lower())
    if match:
        hour, minute, half = int(match[1]), int(match[2] or 0), match[3]
        if half and 1 <= hour <= 12:
            hour = hour % 12 + (12 if half == "pm" else 0)
        elif half:
            hour = 99
        if hour == 24 and not minute:
            raise BadInput("A day ends where the next begins: write `00:00` for midnight, or `23:59`.")
        if hour < 24 and minute < 60:
            return time(hour, minute)
    raise BadInput(f"`{_shown(text)}` is not a time of day. Write it as `09:30`.")


def weekdays(text: str) -> tuple[int, ...]:
    """``mon-fri``, ``mon, wed, fri``, ``weekdays`` or ``daily``."""
    words = text.strip().lower()
    if words in _NAMED_DAYS:
        return _NAMED_DAYS[words]
    found: set[int] = set()
    for word in re.split(r"[\s,]+", re.sub(r"\s*(?:-|–|to)\s*", "-", words)):
        first, _, last = word.partition("-")
        begin = _day(first, text)
        end = _day(last, text) if last else begin
        found.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return tuple(sorted(found))


def _day(word: str, text: str) -> int:
    for index, short in enumerate(DAYS):
        if len(word) >= 3 and _WEEKDAY_NAMES[index].lower().startswith(word) and word.startswith(short):
            return index
    raise BadInput(f"`{_shown(text)}` are no days I know. Write `mon-fri`, `mon, wed, fri` or `daily`.")


def holidays(text: str) -> frozenset[date]:
    """Dates such as ``2026-12-24``, or ranges ``2026-12-24..2027-01-02``, separated by spaces or commas."""
    found: set[date] = set()
    for word in filter(None, re.split(r"[\s,]+", text.strip())):
        first, _, last = word.partition("..")
        try:
            begin, end = date.fromisoformat(first), date.fromisoformat(last or first)
        except ValueError:
            raise BadInput(f"`{_shown(word)}` is not a date. Write it as `2026-12-24`.") from None
        if not 0 <= (end - begin).days <= 100:
            raise BadInput(f"`{_shown(word)}` is not a range of up to 100 days.")
        found.update(date.fromordinal(number) for number in range(begin.toordinal(), end.toordinal() + 1))
    return frozenset(found)


def mode_named(text: str) -> Mode:
    """``instant`` or ``sealed``."""
    try:
        return Mode(text.strip().lower() or "instant")
    except ValueError:
        raise BadInput(
            f"`{_shown(text)}` is not a mode. Use `instant` (verdict at once) or `sealed` (all at the close)."
        ) from None


def content_named(text: str, quizzes: Sequence[int], courses: Sequence[int], topics: Sequence[str]) -> Content:
    """``everything``, ``quiz 11``, ``course 2``, ``topic:autograd`` and unions of them, with ``in order`` or
    ``together``."""
    words = re.sub(r"\s*:\s*", ":", re.sub(r"\bin order\b", "in-order", text.lower()))
    words = re.sub(r"\b(quiz|course|topic)\s+(?=\S)", r"\1:", words)
    chosen: dict[str, list[str]] = {"quiz": [], "course": [], "topic": []}
    flags: set[str] = set()
    for word in filter(None, re.split(r"[\s,+]+", words)):
        what, _, which = word.partition(":")
        if what in chosen and which:
            chosen[what].append(which)
        elif word in ("in-order", "together"):
            flags.add(word)
        elif word not in ("everything", "all", "balanced"):
            raise BadInput(
                f"I can't ask `{_shown(word)}`. Write `everything`, `quiz 11`, `course 2` or `topic:autograd`."
            )
    for kind, known in (("quiz", quizzes), ("course", courses), ("topic", topics)):
        names = {str(name) for name in known}
        if missing := [each for each in chosen[kind] if each not in names]:
            raise BadInput(f"There is no {kind} `{_shown(missing[0])}`.")
    return Content(
        quizzes=tuple(map(int, chosen["quiz"])),
        courses=tuple(map(int, chosen["course"])),
        topics=tuple(chosen["topic"]),
        in_order="in-order" in flags,
        together="together" in flags,
    )


def content_text(content: Content) -> str:
    """The words that `content_named` reads."""
    words = [f"quiz {number}" for number in content.quizzes]
    words += [f"course {number}" for number in content.courses]
    words += [f"topic:{topic}" for topic in content.topics]
    flags = ["in order"] * content.in_order + ["together"] * content.together
    return ", ".join([*(words or ["everything"]), *flags])


def days_text(days: Sequence[int]) -> str:
    """``every day``, ``Mon-Fri`` or ``Mon, Wed, Fri``."""
    if tuple(days) == EVERY_DAY:
        return "every day"
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{DAYS[days[0]].capitalize()}-{DAYS[days[-1]].capitalize()}"
    return ", ".join(DAYS[day].capitalize() for day in days)


def summary(schedule: Schedule) -> str:
    """One line that says all of a schedule."""
    parts = [
        f"{days_text(schedule.weekdays)} at {schedule.at:%H:%M} {schedule.zone}",
        f"closes {schedule.closes:%H:%M}",
        content_text(schedule.content),
        schedule.mode.value,
    ]
    if schedule.paused:
        parts.append(f"paused until {schedule.resumes:%Y-%m-%d}" if schedule.resumes else "paused")
    return " · ".join(parts)


def moment_text(moment: datetime, zone: str) -> str:
    """A moment in words of a zone: ``Mon 23 Nov, 09:00 CET``."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{DAYS[local.weekday()].capitalize()} {local.day} {_MONTHS[local.month - 1]}, {local:%H:%M} {local:%Z}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def due_text(due: Occurrence, zone: str) -> str:
    """When an occurrence is posted and when it closes."""
    return f"{moment_text(due.due, zone)}, closes {moment_text(due.closes, zone)}"


def _shown(text: str) -> str:
    return clip(display_name(text.replace("`", ""), "that"), 40)
