"""What the snippet's process says about its own error: a page shared with init, so that no descriptor is needed.

The snippet can write nonsense here. That changes only the words about its own error; its status comes from the kernel.
"""

from __future__ import annotations

import json
import mmap
from typing import Any

SIZE = 32 * 1024
_LENGTH = 4
_PEAK = 8
"""At the end of the page: the most GPU memory, apart because it is told after a success as well."""


def write(page: mmap.mmap, error: str, line: int | None) -> None:
    """Leave the last error: `error` as shown to its author, `line` of the snippet counted from 1."""
    text = error.encode("utf-8", "backslashreplace").decode()
    payload = json.dumps({"error": text, "line": line}, ensure_ascii=False).encode()
    while len(payload) > SIZE - _LENGTH - _PEAK:
        text = text[: len(text) // 4] + "\n[...]\n" + text[-len(text) // 4 :]
        payload = json.dumps({"error": text, "line": line}, ensure_ascii=False).encode()
    page[_LENGTH : _LENGTH + len(payload)] = payload
    page[:_LENGTH] = len(payload).to_bytes(_LENGTH, "big")


def write_gpu_peak(page: mmap.mmap, size: int) -> None:
    """Leave the most GPU memory that was held, in bytes."""
    page[-_PEAK:] = size.to_bytes(_PEAK, "big")


def read(page: mmap.mmap) -> dict[str, Any]:
    """What was left, reduced to a string, a positive line number or None, and a size in bytes."""
    length = min(int.from_bytes(page[:_LENGTH], "big"), SIZE - _LENGTH)
    peak = {"gpu_peak_bytes": min(int.from_bytes(page[-_PEAK:], "big"), 1 << 50)}
    try:
        found = json.loads(page[_LENGTH : _LENGTH + length])
    except (ValueError, RecursionError):
        return {"error": "", "line": None, **peak}
    if not isinstance(found, dict):
        return {"error": "", "line": None, **peak}
    error, line = found.get("error"), found.get("line")
    return {
        **peak,
        "error": error if isinstance(error, str) else "",
        "line": line if type(line) is int and 0 < line < 1_000_000 else None,
    }
