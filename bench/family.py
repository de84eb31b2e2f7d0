"""What a process and everything it started hold of the machine's memory, by the kernel's own count."""

from __future__ import annotations

from pathlib import Path

MIB = 1024  # the kernel counts in KiB


def of(pid: int) -> list[int]:
    """The process and its descendants."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def named(pids: list[int], name: str) -> list[int]:
    """Those of `pids` that call themselves so."""
    return [pid for pid in pids if _name(pid) == name]


def command(pid: int) -> str:
    """Its command line."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def parent(pid: int) -> int:
    """Who started it."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def proportional_mib(pids: list[int]) -> float:
    """PSS: a page shared by n processes counts 1/n for each."""
    return sum(_kib(pid, "Pss") for pid in pids) / MIB


def private_mib(pids: list[int]) -> float:
    """What nobody else shares."""
    return sum(_kib(pid, "Private_Dirty") + _kib(pid, "Private_Clean") for pid in pids) / MIB


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:  # it has just ended
        return ""


def _kib(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0
