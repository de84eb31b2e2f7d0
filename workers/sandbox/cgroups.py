"""Control groups around runs: memory with swap, processes and processor share, set from outside the jail.

Version 2 (a delegated subtree) is tried first, then version 1. Each supervisor has one parent group, named after its
process and that process's start time, so that a later one can tell what a killed one left behind and sweep it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.cgroup_files import members, removed, write
from workers.sandbox.cgroup_places import LEAF, NEEDED, enable, find_version_1, find_version_2
from workers.sandbox.run_group import RunGroup
from workers.sandbox.standing import Standing

_PREFIX = "torchquiz-"
FIX = (
    "give the worker a delegated cgroup: under systemd `Delegate=yes` (or start it by "
    "`systemd-run --user --scope -p Delegate=yes`), in a container a writable cgroup namespace, on a machine with "
    "version 1 root; or set the override, and accept that a snippet can exhaust this machine's memory"
)


@dataclass(frozen=True, slots=True)
class Cgroups:
    """This supervisor's parent groups."""

    parents: Mapping[str, Path]
    """By controller; without "memory" only where the operator accepted that."""
    version: int
    standing: Standing
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def bounds_memory(self) -> bool:
        """Whether runs are held to their memory from outside."""
        return "memory" in self.parents

    def group(self) -> RunGroup:
        """A fresh group without processes and without limits."""
        number = next(self._numbers)
        folders = {controller: parent / f"run-{number}" for controller, parent in self.parents.items()}
        for folder in set(folders.values()):
            folder.mkdir()
        return RunGroup(folders, self.version, self.standing)

    def hasten(self) -> None:
        """Blocks for some 10 ms; then processes join groups at once for a while.

        Before the first change of groups the kernel waits until every processor has passed a quiet moment. Moving this
        process to where it is already makes it do that now, while the process that shall join is still being forked.
        """
        if (folder := self.parents.get("pids")) is not None:
            leaf = folder.parent / LEAF
            with contextlib.suppress(OSError):
                write((leaf if leaf.is_dir() else folder.parent) / "cgroup.procs", str(os.getpid()))

    def close(self) -> None:
        """Remove the parents. Runs must have gone."""
        for folder in set(self.parents.values()):
            _sweep_one(folder)


def opened(allow_no_memory: bool, root: Path = Path("/")) -> Cgroups:
    """Find usable groups, sweep what dead supervisors left, make our own parents. Raises SandboxUnavailable."""
    problems: list[str] = []
    for version, find in ((2, find_version_2), (1, find_version_1)):
        try:
            bases = find(root)
        except OSError as error:
            problems.append(f"version {version}: {error}")
            continue
        missing = [controller for controller in NEEDED if controller not in bases]
        if missing:
            problems.append(f"version {version} offers no {' and no '.join(missing)}")
            continue
        try:
            return _ours(bases, version)
        except OSError as error:
            problems.append(f"version {version}: {error}")
    if allow_no_memory:
        return Cgroups({}, 0, Standing(None, 0))
    raise SandboxUnavailable(f"no memory and process control groups ({'; '.join(problems)})", FIX)


def _ours(bases: Mapping[str, Path], version: int) -> Cgroups:
    for base in set(bases.values()):
        _sweep(base)
    name = f"{_PREFIX}{os.getpid()}-{_started(os.getpid())}-{next(_instances)}"
    parents = {controller: base / name for controller, base in bases.items()}
    for parent in set(parents.values()):
        parent.mkdir()
    if version == 2:
        parent = next(iter(parents.values()))
        enable(parent, tuple(bases))
    return Cgroups(parents, version, Standing(parents.get("cpu"), version))


_instances = itertools.count()


def _sweep(base: Path) -> None:
    """End and remove what supervisors that are no more left here."""
    for folder in base.glob(f"{_PREFIX}*-*-*"):
        pid, started = folder.name.removeprefix(_PREFIX).split("-")[:2]
        if not pid.isdigit() or _started(int(pid)) == started:
            continue
        _sweep_one(folder)


def _sweep_one(folder: Path) -> None:
    for each in sorted(folder.glob("run-*")):
        with contextlib.suppress(OSError):
            for pid in members(each):
                os.kill(pid, signal.SIGKILL)
        removed(each)
    removed(folder)


def _started(pid: int) -> str:
    """When a process began, in clock ticks since boot; empty for none. Tells it from a later one of its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
