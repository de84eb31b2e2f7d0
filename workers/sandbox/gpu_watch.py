"""Asks the driver about a GPU through a process that may be killed: a broken driver hangs whoever asks it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol

from workers import nvml
from workers.nvml import Card
from workers.sandbox.base import SandboxUnavailable

_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.05
SLACK_BYTES = 16 * 2**20
"""How far above the baseline still counts as clean: the driver keeps a few pages for itself."""
NO_DEVICE_FIX = (
    "install NVIDIA's driver and load it (`nvidia-smi` must list the GPU); in a container pass the device on, "
    "`docker run --gpus device=0`; or start the worker without --device for CPU runs"
)
RESET_FIX = (
    "end what still holds the GPU (`nvidia-smi` lists it), or reset it: `nvidia-smi --gpu-reset -i N`; the worker "
    "looks again by itself"
)


class Watch(Protocol):
    """Tells about one GPU."""

    async def card(self) -> Card:
        """The GPU as it is now. Raises SandboxUnavailable."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class DriverWatch:
    """A Watch over a process with the driver's own library. `command` is given by tests."""

    def __init__(self, device: str, command: Sequence[str] = ()) -> None:
        self._command = (*command, device) if command else (sys.executable, "-I", "-S", str(nvml.__file__), device)
        self._process: asyncio.subprocess.Process | None = None
        self._unread = 0
        self._turn = asyncio.Lock()

    async def card(self) -> Card:
        """The GPU as it is now. Raises SandboxUnavailable when the driver does not say, or not in time."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                async with self._turn:
                    told = await self._ask()
        except (TimeoutError, OSError, ValueError) as error:
            await self.close()
            problem = f"the GPU's driver does not answer: {error or 'not in time'}"
            raise SandboxUnavailable(problem, RESET_FIX) from error
        if "problem" in told:
            await self.close()
            raise SandboxUnavailable(f"no CUDA device: {told['problem']}", NO_DEVICE_FIX)
        return Card(**told)

    async def close(self) -> None:
        """End the process that asks."""
        process, self._process, self._unread = self._process, None, 0
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):  # one that hangs in the driver is left to the kernel
                await asyncio.wait_for(process.wait(), _ANSWER_SECONDS)

    async def _ask(self) -> dict[str, Any]:
        """The newest answer. One who was cancelled while waiting has left an older one unread."""
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
            self._unread = 0
        elif self._process.stdin is not None:
            self._process.stdin.write(b"\n")
        assert self._process.stdout is not None
        self._unread += 1
        line = b""
        while self._unread:
            line = await self._process.stdout.readline()
            self._unread -= 1
        told: dict[str, Any] = json.loads(line)
        return told


def _environment() -> dict[str, str]:
    """Where the driver's library is, and nothing else: it has no business with our secrets."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


async def cleared(watch: Watch, baseline: int, seconds: float) -> float:
    """Wait until no more than the baseline is in use; how long that took. Raises SandboxUnavailable past `seconds`."""
    began = time.monotonic()
    while True:
        used = (await watch.card()).used_bytes
        waited = time.monotonic() - began
        if used <= baseline + SLACK_BYTES:
            return waited
        if waited > seconds:
            problem = (
                f"the GPU is unhealthy: {(used - baseline) >> 20} MiB of its memory are still held "
                f"{seconds:g} s after the last run ended"
            )
            raise SandboxUnavailable(problem, RESET_FIX)
        await asyncio.sleep(_POLL_SECONDS)
