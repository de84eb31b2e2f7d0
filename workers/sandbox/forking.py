"""A fresh run tree from a jail's zygote: forked, in its control group, past its wall, waiting for a snippet."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import socket
import struct

from bot.core.runs import Limits
from workers.inside import wire
from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.cgroups import Cgroups
from workers.sandbox.frames import frame, readable, receive
from workers.sandbox.hearing import Output
from workers.sandbox.jail import Jail
from workers.sandbox.tree import RunTree, limited

_FORK_SECONDS = 15.0
_CREDENTIALS = struct.Struct("3i")
_SCM_CREDENTIALS = 2  # not in Python's socket module
INNER_FIX = (
    "let unprivileged processes make user namespaces and mount proc and tmpfs in them; in a container add "
    "`--security-opt systempaths=unconfined` and a seccomp profile with unshare, clone and mount. Not --privileged"
)


async def forked(jail: Jail, cgroups: Cgroups, limits: Limits, at_once: bool = False) -> RunTree:
    """A fresh tree from the jail's zygote, in its group and past its wall. `at_once`: a run waits for it; a spare first
    goes through a little of everything. Raises SandboxUnavailable."""
    over = asyncio.Event()
    async with contextlib.AsyncExitStack() as undo:
        jail.active += 1
        undo.callback(_leave, jail)
        try:
            async with asyncio.timeout(_FORK_SECONDS):
                channel, request, pipe, output = await _ordered(jail, limits, at_once, over, undo)
                group = cgroups.group()  # the kernel makes no group while it is being hastened
                undo.push_async_callback(group.remove)
                limited(group, limits)
                hastening = asyncio.create_task(asyncio.to_thread(cgroups.hasten))
                undo.push_async_callback(asyncio.wait, {hastening})
                pid = await _hello(channel)
                pidfd = os.pidfd_open(pid)
                undo.callback(os.close, pidfd)
                undo.callback(_end, pidfd)  # before its group is removed, and while it does not listen to us yet
                await asyncio.to_thread(group.attach, pid)
                reader, writer = await asyncio.open_connection(sock=channel)
                undo.callback(writer.close)
                writer.write(frame(wire.CONFINED))
                kind, payload = await receive(reader)
                if kind != wire.WARM:
                    raise wire.Closed(payload.decode(errors="replace"))
        except (OSError, wire.Closed, asyncio.IncompleteReadError, TimeoutError) as error:
            problem = f"the inner wall cannot be built: {error or 'not in time'}"
            raise SandboxUnavailable(problem, INNER_FIX) from error
        await hastening
        undo.pop_all()
    return RunTree(jail, group, pidfd, reader, writer, request, output, pipe, over, not cgroups.bounds_memory, limits)


def _leave(jail: Jail) -> None:
    jail.active -= 1


def _end(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


async def _ordered(
    jail: Jail, limits: Limits, at_once: bool, over: asyncio.Event, undo: contextlib.AsyncExitStack
) -> tuple[socket.socket, asyncio.Transport, asyncio.ReadTransport, Output]:
    """Ask the zygote; our ends of the new tree's sockets and output pipe, which `undo` closes."""
    (channel, theirs), (request, its) = socket.socketpair(), socket.socketpair()
    read_end, write_end = os.pipe()
    channel.setblocking(False)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # so that the kernel itself names init's pid to us
    undo.callback(channel.close)  # init leaves at the end of its stream
    undo.callback(request.close)
    read_file = undo.enter_context(io.FileIO(read_end))
    order = {"tmp_bytes": limits.tmp_bytes, "tmp_inodes": limits.tmp_inodes, "rehearses": not at_once}
    try:
        jail.order(order, theirs, its, write_end)
    finally:
        theirs.close()
        its.close()
        os.close(write_end)
    loop = asyncio.get_running_loop()
    pipe, output = await loop.connect_read_pipe(lambda: Output(over), read_file)
    undo.callback(pipe.close)
    asking, _ = await loop.create_connection(asyncio.Protocol, sock=request)
    undo.callback(asking.close)
    asking.pause_reading()  # nothing is said there; its end would wake us up while the first line runs
    return channel, asking, pipe, output


async def _hello(channel: socket.socket) -> int:
    """Init's pid as this process sees it, attached by the kernel to init's first frame."""
    await readable(channel.fileno(), _FORK_SECONDS)
    header, ancillary, _, _ = channel.recvmsg(wire.HEADER.size, socket.CMSG_SPACE(_CREDENTIALS.size))
    if len(header) < wire.HEADER.size:
        raise wire.Closed("the run ended before it was ready")
    kind, length = wire.HEADER.unpack(header)
    if kind != wire.HELLO:
        raise wire.Closed(channel.recv(length).decode(errors="replace"))
    for level, name, content in ancillary:
        if level == socket.SOL_SOCKET and name == _SCM_CREDENTIALS:
            return int(_CREDENTIALS.unpack(content)[0])
    raise wire.Closed("the kernel attached no credentials")
