"""A GPU sandbox with everything real but the device: real jails, control groups and filters around a torch in
disguise."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from bot.core.runs import Capability
from tests.workers import disguise
from workers.nvml import Card
from workers.sandbox import plan
from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.gpu import GpuSandbox
from workers.sandbox.profile import Profile

CARD = Card("NVIDIA Test", "GPU-0123", minor=0, total_bytes=1 << 30, used_bytes=4 << 20, driver="580.0")
PROFILE = Profile(
    capability=Capability.GPU,
    device=CARD.name,
    visible=CARD.uuid,
    devices=tuple(("/dev/zero", f"/dev/{name}") for name in ("nvidiactl", "nvidia0", "nvidia-uvm")),
)


@dataclass
class FakeWatch:
    """A driver whose figures a test sets. `problem` makes it fail."""

    used: int = CARD.used_bytes
    problem: str = ""
    asked: int = 0
    closed: int = 0

    async def card(self) -> Card:
        self.asked += 1
        if self.problem:
            raise SandboxUnavailable(self.problem, "mend it")
        return replace(CARD, used_bytes=self.used)

    async def close(self) -> None:
        self.closed += 1


def disguised(folder: Path) -> plan.Plan:
    """The plan of a jail with a GPU, in which opening a context puts torch in disguise."""
    made = plan.made(PROFILE)
    inside = folder / "inside"
    if not inside.exists():
        ((source,),) = ([source for source, place in made.binds if place.endswith("workers/inside")],)
        shutil.copytree(source, inside, ignore=shutil.ignore_patterns("__pycache__"))
        gpu = inside / "gpu.py"
        gpu.write_text(gpu.read_text() + "\n" + Path(disguise.__file__).read_text())
    binds = tuple((str(inside) if place.endswith("workers/inside") else source, place) for source, place in made.binds)
    return replace(made, binds=binds)


def gpu_sandbox(folder: Path, watch: FakeWatch, clear_seconds: float = 0.3) -> GpuSandbox:
    """A sandbox on the GPU that is none."""
    return GpuSandbox("cuda:0", watch, lambda card: disguised(folder), clear_seconds)
