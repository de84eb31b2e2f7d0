"""Points. The rule, in the words members read:

Daily question: 10 points if your first answer is right, 1 for trying. Practice: 1 point the first time you get a
question right, at most 10 a day. Speed and repeats never count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.core.ids import ChannelId

RULE = (
    "Daily question: 10 points if your first answer is right, 1 for trying. "
    "Practice: 1 point the first time you get a question right, at most 10 a day. Speed and repeats never count."
)

DAILY_RIGHT = 10
DAILY_TRY = 1
PRACTICE_RIGHT = 1
PRACTICE_DAY_CAP = 10

TEAM_LEAST = 3
"""People who make a team; the mean of fewer tells about persons."""

TIE_BITS = 32
"""A board's score is points * 2**32 + tie, with tie the daily first-try accuracy scaled to 32 bits; exact up to 2**21
points."""


def daily_points(correct: bool) -> int:
    """Points for the first answer to a daily question."""
    return DAILY_RIGHT if correct else DAILY_TRY


def practice_points(correct: bool, right_before: bool, points_today: int) -> int:
    """Points for an answer in practice: once for each question, at most `PRACTICE_DAY_CAP` a day."""
    if not correct or right_before or points_today >= PRACTICE_DAY_CAP:
        return 0
    return PRACTICE_RIGHT


def board_score(points: int, right: int, asked: int) -> int:
    """The sorted-set score of someone with `points`, `right` of `asked` daily questions right at the first try."""
    tie = (right * ((1 << TIE_BITS) - 1)) // asked if asked else 0
    return (points << TIE_BITS) + tie


def points_of(score: float) -> int:
    """The points in a board score."""
    return int(score) >> TIE_BITS


class Recorded(NamedTuple):
    """What the store holds of one answer, whether it was recorded now or before. A tuple, because one is made for every
    click and a frozen dataclass takes three times as long."""

    first: bool
    """True when this call recorded it; False when an earlier answer stands."""
    option: str
    correct: bool
    points: int
    """Points that this answer earned when it was recorded."""
    total: int
    """Points on the channel's board of the month."""
    rank: int
    """Shared rank there; 1 is best."""
    answered: int
    """Questions of the round answered so far, this one included."""
    right: int
    """Those answered right."""
    stale: bool = False
    """The card belongs to an earlier round; nothing was recorded."""
    practice_today: int = 0
    """Practice points earned today, this one included."""
    cooling: bool = False
    """It earned nothing because there were too many answers in this minute."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One row of a board as the store returns it."""

    user: str
    name: str
    points: int
    rank: int
    anonymous: bool = False
    """Others do not see the name; it is empty here unless this is the reader's own row."""


@dataclass(frozen=True, slots=True)
class Team:
    """The people of one channel, taken together."""

    channel: ChannelId
    points: int
    people: int
    """Those who answered in the period."""

    @property
    def mean(self) -> float:
        """Points for each of them."""
        return self.points / self.people


def ranked_teams(teams: Sequence[Team]) -> list[tuple[int, Team]]:
    """Teams of at least `TEAM_LEAST` people by their mean, best first, with shared ranks (1, 2, 2, 4)."""
    able = sorted((team for team in teams if team.people >= TEAM_LEAST), key=lambda team: (-team.mean, team.channel))
    means = [team.mean for team in able]
    return [(1 + means.index(team.mean), team) for team in able]


@dataclass(frozen=True, slots=True)
class BoardPage:
    """The top of a board and the reader's own row with its neighbours."""

    top: tuple[Standing, ...]
    mine: Standing | None
    around: tuple[Standing, ...]
    members: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far someone is in a quiz. `choices` holds the option chosen for each answered item."""

    round: int
    choices: tuple[tuple[str, str, bool], ...]
    """(item, option, correct) for the answered items of this round."""
