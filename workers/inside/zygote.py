"""The zygote: imports torch once, stays single-threaded, and forks a run tree per request. It never sees a snippet."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import time

from workers.inside import child, init, landlock, seccomp, wall, wire

NICENESS = 5
"""Of everything in the jail, from the import of torch on: where a bot shares the machine, its answers come first."""


def main(descriptor: int) -> None:
    """Serve the supervisor on `descriptor` until it goes away. A jail that cannot be trusted says so and ends."""
    os.nice(NICENESS)
    control = socket.socket(fileno=descriptor)
    try:
        began = time.monotonic()
        prepared = child.preload()
        landlock_version = landlock.version()
        filter_ = seccomp.prepared()
        _assert_single_threaded()
    except Exception as error:  # the edge of a process: the supervisor turns this into a refusal to serve
        wire.send(descriptor, wire.FAILED, f"{type(error).__name__}: {error}".encode())
        return
    gc.collect()
    gc.freeze()  # so that no collection in a run touches, and so copies, the pages shared by all
    facts = {"landlock": landlock_version, "seconds": round(time.monotonic() - began, 3), **prepared}
    wire.send(descriptor, wire.READY, json.dumps(facts).encode())
    _serve(control, landlock_version, filter_)


def _serve(control: socket.socket, landlock_version: int, filter_: bytes) -> None:
    while True:
        header, descriptors, _, _ = socket.recv_fds(control, wire.HEADER.size, 2)
        if not header:
            return
        kind, length = wire.HEADER.unpack(header)
        order = json.loads(control.recv(length, socket.MSG_WAITALL))
        if kind != wire.FORK or len(descriptors) != 2:
            raise wire.Closed(f"unexpected frame {kind!r}")
        forked = os.fork()
        if forked == 0:
            os.close(control.detach())
            channel, output = descriptors
            _become_run(init.Order(channel, output, landlock_version, filter_, order["tmp_bytes"], order["tmp_inodes"]))
        for each in descriptors:
            os.close(each)
        os.waitpid(forked, 0)


def _become_run(order: init.Order) -> None:
    """In A: new namespaces, then B as their pid 1. Does not return."""
    try:
        # pid 1 ignores what it does not handle; Python's own handler for SIGINT would be handling it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        wall.enter_namespaces()
        if os.fork() == 0:
            init.main(order)
    except BaseException as error:  # nothing may unwind into the zygote's loop
        wire.send(order.channel, wire.FAILED, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(0)


def _assert_single_threaded() -> None:
    tasks = os.listdir("/proc/self/task")
    if len(tasks) != 1:
        # libgomp and MKL pools do not survive a fork: the children would hang in their first parallel region.
        raise RuntimeError(f"the zygote has {len(tasks)} threads and must have one")
