"""Frames between the supervisor, the zygote and a run's init: one kind byte, a length, that many bytes. Never cut."""

from __future__ import annotations

import os
import struct

HEADER = struct.Struct("!cI")

# Supervisor to zygote, with three descriptors: a socket to the run's init, one to its snippet's process, and the write
# end of its output pipe.
FORK = b"F"
# Zygote to supervisor.
READY = b"R"
# Run to supervisor, in this order; FAILED instead of any of them.
HELLO, WARM, ENDED, FILE, DONE = b"H", b"W", b"E", b"P", b"Z"
FAILED = b"X"
# Supervisor to run: it is in its cgroup.
CONFINED = b"G"
# Supervisor to the snippet's process.
SNIPPET = b"S"

MAX_FRAME = 64 * 1024 * 1024
"""More than any frame we send; a longer one means that the stream is out of step."""


class Closed(Exception):
    """The other end went away."""


def send(descriptor: int, kind: bytes, payload: bytes = b"") -> None:
    """Write one whole frame to a blocking descriptor."""
    rest = memoryview(HEADER.pack(kind, len(payload)) + payload)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def receive(descriptor: int) -> tuple[bytes, bytes]:
    """Read one whole frame from a blocking descriptor. Raises Closed at the end of the stream."""
    kind, length = HEADER.unpack(_exactly(descriptor, HEADER.size))
    if length > MAX_FRAME:
        raise Closed(f"a frame of {length} bytes")
    return kind, _exactly(descriptor, length)


def _exactly(descriptor: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(descriptor, min(size, 1 << 16))
        if not part:
            raise Closed("the other end closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
