"""What a use case answers. Each says it of itself, so that a new one touches no other and no table of all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.core.ids import Caller
from bot.core.views import Reply

Values = Mapping[str, str]
Typed = Callable[[Caller, str], AsyncIterator[Reply]]
"""Answers the words behind a command."""
Pressed = Callable[[Caller, Any, Values], AsyncIterator[Reply]]
"""Answers an action; the values are those of a form, if it was one."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The commands by name and the actions by kind that a use case answers."""

    commands: Mapping[str, Typed] = field(default_factory=dict)
    actions: Mapping[type, Pressed] = field(default_factory=dict)


class UseCase(Protocol):
    """Something that people do."""

    def answers(self) -> Answers:
        """What it answers."""
        ...


def typed(answer: Callable[[Caller, str], Awaitable[Reply]]) -> Typed:
    """Answers a command with one reply."""

    async def replies(caller: Caller, text: str) -> AsyncIterator[Reply]:
        yield await answer(caller, text)

    return replies


def pressed(answer: Callable[[Caller, Any], Awaitable[Reply]]) -> Pressed:
    """Answers an action with one reply."""

    async def replies(caller: Caller, action: Any, _: Values) -> AsyncIterator[Reply]:
        yield await answer(caller, action)

    return replies


def sent(answer: Callable[[Caller, Any, Values], Awaitable[Reply]]) -> Pressed:
    """Answers a form with one reply."""

    async def replies(caller: Caller, action: Any, values: Values) -> AsyncIterator[Reply]:
        yield await answer(caller, action, values)

    return replies


def going(answer: Callable[[Caller, Any], AsyncIterator[Reply]]) -> Pressed:
    """Answers an action with replies that follow one another."""
    return lambda caller, action, _: answer(caller, action)
