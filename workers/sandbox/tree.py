"""One run tree, from the zygote's fork to its last process: used for one snippet, then gone with its cgroup."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import io
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.core.runs import Limits
from workers.inside import wire
from workers.limits import End
from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.cgroups import FIX as CGROUP_FIX
from workers.sandbox.cgroups import Cgroups, RunGroup
from workers.sandbox.jail import Jail

_FORK_SECONDS = 15.0
_FILES_SECONDS = 5.0
"""To collect the files of a run that has ended."""
_REAP_SECONDS = 10.0
_CREDENTIALS = struct.Struct("3i")
_SCM_CREDENTIALS = 2  # not in Python's socket module
INNER_FIX = (
    "let unprivileged processes make user namespaces and mount proc and tmpfs in them; in a container add "
    "`--security-opt systempaths=unconfined` and a seccomp profile with unshare, clone and mount. Not --privileged"
)


class Output(asyncio.Protocol):
    """The run's text as it comes, up to its limit in bytes."""

    def __init__(self, over: asyncio.Event) -> None:
        self.text: list[str] = []
        self.capped = False
        self.ended = asyncio.Event()
        self.listener: Callable[[str], None] | None = None
        self.room = Limits().output_bytes
        self._over = over
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def data_received(self, data: bytes) -> None:
        """Keep what fits; the first byte too many says that the run is over."""
        kept = data[: self.room]
        self.room -= len(kept)
        self._say(self._decoder.decode(kept))
        if len(kept) < len(data):
            self.capped = True
            self._over.set()

    def connection_lost(self, error: Exception | None) -> None:
        """The last process that could print has gone."""
        if not self.capped:  # a character cut by the limit is left out, not shown as broken
            self._say(self._decoder.decode(b"", final=True))
        self.ended.set()

    def _say(self, text: str) -> None:
        if text:
            self.text.append(text)
            if self.listener is not None:
                self.listener(text)


@dataclass(slots=True)
class Story:
    """What init tells of the end: status, the snippet's own words about its error, files."""

    over: asyncio.Event
    facts: dict[str, Any] = field(default_factory=dict)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    dropped: int = 0

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Read frames until the last; returns early when the stream ends."""
        try:
            while True:
                kind, payload = await _receive(reader)
                if kind == wire.ENDED:
                    self.facts = json.loads(payload)
                    self.over.set()
                elif kind == wire.FILE:
                    self.files.append(_file(payload))
                elif kind == wire.DONE:
                    self.dropped = json.loads(payload)["dropped"]
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.over.set()


@dataclass(frozen=True, slots=True)
class Remains:
    """Everything a run left behind."""

    end: End
    output: str
    error: str
    line: int | None
    seconds: float
    peak_memory_bytes: int | None
    files: tuple[tuple[str, bytes], ...]
    dropped: int
    gpu_peak_bytes: int | None
    """Of a run with a GPU, in its own words."""
    lost: bool
    """The jail ended under the run, and not by our hand: nothing is known about the snippet."""


@dataclass(slots=True, eq=False)
class RunTree:
    """A ready, confined, single-use process tree waiting for its snippet."""

    jail: Jail
    group: RunGroup
    pidfd: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    output: Output
    pipe: asyncio.ReadTransport
    over: asyncio.Event
    memory_unbounded: bool
    limits: Limits
    """What its group holds it to already."""
    born: float = field(default_factory=time.monotonic)
    _discarding: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> bool:
        """Whether it is still there for a snippet."""
        return self.jail.alive and not self.reader.at_eof() and not self.output.ended.is_set()

    async def run(self, source: str, limits: Limits, listener: Callable[[str], None] | None) -> Remains:
        """Run `source` to its end, whatever that is. Afterwards nothing of it is left but what discard() removes."""
        try:
            return await self._run(source, limits, listener)
        except BaseException:
            await self.discard()
            raise

    async def discard(self) -> None:
        """Kill whatever is left, reap it, remove its group. Safe to call again; finishes even when cancelled."""
        if self._discarding is None:
            self._discarding = asyncio.create_task(self._discard())
        await asyncio.shield(self._discarding)

    async def _run(self, source: str, limits: Limits, listener: Callable[[str], None] | None) -> Remains:
        if limits != self.limits:
            _limited(self.group, limits)
        self.output.room, self.output.listener = limits.output_bytes, listener
        request = {"source": source, "limits": asdict(limits), "memory_unbounded": self.memory_unbounded}
        story = Story(self.over)
        listening = asyncio.create_task(story.listen(self.reader))
        began = time.monotonic()
        try:
            self.writer.write(_frame(wire.SNIPPET, json.dumps(request).encode()))
            in_time = await _within(limits.seconds, self.over.wait())
            seconds = time.monotonic() - began
            ended_itself = bool(story.facts) and not self.output.capped
            if ended_itself:  # init has ended everything; only its own exit is to come
                await asyncio.wait({listening}, timeout=_FILES_SECONDS)
                await _within(_FILES_SECONDS, self.output.ended.wait())
            else:
                await self._kill()
        finally:
            listening.cancel()
            await asyncio.wait({listening})
        return self._remains(story, seconds, timed_out=not (in_time or ended_itself))

    def _remains(self, story: Story, seconds: float, timed_out: bool) -> Remains:
        facts = story.facts
        end = End(
            exit_status=facts.get("status"),
            signal=facts.get("signal"),
            compiled=facts.get("compiled", True),
            timed_out=timed_out,
            output_capped=self.output.capped,
            memory_kills=self.group.memory_kills(),
            cpu_seconds=facts.get("cpu_seconds", 0.0),
        )
        return Remains(
            end=end,
            output="".join(self.output.text),
            error=facts.get("error", ""),
            line=facts.get("line"),
            seconds=seconds,
            peak_memory_bytes=self.group.peak_memory_bytes() or facts.get("resident_bytes"),
            files=tuple(story.files),
            dropped=story.dropped,
            gpu_peak_bytes=facts.get("gpu_peak_bytes") or None,
            lost=not (facts or timed_out or end.output_capped or end.memory_kills),
        )

    async def _kill(self) -> None:
        """The end of init ends its whole process namespace; its descriptor turns readable after the last of them."""
        self.group.hurry()
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        await _readable(self.pidfd, _REAP_SECONDS)
        await _within(_REAP_SECONDS, self.output.ended.wait())

    async def _discard(self) -> None:
        try:
            await self._kill()
        finally:
            self.writer.close()
            self.pipe.close()
            os.close(self.pidfd)
            self.jail.active -= 1
            await self.group.remove()


async def forked(jail: Jail, cgroups: Cgroups, limits: Limits) -> RunTree:
    """A fresh tree from the jail's zygote, in its group and past its wall. Raises SandboxUnavailable."""
    over = asyncio.Event()
    async with contextlib.AsyncExitStack() as undo:
        jail.active += 1
        undo.callback(_leave, jail)
        try:
            async with asyncio.timeout(_FORK_SECONDS):
                hastening = asyncio.create_task(asyncio.to_thread(cgroups.hasten))
                undo.push_async_callback(asyncio.wait, {hastening})
                channel, pipe, output = await _ordered(jail, limits, over)
                undo.callback(channel.close)  # init leaves at the end of its stream
                undo.callback(pipe.close)
                pid = await _hello(channel)
                pidfd = os.pidfd_open(pid)
                undo.callback(os.close, pidfd)
                group = cgroups.group()
                undo.push_async_callback(group.remove)
                _limited(group, limits)
                await asyncio.to_thread(group.attach, pid)
                reader, writer = await asyncio.open_connection(sock=channel)
                undo.callback(writer.close)
                writer.write(_frame(wire.CONFINED))
                kind, payload = await _receive(reader)
                if kind != wire.WARM:
                    raise wire.Closed(payload.decode(errors="replace"))
        except (OSError, wire.Closed, asyncio.IncompleteReadError, TimeoutError) as error:
            problem = f"the inner wall cannot be built: {error or 'not in time'}"
            raise SandboxUnavailable(problem, INNER_FIX) from error
        await hastening
        undo.pop_all()
    return RunTree(jail, group, pidfd, reader, writer, output, pipe, over, not cgroups.bounds_memory, limits)


def _limited(group: RunGroup, limits: Limits) -> None:
    try:
        group.limit(limits)
    except OSError as error:
        raise SandboxUnavailable(f"the run's control group refuses its limits: {error}", CGROUP_FIX) from error


def _leave(jail: Jail) -> None:
    jail.active -= 1


async def _ordered(
    jail: Jail, limits: Limits, over: asyncio.Event
) -> tuple[socket.socket, asyncio.ReadTransport, Output]:
    """Ask the zygote; our ends of the new tree's socket and output pipe."""
    channel, theirs = socket.socketpair()
    read_end, write_end = os.pipe()
    channel.setblocking(False)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # so that the kernel itself names init's pid to us
    try:
        jail.order({"tmp_bytes": limits.tmp_bytes, "tmp_inodes": limits.tmp_inodes}, theirs, write_end)
    except OSError:
        channel.close()
        os.close(read_end)
        raise
    finally:
        theirs.close()
        os.close(write_end)
    loop = asyncio.get_running_loop()
    pipe, output = await loop.connect_read_pipe(lambda: Output(over), io.FileIO(read_end))
    return channel, pipe, output


async def _hello(channel: socket.socket) -> int:
    """Init's pid as this process sees it, attached by the kernel to init's first frame."""
    await _readable(channel.fileno(), _FORK_SECONDS)
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


async def _receive(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind, length = wire.HEADER.unpack(await reader.readexactly(wire.HEADER.size))
    return kind, await reader.readexactly(length) if length else b""


def _frame(kind: bytes, payload: bytes = b"") -> bytes:
    return wire.HEADER.pack(kind, len(payload)) + payload


def _file(payload: bytes) -> tuple[str, bytes]:
    length = int.from_bytes(payload[:4], "big")
    return str(json.loads(payload[4 : 4 + length])), payload[4 + length :]


async def _within(seconds: float, waiting: Coroutine[Any, Any, object]) -> bool:
    """Whether it came in time."""
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        return False
    return True


async def _readable(descriptor: int, seconds: float) -> None:
    """Wait for a descriptor. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        async with asyncio.timeout(seconds):
            await ready.wait()
    finally:
        loop.remove_reader(descriptor)
