"""The question of the day: what is kept of a posted question, of an answer to it, and of work that is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from bot.core.ids import ChannelId, ItemId, OptionId, Tenant
from bot.core.picking import Asked
from bot.core.schedule import Mode, PostId, Schedule, ScheduleId
from bot.core.streaks import Streak

ANSWERS_PER_MINUTE = 60
"""Whoever answers more often than this cools down: no points until the next minute."""
COUNTER_SECONDS = 5
"""The counter under a question is edited at most this often."""
RESERVED_DAYS = 10
"""A question of the day is kept out of private practice for this many days."""


class PostState(StrEnum):
    """Where a question of the day stands."""

    OPEN = "o"
    CLOSED = "c"
    UNSENT = "u"
    """It was prepared and never went out; its day does not count."""


@dataclass(frozen=True, slots=True)
class NewPost:
    """What is written before a question is sent."""

    id: PostId
    tenant: Tenant
    channel: ChannelId
    schedule: ScheduleId
    item: ItemId
    round: int
    """The round of the bag that the question is noted with."""
    right: OptionId
    order: tuple[OptionId, ...]
    """The options as this message letters them."""
    topic: str
    mode: Mode
    zone: str
    day: date
    opens: datetime
    closes: datetime
    together: str = ""
    """A name that channels share which ask the same question today; empty for a question of their own."""


@dataclass(frozen=True, slots=True)
class Post:
    """A question of the day as the store holds it."""

    id: PostId
    tenant: Tenant
    channel: ChannelId
    schedule: ScheduleId
    item: ItemId
    right: OptionId
    order: tuple[OptionId, ...]
    topic: str
    mode: Mode
    zone: str
    day: date
    opens: datetime
    closes: datetime
    state: PostState
    ordinal: int
    """The how-manieth day with a question this is in its channel."""
    message: str
    """The platform's id of the message; empty while it is not known to have gone out."""
    digest: str
    answered: int
    chosen: Mapping[OptionId, int]
    """How often each option was chosen."""
    void: str
    """Why it does not count; empty for a good one."""


class Status(StrEnum):
    """What became of an answer."""

    RECORDED = "recorded"
    CHANGED = "changed"
    """A sealed answer was replaced."""
    STANDS = "stands"
    """An earlier answer is final."""
    LATE = "late"
    """The question has closed."""
    UNKNOWN = "unknown"
    """There is no such question, or it has no such option."""
    COOLING = "cooling"
    """Too many answers in this minute."""
    REFUSED = "refused"
    """This person asked not to be recorded."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply to an answer."""

    status: Status
    post: Post | None
    option: OptionId | None = None
    """The option that is held; None where nothing is."""
    correct: bool = False
    points: int = 0
    """What that answer earned; 0 for a sealed one until the close."""
    total: int = 0
    """Points on the channel's board of the month of the question."""
    rank: int = 0
    streak: Streak = field(default_factory=Streak)
    saved: bool = False
    """This answer used the week's forgiven day."""


@dataclass(frozen=True, slots=True)
class Bag:
    """What picking needs to know, as of `version`."""

    version: int
    asked: Mapping[ItemId, Asked]
    elsewhere: frozenset[ItemId]
    """Questions that channels of this team have had today."""
    shared: ItemId | None
    """The question that others with the same name asked today together."""


@dataclass(frozen=True, slots=True)
class Person:
    """What is kept of someone's answers to questions of the day."""

    answered: int
    right: int
    points: int
    topics: Mapping[str, tuple[int, int]]
    """Topic -> (right, answered)."""
    streaks: Mapping[ChannelId, Streak]
    running: Mapping[ChannelId, int] = field(default_factory=dict)
    """The length of each streak as it stands today; 0 for one that has ended since."""


class Task(StrEnum):
    """What can be due."""

    POST = "p"
    CLOSE = "c"
    COUNT = "n"
    """Bring the counter under the question up to date."""
    CHECK = "v"
    """Look for a second message of the same question, and take it away."""
    REPORT = "r"
    """Tell whoever planned the question that someone reported a mistake in it."""
    AMEND = "a"
    """Say in the channel that the question was taken out."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Work that this process holds until its lease ends."""

    member: str
    shard: str
    task: Task
    tenant: Tenant
    channel: ChannelId
    schedule: ScheduleId
    day: date | None
    """The local date of the occurrence in hand; None for a post that nobody has begun."""
    fence: int
    """Grows with each claim; a step under an older one is refused."""
    sending: bool
    """Whoever held it before may have sent: in doubt."""
    last: date | None
    """The newest local date dealt with."""
    settings: Schedule | None
    """None when the schedule has been removed."""
    now: datetime
    """The store's time at the claim."""


@dataclass(frozen=True, slots=True)
class Later:
    """Work to be done at a moment."""

    task: Task
    day: date
    at: datetime | timedelta
    """When, or how long from now."""
    if_moved: bool = False
    """Only when someone else has held the finished item meanwhile."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit log."""

    at: datetime
    who: str
    channel: ChannelId
    schedule: ScheduleId
    what: str
