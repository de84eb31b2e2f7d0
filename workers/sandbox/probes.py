"""The self-test at start: snippets that try what must not work, in the real jail, before the worker serves anyone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from bot.core.runs import Limits, Outcome, RunResult
from workers.sandbox.base import SelfTest
from workers.sandbox.cgroups import FIX as CGROUP_FIX

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
    "no host files": not any(map(os.path.exists, ("/etc/shadow", "/home", "/var", "/run", "/proc/sys"))),
    "only its own loopback": [name for _, name in socket.if_nameindex()] == ["lo"],
    "no network": not connected(("192.0.2.1", 80)),
    "no vsock": refused(socket.socket, 40, socket.SOCK_STREAM),
}))
open("output/proof.txt", "w").write("proof");
"""
_FILL_SHARED_MEMORY = "import mmap\npage = mmap.mmap(-1, 1 << 29)\nfor at in range(0, 1 << 29, 4096): page[at] = 1"
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


async def tested(sandbox: _Runs, facts: Mapping[str, Any], memory_bounded: bool) -> SelfTest:
    """Probe the jail. The problem names every probe that failed."""
    began = time.monotonic()
    os.environ[_CANARY] = "1"
    try:
        looked = await sandbox.run(_LOOK_AROUND.replace("CANARY", repr(_CANARY)), Limits())
    finally:
        del os.environ[_CANARY]
    held = _answers(looked)
    held["files come back"] = [file.content for file in looked.files] == [b"proof"]
    slow = await sandbox.run("while True: pass", Limits(seconds=0.2))
    held["a run that does not end is ended"] = slow.outcome is Outcome.TIMED_OUT
    forked = await sandbox.run(_FORK_MANY, replace(Limits(), processes=16, seconds=5.0))
    held["processes are limited"] = forked.output.strip().isdigit() and int(forked.output) <= 16
    greedy = Limits(memory_bytes=192 << 20)
    if memory_bounded:
        filled = await sandbox.run(_FILL_SHARED_MEMORY, greedy)
        held["memory is limited"] = filled.outcome is Outcome.OUT_OF_MEMORY
    failed = [name for name, holds in held.items() if not holds]
    return SelfTest(
        probes=len(held),
        seconds=round(time.monotonic() - began, 3),
        problem=f"the self-test failed: not true that {'; '.join(failed)}" if failed else "",
        fix=(CGROUP_FIX if failed == ["memory is limited"] else _WALL_FIX) if failed else "",
        warnings=() if facts.get("landlock") else ("this kernel has no Landlock: the third layer is missing",),
    )


def _answers(looked: RunResult) -> dict[str, bool]:
    try:
        held: dict[str, bool] = json.loads(looked.output)
    except ValueError:
        return {f"a first snippet runs ({looked.outcome}: {looked.error or looked.output})": False}
    return held
