"""The control groups of one run: what it may use, what it has used, and their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.core.runs import Limits
from workers.sandbox.cgroup_files import counter, members, number, removed, write
from workers.sandbox.standing import Standing

_PERIOD = 100_000  # microseconds, the kernel's own default
_REMOVAL_TRIES, _REMOVAL_PAUSE = 400, 0.005
_FIRST = {
    1: {"cpu.cfs_quota_us": "-1", "cpu.shares": "262144"},
    2: {"cpu.max": f"max {_PERIOD}", "cpu.weight": "10000"},
}
"""Among the runs, and without a quota."""
_SWEEPS = 8
"""Of a group by hand: whoever was forked meanwhile is found the next time, and init's end catches the last."""
_OWN_PROCESSES = 2  # init, and one for the moment in which it forks


@dataclass(frozen=True, slots=True, eq=False)
class RunGroup:
    """The groups of one run; one folder for all controllers in version 2, one for each in version 1."""

    folders: Mapping[str, Path]
    version: int
    standing: Standing
    """Of all runs together."""

    def attach(self, pid: int) -> None:
        """Move a process in; what it forks later is born inside."""
        for folder in set(self.folders.values()):
            write(folder / "cgroup.procs", str(pid))

    def limit(self, limits: Limits) -> None:
        """Set what the run may use; may be repeated with other limits."""
        processors = os.cpu_count() or 1
        share = int(_PERIOD * max(1.0, min(processors, limits.cpu_seconds / limits.seconds)))
        values = {"pids": {"pids.max": str(limits.processes + _OWN_PROCESSES)}}
        if self.version == 2:
            values["memory"] = {
                "memory.swap.max": "0",
                "memory.max": str(limits.memory_bytes),
                "memory.oom.group": "0",
            }
            values["cpu"] = {"cpu.max": f"{share} {_PERIOD}"}
        else:
            values["memory"] = {
                "memory.limit_in_bytes": str(limits.memory_bytes),
                "memory.memsw.limit_in_bytes": str(limits.memory_bytes),
                "memory.swappiness": "0",
            }
            self._unlimit_swap()
            values["cpu"] = {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": str(share)}
        for controller, folder in self.folders.items():
            for name, value in values[controller].items():
                if (folder / name).exists():  # swap accounting may be off, then there is no swap file to set
                    write(folder / name, value)

    def _unlimit_swap(self) -> None:
        """Memory with swap is never less than memory alone: open it first, so that both can go up or down."""
        file = self.folders["memory"] / "memory.memsw.limit_in_bytes" if "memory" in self.folders else None
        if file is not None and file.exists():
            write(file, "-1")

    def hurry(self) -> None:
        """Put a run that is being killed first, until its removal: dying takes processor time, and 64 processes share
        one group's turn. None of that time is the snippet's any more."""
        if (folder := self.folders.get("cpu")) is not None:
            for name, value in _FIRST[self.version].items():
                with contextlib.suppress(OSError):
                    write(folder / name, value)
        self.standing.hurry(self)

    def kill(self) -> None:
        """End every process of the run at once. The end of its init alone would do, in its own time: among 64 processes
        that never sleep, init once got round to its own death after two seconds."""
        if (folder := self.folders.get("pids")) is None:
            return
        try:
            write(folder / "cgroup.kill", "1")
        except OSError:  # version 1, and version 2 before Linux 5.14
            _sweep(folder)

    def peak_memory_bytes(self) -> int | None:
        """The most memory the run held, or None where the kernel does not tell."""
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        return number(self.folders.get("memory"), name)

    def memory_kills(self) -> int:
        """How many of the run's processes the kernel ended for want of memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return counter(self.folders.get("memory"), name, "oom_kill")

    async def remove(self) -> None:
        """Remove the empty groups; a process that is just leaving is waited for, for a moment."""
        try:
            for each in set(self.folders.values()):
                for _ in range(_REMOVAL_TRIES):
                    if removed(each):
                        break
                    await asyncio.sleep(_REMOVAL_PAUSE)  # version 1 tells nobody when a group becomes empty
        finally:
            self.standing.forget(self)  # else all runs would stay before everybody else


def _sweep(folder: Path) -> None:
    met: set[int] = set()
    for _ in range(_SWEEPS):
        fresh = members(folder) - met
        if not fresh:
            return
        met |= fresh
        with contextlib.ExitStack() as opened:
            held = {pid: descriptor for pid in fresh if (descriptor := _held(pid, opened)) is not None}
            # A number that is still in the group was in it when we took hold of its process: none of a stranger.
            for pid in held.keys() & members(folder):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(held[pid], signal.SIGKILL)


def _held(pid: int, opened: contextlib.ExitStack) -> int | None:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # it has just ended
        return None
    opened.callback(os.close, descriptor)
    return descriptor
