"""Steps that are safe to repeat are repeated until the store answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.core.errors import Unavailable

PAUSE_SECONDS = 0.2
"""Between two attempts to reach a store that is away."""
INSIST_SECONDS = 60.0
"""How long a result is offered to a store that is away; afterwards the lease decides who runs it again."""

T = TypeVar("T")


async def until_answered(ask: Callable[[], Awaitable[T]], seconds: float | None = INSIST_SECONDS) -> T:
    """What the store answers to a step that is safe to repeat. Raises Unavailable after `seconds`."""
    loop = asyncio.get_running_loop()
    until = None if seconds is None else loop.time() + seconds
    while True:
        try:
            return await ask()
        except Unavailable:
            if until is not None and loop.time() > until:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
