"""The promise every sandbox backend keeps: run one snippet in a jail of its own and say how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bot.core.runs import Capability, Limits, RunResult


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the jail showed at start. `problem` is empty when every probe held; `fix` says what to do when not."""

    probes: int
    seconds: float
    problem: str = ""
    fix: str = ""
    warnings: tuple[str, ...] = ()


class SandboxUnavailable(Exception):
    """The jail cannot be built here. `fix` is one line that tells the operator what to do."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


class Sandbox(Protocol):
    """A warm jail. Used as an async context manager: entering starts it, leaving removes every trace."""

    capability: Capability

    async def start(self) -> SelfTest:
        """Build the jail, warm it and probe it. Raises SandboxUnavailable; nothing ever runs unsandboxed."""
        ...

    async def run(self, source: str, limits: Limits, on_output: Callable[[str], None] | None = None) -> RunResult:
        """Run `source` once. `on_output` gets decoded text as it comes. Cancelling this call kills the run and
        returns only when it is reaped. Runs may overlap; each has its own jail."""
        ...

    async def trouble(self) -> SandboxUnavailable:
        """Returns once the sandbox can serve no more run though none is there to tell, with the reason."""
        ...

    async def close(self) -> None:
        """Kill everything and remove cgroups and folders."""
        ...
