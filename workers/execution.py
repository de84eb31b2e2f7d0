"""One run, from the moment a worker has taken it to its published end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bot.core.runs import Outcome, RunResult
from bot.store.run_worker_end import Taken, WorkerEnd
from workers.insist import until_answered
from workers.job import Job, Verdict
from workers.sandbox.base import Sandbox, SandboxUnavailable
from workers.settings import WorkerSettings


class Execution:
    """Sees runs through. `trouble` is told when the sandbox can build no more jails."""

    def __init__(
        self,
        end: WorkerEnd,
        sandbox: Sandbox,
        settings: WorkerSettings,
        trouble: Callable[[SandboxUnavailable], None],
        log: Any,
    ) -> None:
        self._end = end
        self._sandbox = sandbox
        self._settings = settings
        self._trouble = trouble
        self._log = log

    async def see_through(self, job: Job) -> None:
        """Execute a run and publish its end, or give it to another worker."""
        taken, began = job.taken, asyncio.get_running_loop().time()
        log = self._log.bind(run=taken.run, attempt=taken.attempt)
        log.info("run.taken")
        try:
            result = await self._execute(job)
        except SandboxUnavailable as error:
            await job.printer.stop()
            self._trouble(error)
            await self.hand_back(taken, blameless=True)
            return
        except Exception:
            # A bug of the sandbox, not of the person: try once more elsewhere, then it ends as "worker lost".
            log.exception("run.sandbox_failed")
            await job.printer.stop()
            await self.hand_back(taken, blameless=False)
            return
        rest = await job.printer.stop()
        if result is None and job.verdict is Verdict.CANCELLED:
            result = self._cancelled(job.printer.heard, asyncio.get_running_loop().time() - began)
        if result is not None:
            await self._finish(taken, result, rest)
        elif job.verdict is Verdict.HANDED_BACK:
            await self.hand_back(taken, blameless=True)
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
        accepted = await until_answered(lambda: self._end.finish(taken, result, rest))
        event = "run.finished" if accepted else "run.rejected"
        self._log.info(event, run=taken.run, outcome=str(result.outcome), seconds=round(result.seconds, 3))

    async def hand_back(self, taken: Taken, *, blameless: bool) -> None:
        """Let another worker take a run at once."""
        given = await until_answered(lambda: self._end.hand_back(taken, blameless=blameless))
        self._log.info("run.handed_back", run=taken.run, accepted=given, blameless=blameless)
