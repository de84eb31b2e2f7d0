"""A worker as a child process of ours: installed where that is asked for, started, watched, and always taken along when
we leave."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
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
INSTALLING = "PyTorch is still being installed on this machine."
INSTALLING_FIX = "That takes about a minute; please try again then. The quiz works meanwhile."
NOT_INSTALLED = "PyTorch could not be installed on this machine."
NOT_INSTALLED_FIX = "The terminal of the demo shows why; start it again when that is mended."
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.1


@asynccontextmanager
async def queue_with_worker(
    store: Store, say: Callable[[str], None], install: Sequence[str] = ()
) -> AsyncIterator[RunQueue]:
    """The store's queue. Where no worker is alive, with one of our own behind it, which runs wait for while it warms
    up. `install` is a command that brings what the worker needs; until it has ended, runs are refused with that reason.
    """
    if await store.workers():
        yield store.queue
        return
    ours = _OwnWorker(store, say)
    watch = asyncio.create_task(ours.work(install))
    try:
        yield WaitingQueue(store.queue, ours.settled, WARM_UP_SECONDS)
    finally:
        await stop(watch)
        await ours.end()


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


class _OwnWorker:
    """The installer, then the worker."""

    def __init__(self, store: Store, say: Callable[[str], None]) -> None:
        self.settled = asyncio.Event()
        """Set while there is nothing to wait for: the worker serves, says why it cannot, or is being installed."""
        self._store = store
        self._say = say
        self._process: asyncio.subprocess.Process | None = None

    async def work(self, install: Sequence[str]) -> None:
        """Install, start the worker, and tell when it serves."""
        if install:
            self.settled.set()
            await self._install(install)
            self.settled.clear()
        self._say("worker  warming up torch for /run; the quiz works meanwhile")
        await self._start(sys.executable, "-m", "workers", reads_queue=True)
        self._say(f"worker  {await self._serving()}")
        self.settled.set()

    async def end(self) -> None:
        """Stop what runs, and wait for it."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # the installer has children of its own
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _install(self, command: Sequence[str]) -> None:
        """Raises nothing when the command fails: whoever wants to run something is told, for as long as we live."""
        self._say("worker  installing torch for /run, about a minute; the quiz works meanwhile")
        async with self._store.no_worker_yet(INSTALLING, INSTALLING_FIX):
            process = await self._start(*command)
            status = await process.wait()
        if status:
            self._say(f"worker  off: the installation ended with status {status}")
            async with self._store.no_worker_yet(NOT_INSTALLED, NOT_INSTALLED_FIX):
                await asyncio.Event().wait()

    async def _start(self, *command: str, reads_queue: bool = False) -> asyncio.subprocess.Process:
        queue = {"REDIS_URL": self._store.url, "TORCHQUIZ_PARENT": str(os.getpid()), "TORCHQUIZ_LOG": "warning"}
        self._process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **(queue if reads_queue else {})},
            stdin=asyncio.subprocess.DEVNULL,
            process_group=0,  # Ctrl-C reaches us alone; we stop it in order. Why no session: store.server
        )
        return self._process

    async def _serving(self) -> str:
        """What the first worker says of itself, or how ours ended."""
        assert self._process is not None
        while self._process.returncode is None:
            with suppress(Unavailable):
                if workers := await self._store.workers():
                    first = workers[0]
                    if first.problem:
                        return f"off: {first.problem} {first.fix}"
                    return f"ready: {first.device}, torch {first.torch_version}"
            await asyncio.sleep(_POLL_SECONDS)
        return f"ended with status {self._process.returncode}; /run is off"
