"""How the zygote lays its memory out before it forks: few page tables to copy, few pages to hold."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
from collections.abc import Iterator
from dataclasses import dataclass

from workers.inside import kernel

_HUGE = 2 << 20
_FULL = 500  # pages of 512: a gathered area holds memory for those too that nobody has touched
_MADV_DONTNEED, _MADV_COLLAPSE = 4, 25
_HEAD = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)")


@dataclass(slots=True)
class Area:
    """A mapping of this process."""

    start: int
    end: int
    rights: str
    of_file: bool
    anonymous: int = 0
    """Bytes of its own, not the file's."""


def settle() -> None:
    """Give back what is free, gather the rest on huge pages, let go of file pages; then no collection touches it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    for area in list(_areas()):
        if area.anonymous == 0 and area.of_file and "w" not in area.rights:
            # Nobody inherits these entries: a fork leaves the text of libraries out and finds it in the page cache.
            kernel.advise(area.start, area.end - area.start, _MADV_DONTNEED)
        elif not area.of_file and area.rights == "rw-p":
            _gather(area)
    gc.freeze()


def _gather(area: Area) -> None:
    """A fork then copies, and an exit tears down, one entry in place of 512. Kernels before 6.1 cannot."""
    for start in range(-(-area.start // _HUGE) * _HUGE, area.end - _HUGE + 1, _HUGE):
        with contextlib.suppress(OSError):
            if sum(kernel.present(start, _HUGE)) >= _FULL:
                kernel.advise(start, _HUGE, _MADV_COLLAPSE)


def _areas() -> Iterator[Area]:
    found: Area | None = None
    with open("/proc/self/smaps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if head := _HEAD.match(line):
                if found is not None:
                    yield found
                found = Area(int(head[1], 16), int(head[2], 16), head[3], head[4] != "0")
            elif line.startswith("Anonymous:") and found is not None:
                found.anonymous = int(line.split()[1]) * 1024
    if found is not None:
        yield found
