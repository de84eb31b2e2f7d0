"""The bank for other tools: Anki decks and CSV, and multiple choice back from CSV."""

from __future__ import annotations

import csv
import html
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import yaml

from bot.core.bank import Bank
from bot.core.kinds.multiple_choice import MultipleChoice
from bot.core.questions import Item
from bot.core.runs import RunFile
from bot.core.views import Block, Bullets, Choices, Code, Files, Heading, Line, Mark, Note, Style, Table, Text, text_of

COLUMNS = (
    *("id", "topic", "difficulty", "stem", "option_1", "reason_1", "option_2", "reason_2", "option_3", "reason_3"),
    *("option_4", "reason_4", "option_5", "reason_5", "option_6", "reason_6", "right", "explanation", "page", "symbol"),
)
"""Columns of the CSV form of multiple choice; `right` is the number of the right option, counted from 1."""

_TAGS = {Style.CODE: "code", Style.STRONG: "b", Style.EMPHASIS: "i"}


class CsvProblem(Exception):
    """The CSV cannot be read; the message names row and column."""


@dataclass(frozen=True, slots=True)
class AnkiNote:
    """One card for Anki: HTML front and back."""

    id: str
    front: str
    back: str
    tags: tuple[str, ...]
    pictures: tuple[RunFile, ...] = ()
    """What its sides show by name."""


def select(bank: Bank, words: Iterable[str]) -> tuple[Item, ...]:
    """The items that every word names: an id or its beginning, a kind or a topic. No words: all."""
    wanted = [word.lower() for word in words]
    return tuple(
        item
        for item in bank.items.values()
        if item.kind and all(word in (item.kind, item.topic) or item.id.startswith(word) for word in wanted)
    )


def notes(items: Iterable[Item]) -> Iterator[AnkiNote]:
    """Each item as a card: what is asked on the front, all its other sides on the back."""
    for item in items:
        first, *rest = item.sides()
        back = "".join(f"<h4>{html.escape(side.label)}</h4>{_html(side.blocks)}" for side in rest)
        yield AnkiNote(
            item.id,
            _html(first.blocks),
            back + f"<small>{html.escape(item.sources())}</small>",
            (item.kind, item.topic, f"difficulty-{item.difficulty}"),
            tuple(file for side in rest for block in side.blocks if isinstance(block, Files) for file in block.files),
        )


def write_anki(path: Path, items: Iterable[Item], title: str) -> int:
    """Write an Anki package; returns the number of cards. Needs the extra `anki` (ImportError without it)."""
    import genanki

    model = genanki.Model(
        _number("torchquiz model"),
        "Torchquiz",
        fields=[{"name": "Front"}, {"name": "Back"}, {"name": "Id"}],
        templates=[{"name": "Card", "qfmt": "{{Front}}", "afmt": "{{FrontSide}}<hr id=answer>{{Back}}"}],
        css=".card{font-family:system-ui,sans-serif;font-size:18px;text-align:left}pre{background:#8882;padding:.6em}",
    )
    deck = genanki.Deck(_number(title), title)
    written = list(notes(items))
    for note in written:
        deck.add_note(
            genanki.Note(
                model=model,
                fields=[note.front, note.back, note.id],
                tags=list(note.tags),
                guid=genanki.guid_for("torchquiz", note.id),  # a later export updates the same card
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        media = [Path(folder, picture.name) for note in written for picture in note.pictures]
        for file, picture in zip(media, (picture for note in written for picture in note.pictures)):
            file.write_bytes(picture.content)
        genanki.Package(deck, media_files=media).write_to_file(str(path))
    return len(written)


def as_csv(items: Iterable[Item]) -> str:
    """The multiple-choice questions among the items as CSV with `COLUMNS`."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for item in items:
        if isinstance(item, MultipleChoice):
            reference = item.references[0]
            row = {
                "id": item.id,
                "topic": item.topic,
                "difficulty": item.difficulty,
                "stem": item.stem.source.strip(),
                "right": item.option_ids().index(item.right()) + 1,
                "explanation": item.explanation.source.strip(),
                "page": reference.page or reference.paper,
                "symbol": reference.symbol,
            }
            for number, option in enumerate(item.options, 1):
                row[f"option_{number}"] = option.text.source.strip()
                row[f"reason_{number}"] = option.reason.source.strip()
            writer.writerow(row)
    return out.getvalue()


def from_csv(text: str, number: int, title: str) -> str:
    """A quiz file (YAML) with the questions of a CSV; to be checked like every other file. Raises CsvProblem."""
    try:
        return _quiz_file(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")), number, title)
    except csv.Error as error:
        raise CsvProblem(f"row 1: this is not CSV ({error})") from None


def _quiz_file(reader: csv.DictReader[str], number: int, title: str) -> str:
    missing = {"id", "topic", "difficulty", "stem", "option_1", "option_2", "right", "explanation"} - set(
        reader.fieldnames or ()
    )
    if missing:
        raise CsvProblem(f"row 1: the columns {', '.join(sorted(missing))} are missing")
    questions = [_question(row, at) for at, row in enumerate(reader, 2)]
    if not questions:
        raise CsvProblem("there is no row below the header")
    document = {"quiz": number, "title": title, "questions": questions}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _question(row: Mapping[str, str | None], at: int) -> dict[str, object]:
    def cell(name: str) -> str:
        return (row.get(name) or "").strip()

    def whole(name: str) -> int:
        if not cell(name).isascii() or not cell(name).isdigit():
            raise CsvProblem(f"row {at}: `{name}` must be a whole number, not {cell(name)!r}")
        return int(cell(name))

    right = whole("right")
    options = []
    for number in range(1, 7):
        if cell(f"option_{number}"):
            option: dict[str, object] = {"text": cell(f"option_{number}"), "reason": cell(f"reason_{number}")}
            options.append({**option, "right": True} if number == right else option)
    if not any("right" in option for option in options):
        raise CsvProblem(f"row {at}: `right` is {right}, but there are {len(options)} options")
    return {
        "id": cell("id"),
        "kind": "multiple_choice",
        "topic": cell("topic"),
        "difficulty": whole("difficulty"),
        "stem": cell("stem"),
        "options": options,
        "explanation": cell("explanation"),
        "references": [{"page": cell("page"), "symbol": cell("symbol")} if cell("symbol") else {"paper": cell("page")}],
    }


def _number(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:4]) | 1 << 30


def _html(blocks: Iterable[Block]) -> str:
    return "".join(_block(block) for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h3>{html.escape(text)}</h3>"
        case Text(line):
            return f"<p>{_line(line)}</p>"
        case Bullets(items, numbered):
            tag = "ol" if numbered else "ul"
            return f"<{tag}>{''.join(f'<li>{_line(item)}</li>' for item in items)}</{tag}>"
        case Code(source, _, _):
            return f"<pre>{html.escape(source)}</pre>"
        case Choices(choices):
            marks = {Mark.RIGHT: "✓ ", Mark.WRONG: "✗ ", Mark.NONE: ""}
            return "".join(f"<p>{each.letter}. {marks[each.mark]}{_line(each.line)}</p>" for each in choices)
        case Table(columns, rows):
            cells = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in (columns, *rows)]
            return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"
        case Note(text):
            return f"<small>{html.escape(text)}</small>"
        case Files(files):
            return "".join(f'<img src="{html.escape(each.name)}" alt="{html.escape(each.alt)}">' for each in files)
        case _:
            return ""


def _line(line: Line) -> str:
    if not any(span.style in _TAGS for span in line):
        return html.escape(text_of(line))
    return "".join(
        f"<{_TAGS[span.style]}>{html.escape(span.text)}</{_TAGS[span.style]}>"
        if span.style in _TAGS
        else html.escape(span.text)
        for span in line
    )
