"""The sandbox of one GPU, or of one MIG slice: one run at a time, and its memory is clean before the next one begins.

    spare opens its context > run > everything killed > memory back at its baseline > the next spare

Memory that does not come back, or a process that does not end, makes the GPU unhealthy: nothing runs on it until the
driver shows it clean again.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from bot.core.runs import MAX_SOURCE_BYTES, Capability, Limits, Outcome, RunResult
from bot.tasks import stop
from workers.limits import LIMITS
from workers.nvml import Card
from workers.sandbox import cgroups, forking, jail, plan, probes, results, tree
from workers.sandbox.base import SandboxUnavailable, SelfTest
from workers.sandbox.gpu_profile import gpu_profile
from workers.sandbox.gpu_watch import RESET_FIX, DriverWatch, Watch, cleared

_CLEAR_SECONDS = 10.0
"""Longest time for the driver to free what a killed run held; usually it is a fraction of a second."""
_SAMPLE_SECONDS = 0.1
_RECYCLE_AFTER_RUNS = 200
_RECYCLE_AFTER_SECONDS = 3600.0
_ABNORMAL = frozenset({signal.SIGILL, signal.SIGBUS, signal.SIGSEGV, signal.SIGSYS})
_OFTEN_HELD = 1 << 30


def planned(card: Card) -> plan.Plan:
    """The jail for a GPU of this machine. Raises SandboxUnavailable."""
    return plan.made(gpu_profile(card))


class GpuSandbox:
    """Runs snippets on one GPU behind two walls. Holds nothing until start(); leaves nothing after close()."""

    def __init__(
        self,
        device: str = "cuda:0",
        watch: Watch | None = None,
        planned: Callable[[Card], plan.Plan] = planned,
        clear_seconds: float = _CLEAR_SECONDS,
    ) -> None:
        """`device`: cuda:N, GPU-<uuid> or MIG-<uuid>. `watch` and `planned` are given by tests."""
        self.capability = Capability.GPU
        self._watch = watch or DriverWatch(device)
        self._planned = planned
        self._clear_seconds = clear_seconds
        self._baseline: int | None = None
        self._held_by_context = 0
        self._plan: plan.Plan | None = None
        self._cgroups: cgroups.Cgroups | None = None
        self._jail: jail.Jail | None = None
        self._next: asyncio.Task[tree.RunTree] | None = None
        self._used: tree.RunTree | None = None
        """The tree of the last run: whoever makes the next one removes it, unless close() comes first."""
        self._broken: SandboxUnavailable | None = None
        self._trouble = asyncio.Event()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> SelfTest:
        """Find the GPU, build its jail, open a first context, probe. Raises SandboxUnavailable."""
        self._broken = None
        self._trouble.clear()
        try:
            card = await self._watch.card()
            if self._baseline is not None:  # it was unhealthy: it must be as clean as on the first day
                await cleared(self._watch, self._baseline, 0.0)
            self._baseline = min(card.used_bytes, self._baseline or card.used_bytes)
            self._plan = self._planned(card)
            self._cgroups = cgroups.opened(allow_no_memory=False)
            self._next = asyncio.create_task(self._prepare(None))
            await self.ready()
            tested = await probes.tested(self, self._open_jail().facts, True, self._plan.profile)
        except BaseException:
            await self.close()
            raise
        if tested.problem:
            await self.close()
            raise SandboxUnavailable(tested.problem, tested.fix)
        return replace(tested, warnings=(*tested.warnings, *_shared(card)))

    async def trouble(self) -> SandboxUnavailable:
        """Returns once this GPU can serve no more run, with the reason."""
        await self._trouble.wait()
        assert self._broken is not None
        return self._broken

    async def run(self, source: str, limits: Limits, on_output: Callable[[str], None] | None = None) -> RunResult:
        """Run `source` once, after the run before it has left; see base.Sandbox."""
        if len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
            reason = f"the snippet is longer than {MAX_SOURCE_BYTES // 1024} KiB"
            return RunResult(Outcome.REFUSED, error=reason, limits=limits)
        async with self._turn:
            remains, version = await self._run(source, limits, on_output)
            if remains.lost and not remains.output:
                # Its jail ended under it, and nobody has seen anything of this run yet.
                remains, version = await self._run(source, limits, on_output)
        assert self._plan is not None
        return replace(results.result(remains, limits, version, memory_bounded=True), device=self._plan.profile.device)

    async def close(self) -> None:
        """Kill everything, let go of the GPU, remove cgroups. The baseline is kept for the next start."""
        following, self._next = self._next, None
        await stop(following)
        used, self._used = self._used, None
        held, self._jail = self._jail, None
        groups, self._cgroups = self._cgroups, None
        async with contextlib.AsyncExitStack() as ending:  # last in, first out; each whatever became of the one before
            ending.push_async_callback(self._watch.close)
            if groups is not None:
                ending.callback(groups.close)
            if held is not None:
                ending.push_async_callback(_ended, held.close())
            if used is not None:
                ending.push_async_callback(_ended, used.discard())
            if following is not None and not following.cancelled() and following.exception() is None:
                ending.push_async_callback(_ended, following.result().discard())

    async def _run(
        self, source: str, limits: Limits, on_output: Callable[[str], None] | None
    ) -> tuple[tree.Remains, str]:
        ready = await self.ready()
        seen = [0]
        sampling = asyncio.create_task(self._sample(seen))
        try:
            remains = await ready.run(source, limits, on_output)
        except TimeoutError as error:  # killed and still there: it hangs in the driver
            raise self._unhealthy("a killed run does not end") from error
        finally:
            await stop(sampling)
            self._used = ready
            self._next = asyncio.create_task(self._prepare(ready))
            self._next.add_done_callback(self._prepared)
        if remains.lost or remains.end.signal in _ABNORMAL:
            ready.jail.retired = True
        peak = max(remains.gpu_peak_bytes or 0, seen[0])
        return replace(remains, gpu_peak_bytes=peak), str(ready.jail.facts["torch_version"])

    async def ready(self) -> tree.RunTree:
        """Wait until the spare has opened its context, on a clean GPU; returns it. Raises SandboxUnavailable."""
        if self._broken is not None:
            raise self._broken
        if self._next is None:
            raise SandboxUnavailable("the sandbox is closed", "start the worker again")
        spare = await asyncio.shield(self._next)
        if not spare.waiting:
            self._next = asyncio.create_task(self._prepare(spare))
            spare = await asyncio.shield(self._next)
        return spare

    async def _prepare(self, last: tree.RunTree | None) -> tree.RunTree:
        """Once nothing of the last run is left on the GPU: a fresh tree that has opened its context."""
        assert self._cgroups is not None
        assert self._baseline is not None
        if last is not None:
            try:
                await last.discard()
            except TimeoutError as error:
                raise self._unhealthy("a killed run does not end") from error
            await cleared(self._watch, self._baseline, self._clear_seconds)
        if self._is_worn():
            await self._renew()
        spare = await forking.forked(self._open_jail(), self._cgroups, LIMITS[Capability.GPU])
        try:
            self._held_by_context = (await self._watch.card()).used_bytes
        except BaseException:
            await spare.discard()
            raise
        return spare

    def _prepared(self, task: asyncio.Task[tree.RunTree]) -> None:
        """Nobody may be waiting for the next spare: its failure is told all the same."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._broken = error if isinstance(error, SandboxUnavailable) else self._unhealthy(repr(error))
            self._trouble.set()

    async def _sample(self, seen: list[int]) -> None:
        """Keep the most memory that the driver showed beyond the open context; a killed run cannot tell it itself."""
        with contextlib.suppress(SandboxUnavailable):
            while True:
                seen[0] = max(seen[0], (await self._watch.card()).used_bytes - self._held_by_context)
                await asyncio.sleep(_SAMPLE_SECONDS)

    def _open_jail(self) -> jail.Jail:
        assert self._jail is not None
        return self._jail

    def _is_worn(self) -> bool:
        current = self._jail
        return current is None or (
            current.retired
            or not current.alive
            or current.uses >= _RECYCLE_AFTER_RUNS
            or time.monotonic() - current.born > _RECYCLE_AFTER_SECONDS
        )

    async def _renew(self) -> None:
        assert self._plan is not None
        old, self._jail = self._jail, None
        if old is not None:
            await old.close()
        self._jail = await jail.opened(self._plan)

    def _unhealthy(self, why: str) -> SandboxUnavailable:
        self._broken = SandboxUnavailable(f"the GPU is unhealthy: {why}", RESET_FIX)
        self._trouble.set()
        return self._broken


async def _ended(ending: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(TimeoutError):  # it hangs in the driver, which has been told
        await ending


def _shared(card: Card) -> tuple[str, ...]:
    if card.used_bytes < _OFTEN_HELD:
        return ()
    return (f"other processes hold {card.used_bytes >> 20} MiB of this GPU",)
