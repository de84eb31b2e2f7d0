"""Parts of a card as `rich_text`, whose text is literal: no character of it is ever markup, a mention or an emoji.

Sizes are our own cautious reading: Slack documents 3000 characters for a section and none for rich text, and refuses
messages of more than about 13,200 characters in all (slackapi/bolt-js#2509).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from bot.core.text import plural, visible
from bot.core.views import Board, Bullets, Choice, Choices, Files, Line, Mark, Ranking, Span, Style, Table

Json = dict[str, Any]

MAX_RICH = 3000
_CHANNEL = re.compile(r"[CG][A-Z0-9]{1,40}")
DATE = "{date_short_pretty} at {time}"
"""Such as "tomorrow at 9:30 AM" (Slack's date formatting)."""
_STYLES = {Style.CODE: "code", Style.STRONG: "bold", Style.EMPHASIS: "italic"}
_SIGNS = {Mark.RIGHT: "✓ ", Mark.WRONG: "✗ "}


def lines(rows: Iterable[Line]) -> Iterator[Json]:
    """Blocks that show each row on a line of its own."""
    yield from _packed(section for row in rows for section in _sections(row))


def bullets(block: Bullets) -> Iterator[Json]:
    """A list; numbered lists go on counting where a long one had to be split."""
    style = "ordered" if block.numbered else "bullet"
    done = 0
    for group in _groups([section for item in block.items for section in _sections(item)]):
        element: Json = {"type": "rich_text_list", "style": style, "elements": group}
        if block.numbered and done:
            element["offset"] = done
        done += len(group)
        yield {"type": "rich_text", "elements": [element]}


def choices(block: Choices) -> Iterator[Json]:
    """Lettered options, one on each line; a mark is a sign and words."""
    yield from lines(_choice(choice) for choice in block.choices)


def board(block: Board) -> Iterator[Json]:
    """A board, one row on each line."""
    yield from lines(_row(row) for row in block.rows)


def table(block: Table) -> Iterator[Json]:
    """A table, one row on each line, the column titles in strong words."""
    head, *rows = (" | ".join(row) for row in (block.columns, *block.rows))  # no dot, which is a product in our tables
    yield from lines([(Span(head, Style.STRONG),), *((Span(row),) for row in rows)])


def files(block: Files) -> Iterator[Json]:
    """The names of files with what they show; the files themselves are in the thread."""
    yield from lines((Span(file.name, Style.CODE), Span(f" {file.alt}".rstrip())) for file in block.files)


def code(source: str, title: str) -> Json:
    """A block of code of at most `MAX_RICH` characters, with what it is above it."""
    shown: Json = {"type": "rich_text_preformatted", "elements": [text(source or " ")]}
    head = [{"type": "rich_text_section", "elements": [text(title, Style.STRONG)]}] if title else []
    return {"type": "rich_text", "elements": [*head, shown]}


def text(words: str, style: Style = Style.PLAIN) -> Json:
    """One stretch of literal text."""
    element: Json = {"type": "text", "text": words}
    if style in _STYLES:
        element["style"] = {_STYLES[style]: True}
    return element


def channel(id: str) -> Json:
    """The name of a channel, which leads there."""
    return {"type": "channel", "channel_id": id}


def date(at: datetime, words: str) -> Json:
    """A moment, which Slack tells in the reader's own zone and words; `words` where it cannot."""
    return {"type": "date", "timestamp": int(at.timestamp()), "format": DATE, "fallback": words}


def words(block: Json) -> str:
    """All the words of a block, as plain text."""
    if block.get("type") == "date":
        return str(block["fallback"])
    if block.get("type") == "channel":
        return f"#{block['channel_id']}"
    if block.get("type") in {"text", "plain_text"}:
        return str(block["text"])
    nested = block.get("elements") or ([block["text"]] if isinstance(block.get("text"), dict) else [])
    line = block.get("type") in {"rich_text_section", "rich_text_preformatted", "header", "context"}
    return ("" if line else "\n").join(words(each) for each in nested)


def size(part: Any) -> int:
    """How many characters a block counts: every text in it, those of its buttons and menus too."""
    if isinstance(part, list):
        return sum(map(size, part))
    if not isinstance(part, dict):
        return 0
    text = part.get("fallback", part.get("text"))
    return len(text) if isinstance(text, str) else sum(map(size, part.values()))


def _choice(choice: Choice) -> Line:
    mark = (Span(f"  ({choice.mark.value})", Style.EMPHASIS),) if choice.mark is not Mark.NONE else ()
    return (Span(f"{choice.letter}. ", Style.STRONG), Span(_SIGNS.get(choice.mark, "")), *choice.line, *mark)


def _row(row: Ranking) -> Line:
    detail = f", {row.detail}" if row.detail else ""
    name = Span(row.name, Style.STRONG, channel=row.channel)
    head = (Span(f"{row.rank}. "), name, Span(f"  {plural(row.points, 'point')}{detail}"))
    return (*head, Span("  (you)", Style.EMPHASIS)) if row.me else head


def _sections(line: Line) -> Iterator[Json]:
    """The line as sections of at most `MAX_RICH` characters."""
    room, elements = MAX_RICH, list[Json]()
    for span in line:
        rest = visible(span.text)
        if (special := _special(span, rest)) and len(rest) <= room:
            elements.append(special)
            rest, room = "", room - len(rest)
        while rest:
            if not room:
                yield {"type": "rich_text_section", "elements": elements}
                room, elements = MAX_RICH, []
            elements.append(text(rest[:room], span.style))
            rest, room = rest[room:], room - len(elements[-1]["text"])
    yield {"type": "rich_text_section", "elements": elements or [text(" ")]}


def _special(span: Span, words: str) -> Json | None:
    """What Slack itself puts in words: a moment, a channel."""
    if span.channel and _CHANNEL.fullmatch(span.channel):
        return channel(span.channel)
    return date(span.at, words) if span.at and words else None


def _packed(sections: Iterable[Json]) -> Iterator[Json]:
    for group in _groups(list(sections)):
        yield {"type": "rich_text", "elements": group}


def _groups(sections: Sequence[Json]) -> Iterator[list[Json]]:
    """The sections in groups of at most `MAX_RICH` characters and 100 sections."""
    group, used = list[Json](), 0
    for section in sections:
        length = size(section)
        if group and (used + length > MAX_RICH or len(group) == 100):
            yield group
            group, used = [], 0
        group.append(section)
        used += length
    if group:
        yield group
