"""Views and forms to what Discord takes (Components V2). Pure; every limit of Discord stands here with its source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.adapters.discord import markup
from bot.adapters.discord.fitting import Piece, Upload, fit, size
from bot.core.actions import Action
from bot.core.runs import RunFile
from bot.core.text import clip, display_name, plural
from bot.core.views import (
    Block,
    Board,
    Bullets,
    Button,
    Choice,
    Choices,
    Code,
    Entry,
    Field,
    Files,
    Form,
    Heading,
    Line,
    Look,
    Mark,
    Menu,
    Note,
    Ranking,
    Span,
    Table,
    Text,
    View,
    text_of,
)

# Sources: "components" is docs.discord.com components/reference, "message" resources/message, "reference" its page of
# that name, "interactions" interactions/receiving-and-responding.
MAX_TEXT = 4000  # over all text of a message of Components V2 (from memory; the reference gives no number)
MAX_BUTTONS = 20  # 5 a row (components); 4 rows of them, the rest of the 40 components for a menu and files
ROW_BUTTONS = 5  # components
MAX_LABEL = 80  # of a button (components)
MAX_OPTIONS = 25  # of a select (components)
MAX_OPTION = 100  # label, value and description of an option (components)
MAX_PLACEHOLDER = 150  # components
MAX_CUSTOM_ID = 100  # components
MAX_GALLERY = 10  # items of a media gallery (components)
MAX_FILES = 10  # attachments of a message (message)
MAX_FILE_BYTES = 10 * 1024 * 1024  # reference: the default; boosted servers take more
MAX_REQUEST_BYTES = 24 * 1024 * 1024  # 25 MiB (reference), less what surrounds the files
MAX_ALT = 1024  # description of an attachment (message)
MAX_MODAL_TITLE = 45  # interactions
MAX_MODAL_FIELDS = 5  # interactions
MAX_FIELD_LABEL = 45  # components
MAX_FIELD_VALUE = 4000  # components
MAX_CHOICES = 25  # of autocomplete (interactions)

_CONTAINER, _ROW, _BUTTON, _SELECT, _INPUT, _TEXT, _GALLERY, _FILE, _LABEL = 17, 1, 2, 3, 4, 10, 12, 13, 18
_PARAGRAPH, _SHORT = 2, 1
_LOOKS = {Look.PLAIN: 2, Look.MAIN: 1, Look.DANGER: 4}
_SIGNS = {Mark.RIGHT: "✓ ", Mark.WRONG: "✗ "}
_ACCENT = 0xEE4C2C  # decoration only: it says nothing that the words do not say
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")

Json = dict[str, Any]
Seal = Callable[[Action], str]


@dataclass(frozen=True, slots=True)
class Card:
    """A message of Components V2: its components, and the files that they name."""

    components: tuple[Json, ...]
    uploads: tuple[Upload, ...] = ()

    def bare(self, words: str) -> Card:
        """The same without files and with one sentence more, for places that refuse files."""
        inner = [part for part in self.components[0]["components"] if part["type"] not in (_GALLERY, _FILE)]
        addition = text(f"-# {markup.escaped(words)}")
        room = MAX_TEXT - sum(size(part["content"]) for part in inner if part["type"] == _TEXT)
        if size(addition["content"]) > room:
            inner = [part for part in inner if part["type"] != _TEXT]
        at = next((index for index, part in enumerate(inner) if part["type"] == _ROW), len(inner))
        return Card(({**self.components[0], "components": [*inner[:at], addition, *inner[at:]]},))


def card(view: View, seal: Seal) -> Card:
    """The message of a view. `seal` writes the wire form of each button."""
    # 40 components are everything at its most but one: two menus below twenty buttons leave room for nine files
    most = MAX_FILES - int(view.menu is not None and len(view.buttons) > MAX_BUTTONS)
    files, notices = _takeable(
        (file for block in view.blocks if isinstance(block, Files) for file in block.files), most
    )
    before, after = _around_files(view.blocks)
    head = [piece for block in before for piece in _pieces(block)]
    tail = [piece for block in after for piece in _pieces(block)]
    tail.extend(Piece(f"-# {markup.escaped(notice)}") for notice in notices)
    if not any(piece.shown().strip() for piece in (*head, *tail)):
        head = [Piece(markup.escaped(view.fallback).strip() or "…")]
    menu, left_out = _menu(view, seal)
    if left_out:
        tail.append(Piece(f"-# {left_out} more than fit in the menu; type what you want instead."))
    texts, cut = fit(head, tail, MAX_TEXT, most - len(files), {file.name for file in files})
    uploads = (*files, *cut)
    parts: list[Json] = []
    if texts[0]:
        parts.append(text(texts[0]))
    parts.extend(_shown(uploads))
    if texts[1]:
        parts.append(text(texts[1]))
    parts.extend(_rows(view.buttons[:MAX_BUTTONS], seal))
    parts.extend(menu)
    return Card(({"type": _CONTAINER, "accent_color": _ACCENT, "components": parts},), uploads)


def sentence(words: str) -> Card:
    """A card of one sentence."""
    return Card(({"type": _CONTAINER, "accent_color": _ACCENT, "components": [text(markup.escaped(words) or "…")]},))


def modal(form: Form, seal: Seal) -> Json | None:
    """The dialog of a form; None when a value is longer than Discord can show, for a cut one would be sent back as if
    it were whole."""
    fields = form.fields[:MAX_MODAL_FIELDS]
    if any(size(field.value) > min(field.max_length, MAX_FIELD_VALUE) for field in fields):
        return None
    return {
        "custom_id": seal(form.action),
        "title": words(form.title, MAX_MODAL_TITLE),
        "components": [_field(field) for field in fields],
    }


def choices(suggestions: Iterable[str]) -> list[Json]:
    """What autocomplete offers. Of ``11 · Autograd`` the part before the dot is what is typed."""
    offered: list[Json] = []
    for suggestion in suggestions:
        value = suggestion.partition(" · ")[0].strip()
        if value and len(value) <= MAX_OPTION and len(offered) < MAX_CHOICES:
            offered.append({"name": words(suggestion, MAX_OPTION), "value": value})
    return offered


def _around_files(blocks: Sequence[Block]) -> tuple[list[Block], list[Block]]:
    first = next((index for index, block in enumerate(blocks) if isinstance(block, Files)), len(blocks))
    return list(blocks[:first]), [block for block in blocks[first:] if not isinstance(block, Files)]


def _pieces(block: Block) -> Iterator[Piece]:
    match block:
        case Heading(text):
            yield Piece(f"### {markup.escaped(' '.join(text.split()))}", text)
        case Text(line):
            yield _line(line)
        case Bullets(items, numbered):
            for number, item in enumerate(items, 1):
                yield _line(item, f"{number}. " if numbered else "- ")
        case Code(source, language, title):
            yield Piece(
                markup.block(source, language),
                source,
                title=f"**{markup.escaped(' '.join(title.split()))}**" if title.strip() else "",
                language=language,
                elastic=True,
            )
        case Choices(choices):
            for choice in choices:
                yield _choice(choice)
        case Board(rows):
            for row in rows:
                yield _ranking(row)
        case Table(columns, rows):
            yield _cells(columns, strong=True)
            for cells in rows:
                yield _cells(cells)
        case Note(text):
            yield Piece(f"-# {markup.escaped(' '.join(text.split()))}", text)
        case Files():
            return


def _line(line: Line, lead: str = "") -> Piece:
    text = markup.line(line).replace("\n", "\n  ") if lead else markup.line(line)
    return Piece(lead + text, lead + text_of(line))


def _choice(choice: Choice) -> Piece:
    sign = _SIGNS.get(choice.mark, "")
    mark = f" *({choice.mark.value})*" if choice.mark is not Mark.NONE else ""
    return Piece(
        f"{sign}**{markup.escaped(choice.letter)}.** {markup.line(choice.line)}{mark}",
        f"{sign}{choice.letter}. {text_of(choice.line)} {choice.mark.value}".rstrip(),
    )


def _ranking(row: Ranking) -> Piece:
    detail = f", {row.detail}" if row.detail else ""
    points = f" · {plural(row.points, 'point')}{detail}"
    name = markup.line((Span(display_name(row.name), channel=row.channel),))
    you = " **(you)**" if row.me else ""
    return Piece(
        f"**{row.rank}.** {name}{markup.escaped(points)}{you}", f"{row.rank}. {display_name(row.name)}{points}"
    )


def _cells(cells: Sequence[str], *, strong: bool = False) -> Piece:
    words = " | ".join(" ".join(cell.split()) for cell in cells)  # no dot, which is a product in our tables
    text = markup.escaped(words)
    return Piece(f"**{text}**" if strong and text.strip() else text, words)


def _takeable(files: Iterable[RunFile], most: int) -> tuple[list[Upload], list[str]]:
    taken: list[Upload] = []
    notices: list[str] = []
    weight = 0
    for file in files:
        name = _file_name(file.name, {upload.name for upload in taken})
        bytes_ = len(file.content)
        if bytes_ == 0:
            notices.append(f"{name} is empty.")
        elif bytes_ > MAX_FILE_BYTES or weight + bytes_ > MAX_REQUEST_BYTES or len(taken) == most:
            notices.append(f"{name} ({bytes_ / 2**20:.1f} MiB) is more than Discord takes in one message.")
        else:
            weight += bytes_
            taken.append(Upload(name, file.content, words(file.alt or file.name, MAX_ALT)))
    return taken, notices


def _file_name(name: str, taken: set[str]) -> str:
    """A name that Discord keeps as it is, so that components can refer to it."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[-60:].strip("._") or "file"
    if safe not in taken:
        return safe
    stem, dot, end = safe.rpartition(".")
    return next(each for number in range(2, 99) if (each := f"{stem}-{number}{dot}{end}") not in taken)


def _shown(uploads: Sequence[Upload]) -> Iterator[Json]:
    pictures = [upload for upload in uploads if upload.content.startswith(_PICTURES)]
    if pictures:
        items = [{"media": {"url": f"attachment://{each.name}"}, "description": each.alt} for each in pictures]
        yield {"type": _GALLERY, "items": items[:MAX_GALLERY]}
    for upload in uploads:
        if upload not in pictures:
            yield {"type": _FILE, "file": {"url": f"attachment://{upload.name}"}}


def _rows(buttons: Sequence[Button], seal: Seal) -> Iterator[Json]:
    seen: dict[str, int] = {}
    drawn: list[Json] = []
    for button in buttons:
        wire = seal(button.action)
        seen[wire] = seen.get(wire, 0) + 1
        custom_id = wire if seen[wire] == 1 else f"{wire}#{seen[wire]}"  # ids are unique within a message
        if len(custom_id) <= MAX_CUSTOM_ID:
            drawn.append(
                {
                    "type": _BUTTON,
                    "style": _LOOKS[button.look],
                    "label": words(button.label, MAX_LABEL),
                    "custom_id": custom_id,
                    **({} if button.enabled else {"disabled": True}),
                }
            )
    for start in range(0, len(drawn), ROW_BUTTONS):
        yield {"type": _ROW, "components": drawn[start : start + ROW_BUTTONS]}


def _menu(view: View, seal: Seal) -> tuple[list[Json], int]:
    """The menu, and a second one for buttons beyond the rows; also how many entries found no room."""
    extra = tuple(Entry(button.label, button.action) for button in view.buttons[MAX_BUTTONS:] if button.enabled)
    menus = [menu for menu in (view.menu, Menu("More", extra) if extra else None) if menu and menu.entries]
    drawn: list[Json] = []
    left_out = 0
    for number, menu in enumerate(menus):
        options: dict[str, Json] = {}
        for entry in menu.entries:
            wire = seal(entry.action)
            if wire in options:
                continue
            if len(options) == MAX_OPTIONS:
                left_out += 1
                continue
            options[wire] = {"label": words(entry.label, MAX_OPTION), "value": wire}
            if entry.about.strip():
                options[wire]["description"] = words(entry.about, MAX_OPTION)
        select = {
            "type": _SELECT,
            "custom_id": f"menu{number}",
            "placeholder": words(menu.placeholder, MAX_PLACEHOLDER),
            "options": list(options.values()),
        }
        drawn.append({"type": _ROW, "components": [select]})
    return drawn, left_out


def _field(field: Field) -> Json:
    box: Json = {
        "type": _INPUT,
        "custom_id": field.name[:MAX_CUSTOM_ID],
        "style": _PARAGRAPH if field.multiline else _SHORT,
        "required": not field.optional,
        "max_length": max(1, min(field.max_length, MAX_FIELD_VALUE)),
    }
    if field.value:
        box["value"] = field.value.encode("utf-8", "replace").decode()  # half a character cannot be sent
    return {"type": _LABEL, "label": words(field.label, MAX_FIELD_LABEL), "component": box}


def text(content: str) -> Json:
    """A paragraph of Discord's Markdown."""
    return {"type": _TEXT, "content": content}


def words(text: str, limit: int) -> str:
    """A short text where Discord knows no markup; never empty."""
    shown = clip(" ".join(markup.shown(text).split()), limit)
    while size(shown) > limit:
        shown = clip(shown, len(shown) - 1)
    return shown or "…"
