"""What the GPU check runs, and a Python of its own to run it in. Standard library only; the snippets need torch."""

from __future__ import annotations

import asyncio
import contextlib
import time

END_SECONDS = 10.0
"""A killed process that is still there after this time hangs in the driver."""

FACTS = """
import json, sys
import torch
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "available": torch.cuda.is_available(),
                  "python": sys.version.split()[0]}), flush=True)
"""
FIRST = "print(torch.ones(2, device='cuda').sum().item(), flush=True)\n"
WAIT = "import sys; sys.stdin.readline()\n"
FILL = """
held = []
try:
    while True:
        held.append(torch.ones(1 << 26, device="cuda"))
except torch.cuda.OutOfMemoryError:
    pass
torch.cuda.synchronize()
print("full", len(held), flush=True)
"""
ENDLESS = 'torch.cuda._sleep(1 << 62)\nprint("begun", flush=True)\ntorch.cuda.synchronize()\nprint("ended")\n'
LOOK = """
import os
def opens(path):
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError:
        return False
    return True
print([torch.cuda.device_count(), sum(opens(f"/dev/nvidia{number}") for number in range(64))])
"""
LEAVE = "x = torch.full((1 << 26,), 12345.0, device='cuda'); torch.cuda.synchronize()"
SEARCH = "print(int((torch.empty(1 << 26, device='cuda') == 12345.0).sum()))"
FAULT = "torch.zeros(1, device='cuda')[torch.tensor([1 << 30], device='cuda')].cpu()"


class Failed(Exception):
    """A check could not be carried out; str() says why."""


class Process:
    """A Python of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, seconds: float, *, optional: bool = False) -> str:
        """Its next line, "" past the deadline when that is allowed. Raises Failed."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        try:
            read = (await asyncio.wait_for(self._process.stdout.readline(), seconds)).decode(errors="replace").strip()
        except TimeoutError:
            read = ""
            if not optional:
                raise Failed(f"no answer within {seconds:g} s") from None
        if not read and not optional:
            said = (await self._process.stderr.read()).decode(errors="replace").strip()
            raise Failed(said.splitlines()[-1] if said else "it ended without a word")
        return read

    def tell(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    async def killed(self) -> float:
        """Kill it; the seconds until it was gone. Raises Failed when it does not go."""
        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        try:
            await asyncio.wait_for(self._process.communicate(), END_SECONDS)
        except TimeoutError:
            raise Failed("the killed process does not end: it hangs in the driver") from None
        return since(began)


def since(began: float) -> float:
    """Seconds since a moment of the monotonic clock."""
    return round(time.monotonic() - began, 4)
