"""Files and folders of the control group file system."""

from __future__ import annotations

import contextlib
from pathlib import Path


def removed(folder: Path) -> bool:
    """Remove an empty group; whether it is gone."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def number(folder: Path | None, name: str) -> int | None:
    """What a file of one number says; None where there is none."""
    try:
        return int((folder / name).read_text()) if folder is not None else None
    except (OSError, ValueError):
        return None


def counter(folder: Path | None, name: str, label: str) -> int:
    """A line of a file of counters; 0 where there is none."""
    if folder is None:
        return 0
    with contextlib.suppress(OSError):
        for line in (folder / name).read_text().splitlines():
            found, _, value = line.partition(" ")
            if found == label:
                return int(value)
    return 0


def write(file: Path, text: str) -> None:
    """Set what the kernel reads."""
    file.write_text(text, encoding="ascii")


def members(folder: Path) -> set[int]:
    """The processes of a group, as far as this one may see them."""
    try:
        return {int(pid) for pid in (folder / "cgroup.procs").read_text().split()} - {0}  # 0: outside our view
    except OSError:
        return set()
