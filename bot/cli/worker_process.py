"""A worker as a child process of ours: started, watched, and always taken along when we leave."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bot.bootstrap import Store, open_store
from bot.config import Settings
from bot.core.errors import Unavailable
from bot.ports import RunQueue
from bot.store.waiting_queue import WaitingQueue
from bot.tasks import stop

WARM_UP_SECONDS = 90.0
"""Torch takes 2 to 20 s to import, depending on the disk."""
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.1


@asynccontextmanager
async def queue_with_worker(store: Store, say: Callable[[str], None]) -> AsyncIterator[RunQueue]:
    """The store's queue. Where no worker is alive, with one of our own behind it, which runs wait for while it warms
    up."""
    if await store.workers():
        yield store.queue
        return
    async with worker_process(store, say) as settled:
        yield WaitingQueue(store.queue, settled, WARM_UP_SECONDS)


@asynccontextmanager
async def queue_apart(settings: Settings) -> AsyncIterator[RunQueue]:
    """A queue with a worker on a store of its own: work on the bank never touches the scores of a running demo."""
    with tempfile.TemporaryDirectory(prefix="torchquiz-content-") as home:
        private = settings.model_copy(update={"redis_url": None, "home": Path(home)})
        async with (
            open_store(private, lambda line: None) as store,
            queue_with_worker(store, lambda line: None) as queue,
        ):
            yield queue


@asynccontextmanager
async def worker_process(store: Store, say: Callable[[str], None]) -> AsyncIterator[asyncio.Event]:
    """A CPU worker on the store, for as long as the context. The event is set once it serves or says why it cannot."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workers",
        env={**os.environ, "REDIS_URL": store.url, "TORCHQUIZ_PARENT": str(os.getpid()), "TORCHQUIZ_LOG": "warning"},
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches us alone; we stop the worker in order
    )
    settled = asyncio.Event()
    watch = asyncio.create_task(_watch(store, process, settled, say))
    try:
        yield settled
    finally:
        await stop(watch)
        await _stop(process)


async def _watch(
    store: Store, process: asyncio.subprocess.Process, settled: asyncio.Event, say: Callable[[str], None]
) -> None:
    while process.returncode is None:
        with suppress(Unavailable):
            if workers := await store.workers():
                first = workers[0]
                said = (
                    f"off: {first.problem} {first.fix}"
                    if first.problem
                    else f"ready: {first.device}, torch {first.torch_version}"
                )
                say(f"worker  {said}")
                settled.set()
                return
        await asyncio.sleep(_POLL_SECONDS)
    say(f"worker  ended with status {process.returncode}; /run is off")
    settled.set()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
