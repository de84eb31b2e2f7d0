"""What the driver says about a GPU, by its management library (NVML): which it is, how much of its memory is in use.

Standard library only. The library runs in a process of its own, `python nvml.py DEVICE`: a broken driver can hang
whoever asks, and a process that holds the device open would show in the very figure that is wanted. It answers with one
JSON line at its start, then with one for every line on its standard input.
"""

from __future__ import annotations

import ctypes
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
_TEXT = 96


class NvmlError(Exception):
    """The driver did not answer as wanted; str() says what was asked and its code."""


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU, or one MIG slice of one."""

    name: str
    uuid: str
    minor: int
    """N of /dev/nvidiaN; for a slice that of its GPU."""
    total_bytes: int
    used_bytes: int
    driver: str = ""
    gpus: int = 1
    """How many GPUs this machine shows."""
    gpu_instance: int | None = None
    compute_instance: int | None = None


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Nvml:
    """The library, opened. `library` is given by tests."""

    def __init__(self, library: Any = None) -> None:
        try:
            self._library = ctypes.CDLL(LIBRARY) if library is None else library
        except OSError as error:
            raise NvmlError(f"{LIBRARY} cannot be loaded: is NVIDIA's driver installed?") from error
        self._call("nvmlInit_v2")

    def card(self, device: str) -> Card:
        """The GPU called `device`: cuda:N (N-th by PCI bus), GPU-<uuid>, or MIG-<uuid>. Raises NvmlError."""
        handle = self._handle(device)
        gpu_instance = compute_instance = None
        whole = handle
        if device.startswith("MIG-"):
            whole = ctypes.c_void_p()
            self._call("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle, ctypes.byref(whole))
            gpu_instance = self._number("nvmlDeviceGetGpuInstanceId", handle)
            compute_instance = self._number("nvmlDeviceGetComputeInstanceId", handle)
        total, used = self._memory(handle)
        return Card(
            name=self._text("nvmlDeviceGetName", handle),
            uuid=self._text("nvmlDeviceGetUUID", handle),
            minor=self._number("nvmlDeviceGetMinorNumber", whole),
            total_bytes=total,
            used_bytes=used,
            driver=self._text("nvmlSystemGetDriverVersion"),
            gpus=self._number("nvmlDeviceGetCount_v2"),
            gpu_instance=gpu_instance,
            compute_instance=compute_instance,
        )

    def _handle(self, device: str) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        kind, _, number = device.partition(":")
        if kind == "cuda" and (number or "0").isdigit():
            self._call("nvmlDeviceGetHandleByIndex_v2", int(number or 0), ctypes.byref(handle))
        elif device.startswith(("GPU-", "MIG-")):
            self._call("nvmlDeviceGetHandleByUUID", device.encode(), ctypes.byref(handle))
        else:
            raise NvmlError(f"{device!r} names no GPU; write cuda:0, GPU-<uuid> or MIG-<uuid> as `nvidia-smi -L` does")
        return handle

    def _memory(self, handle: ctypes.c_void_p) -> tuple[int, int]:
        memory = _Memory()
        self._call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
        return int(memory.total), int(memory.used)

    def _number(self, name: str, *arguments: Any) -> int:
        number = ctypes.c_uint()
        self._call(name, *arguments, ctypes.byref(number))
        return int(number.value)

    def _text(self, name: str, *arguments: Any) -> str:
        text = ctypes.create_string_buffer(_TEXT)
        self._call(name, *arguments, text, _TEXT)
        return text.value.decode(errors="replace")

    def _call(self, name: str, *arguments: Any) -> None:
        if code := getattr(self._library, name)(*arguments):
            raise NvmlError(f"{name} answered {code}")


def main(device: str) -> int:
    """Answer on standard output until standard input ends; 1 when the driver cannot be asked."""
    try:
        library = Nvml()
        while True:
            sys.stdout.write(json.dumps(asdict(library.card(device))) + "\n")
            sys.stdout.flush()
            if not sys.stdin.readline():
                return 0
    except NvmlError as error:
        sys.stdout.write(json.dumps({"problem": str(error)}) + "\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
