"""A strict reader for the YAML of the bank.

It builds plain dicts, lists and scalars from parser events, and remembers where each value stands. Unlike PyYAML's
loaders it refuses duplicate keys, anchors and aliases (the stuff of YAML bombs), tags, deep nesting and large files,
and it reads only `true`/`false`, plain integers and plain decimals as anything but text: `no`, `1:30` and dates stay
text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 12
Path = tuple[str | int, ...]

_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlProblem(Exception):
    """The file cannot be read. `line` and `column` count from 1, 0 for the whole file."""

    def __init__(self, problem: str, line: int = 0, column: int = 0, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and where each of its values stands (line and column from 1)."""

    value: Any
    places: Mapping[Path, tuple[int, int]]

    def place(self, path: Path) -> tuple[int, int]:
        """Where the value at `path` stands, or the nearest value around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def read(raw: bytes) -> Document:
    """Read one document. Raises YamlProblem for anything but clean, small, plain YAML."""
    if len(raw) > MAX_BYTES:
        raise YamlProblem(f"the file has {len(raw):,} bytes; at most {MAX_BYTES:,}", hint="split it")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise YamlProblem("the file starts with a byte order mark", 1, 1, "save it as UTF-8 without BOM")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise YamlProblem("the file is not UTF-8", line, 1, "save it as UTF-8") from None
    _no_tabs(text)
    try:
        return _Builder(yaml.parse(text, Loader=_Loader)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        if "nesting depth" in problem:  # libyaml gives up while it reads ahead of us
            raise YamlProblem(_TOO_DEEP, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0) from None
        hint = "put text that holds ': ', '#' or starts with a backtick in quotes"
        raise YamlProblem(problem, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0, hint) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlProblem("the file holds a character that YAML does not allow", line, 1, "remove it") from None


def _no_tabs(text: str) -> None:
    for number, each in enumerate(text.split("\n"), 1):
        indent = each[: len(each) - len(each.lstrip(" \t"))]
        if "\t" in indent:
            raise YamlProblem("a tab indents this line", number, indent.index("\t") + 1, "indent with spaces")


class _Builder:
    """Builds values from parser events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._places: dict[Path, tuple[int, int]] = {}

    def document(self) -> Document:
        """The first and only document."""
        next(self._events)  # stream start
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            raise YamlProblem("the file is empty")
        value = self._value(next(self._events), ())
        next(self._events)  # document end
        more = next(self._events)
        if not isinstance(more, yaml.StreamEndEvent):
            raise YamlProblem("a second document starts here", *_at(more), hint="one document a file")
        return Document(value, self._places)

    def _value(self, event: Any, path: Path) -> Any:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlProblem("anchors and aliases are not used here", *_at(event), hint="write the value out")
        if event.tag is not None:
            raise YamlProblem("tags are not used here", *_at(event), hint="remove the !tag")
        if len(path) > MAX_DEPTH:
            raise YamlProblem(_TOO_DEEP, *_at(event))
        self._places.setdefault(path, _at(event))
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _mapping(self, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlProblem("a key must be a plain word", *_at(event))
            if event.value in mapping:
                raise YamlProblem(f"the key `{event.value}` stands here twice", *_at(event), hint="keep one of them")
            self._places[(*path, event.value)] = _at(event)
            mapping[event.value] = self._value(next(self._events), (*path, event.value))
        return mapping

    def _sequence(self, path: Path) -> list[Any]:
        sequence: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            sequence.append(self._value(event, (*path, len(sequence))))
        return sequence


def _at(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _scalar(event: yaml.ScalarEvent) -> str | int | float | bool | None:
    text = str(event.value)
    if event.style:  # quoted or a block: text, whatever it looks like
        return text
    if text in ("true", "false"):
        return text == "true"
    if text in ("", "~", "null"):
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
