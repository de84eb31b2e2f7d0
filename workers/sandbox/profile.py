"""What kind of jail: the plain one for CPU runs, or one with a GPU. Data that the plan, the probes and results read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.core.runs import Capability


@dataclass(frozen=True, slots=True)
class Profile:
    """What a jail shows beyond the plain one, and what its runs are told. The default is the plain one."""

    capability: Capability = Capability.CPU
    device: str = "cpu"
    """What the footer of every result calls it."""
    visible: str = ""
    """The UUID under which CUDA shall see its one device."""
    devices: tuple[tuple[str, str], ...] = ()
    """Device files of this machine and their places in the jail."""
    binds: tuple[tuple[str, str], ...] = ()
    """Read-only files and folders, likewise."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of the zygote, in addition to the plain one."""

    def told(self) -> str:
        """What the zygote hears about its device, as workers/inside/gpu.py reads it."""
        if not self.visible:
            return ""
        return json.dumps({"visible": self.visible, "nodes": [place for _, place in self.devices]})


CPU = Profile()
