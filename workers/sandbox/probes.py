"""The self-test at start: snippets that try what must not work, in the real jail, before the worker serves anyone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from bot.core.runs import Limits, Outcome, RunResult
from workers.limits import LIMITS
from workers.sandbox.base import SelfTest
from workers.sandbox.cgroups import FIX as CGROUP_FIX
from workers.sandbox.profile import Profile

_CANARY = "TORCHQUIZ_SELF_TEST_CANARY"
_WALL_FIX = "the jail is not closed on this machine: report what `python -m workers.sandbox --self-test` says"

# Each line of the answer: what must hold, and whether it does. Written as a snippet because only a snippet can tell.
_LOOK_AROUND = """
import ctypes, json, os, resource, socket
libc = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
def refused(action, *arguments):
    try:
        action(*arguments)
    except OSError:
        return True
    return False
def connected(address):
    with socket.socket() as plug:
        plug.settimeout(0.2)
        return plug.connect_ex(address) == 0
print(json.dumps({
    "torch computes": torch.ones(2).sum().item() == 2,
    "no capabilities": all(int(status[each], 16) == 0 for each in ("CapPrm", "CapEff", "CapBnd")),
    "no new privileges": status["NoNewPrivs"].strip() == "1",
    "system calls are filtered": status["Seccomp"].strip() == "2",
    "no further namespaces": libc.unshare(0x10000000) == -1,
    "no mounts": libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == -1,
    "no tracing": libc.ptrace(0, 0, 0, 0) == -1,
    "a process list of its own": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()) == [1, 2],
    "init is closed": refused(os.listdir, "/proc/1/fd"),
    "no secret in the environment": CANARY not in os.environ,
    "only standard descriptors": all(not os.path.exists(f"/proc/self/fd/{each}") for each in range(3, 64)),
    "the root is read-only": refused(open, "/written", "w") and refused(open, "/venv/written", "w"),
    "no host files": not any(map(os.path.exists, ("/etc/shadow", "/home", "/var", "/run", *HIDDEN))),
    "only its own devices": sorted(each for each in os.listdir("/dev") if each.startswith("nvidia")) == DEVICES,
    "only its own loopback": [name for _, name in socket.if_nameindex()] == ["lo"],
    "no network": not connected(("192.0.2.1", 80)),
    "no vsock": refused(socket.socket, 40, socket.SOCK_STREAM),
}))
open("output/proof.txt", "w").write("proof");
"""
_FILL_SHARED_MEMORY = """
import mmap
page, part = mmap.mmap(-1, SIZE), b"1" * (1 << 22)
for at in range(0, SIZE, 1 << 22): page[at:at + (1 << 22)] = part
"""
_ONE_GPU = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print([torch.cuda.device_count(), torch.ones(2, device="cuda").sum().item(), libc.ioctl(0, 0x5412, b"x")])
"""
_FEW = 16
_FORK_MANY = """
import os, time
for made in range(200):
    try:
        if os.fork() == 0:
            time.sleep(60)
    except OSError:
        break
print(made)
"""


class _Runs(Protocol):
    async def run(self, source: str, limits: Limits) -> RunResult: ...


async def tested(sandbox: _Runs, facts: Mapping[str, Any], memory_bounded: bool, profile: Profile) -> SelfTest:
    """Probe the jail. The problem names every probe that failed."""
    began = time.monotonic()
    usual = LIMITS[profile.capability]
    os.environ[_CANARY] = "1"
    try:
        looked = await sandbox.run(_look_around(profile), usual)
    finally:
        del os.environ[_CANARY]
    held = _answers(looked)
    held["files come back"] = [file.content for file in looked.files] == [b"proof"]
    slow = await sandbox.run("while True: pass", Limits(seconds=0.2))
    held["a run that does not end is ended"] = slow.outcome is Outcome.TIMED_OUT
    forked = await sandbox.run(_FORK_MANY, replace(usual, processes=_FEW, seconds=5.0))
    held["processes are limited"] = forked.output.strip().isdigit() and int(forked.output) <= _FEW
    if memory_bounded:
        # A run with a GPU holds some hundred MiB already; its bound cannot be set below that.
        bound = (2 << 30) if profile.visible else (192 << 20)
        fill = _FILL_SHARED_MEMORY.replace("SIZE", str(max(1 << 29, 2 * bound)))
        filled = await sandbox.run(fill, replace(usual, memory_bytes=bound, seconds=60.0))  # on the busiest machine
        held["memory is limited"] = filled.outcome is Outcome.OUT_OF_MEMORY
    if profile.visible:
        only = await sandbox.run(_ONE_GPU, usual)
        held["one GPU computes, and no terminal can be typed into"] = only.output.strip() == "[1, 2.0, -1]"
    failed = [name for name, holds in held.items() if not holds]
    return SelfTest(
        probes=len(held),
        seconds=round(time.monotonic() - began, 3),
        problem=f"the self-test failed: not true that {'; '.join(failed)}" if failed else "",
        fix=(CGROUP_FIX if failed == ["memory is limited"] else _WALL_FIX) if failed else "",
        warnings=() if facts.get("landlock") else ("this kernel has no Landlock: the third layer is missing",),
    )


def _look_around(profile: Profile) -> str:
    nodes = {place.removeprefix("/dev/").split("/")[0] for _, place in profile.devices}
    words = {
        "CANARY": repr(_CANARY),
        "HIDDEN": repr(() if profile.visible else ("/proc/sys",)),
        "DEVICES": repr(sorted(nodes)),
    }
    source = _LOOK_AROUND
    for word, value in words.items():
        source = source.replace(word, value)
    return source


def _answers(looked: RunResult) -> dict[str, bool]:
    try:
        held: dict[str, bool] = json.loads(looked.output)
    except ValueError:
        return {f"a first snippet runs ({looked.outcome}: {looked.error or looked.output})": False}
    return held
