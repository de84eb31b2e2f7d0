"""How all runs of a supervisor stand against everybody else on the machine: last, yet never starved."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workers.sandbox.cgroup_files import write

_SHARE = 0.1
"""Of one processor: what a run shall get beside whoever keeps the machine busy."""
_SAMPLE_SECONDS = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")


class Level(enum.Enum):
    """Where the runs' common group stands."""

    LAST = enum.auto()
    """Whoever else wakes up takes the processor at once, which a bot on the same machine does many times for each
    answer. A weight alone would let it wait for the kernel's next tick now and then, 4 ms. While others compute
    without a pause nothing is left over."""
    TENTH = enum.auto()
    """All together weigh a tenth of one ordinary process. Also what LAST means before Linux 5.15."""
    FIRST = enum.auto()
    """For those that are being killed: dying takes processor time."""


_TENTH = {1: {"cpu.idle": "0", "cpu.shares": "102"}, 2: {"cpu.idle": "0", "cpu.weight": "10"}}
_SETTINGS = {
    Level.LAST: {version: settings | {"cpu.idle": "1"} for version, settings in _TENTH.items()},
    Level.TENTH: _TENTH,
    Level.FIRST: {1: {"cpu.idle": "0", "cpu.shares": "262144"}, 2: {"cpu.idle": "0", "cpu.weight": "10000"}},
}


@dataclass(frozen=True, slots=True)
class Use:
    """What a run has had of the processors, and whether it would take more."""

    seconds: float
    waits: bool
    """Some thread of it could compute at this moment."""


class Watched(Protocol):
    """A run's group."""

    def pids(self) -> set[int]:
        """Its processes."""


class Standing:
    """The level of the group above all runs. Without a processor controller it does nothing."""

    def __init__(self, folder: Path | None, version: int) -> None:
        self._folder = folder
        self._version = version
        self._starved: set[Watched] = set()
        self._dying: set[Watched] = set()
        self._level = Level.LAST
        self._set()

    @property
    def level(self) -> Level:
        """Of all runs now."""
        return self._level

    def hurry(self, run: Watched) -> None:
        """Put all first until forget(): this one is being killed."""
        self._dying.add(run)
        self._decide()

    def forget(self, run: Watched) -> None:
        """It has gone."""
        self._dying.discard(run)
        self._starved.discard(run)
        self._decide()

    @contextmanager
    def watching(self, run: Watched) -> Iterator[None]:
        """Within this, the run gets its share of a machine that others keep busy."""
        task = asyncio.get_running_loop().create_task(self._watch(run))
        try:
            yield
        finally:
            task.cancel()
            self._starved.discard(run)
            self._decide()

    async def _watch(self, run: Watched) -> None:
        await asyncio.sleep(_SAMPLE_SECONDS)  # most runs have ended by then, and none waits for a look at it
        before = use(run.pids())
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            after = use(run.pids())
            if after.waits and after.seconds - before.seconds < _SHARE * _SAMPLE_SECONDS:
                self._starved.add(run)
            else:
                self._starved.discard(run)
            self._decide()
            before = after

    def _decide(self) -> None:
        level = Level.FIRST if self._dying else Level.TENTH if self._starved else Level.LAST
        if level is not self._level:
            self._level = level
            self._set()

    def _set(self) -> None:
        if self._folder is None:
            return
        for name, value in _SETTINGS[self._level][self._version].items():
            with contextlib.suppress(OSError):  # cpu.idle came with Linux 5.15
                write(self._folder / name, value)


def use(pids: set[int]) -> Use:
    """Of these processes and their threads, as far as they still are there."""
    seconds, waits = 0.0, False
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(Path(f"/proc/{pid}"))
            seconds += (int(fields[11]) + int(fields[12])) / _TICKS
            waits = waits or any(_stat(thread)[0] == "R" for thread in Path(f"/proc/{pid}/task").iterdir())
    return Use(seconds, waits)


def _stat(folder: Path) -> list[str]:
    """From the state on, which comes after a name that may contain anything."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
