"""What use cases need from outside. Each port is small; `bot.store` keeps them in Redis and, for tests, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from bot.core.activity import Week
from bot.core.daily import Answered, Bag, Claim, Entry, Later, NewPost, Person, Post
from bot.core.ids import Caller, ChannelId, ItemId, OptionId, Platform, Tenant, UserId
from bot.core.reviews import Grade, LogPage, Notebook, Strength
from bot.core.runs import Accepted, Cancelled, Completion, Refusal, RunEvent, RunId, RunOrder
from bot.core.schedule import PostId, Schedule, ScheduleId
from bot.core.scoring import BoardPage, Progress, Recorded, Team
from bot.core.views import View


class Clock(Protocol):
    """The time, as an argument."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class DemoClock(Clock, Protocol):
    """The demo's time: that of this machine, and ahead of it once someone went on to a later day.

    All methods but `now` raise Unavailable when the store does not answer.
    """

    async def load(self) -> None:
        """Learn how far ahead it is."""
        ...

    async def forward(self, to: datetime) -> None:
        """Let time jump ahead to that moment, for good."""
        ...


class PracticeAnswer(NamedTuple):
    """One answer in practice, graded, ready to be recorded in one atomic step. A tuple, as `Recorded` is."""

    caller: Caller
    quiz: str
    items: Sequence[ItemId]
    """All questions of the quiz, so that the reply can say how far the round is."""
    item: ItemId
    option: OptionId
    correct: bool
    round: int
    day: date
    """The channel's local date: decides which boards it counts for and the day's practice cap."""
    topic: str
    counts: bool = True
    """False for what was a question of the day lately: it earns nothing here."""


class Scores(Protocol):
    """Answers, points and boards of a tenant. Every write is one atomic step and safe to repeat.

    All methods raise Unavailable when the store does not answer.
    """

    async def record_practice(self, answer: PracticeAnswer) -> Recorded:
        """Record a first answer of this round, or return what stands. One round trip."""
        ...

    async def progress(self, caller: Caller, quiz: str, items: Sequence[ItemId]) -> Progress:
        """How far the caller is in a quiz."""
        ...

    async def restart(self, caller: Caller, quiz: str, items: Sequence[ItemId], finished_round: int) -> int:
        """Begin the round after `finished_round`; returns the current round. Repeating it changes nothing."""
        ...

    async def board(self, caller: Caller, scope: str, label: str, size: int) -> BoardPage:
        """The top `size` of a board. `scope` is the channel's id, `t` for the whole tenant, or ``topic:`` and the id of
        a topic. One round trip."""
        ...

    async def teams(self, tenant: Tenant, label: str) -> Sequence[Team]:
        """What the channels of a tenant earned. One round trip."""
        ...


class PersonalData(Protocol):
    """What is kept of one person in a tenant. All methods raise Unavailable when the store does not answer."""

    async def is_anonymous(self, tenant: Tenant, user: UserId) -> bool:
        """Whether others see no name on this person's rows."""
        ...

    async def set_anonymous(self, tenant: Tenant, user: UserId, on: bool) -> None:
        """Hide the name of a person from others, or show it."""
        ...

    async def export(self, tenant: Tenant, user: UserId) -> str:
        """Everything that names the person, as JSON."""
        ...

    async def erase(self, tenant: Tenant, user: UserId) -> None:
        """Remove everything that names the person. Repeating it finishes what was interrupted."""
        ...


class RunQueue(Protocol):
    """The bot's half of the run queue. All methods raise Unavailable when the store does not answer."""

    async def submit(self, order: RunOrder) -> Accepted | Refusal:
        """Hand in a run. Repeating the same id changes nothing and returns the same acceptance."""
        ...

    def follow(self, run: RunId) -> AsyncIterator[RunEvent]:
        """The run's events from its beginning, ending with Finished."""
        ...

    async def cancel(self, run: RunId, user: str) -> Cancelled:
        """Stop a run of that user in whatever state it is."""
        ...

    async def source(self, run: RunId) -> str | None:
        """The code of a run; None once it has been deleted (24 hours)."""
        ...

    def completions(self, reply_to: str, consumer: str) -> AsyncIterator[Completion]:
        """Finished runs of a reply group to show. One that a dead process held is handed out again."""
        ...

    async def delivered(self, reply_to: str, completion: Completion) -> None:
        """The result has been shown; do not hand it out again."""
        ...


class Log(Protocol):
    """Events with fields, never a secret and never a person's code."""

    def info(self, event: str, **fields: object) -> object:
        """Something happened."""
        ...

    def warning(self, event: str, **fields: object) -> object:
        """Something an operator may want to look at."""
        ...

    def exception(self, event: str, **fields: object) -> object:
        """Something broke; called where the exception is handled."""
        ...


class Once(Protocol):
    """Remembers which deliveries were handled, over all replicas. Raises Unavailable when the store does not answer."""

    async def first(self, key: str, seconds: float) -> bool:
        """True for the first call with this key within `seconds`, False for every later one."""
        ...


class Rate(Protocol):
    """A rate that all replicas share. Raises Unavailable when the store does not answer."""

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        """Reserve one action of the bucket; returns the seconds to wait before doing it, 0 for at once."""
        ...


class Schedules(Protocol):
    """Schedules, and the work that falls due by them. Any number of processes share it; none leads.

    All methods raise Unavailable when the store does not answer.
    """

    async def new_id(self, tenant: Tenant, channel: ChannelId) -> ScheduleId:
        """An id that this channel never had."""
        ...

    async def save(self, schedule: Schedule, due: datetime | None, who: str, what: str) -> Schedule:
        """Save over the version that `schedule` carries; returns it with the next. Raises BadInput when someone else
        has changed it since. `due` is when its next question is."""
        ...

    async def remove(self, schedule: Schedule, who: str) -> None:
        """Take it away, on the same terms."""
        ...

    async def of_tenant(self, tenant: Tenant) -> Sequence[Schedule]:
        """All schedules of a team, by channel and id."""
        ...

    async def last_day(self, schedule: Schedule) -> date | None:
        """The newest local date that was dealt with."""
        ...

    async def audit(self, tenant: Tenant, count: int) -> Sequence[Entry]:
        """The newest actions of admins, newest first."""
        ...

    async def keep_draft(self, tenant: Tenant, schedule: Schedule) -> str:
        """Keep a schedule until it is confirmed; returns a token for a button."""
        ...

    async def draft(self, tenant: Tenant, token: str) -> Schedule | None:
        """The schedule that was kept; None once it is forgotten."""
        ...

    async def now(self) -> datetime:
        """The time that decides: the store's, or that of a simulation."""
        ...

    async def next_at(self, platforms: Sequence[Platform]) -> Sequence[tuple[str, datetime]]:
        """For each shard of these platforms that has work, when its first item is due."""
        ...

    async def claim(self, shard: str, most: int) -> Sequence[Claim]:
        """Take work that is due, for the length of a lease."""
        ...

    async def mark(self, claim: Claim, day: date) -> bool:
        """Say that the item is about to be sent, and renew the lease. False: do not send."""
        ...

    async def later(self, claim: Claim, at: datetime | None, *, sent: bool | None = None) -> bool:
        """Give an item back until `at` (None: it goes). `sent=False` says that nothing was sent, so nothing is in
        doubt. False when someone else holds it."""
        ...

    async def add(self, tenant: Tenant, channel: ChannelId, schedule: ScheduleId, item: Later) -> None:
        """Note work, unless it is noted already."""
        ...

    async def done(self, claim: Claim, day: date | None, due: datetime | None, also: Sequence[Later] = ()) -> bool:
        """The occurrence of `day` has been posted; the next is `due`, and `also` is to be done. With no `day`, the
        item is finished and goes. False when it was done before."""
        ...


class Dailies(Protocol):
    """Questions of the day and the answers to them. Every write is one atomic step and safe to repeat.

    All methods raise Unavailable when the store does not answer.
    """

    async def bag(self, tenant: Tenant, channel: ChannelId, day: date, together: str) -> Bag:
        """What picking needs to know."""
        ...

    async def record(self, post: NewPost, bag: Bag) -> Post | None:
        """Write a question before it is sent, and return it; one that stands for this occurrence stays. None when the
        bag has changed since: read it and pick again."""
        ...

    async def post(self, tenant: Tenant, post: PostId) -> Post | None:
        """A question of the day."""
        ...

    async def newest(self, tenant: Tenant, channel: ChannelId) -> Post | None:
        """The newest question that went out in a channel."""
        ...

    async def confirm(self, post: Post, message: str, *, digest: bool = False) -> str:
        """Note the message of a question or of its digest. Returns the one that stands, which may be another; empty
        when the question was given up and must not be seen."""
        ...

    async def answer(self, caller: Caller, post: PostId, option: OptionId) -> Answered:
        """Record an answer, or return what stands. One round trip."""
        ...

    async def close(self, post: Post) -> None:
        """Take no more answers, and bring every answer to the boards."""
        ...

    async def void(self, post: Post, reason: str) -> None:
        """Make a question count as a try only, on every board; an empty reason takes that back."""
        ...

    async def rekey(self, post: Post, right: OptionId) -> None:
        """Give a question another key, on every board."""
        ...

    async def milestones(self, post: Post, count: int) -> Sequence[tuple[str, UserId, int]]:
        """The longest streaks that reached a milestone with this question: name, person, length."""
        ...

    async def report(self, caller: Caller, post: PostId, text: str) -> bool:
        """Keep what the caller says is wrong with a question; False when there is no such question."""
        ...

    async def reports(self, tenant: Tenant) -> Mapping[PostId, Sequence[str]]:
        """What was reported and not judged yet, by question."""
        ...

    async def settle_reports(self, tenant: Tenant, post: PostId) -> None:
        """The reports of a question have been judged."""
        ...

    async def person(self, caller: Caller) -> Person:
        """What is kept of the caller's answers."""
        ...

    async def recent_items(self, tenant: Tenant, today: date) -> Mapping[ItemId, datetime]:
        """The questions of the last ten days, each with the moment when the last channel's closes."""
        ...


class Spacing(Protocol):
    """When a fact comes back."""

    def __call__(self, strength: Strength | None, grade: Grade, elapsed_days: int) -> tuple[Strength, int]:
        """The strength after a grade (before: None where it was never met), and the days until the next review."""
        ...


class Drawing(Protocol):
    """Draws the last weeks."""

    def __call__(self, weeks: Sequence[Week], days_left: int) -> bytes:
        """A calendar as PNG; the last `days_left` days of the last week are still to come."""
        ...


class Notebooks(Protocol):
    """What people remember. A notebook is read, changed by a rule and written back while nobody else has changed it,
    in one atomic step. All methods raise Unavailable when the store does not answer."""

    async def read(self, tenant: Tenant, users: Sequence[UserId]) -> Mapping[UserId, Notebook]:
        """The notebooks of these people; an empty one where nothing is kept."""
        ...

    async def write(self, tenant: Tenant, user: UserId, before: Notebook, after: Notebook) -> bool:
        """Replace `before` by `after`. False, with nothing written, when it has changed since: read it again."""
        ...

    async def page(self, tenant: Tenant) -> LogPage:
        """The next answers of the log to take in."""
        ...

    async def take_in(self, page: LogPage, changed: Mapping[UserId, tuple[Notebook, Notebook]]) -> bool:
        """Write the notebooks (before, after) that a page changes, and that it has been taken in, in one step. False
        when a notebook has changed or someone else took it in."""
        ...


class Lost(Exception):
    """The platform gave no answer: whether it did what it was asked is unknown."""


class Refused(Exception):
    """The platform says no and will say so again: no such channel, or a permission that is missing.

    `str(error)` is a sentence for the admins.
    """


class SlowDown(Exception):
    """The platform did nothing and asks to wait `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:g} s")
        self.seconds = seconds


class Chat(Protocol):
    """Messages of our own accord, on one platform. `key` is a name for what is said: a platform that can will not say
    it twice (Discord, by a nonce), and every platform finds messages by it.

    All methods raise Lost, Refused or SlowDown.
    """

    async def post(self, tenant: Tenant, channel: ChannelId, view: View, key: str) -> str:
        """Post a message; returns its id."""
        ...

    async def reply(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> str:
        """Post into the thread of a message; returns the id."""
        ...

    async def edit(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> None:
        """Replace a message of ours; it keeps its key. One that is gone is no error."""
        ...

    async def find(
        self, tenant: Tenant, channel: ChannelId, key: str, since: datetime, thread: str = ""
    ) -> Sequence[str]:
        """The messages of ours with that key since then, oldest first; in a thread, where one is given."""
        ...

    async def delete(self, tenant: Tenant, channel: ChannelId, message: str) -> None:
        """Take a message of ours away. One that is gone is no error."""
        ...

    async def tell(self, tenant: Tenant, user: UserId, channel: ChannelId, view: View) -> None:
        """Say something about a channel to one person alone; the message names the channel so that it can be found."""
        ...
