"""The bubblewrap backend: keeps a warm jail and a few ready run trees, each used once, and replaces what is used up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from bot.core.runs import MAX_SOURCE_BYTES, Capability, Limits, Outcome, RunResult
from workers.sandbox import cgroups, forking, jail, plan, probes, results, tree
from workers.sandbox.base import SandboxUnavailable, SelfTest

_LOG = logging.getLogger(__name__)

_CLOSED_FIX = "start the worker again"
_MOST_SPARES = 3
_RECYCLE_AFTER_RUNS = 500
_RECYCLE_AFTER_SECONDS = 3600.0
_SPARE_SECONDS = 300.0
"""An unused spare is replaced after this time."""
_REFILL_SECONDS = 0.05
"""A used spare is replaced when its run ends, or after this time: forking sooner would slow the run's first output."""
_TEND_SECONDS = 60.0
_ABNORMAL = frozenset({signal.SIGILL, signal.SIGBUS, signal.SIGSEGV, signal.SIGSYS})
"""After these its zygote is replaced: someone may be guessing at a memory layout that all its runs share."""


class BubblewrapSandbox:
    """Runs snippets behind two walls. Holds nothing until start(); leaves nothing after close()."""

    def __init__(
        self,
        spares: int = 2,
        allow_no_memory_cgroup: bool = False,
    ) -> None:
        """`spares`: ready run trees to keep, 1 to 3. `allow_no_memory_cgroup`: the operator's explicit override."""
        self.capability = Capability.CPU
        self._wanted_spares = max(1, min(spares, _MOST_SPARES))
        self._allow_no_memory_cgroup = allow_no_memory_cgroup
        self._plan: plan.Plan | None = None
        self._cgroups: cgroups.Cgroups | None = None
        self._jail: jail.Jail | None = None
        self._retired: set[jail.Jail] = set()
        self._spares: list[tree.RunTree] = []
        self._standard = Limits()
        self._taken = asyncio.Event()
        self._urgent = 0
        """Runs that found no spare and are being forked for; making spares waits until there is none."""
        self._calm = asyncio.Event()
        self._calm.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._clearing: set[asyncio.Task[None]] = set()
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def ready(self) -> int:
        """How many spares wait for a run."""
        return len(self._spares)

    async def start(self) -> SelfTest:
        """Build the jail, warm it and probe it. Raises SandboxUnavailable; nothing ever runs unsandboxed."""
        self._plan = plan.made()
        try:
            self._cgroups = cgroups.opened(self._allow_no_memory_cgroup)
            self._jail = await jail.opened(self._plan)
            self._spares = [await forking.forked(self._jail, self._cgroups, self._standard)]
            tested = await probes.tested(self, self._jail.facts, self._cgroups.bounds_memory, self._plan.profile)
        except BaseException:
            await self.close()
            raise
        if tested.problem:
            await self.close()
            raise SandboxUnavailable(tested.problem, tested.fix)
        self._tasks = {asyncio.create_task(self._keep_spares()), asyncio.create_task(self._tend())}
        return tested

    async def run(self, source: str, limits: Limits, on_output: Callable[[str], None] | None = None) -> RunResult:
        """Run `source` once; see base.Sandbox. Raises SandboxUnavailable when no jail can be had any more."""
        if len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
            reason = f"the snippet is longer than {MAX_SOURCE_BYTES // 1024} KiB"
            return RunResult(Outcome.REFUSED, error=reason, limits=limits)
        remains, torch_version, memory_bounded = await self._run(source, limits, on_output)
        if remains.lost and not remains.output:
            # Its jail ended under it. A snippet has no effect outside, and nobody has seen anything of this one yet.
            remains, torch_version, memory_bounded = await self._run(source, limits, on_output)
        return results.result(remains, limits, torch_version, memory_bounded)

    async def trouble(self) -> SandboxUnavailable:
        """Never: a jail that ends is replaced when the next run needs one."""
        never: asyncio.Future[SandboxUnavailable] = asyncio.get_running_loop().create_future()
        return await never

    async def _run(
        self, source: str, limits: Limits, on_output: Callable[[str], None] | None
    ) -> tuple[tree.Remains, str, bool]:
        ready = await self._ready(limits)
        torch_version = str(ready.jail.facts["torch_version"])
        refill = asyncio.get_running_loop().call_later(_REFILL_SECONDS, self._taken.set)
        try:
            remains = await ready.run(source, limits, on_output)
        finally:
            refill.cancel()
            self._taken.set()
            self._own(self._clear(ready))
        if remains.lost or remains.end.signal in _ABNORMAL:
            ready.jail.retired = True
        return remains, torch_version, not ready.memory_unbounded

    async def close(self) -> None:
        """Kill everything and remove cgroups and folders."""
        groups, self._cgroups = self._cgroups, None  # whoever wants a jail from now on is told
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._clearing, return_exceptions=True)
        spares, self._spares = self._spares, []
        await _all_ended(*(spare.discard() for spare in spares))
        jails, self._retired, self._jail = {self._jail, *self._retired}, set(), None
        await _all_ended(*(old.close() for old in jails if old is not None))
        if groups is not None:
            groups.close()

    async def _ready(self, limits: Limits) -> tree.RunTree:
        """A spare where one fits, else a tree made for this run."""
        if (limits.tmp_bytes, limits.tmp_inodes) == (self._standard.tmp_bytes, self._standard.tmp_inodes):
            while self._spares:
                spare = self._spares.pop()
                if spare.waiting:
                    return spare
                self._own(self._clear(spare))
        self._urgent += 1
        self._calm.clear()
        try:
            return await self._fork(limits, at_once=True)
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._calm.set()

    async def _fork(self, limits: Limits, at_once: bool = False) -> tree.RunTree:
        if self._jail is None or not self._jail.alive:
            await self._renew()
        current = self._open_jail()
        try:
            return await forking.forked(current, self._open_groups(), limits, at_once)
        except SandboxUnavailable:
            if self._jail is current:  # it may be dying, and we the first to notice
                current.retired = True
                await self._renew()
        return await forking.forked(self._open_jail(), self._open_groups(), limits, at_once)

    def _open_jail(self) -> jail.Jail:
        if self._jail is None:
            raise SandboxUnavailable("the sandbox is closed", _CLOSED_FIX)
        return self._jail

    def _open_groups(self) -> cgroups.Cgroups:
        if self._cgroups is None:
            raise SandboxUnavailable("the sandbox is closed", _CLOSED_FIX)
        return self._cgroups

    async def _keep_spares(self) -> None:
        while True:
            await self._taken.wait()
            self._taken.clear()
            try:
                if self._is_worn():
                    await self._renew()
                while len(self._spares) < self._wanted_spares:
                    await self._calm.wait()
                    spare = await self._fork(self._standard)
                    self._spares.append(spare)  # to the list of now: a renewal in between has put another in its place
            except SandboxUnavailable as unavailable:
                _LOG.warning("sandbox.no_spare problem=%s", unavailable.problem)
                await asyncio.sleep(1.0)  # a broken machine is not asked in a tight loop
                self._taken.set()

    async def _tend(self) -> None:
        self._taken.set()  # start() made one
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            oldest = time.monotonic() - _SPARE_SECONDS
            old = [spare for spare in self._spares if spare.born < oldest or not spare.waiting]
            for spare in old:
                self._spares.remove(spare)
                self._own(self._clear(spare))
            with contextlib.suppress(SandboxUnavailable):
                health = await self.run("torch.ones(1)", Limits(seconds=5.0))
                if health.outcome is not Outcome.OK and self._jail is not None:
                    self._jail.retired = True
            self._taken.set()

    def _is_worn(self) -> bool:
        current = self._jail
        return current is None or (
            current.retired
            or not current.alive
            or current.uses >= _RECYCLE_AFTER_RUNS
            or time.monotonic() - current.born > _RECYCLE_AFTER_SECONDS
        )

    async def _renew(self) -> None:
        """A fresh jail in place of the current one, which ends after its last run."""
        async with self._renewing:
            if not self._is_worn() or self._plan is None or self._cgroups is None:
                return
            groups = self._cgroups
            fresh = await jail.opened(self._plan)
            if self._cgroups is not groups:
                await fresh.close()
                return
            # From here to the end nothing is awaited: a renewal cut short would forget what it has to remove.
            old, self._jail = self._jail, fresh
            spares, self._spares = self._spares, []
            for spare in spares:
                self._own(self._clear(spare))
            if old is not None:
                old.retired = True
                self._retired.add(old)
                self._own(self._close_if_idle(old))

    async def _clear(self, used: tree.RunTree) -> None:
        """The last of a run whose result is already known; then its jail, when that was only waiting for this."""
        await used.discard()
        await self._close_if_idle(used.jail)

    async def _close_if_idle(self, old: jail.Jail) -> None:
        if old in self._retired and old.active == 0:
            self._retired.discard(old)
            await old.close()

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        """Work in the background that close() waits for."""
        task = asyncio.create_task(work)
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)


async def _all_ended(*ending: Coroutine[Any, Any, None]) -> None:
    """What does not end though killed (it hangs in the kernel) keeps nothing else from ending."""
    for problem in await asyncio.gather(*ending, return_exceptions=True):
        if problem is not None:
            _LOG.error("sandbox.not_ended problem=%r", problem)
