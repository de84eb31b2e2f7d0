"""Which files of this machine a jail with a GPU needs: that device and no other, and what the driver reads. No driver
is called here: everything is found by looking at names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.core.runs import Capability
from workers.nvml import Card
from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.gpu_watch import NO_DEVICE_FIX
from workers.sandbox.profile import Profile

_CONTROL = ("dev/nvidiactl", "dev/nvidia-uvm")
_CAPABILITIES = "proc/driver/nvidia/capabilities"
# cuInit answers 304 without these. The links in /sys/bus/pci/devices lead to /sys/devices/pci*.
_SYSTEM = ("sys/module/nvidia*", "sys/bus/pci/devices", "sys/devices/pci*", "sys/devices/system/node")
_LIBRARY = "libcuda.so.1"
_USUAL_FOLDERS = ("usr/lib", "usr/lib/*", "usr/lib/*/*", "usr/lib64", "lib/*", "lib64")
"""Every jail shows these whole."""
_OTHER_FOLDERS = (
    "usr/local/nvidia/lib64",  # NVIDIA's device plugin for Kubernetes
    "usr/lib64-nvidia",
    "run/opengl-driver/lib",  # NixOS
)
_UVM_FIX = "load the driver's memory module: `nvidia-modprobe -u -c=0`"


@dataclass(frozen=True, slots=True)
class _Machine:
    """Where to look; tests look at a tree of their own."""

    root: Path

    def find(self, *patterns: str) -> list[str]:
        """Existing paths for patterns relative to the root, as absolute names of the machine."""
        return sorted({f"/{path.relative_to(self.root)}" for pattern in patterns for path in self.root.glob(pattern)})

    def source(self, name: str) -> str:
        """Where a name of the machine is to be found."""
        return str(self.root / name.lstrip("/"))

    def pair(self, name: str) -> tuple[str, str]:
        return self.source(name), name


def gpu_profile(card: Card, root: Path = Path("/")) -> Profile:
    """The jail for runs on `card`. Raises SandboxUnavailable with what is missing and what to do."""
    machine = _Machine(root)
    nodes = [*(f"/{name}" for name in _CONTROL), f"/dev/nvidia{card.minor}", *_slice_nodes(machine, card)]
    for node in nodes:
        if not Path(machine.source(node)).exists():
            fix = _UVM_FIX if node.endswith("uvm") else NO_DEVICE_FIX
            raise SandboxUnavailable(f"{node} is not there", fix)
    folder = _driver_folder(machine)
    binds = [machine.pair(name) for name in machine.find(*_SYSTEM)]
    environment = {}
    if folder:
        binds.append(machine.pair(folder))
        environment["LD_LIBRARY_PATH"] = folder
    return Profile(
        capability=Capability.GPU,
        device=card.name,
        visible=card.uuid,
        devices=tuple(machine.pair(node) for node in nodes),
        binds=tuple(binds),
        environment=environment,
    )


def _slice_nodes(machine: _Machine, card: Card) -> Iterator[str]:
    """The two capability files of a MIG slice: its GPU instance and its compute instance."""
    if card.gpu_instance is None or card.compute_instance is None:
        return
    instance = f"{_CAPABILITIES}/gpu{card.minor}/mig/gi{card.gpu_instance}"
    for access in (f"{instance}/access", f"{instance}/ci{card.compute_instance}/access"):
        try:
            told = Path(machine.source(access)).read_text(encoding="ascii")
        except OSError as error:
            raise SandboxUnavailable(f"the MIG slice has no {access}", NO_DEVICE_FIX) from error
        values = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
        yield f"/dev/nvidia-caps/nvidia-cap{values['DeviceFileMinor'].strip()}"


def _driver_folder(machine: _Machine) -> str:
    """Where the driver's libraries are, when that is outside what every jail shows; else "". Raises."""
    if machine.find(*(f"{folder}/{_LIBRARY}" for folder in _USUAL_FOLDERS)):
        return ""
    for found in machine.find(*(f"{folder}/{_LIBRARY}" for folder in _OTHER_FOLDERS)):
        return str(Path(found).parent)
    raise SandboxUnavailable(f"{_LIBRARY}, the driver's library, is not there", NO_DEVICE_FIX)
