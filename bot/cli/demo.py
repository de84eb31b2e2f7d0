"""`torchquiz demo`: the whole product on this machine, without a token."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import structlog

from bot.adapters.web.client import serve
from bot.bank.load import FOLDER, load
from bot.bootstrap import build_days, build_desk, open_store
from bot.cli.worker_process import queue_with_worker
from bot.config import Settings


async def run_demo(settings: Settings, say: Callable[[str], None], install: Sequence[str] = ()) -> None:
    """Serve the demo page until Ctrl-C, while `install` brings what the worker needs. Raises ConfigError with what to
    do."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    log = structlog.get_logger()
    bank = load(settings.content or FOLDER)  # a wrong bank is told before anything starts
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings, lambda line: say(f"store   {line}")))
        for warning in store.warnings:
            say(f"store   note: {warning}")
        queue = await stack.enter_async_context(queue_with_worker(store, say, install))
        days = build_days(store, log, bank)
        await days.clock.load()
        desk = build_desk(settings, store, log, queue, bank, days)
        gc.collect()
        gc.freeze()  # the bank lives as long as we do: no collection need look at it again
        await serve(
            desk,
            host=settings.host,
            port=settings.port,
            ready=_announce(say),
            stop=stop,
            log=log,
            now=lambda: days.clock.now().timestamp(),
            posting=days.run,
        )
        say("stopping; your scores are kept")


def _announce(say: Callable[[str], None]) -> Callable[[str], None]:
    return lambda url: say(f"page    open {url} and type /quiz 11   (Ctrl-C stops everything)")
