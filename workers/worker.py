"""The supervisor: takes as many runs as it has free slots, runs each in the sandbox, keeps the leases, publishes ends.

It runs no user code and imports no torch: leases are renewed in time whatever a snippet does.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import structlog

from bot.core.errors import Unavailable
from bot.core.runs import Limits, Outcome, RunId, RunResult
from bot.store.connect import blocking_client, command_client
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_worker_end import Delivery, Lease, NoticeKind, Offer, Taken, WorkerEnd
from bot.tasks import stop as stop_tasks
from workers.sandbox.base import Sandbox, SandboxUnavailable

PIECE_SECONDS = 0.1
"""Least time between two pieces of output of a run: chat platforms take one edit a second."""
PIECE_CHARACTERS = 4096
"""A piece this long goes out at once."""
PAUSE_SECONDS = 0.2
"""Between two attempts to reach a store that is away."""
INSIST_SECONDS = 60.0
"""How long a result is offered to a store that is away; afterwards the lease decides who runs it again."""
REAP_SECONDS = 10.0
"""Longest time a stopping worker waits for killed runs to be reaped and handed back."""

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker serves; times in seconds."""

    queue: QueueSettings = field(default_factory=QueueSettings)
    limits: Limits = field(default_factory=Limits)
    grace: float = 20.0
    """How long runs may go on after a stop was asked; what still runs then is handed back."""
    restart: float = 10.0
    """Between two attempts to start a sandbox that is unavailable."""
    device: str = "cpu"
    torch_version: str = ""


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


class Verdict(Enum):
    """Why a run was killed from outside."""

    CANCELLED = "cancelled"
    LOST = "lost"
    HANDED_BACK = "handed_back"


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


@dataclass(slots=True, eq=False)
class Job:
    """A run that takes one of this worker's slots."""

    taken: Taken
    printer: Printer
    verdict: Verdict | None = None
    execution: asyncio.Task[RunResult] | None = None
    task: asyncio.Task[None] | None = None

    def killed(self) -> bool:
        """Whether a verdict has been passed."""
        return self.verdict is not None

    def kill(self, verdict: Verdict) -> None:
        """Kill the sandbox's process. The first verdict counts, except that a lost run is lost whatever was meant."""
        if self.verdict is None or verdict is Verdict.LOST:
            self.verdict = verdict
        if self.execution is not None:
            self.execution.cancel()


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
        self._serving = asyncio.Event()
        self._broken: SandboxUnavailable | None = None
        self._troubled = asyncio.Event()
        self._sweep_at = 0.0
        self._log = log.bind(worker=end.id, capability=str(sandbox.capability))

    async def serve(self) -> None:
        """Serve until `stop` is set and every run has ended or was handed back."""
        offering = [asyncio.create_task(work) for work in (self._keep_sandbox(), self._say_alive())]
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
            if not self._serving.is_set():
                await self._first_of(self._serving.wait())
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
        for taken in await self._until_answered(lambda: self._end.take(deliveries)):
            if self._refusing():  # since just now
                await self._hand_back(taken, blameless=True)
            else:
                self._begin(taken)

    def _refusing(self) -> bool:
        return self._stop.is_set() or not self._serving.is_set()

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
        job.task = asyncio.create_task(self._one(job), name=f"run {taken.run}")
        job.task.add_done_callback(lambda task: self._ended(job, task))

    def _ended(self, job: Job, task: asyncio.Task[None]) -> None:
        self._jobs.pop(job.taken.run, None)
        self._freed.set()
        if not task.cancelled() and (error := task.exception()):
            self._log.error("run.failed", run=job.taken.run, exc_info=error)

    # One run

    async def _one(self, job: Job) -> None:
        taken, began = job.taken, asyncio.get_running_loop().time()
        log = self._log.bind(run=taken.run, attempt=taken.attempt)
        log.info("run.taken")
        try:
            result = await self._execute(job)
        except SandboxUnavailable as error:
            await job.printer.stop()
            self._trouble(error)
            await self._hand_back(taken, blameless=True)
            return
        except Exception:
            # A bug of the sandbox, not of the person: try once more elsewhere, then it ends as "worker lost".
            log.exception("run.sandbox_failed")
            await job.printer.stop()
            await self._hand_back(taken, blameless=False)
            return
        rest = await job.printer.stop()
        if result is None and job.verdict is Verdict.CANCELLED:
            result = self._cancelled(job.printer.heard, asyncio.get_running_loop().time() - began)
        if result is not None:
            await self._finish(taken, result, rest)
        elif job.verdict is Verdict.HANDED_BACK:
            await self._hand_back(taken, blameless=True)
        else:
            log.warning("run.lost")

    async def _execute(self, job: Job) -> RunResult | None:
        """The result; None when the run was killed by a verdict."""
        if job.killed():
            return None
        run = self._sandbox.run(job.taken.source, self._settings.limits, job.printer.feed)
        job.execution = asyncio.create_task(run)
        try:
            return await job.execution
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not job.killed() or (task is not None and task.cancelling()):
                await job.printer.stop()
                raise
            return None

    def _cancelled(self, output: str, seconds: float) -> RunResult:
        settings = self._settings
        return RunResult(
            Outcome.CANCELLED,
            output=output,
            seconds=seconds,
            device=settings.device,
            torch_version=settings.torch_version,
            limits=settings.limits,
        )

    async def _finish(self, taken: Taken, result: RunResult, rest: str) -> None:
        accepted = await self._until_answered(lambda: self._end.finish(taken, result, rest))
        event = "run.finished" if accepted else "run.rejected"
        self._log.info(event, run=taken.run, outcome=str(result.outcome), seconds=round(result.seconds, 3))

    async def _hand_back(self, taken: Taken, *, blameless: bool) -> None:
        given = await self._until_answered(lambda: self._end.hand_back(taken, blameless=blameless))
        self._log.info("run.handed_back", run=taken.run, accepted=given, blameless=blameless)

    # What goes on beside the runs

    async def _keep_sandbox(self) -> None:
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
            self._serving.set()
            self._log.info("worker.serving", slots=self._slots, probes=test.probes, warnings=list(test.warnings))
            await self._wait_for_trouble()
            await self._register()
            while self._jobs:
                self._freed.clear()
                await self._freed.wait()
            await self._sandbox.close()

    async def _wait_for_trouble(self) -> None:
        """Until a run met it, or the sandbox says so itself."""
        met, told = asyncio.create_task(self._troubled.wait()), asyncio.create_task(self._sandbox.trouble())
        try:
            await asyncio.wait((met, told), return_when=asyncio.FIRST_COMPLETED)
            if told.done():
                self._trouble(told.result())
        finally:
            await stop_tasks(met, told)

    def _trouble(self, error: SandboxUnavailable) -> None:
        self._serving.clear()
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

    async def _say_alive(self) -> None:
        while True:
            await asyncio.sleep(self._settings.queue.worker_lifetime / 3)
            if self._serving.is_set() or self._broken is not None:
                await self._register()

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
        after = await self._until_answered(self._end.latest_notice, seconds=None)
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

    async def _first_of(self, wanted: Coroutine[Any, Any, Any]) -> None:
        """Wait until `wanted` has happened or the worker is to stop."""
        tasks = [asyncio.create_task(wanted), asyncio.create_task(self._stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _until_answered(self, ask: Callable[[], Awaitable[T]], seconds: float | None = INSIST_SECONDS) -> T:
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
