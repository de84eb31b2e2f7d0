"""One run tree, ready or running, to its last process: used for one snippet, then gone with its control group."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.core.runs import Limits
from workers.inside import wire
from workers.limits import End
from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.cgroups import FIX as CGROUP_FIX
from workers.sandbox.frames import frame, readable, within
from workers.sandbox.hearing import Output, Story
from workers.sandbox.jail import Jail
from workers.sandbox.run_group import RunGroup

_FILES_SECONDS = 5.0
"""To collect the files of a run that has ended."""
_REAP_SECONDS = 10.0


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
    request: asyncio.WriteTransport
    """To the snippet's own process; init is not woken up."""
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
            limited(self.group, limits)
        self.output.room, self.output.listener = limits.output_bytes, listener
        request = {"source": source, "limits": _told(limits), "memory_unbounded": self.memory_unbounded}
        began = time.monotonic()
        self.request.write(frame(wire.SNIPPET, json.dumps(request).encode()))
        story = Story(self.over)
        listening = asyncio.create_task(story.listen(self.reader))
        try:
            in_time = await within(limits.seconds, self.over.wait())
            seconds = time.monotonic() - began
            ended_itself = bool(story.facts) and not self.output.capped
            if ended_itself:  # init has ended everything; only its own exit is to come
                await asyncio.wait({listening}, timeout=_FILES_SECONDS)
                await within(_FILES_SECONDS, self.output.ended.wait())
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
        if not _ended(self.pidfd):  # hurrying puts the other runs before the bot as well
            self.group.hurry()
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.group.kill()
            await readable(self.pidfd, _REAP_SECONDS)
        await within(_REAP_SECONDS, self.output.ended.wait())

    async def _discard(self) -> None:
        try:
            await self._kill()
        finally:
            self.request.abort()
            self.writer.close()
            self.pipe.close()
            os.close(self.pidfd)
            self.jail.active -= 1
            await self.group.remove()


@functools.lru_cache(maxsize=8)
def _told(limits: Limits) -> dict[str, Any]:
    return asdict(limits)


def limited(group: RunGroup, limits: Limits) -> None:
    """Hold a run to its limits. Raises SandboxUnavailable."""
    try:
        group.limit(limits)
    except OSError as error:
        raise SandboxUnavailable(f"the run's control group refuses its limits: {error}", CGROUP_FIX) from error


def _ended(pidfd: int) -> bool:
    asked = select.poll()  # takes descriptors of any number
    asked.register(pidfd, select.POLLIN)
    return bool(asked.poll(0))
