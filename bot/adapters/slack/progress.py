"""How a run goes, shown while it goes: always the latest, at most once a second, and never after the result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bot.adapters.slack.api import Json, RefusedError
from bot.core.errors import Unavailable
from bot.tasks import stop

PERIOD = 1.0
"""Seconds between two updates of a card."""


class Progress:
    """One card while its run goes on. `send` shows a message; it takes about a second at most."""

    def __init__(self, send: Callable[[Json], Awaitable[None]], turn: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._turn = turn
        self._latest: Json | None = None
        self._shown: Json | None = None
        self._closed = False
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.whispered = False
        """Whether the caller was told that the run goes; a whisper cannot be changed, so there is only one."""

    def offer(self, message: Json) -> None:
        """Show this, unless something later comes first. Returns at once."""
        self._latest = message
        if not self._closed and self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Show no more. What is being sent has been sent when this returns."""
        self._closed = True
        async with self._sending:
            pass
        if self._task:
            await stop(self._task)

    async def _run(self) -> None:
        while self._latest is not self._shown:
            await self._turn()
            async with self._sending:
                latest = self._latest
                if self._closed or latest is None:
                    return
                with suppress(RefusedError, Unavailable):  # the next one, or the result, takes its place
                    await self._send(latest)
                self._shown = latest
            await asyncio.sleep(PERIOD)
        self._task = None
