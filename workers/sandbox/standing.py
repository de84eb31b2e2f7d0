"""How all runs of a supervisor stand against everybody else on the machine."""

from __future__ import annotations

import contextlib
from pathlib import Path

from workers.sandbox.cgroup_files import write

_TENTH = {1: {"cpu.shares": "102"}, 2: {"cpu.weight": "10"}}
"""All runs together weigh a tenth of one ordinary process: a bot on the same machine answers first, and where nobody
else computes they still have every processor. Within their group, niceness counts for nothing outside."""
_FIRST = {1: {"cpu.shares": "262144"}, 2: {"cpu.weight": "10000"}}


class Standing:
    """The weight of the group above all runs. Without a processor controller it does nothing."""

    def __init__(self, folder: Path | None, version: int) -> None:
        self._folder = folder
        self._version = version
        self._dying: set[object] = set()
        self._set(_TENTH)

    def hurry(self, run: object) -> None:
        """Put all first until forget(): this one is being killed, and dying takes processor time."""
        self._dying.add(run)
        self._set(_FIRST)

    def forget(self, run: object) -> None:
        """It has gone."""
        if run in self._dying:
            self._dying.remove(run)
            if not self._dying:
                self._set(_TENTH)

    def _set(self, settings: dict[int, dict[str, str]]) -> None:
        if self._folder is None:
            return
        for name, value in settings[self._version].items():
            with contextlib.suppress(OSError):
                write(self._folder / name, value)
