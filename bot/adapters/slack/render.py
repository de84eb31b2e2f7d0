"""Views and forms to Block Kit. Every limit of Slack is here or in `rich.py`, each with its source.

S: read in slack_sdk 3.47.0 models; R: read in a named page; the rest are secondary sources (platforms.md section 6).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.adapters.slack import rich
from bot.adapters.slack.formatting import escaped
from bot.adapters.slack.place import Place
from bot.adapters.slack.rich import Json
from bot.core.actions import Action
from bot.core.runs import RunFile
from bot.core.text import clip, visible
from bot.core.views import (
    Block,
    Board,
    Bullets,
    Button,
    Choices,
    Code,
    Field,
    Files,
    Form,
    Heading,
    Look,
    Menu,
    Note,
    Span,
    Style,
    Table,
    Text,
    View,
    text_of,
)

Seal = Callable[[Action], str]

MAX_BLOCKS = 50  # of a message
MAX_HOME_BLOCKS = 100  # of a modal or an App Home (S)
MAX_TOTAL = 12_000  # characters of all blocks; Slack refuses about 13,200: bolt-js#2509 (R)
MAX_HEADER = 150  # characters of a header (S)
MAX_CODE = 2800  # characters of one block of code that we show; more becomes a file
MAX_NOTE = 1900  # characters of one element of a context block: 2000
MAX_NOTES = 10  # elements of a context block (S)
MAX_BUTTONS = 25  # elements of an actions block (S)
MAX_ALL_BUTTONS = 50  # of a message; ours have at most seven
MAX_LABEL = 75  # characters of a button, an option, an accessibility label (S)
MAX_OPTIONS = 100  # of a menu (S)
MAX_DESCRIBED = 25  # options with a second line; more of them leave no room for the card
MAX_PLACEHOLDER = 150  # characters (S)
MAX_TITLE = 24  # characters of a modal's title and of its buttons (S)
MAX_INPUT = 3000  # characters of one text input (reference: plain-text input element)
MAX_INPUTS = 40  # boxes that one field is spread over; more text is refused
MAX_INPUT_LABEL = 2000  # characters (S)
MAX_METADATA = 3000  # characters of private_metadata (S)
MAX_TEXT = 3000  # characters of the fallback text that we send; Slack advises 4000

FORM = "torchquiz-form-1"
"""The callback_id of every form; what it does stands in its private_metadata. Changes only with their layout."""
MENU = "menu"
REST = "The rest is in the attached file."


@dataclass(frozen=True, slots=True)
class Message:
    """A message ready to send, and the files that belong to it."""

    body: Json
    files: tuple[RunFile, ...] = ()


def message(view: View, seal: Seal, *, shared: Sequence[str] = (), note: str = "") -> Message:
    """The message of a view. `shared` are the ids of its files already on Slack, which its buttons then carry; `note`
    is a remark of the adapter at its foot."""
    files: list[RunFile] = []
    body = [part for block in view.blocks for part in _block(block, files)]
    if note:
        body.extend(_note(note))
    foot = list(_controls(view, seal, shared))
    fitted = _fitted(body, MAX_BLOCKS - len(foot), MAX_TOTAL - rich.size(foot), files)
    text = escaped(clip(visible(view.fallback).strip(), MAX_TEXT)) or "Torchquiz"
    return Message({"text": clip_escaped(text), "blocks": [*fitted, *foot]}, tuple(files))


def sentence(text: str) -> Json:
    """A message of one plain sentence of ours."""
    return {
        "text": escaped(text),
        "blocks": [{"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}],
    }


def about(channel: str, body: Json) -> Json:
    """A message with the channel that it is about named below it, which leads there."""
    link = {"type": "rich_text_section", "elements": [rich.channel(channel)]}
    return {**body, "blocks": [*body["blocks"], {"type": "rich_text", "elements": [link]}]}


def modal(form: Form, seal: Seal, place: Place) -> Json:
    """The dialog of a form. It carries all that its submission needs, so that a restart in between loses nothing."""
    return {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": _metadata(seal(form.action), place),
        "title": _plain(_label(form.title), MAX_TITLE),
        "submit": _plain(_label(form.submit), MAX_TITLE),
        "close": _plain("Cancel", MAX_TITLE),
        "blocks": [block for field in form.fields for block in _inputs(field)][:MAX_HOME_BLOCKS],
    }


def _metadata(wire: str, place: Place) -> str:
    """What a form carries: the action's wire form and the place its result goes to, a long response_url left out."""
    text = json.dumps({"wire": wire, "place": place.encode()}, separators=(",", ":"))
    return text if len(text) <= MAX_METADATA else _metadata(wire, replace(place, url="", until=0))


def home(cards: Iterable[tuple[View, Seal]], channel: str) -> Json:
    """The App Home that shows these views one below the other, without files, which it cannot show. `channel` is the
    conversation with its reader."""
    blocks: list[Json] = []
    for number, (view, seal) in enumerate(cards):
        divider: list[Json] = [{"type": "divider"}] if number else []
        shown = replace(view, blocks=tuple(block for block in view.blocks if not isinstance(block, Files)))
        parts = [*divider, *message(shown, seal).body["blocks"]]
        for part in parts:  # ids are unique over the whole surface
            if "block_id" in part:
                part["block_id"] = f"{part['block_id']}.{number}"
        if len(blocks) + len(parts) <= MAX_HOME_BLOCKS:
            blocks.extend(parts)
    return {"type": "home", "private_metadata": json.dumps({"channel": channel}), "blocks": blocks}


def clip_escaped(text: str) -> str:
    """Escaped text of at most `MAX_TEXT` characters, never cut inside an entity."""
    if len(text) <= MAX_TEXT:
        return text
    kept = text[: MAX_TEXT - 1]
    cut = kept.rfind("&")
    return (kept[:cut] if cut >= 0 and ";" not in kept[cut:] else kept) + "…"


def _block(block: Block, files: list[RunFile]) -> Iterator[Json]:
    match block:
        case Heading(text):
            yield from _heading(text)
        case Text(line):
            yield from rich.lines([line])
        case Bullets():
            yield from rich.bullets(block)
        case Code(source, language, title):
            yield from _code(source, language, title, files)
        case Choices():
            yield from rich.choices(block)
        case Board():
            yield from rich.board(block)
        case Table():
            yield from rich.table(block)
        case Files(attached):
            files.extend(attached)
            yield from rich.files(block)
        case Note(text):
            yield from _note(text)


def _heading(text: str) -> Iterator[Json]:
    line = " ".join(visible(text).split())
    if len(line) > MAX_HEADER:
        yield from rich.lines([(Span(line, Style.STRONG),)])
    elif line:
        yield {"type": "header", "text": _plain(line, MAX_HEADER)}


def _code(source: str, language: str, title: str, files: list[RunFile]) -> Iterator[Json]:
    shown, head = visible(source), clip(" ".join(visible(title).split()), MAX_HEADER)
    if len(shown) <= MAX_CODE:
        yield rich.code(shown, head)
        return
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in head.lower()).strip("-")[:40] or "code"
    content = source.encode("utf-8", "replace")
    file = RunFile(f"{name}.{'py' if language == 'py' else 'txt'}", content, f"{head or 'Code'}, whole")
    files.append(file)
    start = shown[:MAX_CODE]
    whole_lines = start[: start.rfind("\n") + 1].rstrip("\n")
    yield rich.code(whole_lines or start, head)
    yield from _note(f"{len(shown):,} characters in all; the rest is in {file.name}")


def _note(text: str) -> Iterator[Json]:
    line = visible(text).strip()
    pieces = [_plain(line[at : at + MAX_NOTE], MAX_NOTE) for at in range(0, len(line), MAX_NOTE)]
    for at in range(0, len(pieces), MAX_NOTES):
        yield {"type": "context", "elements": pieces[at : at + MAX_NOTES]}


def _fitted(blocks: list[Json], most: int, room: int, files: list[RunFile]) -> list[Json]:
    """As many blocks and characters as Slack takes; where some do not fit, a last line says so and the whole becomes a
    file."""
    kept, used = 0, 0
    while kept < min(len(blocks), most) and used + rich.size(blocks[kept]) <= room:
        used += rich.size(blocks[kept])
        kept += 1
    if kept == len(blocks):
        return blocks
    text = "\n\n".join(rich.words(block) for block in blocks)
    files.append(RunFile("card.txt", text.encode("utf-8", "replace"), "The whole card as text"))
    return [*blocks[: min(kept, most - 1)], *_note(REST)]


def _controls(view: View, seal: Seal, shared: Sequence[str]) -> Iterator[Json]:
    options = {
        choice.letter: text_of(choice.line)
        for block in view.blocks
        if isinstance(block, Choices)
        for choice in block.choices
    }
    # Slack has no disabled buttons; what such a button names stands in the heading.
    buttons = [button for button in view.buttons if button.enabled][:MAX_ALL_BUTTONS]
    for at in range(0, len(buttons), MAX_BUTTONS):
        group = buttons[at : at + MAX_BUTTONS]
        block_id = " ".join([f"buttons{at}", *(shared if at == 0 else ())])[:255]
        elements = [_button(button, seal, f"b{at + number}", options) for number, button in enumerate(group)]
        yield {"type": "actions", "block_id": block_id, "elements": elements}
    if view.menu and view.menu.entries:
        yield {"type": "actions", "block_id": "menu", "elements": [_menu(view.menu, seal)]}


def _button(button: Button, seal: Seal, action_id: str, options: Mapping[str, str]) -> Json:
    label = _label(button.label)
    element: Json = {
        "type": "button",
        "action_id": action_id,
        "text": _plain(label, MAX_LABEL),
        "value": seal(button.action),
    }
    if button.look is not Look.PLAIN:
        element["style"] = "primary" if button.look is Look.MAIN else "danger"
    if option := options.get(button.label):
        element["accessibility_label"] = clip(f"Answer {label}: {' '.join(visible(option).split())}", MAX_LABEL)
    return element


def _menu(menu: Menu, seal: Seal) -> Json:
    options: list[Json] = []
    for entry in menu.entries[:MAX_OPTIONS]:
        option: Json = {"text": _plain(_label(entry.label), MAX_LABEL), "value": seal(entry.action)}
        about = " ".join(visible(entry.about).split())
        if about and len(menu.entries) <= MAX_DESCRIBED:
            option["description"] = _plain(about, MAX_LABEL)
        options.append(option)
    return {
        "type": "static_select",
        "action_id": MENU,
        "placeholder": _plain(_label(menu.placeholder), MAX_PLACEHOLDER),
        "options": options,
    }


def _inputs(field: Field) -> Iterator[Json]:
    """The boxes of a field: one, or as many as its text needs, cut at line ends where there are any. A box whose text
    begins a new line says so in its id."""
    pieces = _pieces(field.value)
    for number, (piece, new_line) in enumerate(pieces):
        part = f" ({number + 1} of {len(pieces)})" if len(pieces) > 1 else ""
        element: Json = {
            "type": "plain_text_input",
            "action_id": "value",
            "multiline": field.multiline or len(pieces) > 1,
            "max_length": max(1, len(piece), min(field.max_length, MAX_INPUT)) if len(pieces) == 1 else MAX_INPUT,
        }
        if piece:
            element["initial_value"] = piece
        yield {
            "type": "input",
            "block_id": f"{field.name}.{number}{'n' if new_line else ''}",
            "label": _plain(_label(field.label) + part, MAX_INPUT_LABEL),
            "optional": field.optional or number > 0,
            "element": element,
        }


def _pieces(value: str) -> list[tuple[str, bool]]:
    pieces: list[tuple[str, bool]] = []
    rest, new_line = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), False
    while len(rest) > MAX_INPUT and len(pieces) < MAX_INPUTS - 1:
        cut = rest.rfind("\n", 0, MAX_INPUT + 1)
        at_line = cut > 0
        pieces.append((rest[: cut if at_line else MAX_INPUT], new_line))
        rest, new_line = (rest[cut + 1 :], True) if at_line else (rest[MAX_INPUT:], False)
    return [*pieces, (rest[:MAX_INPUT], new_line)]


def _label(text: str) -> str:
    return " ".join(visible(text).split()) or "…"


def _plain(text: str, limit: int) -> Json:
    return {"type": "plain_text", "text": clip(text, limit), "emoji": False}
