"""From what a run left behind to the RunResult that people see. Pure."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

from bot.core.runs import Limits, Outcome, RunFile, RunResult
from workers import limits as rules
from workers.sandbox.tree import Remains

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_PIXELS = 40_000_000
_LONGEST_STEM = 40
NO_MEMORY_CGROUP = "memory is not limited by a control group (operator's override)"


def result(remains: Remains, limits: Limits, torch_version: str, memory_bounded: bool) -> RunResult:
    """One result; figures that are not what their name says are left behind."""
    outcome = rules.classify(remains.end, limits)
    kept, refused = renamed(remains.files)
    error = rules.trimmed(remains.error) if outcome in (Outcome.ERROR, Outcome.SYNTAX_ERROR) else ""
    notes = rules.hints(error)
    return RunResult(
        outcome=outcome,
        output=remains.output,
        exit_status=remains.end.exit_status,
        signal=remains.end.signal,
        error="the jail ended before the run did" if remains.lost else error,
        error_line=remains.line if error else None,
        seconds=round(remains.seconds, 4),
        peak_memory_bytes=remains.peak_memory_bytes,
        gpu_peak_memory_bytes=remains.gpu_peak_bytes,
        torch_version=torch_version,
        files=kept,
        files_dropped=remains.dropped + refused,
        notes=notes if memory_bounded else (*notes, NO_MEMORY_CGROUP),
        limits=limits,
    )


def renamed(files: Iterable[tuple[str, bytes]]) -> tuple[tuple[RunFile, ...], int]:
    """Files under safe and unique names, and how many were refused."""
    kept: list[RunFile] = []
    taken: set[str] = set()
    refused = 0
    for original, content in files:
        name = _unique(_safe(original), taken)
        if name.endswith(".png") and not _is_plain_png(content):
            refused += 1
            continue
        taken.add(name)
        kept.append(RunFile(name, content, _alt(name, content)))
    return tuple(kept), refused


def _safe(name: str) -> str:
    """Letters, digits, dash, underscore, and one suffix: nothing that means anything to a shell, a chat or a path."""
    found = re.search(r"(?<=.)\.([A-Za-z0-9]{1,8})$", name, re.DOTALL)
    before = name[: found.start()] if found else name
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", before).strip("-_")[:_LONGEST_STEM].strip("-_") or "file"
    return f"{stem}.{found[1].lower()}" if found else stem


def _unique(name: str, taken: set[str]) -> str:
    stem, dot, suffix = name.partition(".")
    number = 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}{dot}{suffix}"
    return name


def png_size(content: bytes) -> tuple[int, int] | None:
    """Width and height from a PNG's header, never decoding it; None for anything else."""
    if len(content) < 33 or not content.startswith(_PNG) or content[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _is_plain_png(content: bytes) -> bool:
    size = png_size(content)
    return size is not None and min(size) > 0 and size[0] * size[1] <= _MOST_PIXELS


def _alt(name: str, content: bytes) -> str:
    size = png_size(content) if name.endswith(".png") else None
    if size is None:
        return f"File {name}, made by the snippet"
    return f"Figure {name}, {size[0]} by {size[1]} pixels, made by the snippet"
