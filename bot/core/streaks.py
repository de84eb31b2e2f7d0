"""Streaks: questions of a channel answered in a row, right or wrong. They show a flame and give no points.

They count ordinals, not dates: the n-th day with a question in this channel. Weekends, holidays, pauses and our own
downtime have no ordinal, so they cannot break one. One missed day a week is forgiven by itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

FREEZE_DAYS = 7
"""A missed day is forgiven when the last forgiven one is at least this many days ago."""
MILESTONES = (3, 5, 10, 20, 30, 50, 100, 150, 200, 250, 300, 400, 500, 750, 1000)
"""Lengths that the digest mentions."""


@dataclass(frozen=True, slots=True)
class Streak:
    """Someone's streak in one channel."""

    length: int = 0
    best: int = 0
    last: int = 0
    """Ordinal of the newest question answered; 0 for none."""
    froze: int = 0
    """Day number (since 0001-01-01) of the newest forgiven gap; 0 for none."""


def advanced(streak: Streak, ordinal: int, day: int, holes: Collection[int] = ()) -> Streak:
    """The streak after answering the question of an ordinal, asked on day number `day`.

    `holes` are ordinals that were given to a question that never went out. An ordinal that is not newer than the last
    changes nothing.
    """
    if ordinal <= streak.last:
        return streak
    missed = sum(between not in holes for between in range(streak.last + 1, ordinal))
    froze = streak.froze
    if not streak.last or missed > 1 or (missed == 1 and froze and day - froze < FREEZE_DAYS):
        length = 1
    else:
        length = streak.length + 1
        froze = day if missed else froze
    return Streak(length, max(streak.best, length), ordinal, froze)


def current(streak: Streak, ordinal: int, holes: Collection[int] = ()) -> int:
    """The length to show when the newest question of the channel has that ordinal: 0 once two were missed.

    The newest one may still be answered, so it does not count as missed.
    """
    missed = sum(between not in holes for between in range(streak.last + 1, ordinal))
    return streak.length if streak.last and missed <= 1 else 0
