"""A message as data. Use cases return views; each adapter renders them as its last step.

Text that people wrote (names, output) only ever enters as the text of a `Span`, so it can never become markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.core.actions import Action
from bot.core.ids import ChannelId
from bot.core.runs import RunFile


class Style(StrEnum):
    """How a span looks."""

    PLAIN = "plain"
    CODE = "code"
    STRONG = "strong"
    EMPHASIS = "emphasis"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text in one style."""

    text: str
    style: Style = Style.PLAIN
    at: datetime | None = None
    """A moment that `text` tells in some zone; surfaces that can show it in the reader's own do so instead."""
    channel: ChannelId | None = None
    """A channel that `text` names; surfaces that can link to it do so instead."""


Line = tuple[Span, ...]
"""One line or paragraph of styled text."""


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a card."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    line: Line


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list, one line an item."""

    items: tuple[Line, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """A block of code or of output, shown letter by letter. `title` says what it is."""

    source: str
    language: str = "py"
    title: str = ""


class Mark(StrEnum):
    """What a reveal says of an option; shown as a sign and a word, never by colour alone."""

    NONE = ""
    RIGHT = "right"
    WRONG = "your answer"


@dataclass(frozen=True, slots=True)
class Choice:
    """One lettered option in the body of a card."""

    letter: str
    line: Line
    mark: Mark = Mark.NONE


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of a question. Buttons carry only the letters; the text stands here."""

    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """One row of a board. `rank` is shared by equals; `me` marks the reader."""

    rank: int
    name: str
    points: int | float
    detail: str = ""
    me: bool = False
    channel: ChannelId | None = None
    """The channel that `name` stands for; surfaces that can link it do so instead."""


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard as a list, never a wide table."""

    rows: tuple[Ranking, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A small table of text; surfaces without tables show one row a line."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Files:
    """Pictures and files; each has its alt text."""

    files: tuple[RunFile, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Small print at the foot of a card."""

    text: str


Block = Heading | Text | Bullets | Code | Choices | Board | Table | Files | Note


class Look(StrEnum):
    """How a button stands out; its label always says enough."""

    PLAIN = "plain"
    MAIN = "main"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Button:
    """A button; its label is at most 34 characters, the most Discord shows on a phone."""

    label: str
    action: Action
    look: Look = Look.PLAIN
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a menu."""

    label: str
    action: Action
    about: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """Choose one of at most 25."""

    placeholder: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One box of a form."""

    name: str
    label: str
    value: str = ""
    multiline: bool = False
    optional: bool = False
    max_length: int = 4000


@dataclass(frozen=True, slots=True)
class Form:
    """A dialog; submitting it performs `action` with the values of its fields."""

    title: str
    action: Action
    fields: tuple[Field, ...]
    submit: str = "Send"


@dataclass(frozen=True, slots=True)
class View:
    """A message. `private`: only the caller sees it. `fallback`: the whole in one sentence, for notifications and
    screen readers. `final` is False while a later view of the same reply will replace this one. `in_place`: it takes
    the place of the card whose button was pressed; otherwise it is a new message."""

    blocks: tuple[Block, ...]
    fallback: str
    buttons: tuple[Button, ...] = ()
    menu: Menu | None = None
    private: bool = True
    final: bool = True
    in_place: bool = False


Reply = View | Form


def plain(text: str) -> Line:
    """A line of plain text, whatever characters it holds."""
    return (Span(text),)


def text_of(line: Sequence[Span]) -> str:
    """The words of a line without their styles."""
    return "".join(span.text for span in line)
