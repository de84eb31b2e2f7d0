"""A network of namespaces: a hub with a Redis, and hosts on links of their own that tests may cut.

It needs what the sandbox needs too, unprivileged user namespaces (or root), and `ip` of iproute2. Where that is
missing it raises, naming what: a fault that cannot be made is not a fault survived.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.store.binaries import Preference, candidates

PORT = 6379
READY_SECONDS = 20.0
PATH = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"  # `ip` is there, and not on everyone's path
PROGRAMS = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux"}


class NoNetwork(Exception):
    """Network namespaces cannot be made here."""


@dataclass
class Network:
    """The hub and its hosts. `socket` reaches the hub's Redis from outside, past every link."""

    socket: Path
    stack: AsyncExitStack
    hub: int
    hosts: dict[str, int] = field(default_factory=dict)

    async def host(self, name: str) -> tuple[str, tuple[str, ...]]:
        """A new host: the URL of the Redis from there, and the command that starts another there."""
        subnet = f"10.77.{len(self.hosts)}"
        self.hosts[name] = await _holder(self.stack, *_in(self.hub), "unshare", "--net")
        await _done(
            *_in(self.hub), "ip", "link", "add", name, "type", "veth", "peer", "uplink", "netns", f"{self.hosts[name]}"
        )
        await _up(self.hub, name, f"{subnet}.1/24")
        await _up(self.hosts[name], "uplink", f"{subnet}.2/24")
        return f"redis://{subnet}.1:{PORT}/0", _in(self.hosts[name])

    async def cut(self, name: str) -> None:
        """Nothing passes between the hub and this host any more, and neither is told."""
        await _done(*_in(self.hub), "ip", "link", "set", name, "down")

    async def mend(self, name: str) -> None:
        """The link carries again."""
        await _done(*_in(self.hub), "ip", "link", "set", name, "up")


@asynccontextmanager
async def a_network(folder: Path) -> AsyncIterator[Network]:
    """A hub with a Redis that keeps its data in `folder`. Raises NoNetwork."""
    missing = [
        f"{program} (package {package})"
        for program, package in PROGRAMS.items()
        if not shutil.which(program, path=PATH)
    ]
    if missing:
        raise NoNetwork(f"missing: {', '.join(missing)}")
    async with AsyncExitStack() as stack:
        hub = await _holder(stack, "unshare", "--user", "--map-root-user", "--net")
        socket = folder / "hub.sock"
        server = (await candidates(Preference.AUTO))[0].path
        settings = f"--port {PORT} --bind 0.0.0.0 --protected-mode no --unixsocket {socket} --dir {folder} --save"
        await _started(stack, *_in(hub), str(server), *settings.split(), "")
        async with asyncio.timeout(READY_SECONDS):
            while not socket.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.02)
        yield Network(socket, stack, hub)


def _in(holder: int) -> tuple[str, ...]:
    return ("nsenter", "--target", str(holder), "--user", "--net", "--preserve-credentials")


async def _holder(stack: AsyncExitStack, *command: str) -> int:
    """A process that keeps the namespaces open which `command` makes."""
    process = await _started(stack, *command, "sh", "-c", "echo made; exec sleep 600")
    assert process.stdout is not None
    async with asyncio.timeout(READY_SECONDS):
        if not await process.stdout.readline():
            raise NoNetwork(f"`{' '.join(command)}` is not permitted here")
    return process.pid


async def _started(stack: AsyncExitStack, *command: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PATH": PATH}
    )
    stack.push_async_callback(_ended, process)
    return process


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def _up(holder: int, link: str, address: str) -> None:
    await _done(*_in(holder), "ip", "address", "add", address, "dev", link)
    await _done(*_in(holder), "ip", "link", "set", link, "up")


async def _done(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stderr=asyncio.subprocess.PIPE, env={**os.environ, "PATH": PATH}
    )
    _, said = await process.communicate()
    if process.returncode:
        raise NoNetwork(f"`{' '.join(command)}`: {said.decode().strip()}")
