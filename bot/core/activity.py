"""How much someone did on each of the last days: a byte a day, for the picture of the last weeks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

WEEKS = 8
DAYS = WEEKS * 7
MOST = 255
"""More answers and ratings than this on one day are not counted."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Answers and ratings of the last `DAYS` days up to `last`, oldest first."""

    last: date = date(2000, 1, 1)
    counts: bytes = bytes(DAYS)

    def counted(self, day: date, change: int = 1) -> Activity:
        """With `change` more on `day`; days older than the oldest kept one are forgotten."""
        moved = self.up_to(max(day, self.last))
        place = DAYS - 1 - (moved.last - day).days
        if place < 0:
            return moved
        counts = bytearray(moved.counts)
        counts[place] = max(0, min(MOST, counts[place] + change))
        return replace(moved, counts=bytes(counts))

    def up_to(self, day: date) -> Activity:
        """The same, ending with `day`; a later end stays."""
        ahead = (day - self.last).days
        if ahead <= 0:
            return self
        return Activity(day, (self.counts + bytes(min(ahead, DAYS)))[-DAYS:])

    def weeks(self, today: date) -> tuple[Week, ...]:
        """Whole weeks from Monday, oldest first, the last one that of `today`."""
        held = self.up_to(today)
        oldest = held.last - timedelta(days=DAYS - 1)
        monday = today - timedelta(days=today.weekday())
        return tuple(
            Week(start, tuple(_on(held.counts, (start + timedelta(days=n) - oldest).days) for n in range(7)))
            for start in (monday - timedelta(weeks=back) for back in reversed(range(WEEKS)))
        )


@dataclass(frozen=True, slots=True)
class Week:
    """A week of activity: its Monday, and how much was done on each day from then on."""

    start: date
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """What was done in the whole week."""
        return sum(self.counts)

    @property
    def active(self) -> int:
        """On how many days something was done."""
        return sum(count > 0 for count in self.counts)


def _on(counts: bytes, place: int) -> int:
    return counts[place] if 0 <= place < DAYS else 0
