"""A sandbox that runs nothing.

A snippet of the fake sandbox is a list of lines: ``print TEXT``, ``sleep SECONDS``, ``until PATH`` (exists),
``file NAME BYTES``, ``note PATH`` (append the process id to a file), ``error``, ``bug`` (the sandbox itself fails),
``broken`` (its jail is gone), ``kill`` (the worker dies), ``stall SECONDS`` (the whole worker stands still).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bot.core.runs import (
    Capability,
    Limits,
    Outcome,
    RunFile,
    RunResult,
)
from workers.sandbox.base import SandboxUnavailable, SelfTest


class FakeSandbox:
    """`Sandbox` for tests. `problems` are raised by the first calls of start(), one each."""

    def __init__(self, capability: Capability = Capability.CPU, problems: tuple[SandboxUnavailable, ...] = ()) -> None:
        self.capability = capability
        self.problems = list(problems)
        self.active = 0
        self.most_active = 0
        self.killed = 0
        self.closed = 0
        self.broken = asyncio.Event()

    async def start(self) -> SelfTest:
        if self.problems:
            raise self.problems.pop(0)
        return SelfTest(probes=1, seconds=0.0)

    async def run(self, source: str, limits: Limits, on_output: Callable[[str], None] | None = None) -> RunResult:
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        began = time.monotonic()
        try:
            result = await self._obey(source, on_output or (lambda _: None))
        except asyncio.CancelledError:
            self.killed += 1
            raise
        finally:
            self.active -= 1
        return replace(result, seconds=time.monotonic() - began, limits=limits)

    async def trouble(self) -> SandboxUnavailable:
        await self.broken.wait()
        return SandboxUnavailable("it broke by itself", "mend it")

    async def close(self) -> None:
        self.broken.clear()
        self.closed += 1

    async def _obey(self, source: str, show: Callable[[str], None]) -> RunResult:
        output, files, outcome = "", [], Outcome.OK
        for line in source.splitlines():
            word, _, rest = line.partition(" ")
            match word:
                case "print":
                    output += rest + "\n"
                    show(rest + "\n")
                case "sleep":
                    await asyncio.sleep(float(rest))
                case "until":
                    while not Path(rest).exists():  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                case "stall":
                    time.sleep(float(rest))  # noqa: ASYNC251 (the point of it)
                case "file":
                    name, size = rest.split()
                    files.append(RunFile(name, os.urandom(int(size)), "a file"))
                case "note":
                    with Path(rest).open("a") as notes:  # noqa: ASYNC230
                        notes.write(f"{os.getpid()}\n")
                case "error":
                    outcome = Outcome.ERROR
                case "bug":
                    raise RuntimeError("a bug in the sandbox")
                case "broken":
                    raise SandboxUnavailable("the jail is gone", "start it again")
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
        return RunResult(outcome, output=output, files=tuple(files), exit_status=0)
