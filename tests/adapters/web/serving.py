"""The page over a fake desk, served for as long as a test needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.adapters.web.client import serve
from tests.adapters.web.fakes import FakeDesk, FakeLog


@asynccontextmanager
async def served(desk: FakeDesk, port: int = 0) -> AsyncIterator[str]:
    """The address of a page over that desk."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(desk, host="127.0.0.1", port=port, ready=ready.set_result, stop=stop, log=FakeLog())
    )
    yield await asyncio.wait_for(ready, 10)
    stop.set()
    await asyncio.wait_for(serving, 10)
