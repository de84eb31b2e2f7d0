"""Real processes of the product, started as a person would, and always ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

READY_SECONDS = 60.0
WORKER_SECONDS = 120.0
END_SECONDS = 60.0


@dataclass
class Demo:
    """A running `torchquiz demo`, or another command that serves."""

    process: asyncio.subprocess.Process
    url: str = ""
    lines: list[str] = field(default_factory=list)

    async def line(self, pattern: str, seconds: float) -> re.Match[str]:
        """The first line that matches, printed already or still to come."""
        assert self.process.stdout is not None
        for printed in self.lines:
            if match := re.search(pattern, printed):
                return match
        async with asyncio.timeout(seconds):
            while raw := await self.process.stdout.readline():
                self.lines.append(raw.decode())
                if match := re.search(pattern, raw.decode()):
                    return match
        raise AssertionError(f"it ended without {pattern!r}: {self.lines}")

    async def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """End it and return its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), END_SECONDS)

    async def end(self) -> None:
        """End it as a person would, so that it takes its server along; by force when it does not hear."""
        try:
            await self.stop()
        except TimeoutError:
            await self.stop(signal.SIGKILL)


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a product that keeps its state in `home` and knows of no other Redis."""
    kept = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "TORCHQUIZ_CONTENT")}
    return {**kept, "TORCHQUIZ_HOME": str(home), "PORT": "0", **(extra or {})}


@asynccontextmanager
async def demo(home: Path, *arguments: str) -> AsyncIterator[Demo]:
    """A demo that serves its page; stopped at the end if it still runs."""
    async with serving(home, ("demo", *arguments), r"(http://\S+)") as running:
        yield running


@asynccontextmanager
async def serving(
    home: Path, command: Sequence[str], ready: str, extra: Mapping[str, str] | None = None
) -> AsyncIterator[Demo]:
    """A command that serves until it is stopped, once it has printed a line that matches `ready`, whose first group is
    its address; stopped at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *command,
        env=environment(home, extra),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    running = Demo(process)
    try:
        running.url = (await running.line(ready, READY_SECONDS))[1]
        yield running
    finally:
        await running.end()


async def torchquiz(
    home: Path, *arguments: str, stdin: str = "", extra: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Run a command to its end; returns exit status, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        env=environment(home, extra),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), WORKER_SECONDS)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def belonging_to(home: Path) -> Sequence[str]:
    """Command lines of the processes whose command line or environment names `home`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                about = command + (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(home) in about:
                found.append(command)
    return found


async def nobody_left(home: Path, seconds: float = 10.0) -> Sequence[str]:
    """What still belongs to `home` after at most `seconds`; empty when all has ended."""
    left = belonging_to(home)
    for _ in range(int(seconds * 20)):
        if not left:
            break
        await asyncio.sleep(0.05)
        left = belonging_to(home)
    return left
