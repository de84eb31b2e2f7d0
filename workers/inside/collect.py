"""Files that a run left in its output folder: plain files only, never through a link, never more than was promised."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

_LOOK_AT = 4096  # names; a folder with more is counted, not read


def files(folder: int, most: int, most_bytes: int) -> Iterator[tuple[str, bytes | None]]:
    """Name and content of each plain file in `folder` (a descriptor), by name; None for one that was left behind."""
    taken, room = 0, most_bytes
    for position, name in enumerate(sorted(os.listdir(folder))):
        content = _content(folder, name, room) if taken < most and position < _LOOK_AT else None
        if content is not None:
            taken += 1
            room -= len(content)
        yield name.encode("utf-8", "backslashreplace").decode(), content


def _content(folder: int, name: str, room: int) -> bytes | None:
    try:
        # O_NONBLOCK so that a pipe does not keep us waiting, O_NOFOLLOW so that a link does not lead us out.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > room:
            return None
        return _read(descriptor, room)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _read(descriptor: int, room: int) -> bytes | None:
    """All of it, or None when it is longer than `room` after all."""
    content = bytearray()
    while part := os.read(descriptor, min(1 << 20, room + 1 - len(content))):
        content += part
        if len(content) > room:
            return None
    return bytes(content)
