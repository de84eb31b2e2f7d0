"""Reads the folder `content/` into a `Bank`. Everything that is wrong is collected, so that an author sees it all at
once."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bot.bank.findings import Finding
from bot.bank.markdown import MarkdownProblem, parse
from bot.bank.pictures import pictured
from bot.bank.strict_yaml import Document, YamlProblem, read
from bot.bank.strict_yaml import Path as YamlPath
from bot.core.bank import Bank, Course, Quiz, Section, Topic
from bot.core.errors import ContentError
from bot.core.ids import ItemId
from bot.core.kinds import KINDS
from bot.core.kinds.choosing import Choosable
from bot.core.kinds.formula import Formula
from bot.core.kinds.interview import Interview
from bot.core.questions import Item, Prose
from bot.core.runs import RunFile

_T = TypeVar("_T")
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,7}")
FOLDER = Path(__file__).resolve().parents[2] / "content"
"""The bank that comes with the product."""

_LISTS = {"quiz": "questions", "deck": "cards", "section": "questions", "formulas": "formulas", "patterns": "patterns"}
"""The key that says what a file is, and the key of its list."""

_HINTS = {
    "missing": "add it",
    "unexpected_keyword_argument": "remove it, or look for a typing mistake",
    "string_type": "put the value in quotes",
    "literal_error": "use one of the values named",
}


@dataclasses.dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    folder: Path
    findings: list[Finding] = dataclasses.field(default_factory=list)
    items: dict[ItemId, Item] = dataclasses.field(default_factory=dict)
    files: dict[ItemId, str] = dataclasses.field(default_factory=dict)
    quizzes: dict[int, Quiz] = dataclasses.field(default_factory=dict)
    sections: list[Section] = dataclasses.field(default_factory=list)


def load(folder: Path = FOLDER) -> Bank:
    """The bank in `folder`. Raises ContentError that lists every finding, one a line."""
    bank, findings = examine(folder)
    if findings:
        raise ContentError("\n".join(str(finding) for finding in findings))
    return bank


def examine(folder: Path = FOLDER) -> tuple[Bank, list[Finding]]:
    """The bank as far as it can be read, and everything that is wrong with it, in the order of files and lines."""
    reading = _Reading(folder)
    courses = _table(folder / "courses.yaml", "courses", Course, reading, folder)
    topics = _table(folder / "topics.yaml", "topics", Topic, reading, folder)
    for path in sorted(folder.glob("*/*.y*ml")):
        _file(path, folder, frozenset(topic.id for topic in topics), reading)
    bank = Bank(
        courses=tuple(courses),
        topics=tuple(topics),
        quizzes=dict(sorted(reading.quizzes.items())),
        sections=tuple(reading.sections),
        items=reading.items,
        files=reading.files,
    )
    return bank, sorted(reading.findings)


def _document(path: Path, folder: Path, reading: _Reading) -> Document | None:
    name = str(path.relative_to(folder))
    try:
        document = read(path.read_bytes())
    except YamlProblem as error:
        reading.findings.append(Finding(name, error.line, error.column, "", error.problem, error.hint))
    except OSError as error:
        reading.findings.append(Finding(name, 0, 0, "", error.strerror or "cannot be read"))
    else:
        if isinstance(document.value, dict):
            return document
        reading.findings.append(Finding(name, 1, 1, "", "the file must be a mapping", "see content/README.md"))
    return None


def _table(path: Path, key: str, kind: type[_T], reading: _Reading, folder: Path) -> list[_T]:
    document = _document(path, folder, reading)
    if document is None:
        return []
    rows = document.value.get(key)
    if not isinstance(rows, list):
        reading.findings.append(Finding(path.name, 1, 1, "", f"the file needs a list `{key}`"))
        return []
    built = (_build(kind, row, (key, index), document, path.name, reading) for index, row in enumerate(rows))
    return [row for row in built if row is not None]


def _file(path: Path, folder: Path, topics: frozenset[str], reading: _Reading) -> None:
    document = _document(path, folder, reading)
    if document is None:
        return None
    name = str(path.relative_to(folder))

    def report(at: tuple[str | int, ...], problem: str, hint: str = "", item: str = "") -> None:
        reading.findings.append(Finding(name, *document.place(at), item, problem, hint))

    head = next((key for key in document.value if key in _LISTS), None)
    if head is None:
        return report((), f"the file must begin with one of {', '.join(_LISTS)}", "see content/README.md")
    key = _LISTS[head]
    for unknown in document.value.keys() - {head, key, "title"}:
        report((unknown,), f"`{unknown}` is not known here", _HINTS["unexpected_keyword_argument"])
    rows = document.value.get(key)
    if not isinstance(rows, list) or not rows:
        return report((key,), f"the file needs a list `{key}`")
    items = [
        item for index, row in enumerate(rows) if (item := _item(row, (key, index), document, name, topics, reading))
    ]
    title = document.value.get("title") if head == "quiz" else document.value.get(head)
    if head == "quiz":
        number = document.value["quiz"]
        questions = tuple(item for item in items if isinstance(item, Choosable))
        if type(number) is not int or number < 1 or not isinstance(title, str) or not title.strip():
            return report(("quiz",), "a quiz needs a number `quiz`, from 1, and a text `title`")
        if len(questions) != len(items):
            return report((key,), "a quiz holds only kinds that are answered by choosing")
        if number in reading.quizzes:
            return report(("quiz",), f"there is another quiz {number}")
        reading.quizzes[number] = Quiz(number, title, questions)
    elif items:
        reading.sections.append(Section(items[0].kind, title if isinstance(title, str) else head.title(), tuple(items)))
    return None


def _item(
    raw: Any, path: YamlPath, document: Document, file: str, topics: frozenset[str], reading: _Reading
) -> Item | None:
    def report(at: YamlPath, problem: str, hint: str = "") -> None:
        reading.findings.append(Finding(file, *document.place(at), name, problem, hint))

    name = str(raw.get("id", "")) if isinstance(raw, dict) else ""
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        report((*path, "kind"), f"`{kind}` is not a kind", f"one of {', '.join(KINDS)}")
        return None
    item = _build(KINDS[kind], raw, path, document, file, reading, name)
    if item is None:
        return None
    for problem in item.problems():
        report((*path, "id"), problem)
    if picture := pictured(item, reading.folder, file):
        item = dataclasses.replace(typing.cast("Formula", item), picture=picture)
    for each, at in _with_follow_ups(item, path):
        if not _ID.fullmatch(each.id):
            report(at, f"`{each.id}` is not an id", "lower-case letters, digits and hyphens, at most 40")
        if each.id in reading.items:
            report(at, f"the id {each.id} stands here twice", f"first at {reading.files[each.id]}")
        if each.topic not in topics:
            report((*at, "topic"), f"`{each.topic}` is not a topic", "topics.yaml lists them")
        reading.items[each.id] = each
        reading.files[each.id] = f"{file}:{document.place(at)[0]}"
    return item


def _with_follow_ups(item: Item, path: YamlPath) -> Iterator[tuple[Item, YamlPath]]:
    yield item, path
    if isinstance(item, Interview):
        for index, follow_up in enumerate(item.follow_ups):
            yield follow_up, (*path, "follow_ups", index)


def _build(
    kind: type[_T], raw: Any, path: YamlPath, document: Document, file: str, reading: _Reading, name: str = ""
) -> _T | None:
    """An object of `kind` from what a file says, or None with the findings noted."""

    def report(at: YamlPath, problem: str, hint: str = "") -> None:
        reading.findings.append(Finding(file, *document.place(at), name, problem, hint))

    before = len(reading.findings)
    prepared = _with_prose(kind, raw, path, report)
    if len(reading.findings) > before:
        return None
    try:
        built: _T = _adapter(typing.cast("Any", kind)).validate_python(prepared)
        return built
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False):
            where = tuple(part for part in detail["loc"] if isinstance(part, int) or not part[:1].isupper())
            subject = f"`{where[-1]}`: " if where and isinstance(where[-1], str) else ""
            problem = "missing" if detail["type"] == "missing" else detail["msg"][:1].lower() + detail["msg"][1:]
            report((*path, *where), subject + problem, _HINTS.get(detail["type"], ""))
        return None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _with_prose(hint: Any, raw: Any, path: YamlPath, report: Callable[..., None]) -> Any:
    """`raw` with every text that becomes `Prose` parsed, following the types of the fields."""
    if hint is Prose:
        if not isinstance(raw, str):
            report(path, f"`{path[-1]}` must be text", _HINTS["string_type"])
            return None
        try:
            return parse(raw)
        except MarkdownProblem as error:
            report(path, f"`{path[-1]}`: {error}")
            return None
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [argument for argument in arguments if argument is not types.NoneType]
        return raw if raw is None or len(inner) != 1 else _with_prose(inner[0], raw, path, report)
    if origin is tuple and isinstance(raw, list):
        return [_with_prose(arguments[0], each, (*path, index), report) for index, each in enumerate(raw)]
    if dataclasses.is_dataclass(hint) and isinstance(raw, dict):
        hints = _hints(typing.cast("Any", hint))
        for unknown in raw.keys() - hints.keys():
            report((*path, unknown), f"`{unknown}` is not a field here", _HINTS["unexpected_keyword_argument"])
        return {key: _with_prose(hints[key], each, (*path, key), report) for key, each in raw.items() if key in hints}
    if hint in (bool, int) and type(raw) is not hint:  # pydantic would take "yes" and "1"
        report(path, f"`{path[-1]}` must be {'true or false' if hint is bool else 'a whole number'}", "without quotes")
    return raw


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    """The fields that an author writes: all but those for files, which are found beside the YAML."""
    return {name: hint for name, hint in typing.get_type_hints(kind).items() if hint != RunFile | None}
