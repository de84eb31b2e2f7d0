"""Builders whose defaults are all valid, so that a test names only what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import count

from bot.core.ids import Caller, ChannelId, ItemId, OptionId, Tenant, UserId
from bot.ports import PracticeAnswer

DAY = date(2031, 3, 14)
"""A day in the future, so that no board of a test has expired."""
MONTH = "m203103"
ITEMS = tuple(ItemId(f"quiz-11-q{n:02}") for n in range(1, 11))

_events = count()


def a_caller(
    tenant: Tenant, user: str = "1200000000000000123", channel: str = "c1", name: str = "Ada", event: str | None = None
) -> Caller:
    """Someone who clicks; each time another event unless one is given."""
    return Caller(tenant, ChannelId(channel), UserId(user), name, f"e{next(_events)}" if event is None else event)


def an_answer(
    caller: Caller,
    item: ItemId = ITEMS[0],
    option: str = "a",
    correct: bool = True,
    round: int = 1,
    day: date = DAY,
    quiz: str = "11",
    items: Sequence[ItemId] = ITEMS,
    topic: str = "transformers",
) -> PracticeAnswer:
    """A right answer to the first question of quiz 11."""
    return PracticeAnswer(caller, quiz, items, item, OptionId(option), correct, round, day, topic)
