"""Views and forms to what the page draws: a dict of JSON types whose texts are always shown as text."""

from __future__ import annotations

from collections.abc import Callable

from bot.core.actions import Action
from bot.core.runs import RunFile
from bot.core.views import (
    Block,
    Board,
    Bullets,
    Button,
    Choice,
    Choices,
    Code,
    Field,
    Files,
    Form,
    Heading,
    Line,
    Menu,
    Note,
    Ranking,
    Span,
    Style,
    Table,
    Text,
    View,
)

Json = dict[str, object]
Seal = Callable[[Action], str]
Link = Callable[[RunFile], str]

PNG = b"\x89PNG\r\n\x1a\n"
"""How every PNG begins. Only bytes that begin so are ever shown as a picture; the rest is offered as a file."""


def card(view: View, seal: Seal, link: Link) -> Json:
    """The card of a view. `seal` writes the wire form of each button, `link` gives the address of each file."""
    return {
        "blocks": [_block(block, link) for block in view.blocks],
        "buttons": [_button(button, seal) for button in view.buttons],
        "menu": _menu(view.menu, seal) if view.menu else None,
        "fallback": view.fallback,
        "final": view.final,
    }


def wires(view: View, seal: Seal) -> frozenset[str]:
    """The wire forms of everything that can be pressed on the card of a view."""
    entries = view.menu.entries if view.menu else ()
    return frozenset(map(seal, [*(button.action for button in view.buttons), *(entry.action for entry in entries)]))


def form(reply: Form, seal: Seal) -> Json:
    """The dialog of a form."""
    return {
        "title": reply.title,
        "wire": seal(reply.action),
        "submit": reply.submit,
        "fields": [_field(field) for field in reply.fields],
    }


def _block(block: Block, link: Link) -> Json:
    match block:
        case Heading(text):
            return {"kind": "heading", "text": text}
        case Text(line):
            return {"kind": "text", "line": _line(line)}
        case Bullets(items, numbered):
            return {"kind": "bullets", "items": [_line(item) for item in items], "numbered": numbered}
        case Code(source, language, title):
            return {"kind": "code", "source": source, "language": language, "title": title}
        case Choices(choices):
            return {"kind": "choices", "choices": [_choice(choice) for choice in choices]}
        case Board(rows):
            return {"kind": "board", "rows": [_ranking(row) for row in rows]}
        case Table(columns, rows):
            return {"kind": "table", "columns": list(columns), "rows": [list(row) for row in rows]}
        case Files(files):
            return {"kind": "files", "files": [_file(file, link) for file in files]}
        case Note(text):
            return {"kind": "note", "text": text}


def _line(line: Line) -> list[Json]:
    return [_span(span) for span in line]


def _span(span: Span) -> Json:
    drawn: Json = {"text": span.text}
    if span.style is not Style.PLAIN:
        drawn["style"] = span.style.value
    if span.at is not None:
        drawn["at"] = span.at.timestamp()  # the page tells it in its reader's zone
    return drawn


def _choice(choice: Choice) -> Json:
    return {"letter": choice.letter, "line": _line(choice.line), "mark": choice.mark.value}


def _ranking(row: Ranking) -> Json:
    return {"rank": row.rank, "name": row.name, "points": row.points, "detail": row.detail, "me": row.me}


def _file(file: RunFile, link: Link) -> Json:
    picture = file.content.startswith(PNG)
    return {"name": file.name, "alt": file.alt or file.name, "picture": picture, "address": link(file)}


def _button(button: Button, seal: Seal) -> Json:
    return {"label": button.label, "wire": seal(button.action), "look": button.look.value, "enabled": button.enabled}


def _menu(menu: Menu, seal: Seal) -> Json:
    entries = [{"label": entry.label, "wire": seal(entry.action), "about": entry.about} for entry in menu.entries]
    return {"placeholder": menu.placeholder, "entries": entries}


def _field(field: Field) -> Json:
    return {
        "name": field.name,
        "label": field.label,
        "value": field.value,
        "multiline": field.multiline,
        "optional": field.optional,
        "max_length": field.max_length,
    }
