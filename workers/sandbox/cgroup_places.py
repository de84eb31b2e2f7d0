"""Where control groups of our own may be made, in version 2 and in version 1."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from workers.sandbox.cgroup_files import write

NEEDED = ("memory", "pids")
WANTED = (*NEEDED, "cpu")
LEAF = "torchquiz.supervisor"
"""Where version 2 wants our own process, beside the groups of runs."""


def find_version_1(root: Path) -> dict[str, Path]:
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
        for controller in set(options) & set(WANTED):
            inside = place / own.get(controller, "/").lstrip("/")
            # Without a cgroup namespace a container sees its own group at the mount's root.
            base = inside if inside.is_dir() else place
            if os.access(base, os.W_OK):
                found.setdefault(controller, base)
    return found


def find_version_2(root: Path) -> dict[str, Path]:
    place = next((place for kind, place, _ in _mounts(root) if kind == "cgroup2"), None)
    if place is None:
        raise OSError(errno.ENOENT, "not mounted")
    own = next((path for number, _, path in _memberships(root) if number == "0"), "/")
    base = place / own.lstrip("/")
    if not base.is_dir():
        base = place
    offered = set((base / "cgroup.controllers").read_text().split())
    wanted = tuple(controller for controller in WANTED if controller in offered)
    if not set(NEEDED) <= offered:
        return {}
    _delegate(base, wanted)
    return dict.fromkeys(wanted, base)


def _delegate(base: Path, controllers: tuple[str, ...]) -> None:
    """Hand controllers down. A group with processes of its own may not: ours move to a leaf first."""
    if set(controllers) <= set((base / "cgroup.subtree_control").read_text().split()):
        return
    try:
        enable(base, controllers)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        leaf = base / LEAF
        leaf.mkdir(exist_ok=True)
        for pid in (base / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                write(leaf / "cgroup.procs", pid)
        enable(base, controllers)


def enable(folder: Path, controllers: tuple[str, ...]) -> None:
    write(folder / "cgroup.subtree_control", " ".join(f"+{controller}" for controller in controllers))


def _memberships(root: Path) -> list[tuple[str, str, str]]:
    lines = (root / "proc/self/cgroup").read_text().splitlines()
    return [(parts[0], parts[1], parts[2]) for parts in (line.split(":", 2) for line in lines)]


def _mounts(root: Path) -> list[tuple[str, Path, list[str]]]:
    lines = (line.split() for line in (root / "proc/self/mounts").read_text().splitlines())
    return [(fields[2], root / fields[1].lstrip("/"), fields[3].split(",")) for fields in lines]
