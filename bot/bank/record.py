"""`proved.json`: which snippet ran on which torch and what it printed. Written by the checker, never by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.core.errors import ContentError

NAME = "proved.json"


@dataclass(frozen=True, slots=True)
class Proved:
    """A snippet that held."""

    code: str
    """Digest of the snippet's text."""
    proved_on: str
    """The torch version."""
    output: str


def read_record(folder: Path) -> dict[str, Proved]:
    """The record by snippet key; empty where none was written yet. Raises ContentError for one that is damaged."""
    path = folder / NAME
    if not path.exists():
        return {}
    try:
        return {key: Proved(**entry) for key, entry in json.loads(path.read_text("utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        raise ContentError(f"{path} is damaged; remove it and run `torchquiz content check --record`.") from None


def write_record(folder: Path, record: Mapping[str, Proved]) -> None:
    """Write the record, one snippet a line group, in a stable order."""
    text = json.dumps({key: asdict(record[key]) for key in sorted(record)}, ensure_ascii=False, indent=1)
    (folder / NAME).write_text(text + "\n", "utf-8")


def outdated(record: Mapping[str, Proved], now: Mapping[str, Proved], samples: Iterable[str]) -> list[str]:
    """Keys whose record is missing, stale or, for samples, prints something else than it did."""
    printed = set(samples)
    return sorted(
        key
        for key in record.keys() | now.keys()
        if key not in record
        or key not in now
        or (record[key].code, record[key].proved_on) != (now[key].code, now[key].proved_on)
        or (key in printed and record[key].output != now[key].output)
    )
