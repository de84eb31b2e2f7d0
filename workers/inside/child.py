"""The snippet's own process: locked in, made ready, given its snippet, ended as an interpreter ends."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import io
import json
import mmap
import os
import random
import resource
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

from workers.inside import gpu, kernel, landlock, report, seccomp, snippet, wall, wire
from workers.inside.order import Order
from workers.inside.preload import MAIN, NAMESPACE

_HOME = "/tmp"
_OUTPUT = "/tmp/output"
_ENVIRONMENT = {
    "HOME": _HOME,
    "KINETO_LOG_LEVEL": "99",  # or the profiler's own chatter is part of every output
    "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "OUTPUT_DIR": _OUTPUT,
    "PATH": "/usr/bin:/bin",
    "TMPDIR": _HOME,
}
_MOST_FIGURES = 32
_THREADS = 1
"""Threads of a torch operation until the snippet asks for more. Every core has a run of its own, and threads that share
their cores with others spin at each barrier: 300 small convolutions took 0.6 s on one thread and over 10 s on two while
the machine was busy. One thread also makes sums the same on every machine."""


def main(channel: int, page: mmap.mmap, order: Order) -> NoReturn:
    """In the snippet's process: lock this process in, say so, receive the snippet, run it, end. `channel` is init's."""
    own = order.gpu
    try:
        _connect(channel, order.request, order.output)
        _settle(own)
        if order.rehearses:
            _rehearse()
        _stand_back()
        _confine(order.landlock, order.filter, own)
        if own:
            gpu.open_context(NAMESPACE["torch"])
    except BaseException as error:  # nothing may unwind into the frames of init
        with contextlib.suppress(OSError):
            wire.send(_CHANNEL, wire.FAILED, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    wire.send(_CHANNEL, wire.WARM)
    try:
        asked = json.loads(wire.receive(_REQUEST)[1])
    except wire.Closed:
        os._exit(0)
    _limit(asked["limits"], asked["memory_unbounded"])
    _answer_input(snippet.typed(asked["source"]))
    code = _compile(asked["source"], page)
    terms = {name: asked["limits"][name] for name in ("files", "files_bytes")}
    wire.send(_CHANNEL, wire.READY, json.dumps({"compiled": code is not None, **terms}).encode())
    os.close(_CHANNEL)
    os.close(_REQUEST)  # from here on the snippet has descriptors 0, 1 and 2
    status = _execute(code, page) if code is not None else 1
    if own:
        report.write_gpu_peak(page, gpu.peak_bytes(sys.modules.get("torch")))
    _finish(status)


def _confine(landlock_version: int, filter_: bytes, own: gpu.Gpu) -> None:
    wall.renounce()
    if landlock_version:
        landlock.restrict(landlock_version, own.nodes)
    seccomp.install(filter_)


_CHANNEL = 3
"""To init."""
_REQUEST = 4
"""From the supervisor."""


def _connect(channel: int, request: int, output: int) -> None:
    # Above the range we assign, so that no dup2 overwrites what a later one reads.
    channel, request, output = _above(channel), _above(request), _above(output)
    null = _above(os.open("/dev/null", os.O_RDONLY))
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.dup2(channel, _CHANNEL, inheritable=False)
    os.dup2(request, _REQUEST, inheritable=False)
    os.closerange(_REQUEST + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _above(descriptor: int) -> int:
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD, 64)


def _settle(own: gpu.Gpu) -> None:
    """Everything that need not wait for the snippet: streams, environment, seeds, threads, the first touch of pages."""
    torch = NAMESPACE["torch"]
    threading._after_fork()  # type: ignore[attr-defined]  # the only hook that a single thread needs
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # inherited 0 from init; with it /proc/self would be closed to its owner
    os.setsid()
    _write("/proc/self/oom_score_adj", "1000")  # when memory ends, the kernel takes the snippet and not its init
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(_ENVIRONMENT | gpu.environment(own))
    os.chdir(_HOME)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    # Unbuffered: what was printed before a crash or os._exit is seen, and both streams keep their order.
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))
    random.seed()
    NAMESPACE["np"].random.seed()
    torch.default_generator.seed()  # torch.seed() would format a stack for each kind of device that is not here
    torch.set_num_threads(_THREADS)
    sys.modules["__main__"] = MAIN
    kernel.prctl(kernel.PR_SET_NAME, ctypes.addressof(ctypes.create_string_buffer(b"snippet")))


def _stand_back() -> None:
    """A processor that only runs occupy counts as idle for whoever wakes up, such as a bot on the same machine. How
    much time runs get is still their group's matter. Some containers do not permit it; then they only weigh less."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _rehearse() -> None:
    """A little of everything that a run does: a page is copied when first written, better now than on a user's time."""
    ours, theirs = socket.socketpair()
    request = {
        "source": "import torch\nprint(torch.ones(2))\ntorch.ones(2)",
        "limits": dict.fromkeys("abcdefghijklmnop", 1),  # about as many as there are
    }
    wire.send(ours.fileno(), wire.SNIPPET, json.dumps(request).encode())
    source = json.loads(wire.receive(theirs.fileno())[1])["source"]
    ours.close()
    theirs.close()
    for which in (resource.RLIMIT_CPU, resource.RLIMIT_CORE):
        resource.setrlimit(which, resource.getrlimit(which))
    snippet.typed(source)
    with open("/dev/null", "wb", buffering=0) as null, contextlib.redirect_stdout(_stream(null.fileno())):
        code = snippet.compiled(source)
        namespace = dict(NAMESPACE)
        exec(code.body, namespace)
        if code.value is not None:
            print(repr(eval(code.value, namespace)))
        try:
            exec(snippet.compiled("1 / 0").body, namespace)
        except ZeroDivisionError as error:
            snippet.described(error)


def _stream(descriptor: int) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _limit(limits: dict[str, Any], memory_unbounded: bool) -> None:
    bounds = {
        resource.RLIMIT_CPU: (limits["cpu_seconds"], limits["cpu_seconds"] + 1),
        resource.RLIMIT_NOFILE: (limits["open_files"],) * 2,
        resource.RLIMIT_FSIZE: (limits["file_bytes"],) * 2,
        resource.RLIMIT_NPROC: (limits["processes"],) * 2,
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_MEMLOCK: (1 << 20, 1 << 20),
    }
    if memory_unbounded:
        bounds[resource.RLIMIT_DATA] = (limits["memory_bytes"],) * 2
    for which, (soft, hard) in bounds.items():
        _, ceiling = resource.getrlimit(which)
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(which, (soft, hard))


def _answer_input(text: str | None) -> None:
    """Put what the snippet shall read in the place of its standard input; without it, that is empty."""
    if text is None:
        return
    descriptor = os.memfd_create("stdin")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(text.encode("utf-8", "replace"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.dup2(descriptor, 0)
    os.close(descriptor)


def _compile(source: str, page: mmap.mmap) -> snippet.Compiled | None:
    try:
        return snippet.compiled(source)
    except Exception as error:  # the compiler raises ValueError, MemoryError, RecursionError as well as SyntaxError
        report.write(page, *snippet.described(error))
        return None


def _execute(code: snippet.Compiled, page: mmap.mmap) -> int:
    """Run it as __main__; the exit status."""
    home = os.getpid()
    try:
        exec(code.body, NAMESPACE)
        if code.value is not None:
            _show(eval(code.value, NAMESPACE))
        status = 0
    except SystemExit as exit_:
        status = _exit_status(exit_)
    except BaseException as error:  # whatever the snippet raises is its result
        text, line = snippet.described(error)
        if os.getpid() == home:
            report.write(page, text, line)
        else:
            sys.stderr.write(text)
        status = 1
    if os.getpid() != home:
        _finish(status)  # a process the snippet forked: its end is not the run's
    _save_figures()
    return status


def _show(value: object) -> None:
    if value is not None:
        NAMESPACE["_"] = value
        print(repr(value))


def _exit_status(exit_: SystemExit) -> int:
    if exit_.code is None:
        return 0
    if isinstance(exit_.code, int):
        return exit_.code & 0xFF
    print(exit_.code, file=sys.stderr)
    return 1


def _finish(status: int) -> NoReturn:
    """End as an interpreter does (threads joined, atexit run, streams flushed) without tearing torch down."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        ctypes.CDLL(None).fflush(None)
    finally:
        os._exit(status)


def _save_figures() -> None:
    """Open figures come back without a savefig."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    try:
        for number in pyplot.get_fignums()[:_MOST_FIGURES]:
            pyplot.figure(number).savefig(f"{_OUTPUT}/figure-{number}.png", format="png")
    except Exception as error:  # matplotlib raises anything; the run itself has already ended well
        print(f"A figure could not be saved: {type(error).__name__}: {error}", file=sys.stderr)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
