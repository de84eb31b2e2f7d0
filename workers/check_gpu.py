"""`python -m workers.check_gpu [DEVICE]`: try a GPU with and without the jail, and print one JSON object.

Needs Python and torch only. What else is missing (the driver's management library, bubblewrap, control groups) is
listed under `skipped` with the reason, never passed over in silence.

Exit status: 0 everything holds, 1 something does not, 2 no CUDA device to check, 3 what ran holds but something was
skipped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bot.core.runs import Capability, Outcome, RunResult
from workers.gpu_probes import ENDLESS, FACTS, FAULT, FILL, FIRST, LEAVE, LOOK, SEARCH, WAIT, Failed, Process, since
from workers.limits import LIMITS
from workers.nvml import Card
from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.gpu import GpuSandbox
from workers.sandbox.gpu_watch import NO_DEVICE_FIX, DriverWatch, Watch, cleared

ALL_HOLDS, NOT_ALL_HOLDS, NO_DEVICE, PARTLY = 0, 1, 2, 3
_SLOW = 120.0  # to import torch from a cold disk
_CLEAR_SECONDS = 10.0
_ENDLESS_SECONDS = 2.0
_WARM_RUNS = 5


@dataclass(slots=True)
class Report:
    """What was found, in the order in which it was tried."""

    facts: dict[str, Any] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    def add(self, check: str, holds: bool, **figures: Any) -> None:
        """A check that ran."""
        self.checks.append({"check": check, "holds": holds, **figures})

    def skip(self, check: str, why: str, fix: str) -> None:
        """A check that could not run."""
        self.skipped.append({"check": check, "why": why, "fix": fix})

    @property
    def status(self) -> int:
        """The exit status."""
        if not self.facts.get("device"):
            return NO_DEVICE
        if not all(check["holds"] for check in self.checks):
            return NOT_ALL_HOLDS
        return PARTLY if self.skipped else ALL_HOLDS

    def shown(self) -> dict[str, Any]:
        """As printed."""
        return {"ok": self.status in (ALL_HOLDS, PARTLY), **self.facts, "checks": self.checks, "skipped": self.skipped}


class Check:
    """All checks of one device. `python`, `watch` and `sandbox` are given by tests."""

    def __init__(
        self,
        device: str,
        python: Sequence[str] = (sys.executable,),
        watch: Watch | None = None,
        sandbox: Callable[[], GpuSandbox] | None = None,
    ) -> None:
        self.report = Report()
        self._device = device
        self._python = python
        self._watch = watch or DriverWatch(device)
        self._sandbox = sandbox or (lambda: GpuSandbox(device))
        self._card: Card | None = None

    async def run(self) -> Report:
        """Try everything; never raises for what is found."""
        try:
            if await self._find():
                await self._without_jail()
                await self._with_jail()
        finally:
            await self._watch.close()
        return self.report

    async def _find(self) -> bool:
        """Whether there is a device at all."""
        facts = self.report.facts
        facts.update(asked=self._device, device=None)
        try:
            async with self._process(FACTS) as told:
                facts.update(json.loads(await told.line(_SLOW)))
        except Failed as error:
            facts.update(problem=f"torch cannot be imported: {error}", fix="pip install torch")
            return False
        try:
            self._card = card = await self._watch.card()
            facts.update(device=card.name, uuid=card.uuid, driver=card.driver, memory_bytes=card.total_bytes)
            facts.update(gpus_of_this_machine=card.gpus, slice_of_a_gpu=card.gpu_instance is not None)
        except SandboxUnavailable as error:
            facts.update(problem=error.problem, fix=error.fix)
        if not facts["cuda"]:
            driver = f", and {facts['problem']}" if "problem" in facts else ""
            facts.update(device=None, problem=f"torch {facts['torch']} is built for the CPU only{driver}")
            facts.update(fix="install a CUDA build of torch, see pytorch.org/get-started, on a machine with a GPU")
        elif self._card is None and facts["available"]:
            self.report.skip("memory of the GPU, and the jail", facts.pop("problem"), facts.pop("fix"))
            facts["device"] = self._device
        elif not facts["available"]:
            facts.update(device=None, problem=facts.get("problem", "torch sees no CUDA device"), fix=NO_DEVICE_FIX)
        return facts["device"] is not None

    async def _without_jail(self) -> None:
        for check, work in (
            ("cold: new process to first CUDA output", self._cold),
            ("warm: open context to CUDA output", self._warm),
            ("a memory hog is killed and its memory comes back", self._hog),
            ("a kernel that never ends is killed", self._endless),
        ):
            await self._guarded(check, work)

    async def _guarded(self, check: str, work: Callable[[str], Awaitable[None]]) -> None:
        try:
            await work(check)
        except (Failed, SandboxUnavailable, TimeoutError, ValueError) as error:
            self.report.add(check, False, problem=str(error) or type(error).__name__)

    async def _cold(self, check: str) -> None:
        began = time.monotonic()
        async with self._process("import torch\n" + FIRST) as process:
            said = await process.line(_SLOW)
            self.report.add(check, said == "2.0", seconds=since(began))

    async def _warm(self, check: str) -> None:
        async with self._process("import torch\n" + FIRST + WAIT + FIRST) as process:
            await process.line(_SLOW)
            began = time.monotonic()
            process.tell()
            self.report.add(check, await process.line(_SLOW) == "2.0", seconds=since(began))

    async def _hog(self, check: str) -> None:
        before = self._baseline
        async with self._process("import torch\n" + FILL + WAIT) as process:
            said = await process.line(_SLOW)
            during = await self._used()
            seconds = await process.killed()
        figures = await self._cleared(before)
        holds = said.startswith("full") and figures.pop("clean")
        self.report.add(
            check, holds, bytes_before=before, bytes_during=during, seconds_to_end=seconds, **figures
        )  # fmt: skip

    async def _endless(self, check: str) -> None:
        before = self._baseline
        async with self._process("import torch\n" + ENDLESS) as process:
            begun = await process.line(_SLOW)
            ended = await process.line(_ENDLESS_SECONDS, optional=True)
            seconds = await process.killed()
        figures = await self._cleared(before)
        holds = begun == "begun" and not ended and figures.pop("clean")
        self.report.add(check, holds, seconds_to_end=seconds, **figures)

    @property
    def _baseline(self) -> int | None:
        """Of before the first check: what an earlier one left behind shall not count as usual."""
        return self._card.used_bytes if self._card else None

    async def _used(self) -> int | None:
        return (await self._watch.card()).used_bytes if self._card else None

    async def _cleared(self, before: int | None) -> dict[str, Any]:
        """Whether the memory came back, when it can be told."""
        if before is None:
            return {"clean": True}
        seconds = await cleared(self._watch, before, _CLEAR_SECONDS)
        return {"clean": True, "bytes_after": await self._used(), "seconds_to_baseline": round(seconds, 3)}

    async def _with_jail(self) -> None:
        if self._card is None:
            return
        sandbox = self._sandbox()
        began = time.monotonic()
        try:
            tested = await sandbox.start()
        except SandboxUnavailable as error:
            self.report.skip("everything in the jail", error.problem, error.fix)
            return
        try:
            self.report.add("jail: self-test", True, probes=tested.probes, seconds=since(began))
            for check, work in (
                ("jail, warm: snippet to first CUDA output", self._jail_warm),
                ("jail: other devices are invisible", self._jail_others),
                ("jail: memory of the run before cannot be read", self._jail_leftovers),
                ("jail: after a faulting run the next one works", self._jail_fault),
                ("jail: a memory hog is ended and its memory comes back", self._jail_hog),
                ("jail: a kernel that never ends is killed at the time limit", self._jail_endless),
            ):
                await self._guarded(check, lambda name, work=work: work(name, sandbox))  # type: ignore[misc]
        finally:
            await sandbox.close()

    async def _jail_warm(self, check: str, sandbox: GpuSandbox) -> None:
        seconds = []
        for _ in range(_WARM_RUNS):
            await sandbox.ready()
            began = time.monotonic()
            first: list[float] = []
            await _ran(sandbox, FIRST, listener=lambda _, began=began, first=first: first.append(since(began)))  # type: ignore[misc]
            seconds += first[:1]
        median = round(statistics.median(seconds), 4) if seconds else None
        self.report.add(check, len(seconds) == _WARM_RUNS, median_seconds=median, target_seconds=0.05)

    async def _jail_others(self, check: str, sandbox: GpuSandbox) -> None:
        result = await _ran(sandbox, LOOK)
        seen = json.loads(result.output)
        assert self._card is not None
        self.report.add(check, seen == [1, 1], devices=seen[0], device_files=seen[1], hidden=self._card.gpus - 1)

    async def _jail_leftovers(self, check: str, sandbox: GpuSandbox) -> None:
        await _ran(sandbox, LEAVE)
        result = await _ran(sandbox, SEARCH)
        self.report.add(check, result.output.strip() == "0", found=result.output.strip())

    async def _jail_fault(self, check: str, sandbox: GpuSandbox) -> None:
        faulted, after = await _ran(sandbox, FAULT), await _ran(sandbox, FIRST)
        holds = faulted.outcome is not Outcome.OK and after.outcome is Outcome.OK
        self.report.add(check, holds, outcome=str(faulted.outcome), then=str(after.outcome))

    async def _jail_hog(self, check: str, sandbox: GpuSandbox) -> None:
        before = await self._used()
        result = await _ran(sandbox, FILL)
        began = time.monotonic()
        await sandbox.ready()  # only comes when the memory is back
        self.report.add(
            check,
            "full" in result.output,
            outcome=str(result.outcome),
            bytes_before=before,
            bytes_peak=result.gpu_peak_memory_bytes,
            seconds_to_next_context=since(began),
        )

    async def _jail_endless(self, check: str, sandbox: GpuSandbox) -> None:
        began = time.monotonic()
        result = await _ran(sandbox, ENDLESS, seconds=_ENDLESS_SECONDS)
        ended, killed = result.outcome, since(began)
        await sandbox.ready()
        after = await _ran(sandbox, FIRST)
        holds = ended is Outcome.TIMED_OUT and after.outcome is Outcome.OK
        self.report.add(check, holds, outcome=str(ended), limit_seconds=_ENDLESS_SECONDS, seconds_to_end=killed)

    @asynccontextmanager
    async def _process(self, source: str) -> AsyncIterator[Process]:
        environment = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        visible = self._card.uuid if self._card else self._device.removeprefix("cuda:")
        if visible and visible != "cuda":
            environment["CUDA_VISIBLE_DEVICES"] = visible
        process = Process(
            await asyncio.create_subprocess_exec(
                *self._python, "-c", source, env=environment, start_new_session=True,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )
        )  # fmt: skip
        try:
            yield process
        finally:
            await process.killed()


async def _ran(
    sandbox: GpuSandbox, source: str, seconds: float | None = None, listener: Callable[[str], None] | None = None
) -> RunResult:
    limits = LIMITS[Capability.GPU]
    return await sandbox.run(source, replace(limits, seconds=seconds or limits.seconds), listener)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; the exit status says how it went."""
    parser = argparse.ArgumentParser(
        prog="python -m workers.check_gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("device", nargs="?", default="cuda:0", help="cuda:0 (default), GPU-<uuid> or MIG-<uuid>")
    report = asyncio.run(Check(parser.parse_args(arguments).device).run())
    sys.stdout.write(json.dumps(report.shown(), indent=2) + "\n")
    return report.status


if __name__ == "__main__":
    sys.exit(main())
