"""How orders, events and results look on the wire: JSON and plain fields, never pickle."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from bot.core.runs import Finished, Limits, Outcome, Printed, RunEvent, RunFile, Running, RunResult, Waiting

Fields = Mapping[bytes, bytes]
Entry = tuple[bytes, Fields]

GONE = "The output was kept for a while and is gone by now."
"""The note on a result that is shown after its output has expired."""

UNREADABLE = "The worker sent a result that this bot cannot read. Are both of the same version?"

_PLAIN = ("output", "exit_status", "signal", "error", "error_line", "seconds", "peak_memory_bytes", "device")
_PLAIN_TOO = ("torch_version", "files_dropped", "gpu_peak_memory_bytes")
_PLAINEST = RunResult(Outcome.OK)
_LIMITS = frozenset(field.name for field in fields(Limits))


def encode_result(result: RunResult) -> bytes:
    """`result` as JSON; files as base64; what equals the default is left out."""
    record: dict[str, object] = {"outcome": result.outcome.value}
    for name in (*_PLAIN, *_PLAIN_TOO):
        if (value := getattr(result, name)) != getattr(_PLAINEST, name):
            record[name] = value
    if result.notes:
        record["notes"] = list(result.notes)
    record["limits"] = {name: getattr(result.limits, name) for name in _LIMITS}  # the worker's, not our defaults
    if result.files:
        record["files"] = [
            {"name": file.name, "alt": file.alt, "content": b64encode(file.content).decode()} for file in result.files
        ]
    return json.dumps(record, separators=(",", ":")).encode("ascii")


def decode_result(raw: bytes) -> RunResult:
    """The result in `raw`. What is missing takes its default; ValueError when it is not a result."""
    try:
        record = cast("dict[str, Any]", json.loads(raw))
        known = {name: record[name] for name in (*_PLAIN, *_PLAIN_TOO) if name in record}
        files = tuple(RunFile(f["name"], b64decode(f["content"]), f["alt"]) for f in record.get("files", ()))
        limits = Limits(**{name: value for name, value in record.get("limits", {}).items() if name in _LIMITS})
        outcome = Outcome(record["outcome"])
        return RunResult(outcome, **known, files=files, notes=tuple(record.get("notes", ())), limits=limits)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a run result: {error!r}") from error


def readable_result(raw: bytes) -> RunResult:
    """The result in `raw`; one that cannot be read is still an end, so that nobody waits for another."""
    try:
        return decode_result(raw)
    except ValueError:
        return RunResult(Outcome.WORKER_LOST, error=UNREADABLE)


def slim(result: RunResult) -> RunResult:
    """`result` without its output and files: what can still be said when those have expired."""
    dropped = result.files_dropped + len(result.files)
    notes = (*result.notes, GONE) if result.output or result.files else result.notes
    return replace(result, output="", files=(), files_dropped=dropped, notes=notes)


def ended(outcome: Outcome, error: str) -> bytes:
    """The record of a run that ended without a worker's result."""
    return json.dumps({"outcome": outcome.value, "error": error}).encode("ascii")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a run's output stream with the attempt that it belongs to; 0 when it belongs to none."""

    body: RunEvent
    fence: int = 0


def decode_event(entry: Fields) -> Event | None:
    """The event in a record of an output stream; None for a kind that this version does not know."""
    match entry.get(b"k"):
        case b"w":
            milliseconds = entry[b"ms"]
            return Event(Waiting(int(entry[b"ahead"]), int(milliseconds) / 1000 if milliseconds else None))
        case b"r":
            worker, device = entry[b"worker"].decode(), entry[b"device"].decode()
            return Event(Running(worker, device, int(entry[b"attempt"])), int(entry[b"f"]))
        case b"p":
            return Event(Printed(entry[b"text"].decode("utf-8", "replace")), int(entry[b"f"]))
        case b"e":
            return Event(Finished(readable_result(entry[b"result"])))
    return None


def entries(reply: object) -> Iterator[tuple[bytes, Sequence[Entry]]]:
    """The streams of an XREAD or XREADGROUP reply: a list in RESP2; a map, with one list more, in RESP3."""
    if isinstance(reply, dict):
        for name, lists in reply.items():
            yield name, [entry for rows in lists for entry in rows]
    else:
        yield from cast("Sequence[tuple[bytes, Sequence[Entry]]]", reply or ())
