"""One outer jail: a bubblewrap process with a warm zygote in it, and the orders we send the zygote."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from workers.inside import wire
from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.plan import Plan

_START_SECONDS = 120.0  # importing torch from a cold disk
_END_SECONDS = 5.0
_COMPLAINT_BYTES = 2000

_NO_NAMESPACES = (
    "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1; in a container a seccomp profile that permits "
    "unshare, clone and mount; on Ubuntu 24.04 an AppArmor profile for bwrap. Not --privileged"
)
_FIXES = {
    "No permissions to create new namespace": _NO_NAMESPACES,
    "setting up uid map: Permission denied": _NO_NAMESPACES,
    "Permission denied": "let the worker's user read its Python and site-packages folders",
    "No module named": "install Torchquiz with its extra: pip install torchquiz[run]",
    "mount": "let the container mount: a seccomp profile with mount calls, `--security-opt systempaths=unconfined`",
}


@dataclass(slots=True, eq=False)
class Jail:
    """A started jail. `uses` counts the run trees forked from it, `active` those still alive."""

    process: asyncio.subprocess.Process
    control: socket.socket
    complaints: IO[bytes]
    facts: dict[str, Any]
    born: float = field(default_factory=time.monotonic)
    uses: int = 0
    active: int = 0
    retired: bool = False

    @property
    def alive(self) -> bool:
        """Whether its zygote can still be asked."""
        return self.process.returncode is None

    def order(self, order: dict[str, Any], channel: socket.socket, request: socket.socket, output: int) -> None:
        """Ask for a run tree that talks on `channel`, hears its snippet on `request` and prints to `output`. Raises
        OSError when the zygote is gone."""
        payload = json.dumps(order).encode()
        frame = wire.HEADER.pack(wire.FORK, len(payload)) + payload
        socket.send_fds(self.control, [frame[: wire.HEADER.size]], [channel.fileno(), request.fileno(), output])
        self.control.sendall(frame[wire.HEADER.size :])
        self.uses += 1

    async def close(self) -> None:
        """End the jail and everything in it. Raises TimeoutError when it does not end though killed."""
        self.control.close()  # the zygote leaves at the end of its stream
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await self.process.wait()
        finally:
            self.complaints.close()


async def opened(plan: Plan) -> Jail:
    """Start bubblewrap and wait until the zygote is warm. Raises SandboxUnavailable with what to do."""
    with contextlib.ExitStack() as undo:
        ours, theirs = (undo.enter_context(end) for end in socket.socketpair())
        complaints = undo.enter_context(tempfile.TemporaryFile())
        with theirs, _files(plan) as files:
            process = await asyncio.create_subprocess_exec(
                *plan.command(theirs.fileno(), files),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                pass_fds=(theirs.fileno(), *files.values()),
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            )
        undo.pop_all()
    jail = Jail(process, ours, complaints, {})
    try:
        async with asyncio.timeout(_START_SECONDS):
            jail.facts = await _greeting(ours)
    except (wire.Closed, OSError, TimeoutError) as error:
        said = _said(complaints)
        await jail.close()
        raise _unavailable(str(error) or "the jail did not get ready in time", said) from error
    except BaseException:
        await jail.close()
        raise
    ours.setblocking(True)  # orders are a few hundred bytes
    return jail


async def _greeting(control: socket.socket) -> dict[str, Any]:
    control.setblocking(False)
    kind, length = wire.HEADER.unpack(await _exactly(control, wire.HEADER.size))
    payload = await _exactly(control, length)
    if kind != wire.READY:
        raise wire.Closed(payload.decode(errors="replace"))
    facts: dict[str, Any] = json.loads(payload)
    return facts


async def _exactly(control: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = await asyncio.get_running_loop().sock_recv(control, size - len(received))
        if not part:
            raise wire.Closed("the jail ended before it was ready")
        received += part
    return received


@contextlib.contextmanager
def _files(plan: Plan) -> Iterator[dict[str, int]]:
    """A readable descriptor for each of the plan's small files."""
    with contextlib.ExitStack() as stack:
        descriptors: dict[str, int] = {}
        for place, text in plan.files.items():
            descriptor = os.memfd_create("torchquiz")
            stack.callback(os.close, descriptor)
            os.pwrite(descriptor, text.encode(), 0)  # leaves the position at the start
            descriptors[place] = descriptor
        yield descriptors


def _said(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read()[-_COMPLAINT_BYTES:].decode(errors="replace").strip()


def _unavailable(problem: str, said: str) -> SandboxUnavailable:
    whole = f"{problem}: {said}" if said else problem
    for mark, fix in _FIXES.items():
        if mark in whole:
            return SandboxUnavailable(whole, fix)
    return SandboxUnavailable(whole, "run `python -m workers.sandbox --self-test` as the worker's user and report this")
