"""The supervisor: takes as many runs as it has free slots, has each seen through, keeps the leases.

It runs no user code and imports no torch: leases are renewed in time whatever a snippet does.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog

from bot.core.errors import Unavailable
from bot.core.runs import RunId
from bot.store.connect import blocking_client, command_client
from bot.store.run_keys import RunKeys
from bot.store.run_worker_end import Delivery, Lease, NoticeKind, Taken, WorkerEnd
from bot.tasks import stop as stop_tasks
from workers.execution import Execution
from workers.insist import PAUSE_SECONDS, until_answered
from workers.job import Job, Verdict
from workers.offering import Offering
from workers.printer import Printer
from workers.sandbox.base import Sandbox
from workers.settings import WorkerSettings

REAP_SECONDS = 10.0
"""Longest time a stopping worker waits for killed runs to be reaped and handed back."""

log = structlog.get_logger()


async def serve(
    redis_url: str, sandbox: Sandbox, *, slots: int, name: str, settings: WorkerSettings, stop: asyncio.Event
) -> None:
    """Serve the sandbox's capability until `stop` is set, then finish or hand back. Raises only what is a bug."""
    command, blocking = command_client(redis_url), blocking_client(redis_url)
    keys = RunKeys(sandbox.capability)
    identity = f"{name}-{secrets.token_hex(4)}"
    end = WorkerEnd(command, blocking, keys, settings.queue, id=identity, name=name, device=settings.device)
    try:
        await Worker(end, sandbox, slots, settings, stop).serve()
    finally:
        await command.aclose()
        await blocking.aclose()


class Worker:
    """One supervisor. It owns every task that it starts and joins them all before `serve` returns."""

    def __init__(
        self, end: WorkerEnd, sandbox: Sandbox, slots: int, settings: WorkerSettings, stop: asyncio.Event
    ) -> None:
        self._end = end
        self._sandbox = sandbox
        self._slots = slots
        self._settings = settings
        self._stop = stop
        self._jobs: dict[RunId, Job] = {}
        self._freed = asyncio.Event()
        self._sweep_at = 0.0
        self._log = log.bind(worker=end.id, capability=str(sandbox.capability))
        self._offering = Offering(end, sandbox, slots, settings, self._idle, self._log)
        self._execution = Execution(end, sandbox, settings, self._offering.trouble, self._log)

    async def serve(self) -> None:
        """Serve until `stop` is set and every run has ended or was handed back."""
        offering = [asyncio.create_task(work) for work in (self._offering.keep_sandbox(), self._offering.say_alive())]
        keeping = [asyncio.create_task(work) for work in (self._renew(), self._hear())]
        taker, asked = asyncio.create_task(self._take()), asyncio.create_task(self._stop.wait())
        tasks = (*offering, *keeping, taker)
        try:
            await asyncio.wait((*tasks, asked), return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                self._log.info("worker.stopping", running=len(self._jobs))
                await stop_tasks(*offering)
                await self._drain(taker)
        finally:
            # Not a TaskGroup: that cancels once, and a cancellation can get lost (see bot.tasks).
            await stop_tasks(*tasks, asked, *self._tasks())
            await self._sandbox.close()
        for task in tasks:
            if not task.cancelled():
                task.result()  # raises what ended it
        self._log.info("worker.stopped")

    # Taking

    async def _take(self) -> None:
        while not self._stop.is_set():
            if not self._offering.serving.is_set():
                await self._first_of(self._offering.serving.wait())
            self._freed.clear()
            free = self._slots - len(self._jobs)
            if self._refusing():
                continue
            if free <= 0:
                await self._first_of(self._freed.wait())
                continue
            try:
                await self._take_up_to(free)
            except Unavailable:
                self._log.warning("store.away", doing="take")
                await asyncio.sleep(PAUSE_SECONDS)

    async def _take_up_to(self, free: int) -> None:
        # A run that we have already was only renewed late: the sweep has just renewed it.
        deliveries = [delivery for delivery in await self._next(free) if delivery.run not in self._jobs]
        if self._refusing():
            for delivery in deliveries:
                await self._end.hand_back(delivery)
            return
        for taken in await until_answered(lambda: self._end.take(deliveries)):
            if self._refusing():  # since just now
                await self._execution.hand_back(taken, blameless=True)
            else:
                self._begin(taken)

    def _refusing(self) -> bool:
        return self._stop.is_set() or not self._offering.serving.is_set()

    async def _next(self, free: int) -> Sequence[Delivery]:
        """Runs of dead workers when it is time to look for them, else new ones."""
        now = asyncio.get_running_loop().time()
        if now >= self._sweep_at:
            # The jitter keeps workers from sweeping in step; lease + this stays within lease + 30 %.
            self._sweep_at = now + self._settings.queue.lease / 4 * random.uniform(0.8, 1.15)  # noqa: S311
            if found := await self._end.sweep(free):
                return found
        return await self._end.read(free)

    def _begin(self, taken: Taken) -> None:
        job = Job(taken, Printer(lambda text: self._end.output(taken, text), 2 * self._settings.limits.output_bytes))
        self._jobs[taken.run] = job
        job.task = asyncio.create_task(self._execution.see_through(job), name=f"run {taken.run}")
        job.task.add_done_callback(lambda task: self._ended(job, task))

    def _ended(self, job: Job, task: asyncio.Task[None]) -> None:
        self._jobs.pop(job.taken.run, None)
        self._freed.set()
        if not task.cancelled() and (error := task.exception()):
            self._log.error("run.failed", run=job.taken.run, exc_info=error)

    # What goes on beside the runs

    async def _renew(self) -> None:
        pause = self._settings.queue.lease / 3
        while True:
            await asyncio.sleep(pause)
            jobs = list(self._jobs.values())
            held = [job.taken for job in jobs]
            try:
                leases = await self._end.renew(held)
            except Unavailable:
                self._log.warning("store.away", doing="renew", runs=len(held))
                pause = PAUSE_SECONDS
                continue
            pause = self._settings.queue.lease / 3
            for job, lease in zip(jobs, leases, strict=True):
                if lease is Lease.LOST:
                    job.kill(Verdict.LOST)
                elif lease is Lease.CANCELLED:
                    job.kill(Verdict.CANCELLED)

    async def _hear(self) -> None:
        after = await until_answered(self._end.latest_notice, seconds=None)
        while True:
            try:
                after, notices = await self._end.notices(after)
            except Unavailable:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            for notice in notices:
                if notice.kind is NoticeKind.SWEEP:
                    self._sweep_at = 0.0
                elif job := self._jobs.get(notice.run):
                    job.kill(Verdict.CANCELLED)

    # Stopping

    async def _drain(self, taker: asyncio.Task[None]) -> None:
        with suppress(Unavailable):
            await self._end.leave()  # no longer counted as a live worker
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=self._settings.grace)
        for job in list(self._jobs.values()):
            job.kill(Verdict.HANDED_BACK)
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=REAP_SECONDS)
        await asyncio.wait([taker])
        with suppress(Unavailable):
            await self._end.leave()

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [job.task for job in self._jobs.values() if job.task is not None]

    # Waiting

    async def _idle(self) -> None:
        while self._jobs:
            self._freed.clear()
            await self._freed.wait()

    async def _first_of(self, wanted: Coroutine[Any, Any, Any]) -> None:
        """Wait until `wanted` has happened or the worker is to stop."""
        tasks = [asyncio.create_task(wanted), asyncio.create_task(self._stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
