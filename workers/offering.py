"""What a worker offers: a sandbox that works, or the reason why it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bot.core.errors import Unavailable
from bot.store.run_worker_end import Offer, WorkerEnd
from bot.tasks import stop as stop_tasks
from workers.sandbox.base import Sandbox, SandboxUnavailable
from workers.settings import WorkerSettings


class Offering:
    """Keeps the sandbox running and the worker registered. `idle` returns once no run needs the sandbox."""

    def __init__(
        self,
        end: WorkerEnd,
        sandbox: Sandbox,
        slots: int,
        settings: WorkerSettings,
        idle: Callable[[], Awaitable[None]],
        log: Any,
    ) -> None:
        self._end = end
        self._sandbox = sandbox
        self._slots = slots
        self._settings = settings
        self._idle = idle
        self._log = log
        self.serving = asyncio.Event()
        """Set while runs may be taken."""
        self._broken: SandboxUnavailable | None = None
        self._troubled = asyncio.Event()

    async def keep_sandbox(self) -> None:
        """Have a sandbox that works, for ever; say what is wrong while there is none."""
        while True:
            try:
                test = await self._sandbox.start()
            except SandboxUnavailable as error:
                self._broken = error
                self._log.warning("worker.unavailable", problem=error.problem, fix=error.fix)
                await self._register()
                await asyncio.sleep(self._settings.restart)
                continue
            self._broken = None
            self._troubled.clear()
            await self._register()
            self.serving.set()
            self._log.info("worker.serving", slots=self._slots, probes=test.probes, warnings=list(test.warnings))
            await self._wait_for_trouble()
            await self._register()
            await self._idle()
            await self._sandbox.close()

    async def _wait_for_trouble(self) -> None:
        """Until a run met it, or the sandbox says so itself."""
        met, told = asyncio.create_task(self._troubled.wait()), asyncio.create_task(self._sandbox.trouble())
        try:
            await asyncio.wait((met, told), return_when=asyncio.FIRST_COMPLETED)
            if told.done():
                self.trouble(told.result())
        finally:
            await stop_tasks(met, told)

    def trouble(self, error: SandboxUnavailable) -> None:
        """The sandbox can build no more jails: take no more runs, and start it again when the last one has ended."""
        self.serving.clear()
        self._broken = error
        self._troubled.set()

    async def _register(self) -> None:
        offer = Offer(self._slots, self._settings.device, self._settings.torch_version)
        if self._broken is not None:
            offer = Offer(0, problem=self._broken.problem, fix=self._broken.fix)
        try:
            await self._end.register(offer)
        except Unavailable:
            self._log.warning("store.away", doing="register")

    async def say_alive(self) -> None:
        """Register again and again, for ever."""
        while True:
            await asyncio.sleep(self._settings.queue.worker_lifetime / 3)
            if self.serving.is_set() or self._broken is not None:
                await self._register()
