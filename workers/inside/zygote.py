"""The zygote: imports torch once, stays single-threaded, and forks a run tree per request. It never sees a snippet."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import time

from workers.inside import gpu, init, kernel, landlock, memory, preload, seccomp, wall, wire
from workers.inside.order import Order
from workers.inside.syscalls import CHECKED

NICENESS = 5
"""Of everything in the jail, from the import of torch on: where a bot shares the machine, its answers come first."""


def main(descriptor: int, device: str = "") -> None:
    """Serve the supervisor on `descriptor` until it goes away. A jail that cannot be trusted says so and ends.
    `device`: the jail's GPU as gpu.parsed() reads it."""
    os.nice(NICENESS)
    control = socket.socket(fileno=descriptor)
    try:
        began = time.monotonic()
        own = gpu.parsed(device)
        prepared = preload.everything(own)
        landlock_version = landlock.version()
        filter_ = seccomp.prepared(gpu=bool(own))
        _assert_single_threaded()
        gpu.assert_untouched()
    except Exception as error:  # the edge of a process: the supervisor turns this into a refusal to serve
        wire.send(descriptor, wire.FAILED, f"{type(error).__name__}: {error}".encode())
        return
    memory.settle()
    facts = {"landlock": landlock_version, "seconds": round(time.monotonic() - began, 3), **prepared}
    wire.send(descriptor, wire.READY, json.dumps(facts).encode())
    _serve(control, landlock_version, filter_, own)


def _serve(control: socket.socket, landlock_version: int, filter_: bytes, own: gpu.Gpu) -> None:
    user, group = os.getuid(), os.getgid()
    clone = CHECKED["clone"][seccomp.ARCHITECTURES.index(platform.machine())]
    assert clone is not None
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the runs; their end is the supervisor's business
    while True:
        header, descriptors, _, _ = socket.recv_fds(control, wire.HEADER.size, 3)
        if not header:
            return
        kind, length = wire.HEADER.unpack(header)
        order = json.loads(control.recv(length, socket.MSG_WAITALL))
        if kind != wire.FORK or len(descriptors) != 3:
            raise wire.Closed(f"unexpected frame {kind!r}")
        channel, request, output = descriptors
        try:
            forked = kernel.fork_into(wall.NAMESPACES, clone)
        except OSError as error:
            wire.send(channel, wire.FAILED, f"{error}".encode())
        else:
            if forked == 0:
                os.close(control.detach())
                sizes = order["tmp_bytes"], order["tmp_inodes"]
                rehearses = order["rehearses"]
                init.main(
                    Order(channel, request, output, landlock_version, filter_, user, group, *sizes, own, rehearses)
                )
        for each in descriptors:
            os.close(each)


def _assert_single_threaded() -> None:
    tasks = os.listdir("/proc/self/task")
    if len(tasks) != 1:
        # libgomp and MKL pools do not survive a fork: the children would hang in their first parallel region.
        raise RuntimeError(f"the zygote has {len(tasks)} threads and must have one")
