"""Pid 1 of a run: trusted, unprivileged, waits for the snippet, ends everything, collects files, reports."""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
from typing import Any

from workers.inside import child, collect, kernel, report, wall, wire
from workers.inside.order import Order

OUTPUT_FOLDER = "/tmp/output"


def main(order: Order) -> None:
    """Build the wall, fork the snippet's process, see it through. Does not return."""
    try:
        _run(order)
    except wire.Closed:
        pass  # the supervisor went away, and with us everything here ends
    except BaseException as error:  # the edge of a process
        wire.send(order.channel, wire.FAILED, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(0)


def _run(order: Order) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the zygote ignores it; we wait for the snippet
    # Pid 1 ignores what it does not handle; Python's own handler for SIGINT would be handling it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    wall.name_user(order.user, order.group)
    wall.build(order.tmp_bytes, order.tmp_inodes, whole_proc=bool(order.gpu))
    os.mkdir(OUTPUT_FOLDER, 0o700)
    # Held from before the first line of the snippet: whatever it puts in this place later, we read this folder.
    folder = os.open(OUTPUT_FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    wall.renounce()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # the snippet has our uid; this hides our memory and descriptors from it
    page = mmap.mmap(-1, report.SIZE)
    wire.send(order.channel, wire.HELLO)
    _expect(order.channel, wire.CONFINED)
    ours, theirs = socket.socketpair()
    snippet = kernel.fork()
    if snippet == 0:
        child.main(theirs.detach(), page, order)
    theirs.close()
    for each in (order.request, order.output):
        os.close(each)
    _expect(ours.fileno(), wire.WARM)
    wire.send(order.channel, wire.WARM)
    status, usage = _wait_for(snippet)
    begun = _begun(ours)
    _end_everything()
    ended = {
        "status": status if status >= 0 else None,
        "signal": -status if status < 0 else None,
        "compiled": begun["compiled"],
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "resident_bytes": usage.ru_maxrss * 1024,
        **report.read(page),
    }
    wire.send(order.channel, wire.ENDED, json.dumps(ended).encode())
    dropped = 0
    for name, content in collect.files(folder, begun["files"], begun["files_bytes"]):
        if content is None:
            dropped += 1
        else:
            header = json.dumps(name).encode()
            wire.send(order.channel, wire.FILE, len(header).to_bytes(4, "big") + header + content)
    wire.send(order.channel, wire.DONE, json.dumps({"dropped": dropped}).encode())


def _expect(descriptor: int, kind: bytes) -> bytes:
    received, payload = wire.receive(descriptor)
    if received == wire.FAILED:
        raise RuntimeError(payload.decode(errors="replace"))
    if received != kind:
        raise wire.Closed(f"expected frame {kind!r}, received {received!r}")
    return payload


def _begun(snippet: socket.socket) -> dict[str, Any]:
    """What its process left in the socket before the first line of the snippet, which has no way there: not forged.
    Read at the end, because to wake up for it would take the processor from the snippet's first lines."""
    try:
        begun: dict[str, Any] = json.loads(_expect(snippet.fileno(), wire.READY))
        return begun
    except (wire.Closed, OSError):
        return {"compiled": True, "files": 0, "files_bytes": 0}  # the compiler itself died; the status tells how
    finally:
        snippet.close()


def _wait_for(pid: int) -> tuple[int, Any]:
    """Reap orphans until `pid` ends; its exit status, or minus the signal that ended it, and what it used."""
    while True:
        reaped, status, usage = os.wait4(-1, 0)
        if reaped == pid:
            return os.waitstatus_to_exitcode(status), usage


def _end_everything() -> None:
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
