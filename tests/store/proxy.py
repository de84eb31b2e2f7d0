"""A proxy between client and server that counts requests and can cut connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Fate(Enum):
    """What happens to one request."""

    PASS = "pass"
    LOST = "the request never arrives"
    UNANSWERED = "the request arrives, its reply does not"
    TORN = "the reply breaks off"


class Proxy:
    """Counts the requests of its clients; `fate` decides over each."""

    def __init__(self, upstream: str, fate: Callable[[], Fate]) -> None:
        self._upstream = unquote(urlsplit(upstream).path)
        self._fate = fate
        self._open: set[asyncio.Task[None]] = set()
        self.requests = 0
        self.faults = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection, request by request."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self._upstream)
            try:
                while (request := await reader.read(65536)) and await self._exchange(
                    request, up_reader, up_writer, writer
                ):
                    pass
            finally:
                up_writer.close()
        except OSError:
            pass  # either side went away: the other learns it by our closing
        finally:
            self._open.discard(task)
            writer.close()

    async def _exchange(
        self,
        request: bytes,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> bool:
        self.requests += 1
        fate = self._fate()
        self.faults += fate is not Fate.PASS
        if fate is Fate.LOST:
            return False
        up_writer.write(request)
        reply = await up_reader.read(65536)
        if fate is Fate.UNANSWERED or not reply:
            return False
        writer.write(reply if fate is Fate.PASS else reply[: len(reply) // 2])
        await writer.drain()
        return fate is Fate.PASS

    async def close(self) -> None:
        """End what is still open."""
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


@asynccontextmanager
async def proxied(
    upstream: str, folder: Path, fate: Callable[[], Fate] = lambda: Fate.PASS
) -> AsyncIterator[tuple[str, Proxy]]:
    """The URL of a proxy before the server at `upstream`, and the proxy itself."""
    proxy = Proxy(upstream, fate)
    server = await asyncio.start_unix_server(proxy.serve, folder / "proxy.sock")
    try:
        yield f"unix://{folder / 'proxy.sock'}", proxy
    finally:
        server.close()
        await proxy.close()
