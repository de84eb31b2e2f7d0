"""A run's output on its way to the queue, in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bot.core.errors import Unavailable

PIECE_SECONDS = 0.1
"""Least time between two pieces of output of a run: chat platforms take one edit a second."""
PIECE_CHARACTERS = 4096
"""A piece this long goes out at once."""


class Printer:
    """Sends a run's output in pieces: the first at once, then after `PIECE_SECONDS` or `PIECE_CHARACTERS`."""

    def __init__(self, send: Callable[[str], Awaitable[None]], most: int) -> None:
        self._send = send
        self._most = most
        self._heard: list[str] = []
        self._size = 0
        self._unsent = ""
        self._news = asyncio.Event()
        self._full = asyncio.Event()
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def heard(self) -> str:
        """All output so far."""
        return "".join(self._heard)

    def feed(self, text: str) -> None:
        """Take more output; what exceeds the bound is dropped, because the sandbox ends such a run anyway."""
        text = text[: max(0, self._most - self._size)]
        if not text:
            return
        self._heard.append(text)
        self._size += len(text)
        self._unsent += text
        self._news.set()
        if len(self._unsent) >= PIECE_CHARACTERS:
            self._full.set()
        if self._task is None:
            self._task = asyncio.create_task(self._pump())

    async def stop(self) -> str:
        """Stop sending; returns what has not been sent."""
        if self._task is not None:
            async with self._sending:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        rest, self._unsent = self._unsent, ""
        return rest

    async def _pump(self) -> None:
        while True:
            await self._news.wait()
            async with self._sending:
                await self._send_piece()
            with suppress(TimeoutError):
                async with asyncio.timeout(PIECE_SECONDS):
                    await self._full.wait()

    async def _send_piece(self) -> None:
        self._news.clear()
        self._full.clear()
        piece, self._unsent = self._unsent, ""
        try:
            await self._send(piece)
        except Unavailable:
            self._unsent = piece + self._unsent  # goes out with the next piece, or with the result
            self._news.set()
