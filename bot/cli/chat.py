"""`torchquiz chat`: the same game in the terminal; reads a script from standard input just as well."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from bot.adapters.terminal import HELP, Terminal, TerminalChat
from bot.bank.load import FOLDER, load
from bot.bootstrap import build_days, build_desk, open_store
from bot.cli.worker_process import queue_with_worker
from bot.config import Settings
from bot.tasks import stop


class StandardConsole:
    """Standard input and output."""

    def __init__(self) -> None:
        self.styled = sys.stdout.isatty() and sys.stdin.isatty()

    async def read(self, prompt: str) -> str | None:
        """The next line; None at the end."""
        return await asyncio.to_thread(self._read, prompt)

    def _read(self, prompt: str) -> str | None:
        if self.styled:
            try:
                return input(f"\n{prompt}")
            except EOFError:
                return None
        line = sys.stdin.readline()
        return line.rstrip("\r\n") if line else None

    def write(self, text: str) -> None:
        """Print lines at once."""
        print(text, flush=True)  # noqa: T201  the terminal is this adapter's platform


async def run_chat(settings: Settings, name: str, say: Callable[[str], None]) -> None:
    """Chat until the input ends."""
    console = StandardConsole()
    bank = load(settings.content or FOLDER)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings, _silent))
        queue = await stack.enter_async_context(queue_with_worker(store, say if console.styled else _silent))
        if console.styled:
            console.write(HELP)
        log = structlog.get_logger()
        days = build_days(store, log, bank)
        await days.clock.load()
        terminal = Terminal(build_desk(settings, store, log, queue, bank, days), console, name)
        posting = asyncio.create_task(days.run(TerminalChat(terminal)), name="posting")
        stack.push_async_callback(stop, posting)
        await terminal.chat()


def _silent(line: str) -> None:
    """Show no progress where only a script reads."""
