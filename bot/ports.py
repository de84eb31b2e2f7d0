"""What use cases need from outside. Each port is small; `bot.store` keeps them in Redis and, for tests, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from bot.core.ids import Caller, ItemId, OptionId
from bot.core.runs import Accepted, Cancelled, Completion, Refusal, RunEvent, RunId, RunOrder
from bot.core.scoring import BoardPage, Progress, Recorded


class Clock(Protocol):
    """The time, as an argument."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class PracticeAnswer:
    """One answer in practice, graded, ready to be recorded in one atomic step."""

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
        """The top `size` of a board. `scope` is the channel's id, or `t` for the whole tenant. One round trip."""
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
