"""A run that a worker holds, and why it was killed if it was."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum

from bot.core.runs import RunResult
from bot.store.run_worker_end import Taken
from workers.printer import Printer


class Verdict(Enum):
    """Why a run was killed from outside."""

    CANCELLED = "cancelled"
    LOST = "lost"
    HANDED_BACK = "handed_back"


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
