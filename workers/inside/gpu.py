"""What differs when a jail has a GPU: nothing touches CUDA before the fork, one device is visible after it.

A CUDA context does not survive a fork, and even asking the driver how many devices there are spoils it for every
child. So the zygote is kept from asking, and each run opens a context of its own, while it still waits for its snippet.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

_CACHE = "/tmp/.nv"


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU of a jail; the default is a jail without one."""

    visible: str = ""
    """What CUDA calls the device (CUDA_VISIBLE_DEVICES): the UUID of a GPU or of a MIG slice."""
    nodes: tuple[str, ...] = ()
    """The device files of the jail; a run may open, write and ask (ioctl) these and no others."""

    def __bool__(self) -> bool:
        return bool(self.visible)


def parsed(text: str) -> Gpu:
    """The GPU that the supervisor wrote on our command line as JSON; "" for none."""
    if not text:
        return Gpu()
    told = json.loads(text)
    return Gpu(told["visible"], tuple(told["nodes"]))


@contextlib.contextmanager
def hidden(torch: Any) -> Iterator[None]:
    """As long as this lasts, torch sees no device and cannot open one. Raises RuntimeError when something tries to."""
    patches = (
        (torch.cuda, "_device_count_nvml", lambda: 0),
        (torch.cuda, "_lazy_init", _refuse),
        (torch._C, "_cuda_getDeviceCount", lambda: 0),
    )
    originals = [(place, name, getattr(place, name)) for place, name, _ in patches if hasattr(place, name)]
    for place, name, stand_in in patches:
        if hasattr(place, name):
            setattr(place, name, stand_in)
    try:
        yield
    finally:
        for place, name, original in originals:
            setattr(place, name, original)


def _refuse() -> NoReturn:
    raise RuntimeError("something opened CUDA before the fork; no run could use it afterwards")


def assert_untouched() -> None:
    """In the zygote: raises RuntimeError when this process has a device of the driver open."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if target.startswith("/dev/nvidia"):
                raise RuntimeError(f"the zygote has opened {target} and must not")


def environment(gpu: Gpu) -> dict[str, str]:
    """What a run's environment says about its GPU; nothing where there is none."""
    if not gpu:
        return {}
    return {
        "CUDA_CACHE_PATH": _CACHE,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": gpu.visible,
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # a snippet that asks first and forks later keeps its children usable
    }


def open_context(torch: Any) -> None:
    """Open the context and go once through what nearly every snippet needs. Raises RuntimeError."""
    device = torch.device("cuda", 0)
    square = torch.ones(8, 8, device=device)
    (square @ square).sum().item()  # loads cuBLAS, half of what a first snippet would wait for
    torch.cuda.synchronize()
    del square
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def peak_bytes(torch: Any) -> int:
    """The most device memory that torch's allocator held in this run. The snippet could lie about it, to itself."""
    try:
        return max(0, min(int(torch.cuda.max_memory_reserved()), 1 << 50))
    except Exception:  # after a device-side fault every question raises
        return 0
