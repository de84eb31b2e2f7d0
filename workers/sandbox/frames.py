"""Frames of workers.inside.wire on an event loop, and waits with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from workers.inside import wire


async def receive(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One whole frame. Raises IncompleteReadError at the end of the stream."""
    kind, length = wire.HEADER.unpack(await reader.readexactly(wire.HEADER.size))
    return kind, await reader.readexactly(length) if length else b""


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """A frame as it is written."""
    return wire.HEADER.pack(kind, len(payload)) + payload


async def within(seconds: float, waiting: Coroutine[Any, Any, object]) -> bool:
    """Whether it came in time."""
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        return False
    return True


async def readable(descriptor: int, seconds: float) -> None:
    """Wait for a descriptor. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        async with asyncio.timeout(seconds):
            await ready.wait()
    finally:
        loop.remove_reader(descriptor)
