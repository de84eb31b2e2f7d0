"""Control groups around runs: memory with swap, processes and processor share, set from outside the jail.

Version 2 (a delegated subtree) is tried first, then version 1. Each supervisor has one parent group, named after its
process and that process's start time, so that a later one can tell what a killed one left behind and sweep it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.core.runs import Limits
from workers.sandbox.base import SandboxUnavailable

_PREFIX = "torchquiz-"
_NEEDED = ("memory", "pids")
_WANTED = (*_NEEDED, "cpu")
_PERIOD = 100_000  # microseconds, the kernel's own default
_REMOVAL_TRIES, _REMOVAL_PAUSE = 400, 0.005
_FIRST = {
    1: {"cpu.cfs_quota_us": "-1", "cpu.shares": "262144"},
    2: {"cpu.max": f"max {_PERIOD}", "cpu.weight": "10000"},
}
_LAST = {1: {"cpu.shares": "512"}, 2: {"cpu.weight": "50"}}
"""All runs together weigh half of what one ordinary process does: niceness itself counts only within a group."""
_LEAF = "torchquiz.supervisor"
_OWN_PROCESSES = 2  # init, and one for the moment in which it forks
FIX = (
    "give the worker a delegated cgroup: under systemd `Delegate=yes` (or start it by "
    "`systemd-run --user --scope -p Delegate=yes`), in a container a writable cgroup namespace, on a machine with "
    "version 1 root; or set the override, and accept that a snippet can exhaust this machine's memory"
)


@dataclass(frozen=True, slots=True)
class RunGroup:
    """The groups of one run; one folder for all controllers in version 2, one for each in version 1."""

    folders: Mapping[str, Path]
    version: int

    def attach(self, pid: int) -> None:
        """Move a process in; what it forks later is born inside."""
        for folder in set(self.folders.values()):
            _write(folder / "cgroup.procs", str(pid))

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
                    _write(folder / name, value)

    def _unlimit_swap(self) -> None:
        """Memory with swap is never less than memory alone: open it first, so that both can go up or down."""
        file = self.folders["memory"] / "memory.memsw.limit_in_bytes" if "memory" in self.folders else None
        if file is not None and file.exists():
            _write(file, "-1")

    def hurry(self) -> None:
        """Put a run that is being killed first: dying takes processor time, and 64 processes share one group's turn."""
        if (folder := self.folders.get("cpu")) is None:
            return
        for name, value in _FIRST[self.version].items():
            with contextlib.suppress(OSError):
                _write(folder / name, value)

    def peak_memory_bytes(self) -> int | None:
        """The most memory the run held, or None where the kernel does not tell."""
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        return _number(self.folders.get("memory"), name)

    def memory_kills(self) -> int:
        """How many of the run's processes the kernel ended for want of memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _counter(self.folders.get("memory"), name, "oom_kill")

    async def remove(self) -> None:
        """Remove the empty groups; a process that is just leaving is waited for, for a moment."""
        for folder in set(self.folders.values()):
            for _ in range(_REMOVAL_TRIES):
                if _removed(folder):
                    break
                await asyncio.sleep(_REMOVAL_PAUSE)  # version 1 tells nobody when a group becomes empty


@dataclass(frozen=True, slots=True)
class Cgroups:
    """This supervisor's parent groups."""

    parents: Mapping[str, Path]
    """By controller; without "memory" only where the operator accepted that."""
    version: int
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
        return RunGroup(folders, self.version)

    def hasten(self) -> None:
        """Blocks for some 10 ms; then processes join groups at once for a while.

        Before the first change of groups the kernel waits until every processor has passed a quiet moment. Moving this
        process to where it is already makes it do that now, while the process that shall join is still being forked.
        """
        if (folder := self.parents.get("pids")) is not None:
            leaf = folder.parent / _LEAF
            with contextlib.suppress(OSError):
                _write((leaf if leaf.is_dir() else folder.parent) / "cgroup.procs", str(os.getpid()))

    def close(self) -> None:
        """Remove the parents. Runs must have gone."""
        for folder in set(self.parents.values()):
            _sweep_one(folder)


def opened(allow_no_memory: bool, root: Path = Path("/")) -> Cgroups:
    """Find usable groups, sweep what dead supervisors left, make our own parents. Raises SandboxUnavailable."""
    problems: list[str] = []
    for version, find in ((2, _find_version_2), (1, _find_version_1)):
        try:
            bases = find(root)
        except OSError as error:
            problems.append(f"version {version}: {error}")
            continue
        missing = [controller for controller in _NEEDED if controller not in bases]
        if missing:
            problems.append(f"version {version} offers no {' and no '.join(missing)}")
            continue
        try:
            return _ours(bases, version)
        except OSError as error:
            problems.append(f"version {version}: {error}")
    if allow_no_memory:
        return Cgroups({}, 0)
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
        _enable(parent, tuple(bases))
    if (processor := parents.get("cpu")) is not None:
        for setting, value in _LAST[version].items():
            _write(processor / setting, value)
    return Cgroups(parents, version)


_instances = itertools.count()


def _find_version_1(root: Path) -> dict[str, Path]:
    own = {
        controller: path
        for _, controllers, path in _memberships(root)
        for controller in controllers.split(",")
        if controller
    }
    found: dict[str, Path] = {}
    for kind, place, options in _mounts(root):
        if kind != "cgroup":
            continue
        for controller in set(options) & set(_WANTED):
            inside = place / own.get(controller, "/").lstrip("/")
            # Without a cgroup namespace a container sees its own group at the mount's root.
            base = inside if inside.is_dir() else place
            if os.access(base, os.W_OK):
                found.setdefault(controller, base)
    return found


def _find_version_2(root: Path) -> dict[str, Path]:
    place = next((place for kind, place, _ in _mounts(root) if kind == "cgroup2"), None)
    if place is None:
        raise OSError(errno.ENOENT, "not mounted")
    own = next((path for number, _, path in _memberships(root) if number == "0"), "/")
    base = place / own.lstrip("/")
    if not base.is_dir():
        base = place
    offered = set((base / "cgroup.controllers").read_text().split())
    wanted = tuple(controller for controller in _WANTED if controller in offered)
    if not set(_NEEDED) <= offered:
        return {}
    _delegate(base, wanted)
    return dict.fromkeys(wanted, base)


def _delegate(base: Path, controllers: tuple[str, ...]) -> None:
    """Hand controllers down. A group with processes of its own may not: ours move to a leaf first."""
    if set(controllers) <= set((base / "cgroup.subtree_control").read_text().split()):
        return
    try:
        _enable(base, controllers)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        leaf = base / _LEAF
        leaf.mkdir(exist_ok=True)
        for pid in (base / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                _write(leaf / "cgroup.procs", pid)
        _enable(base, controllers)


def _enable(folder: Path, controllers: tuple[str, ...]) -> None:
    _write(folder / "cgroup.subtree_control", " ".join(f"+{controller}" for controller in controllers))


def _memberships(root: Path) -> list[tuple[str, str, str]]:
    lines = (root / "proc/self/cgroup").read_text().splitlines()
    return [(parts[0], parts[1], parts[2]) for parts in (line.split(":", 2) for line in lines)]


def _mounts(root: Path) -> list[tuple[str, Path, list[str]]]:
    lines = (line.split() for line in (root / "proc/self/mounts").read_text().splitlines())
    return [(fields[2], root / fields[1].lstrip("/"), fields[3].split(",")) for fields in lines]


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
            for pid in map(int, (each / "cgroup.procs").read_text().split()):
                if pid > 0:  # 0 stands for a process outside our view
                    os.kill(pid, signal.SIGKILL)
        _removed(each)
    _removed(folder)


def _started(pid: int) -> str:
    """When a process began, in clock ticks since boot; empty for none. Tells it from a later one of its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _number(folder: Path | None, name: str) -> int | None:
    try:
        return int((folder / name).read_text()) if folder is not None else None
    except (OSError, ValueError):
        return None


def _counter(folder: Path | None, name: str, counter: str) -> int:
    if folder is None:
        return 0
    with contextlib.suppress(OSError):
        for line in (folder / name).read_text().splitlines():
            label, _, value = line.partition(" ")
            if label == counter:
                return int(value)
    return 0


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="ascii")
