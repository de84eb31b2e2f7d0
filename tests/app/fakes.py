"""Ordinary stand-ins for the ports: a clock that stands still, a log that remembers, a queue that plays a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.core.runs import (
    Accepted,
    Cancelled,
    Completion,
    Finished,
    Outcome,
    Printed,
    Refusal,
    RunEvent,
    RunId,
    Running,
    RunOrder,
    RunResult,
    Waiting,
)

HELLO: tuple[RunEvent, ...] = (
    Running("w1", "cpu"),
    Printed("tensor(3)\n"),
    Finished(RunResult(Outcome.OK, "tensor(3)\n", exit_status=0, seconds=0.01, torch_version="2.13.0")),
)


class FakeClock:
    """A clock that is set by hand."""

    def __init__(self, at: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@dataclass
class FakeLog:
    """Remembers events."""

    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def info(self, event: str, **fields: object) -> None:
        self.events.append((event, fields))

    warning = exception = info


class FakeQueue:
    """Accepts every run and plays the same events for each; or refuses with `refusal`."""

    def __init__(self, events: Sequence[RunEvent] = HELLO, refusal: Refusal | None = None) -> None:
        self.events = events
        self.refusal = refusal
        self.orders: dict[RunId, RunOrder] = {}
        self.finished: list[Completion] = []
        self.shown: list[Completion] = []

    async def submit(self, order: RunOrder) -> Accepted | Refusal:
        if self.refusal:
            return self.refusal
        again = order.id in self.orders
        self.orders[order.id] = order
        return Accepted(order.id, Waiting(0), again)

    async def follow(self, run: RunId) -> AsyncIterator[RunEvent]:
        for event in self.events:
            yield event

    async def cancel(self, run: RunId, user: str) -> Cancelled:
        order = self.orders.get(run)
        if order is None:
            return Cancelled.UNKNOWN
        return Cancelled.ASKED if order.user == user else Cancelled.NOT_YOURS

    async def source(self, run: RunId) -> str | None:
        order = self.orders.get(run)
        return order.source if order else None

    async def completions(self, reply_to: str, consumer: str) -> AsyncIterator[Completion]:
        for completion in self.finished:
            yield completion

    async def delivered(self, reply_to: str, completion: Completion) -> None:
        self.shown.append(completion)
