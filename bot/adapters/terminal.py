"""The terminal chat: the smallest adapter. Read it before writing another.

One line is one message. ``/as NAME`` plays as someone else, a single letter presses the button of that letter on the
last card that has buttons, ``!N`` presses its N-th button or menu entry. Where a card asks for a form, each box takes
a line (nothing keeps what it holds), or the lines up to a single ``.`` where it takes several.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.app.desk import Desk
from bot.core.actions import Action
from bot.core.demo import DEMO_CHANNEL, DEMO_TENANT, demo_user
from bot.core.ids import Caller, ChannelId, Tenant, UserId
from bot.core.text import display_name, plural, visible
from bot.core.views import (
    Block,
    Board,
    Bullets,
    Choices,
    Code,
    Field,
    Files,
    Form,
    Heading,
    Line,
    Mark,
    Note,
    Ranking,
    Reply,
    Style,
    Table,
    Text,
    View,
)

END_OF_FORM = "."
HELP = "Type /quiz 11, a letter to answer, !1 to press a button, /as NAME to play as someone else, Ctrl-D to leave."
_SIGNS = {Mark.RIGHT: "✓ ", Mark.WRONG: "✗ "}
_RATING = re.compile(r"^[1-5] (?=[A-Z])")
"""The number before the words of a rating. Beside `!N` it would invite pressing another one."""


class Console(Protocol):
    """Where lines come from and go to."""

    async def read(self, prompt: str) -> str | None:
        """The next line without its end; None at the end of the input."""
        ...

    def write(self, text: str) -> None:
        """Print lines."""
        ...

    @property
    def styled(self) -> bool:
        """Whether a person watches: then headings are bold and progress is shown."""
        ...


@dataclass(frozen=True, slots=True)
class _Pressable:
    label: str
    wire: str
    enabled: bool


@dataclass(slots=True)
class Terminal:
    """One conversation over a console."""

    desk: Desk
    console: Console
    name: str
    _buttons: tuple[_Pressable, ...] = field(default=(), init=False)

    async def chat(self) -> None:
        """Answer lines until the input ends."""
        while (line := await self.console.read(f"{self.name}> ")) is not None:
            await self.handle(line)

    async def handle(self, line: str) -> None:
        """Answer one line."""
        typed = line.strip()
        if not typed:
            return
        if match := re.fullmatch(r"/as(?:\s+(.*))?", typed):
            self._play_as(match[1] or "")
        elif match := re.fullmatch(r"!(\d{1,3})", typed):
            await self._press_number(int(match[1]))
        elif len(typed) == 1 and typed.isalpha():
            await self._press_letter(typed.upper())
        else:
            caller = self._caller()
            await self._show(caller, self.desk.say(caller, line))

    def _play_as(self, name: str) -> None:
        if not (shown := display_name(name, "")):
            self.console.write("Say who: /as Ada")
            return
        self.name = shown
        self.console.write(f"You are {shown} now.")

    async def _press_letter(self, letter: str) -> None:
        choices = [button for button in self._buttons if button.label == letter]
        if choices:
            await self._press(choices[0])
        else:
            self.console.write(f"The last card has no button {letter}. {HELP}")

    async def _press_number(self, number: int) -> None:
        if 1 <= number <= len(self._buttons):
            await self._press(self._buttons[number - 1])
        else:
            self.console.write(f"The last card has {plural(len(self._buttons), 'button')}. {HELP}")

    async def _press(self, button: _Pressable) -> None:
        if not button.enabled:
            self.console.write(f"{button.label} is what you see already.")
            return
        caller = self._caller()
        await self._show(caller, self.desk.press(caller, button.wire))

    async def _show(self, caller: Caller, replies: AsyncIterator[Reply]) -> None:
        shown = ""
        async for reply in replies:
            seal = self.desk.seal(caller, reply)
            if isinstance(reply, Form):
                await self._fill(caller, reply, seal)
            elif reply.final:
                self._print(reply, seal)
            elif self.console.styled and reply.fallback != shown:
                self.console.write(f"  {reply.fallback}")
                shown = reply.fallback

    def post(self, view: View) -> None:
        """Print a card that nobody asked for. Its buttons are anyone's."""
        self._print(view, self.desk.seal_for_all(DEMO_TENANT))

    def _print(self, view: View, seal: Callable[[Action], str]) -> None:
        buttons = tuple(_pressables(view, seal))
        self._buttons = buttons or self._buttons
        self.console.write("\n".join(card(view, [button.label for button in buttons], self.console.styled)))

    async def _fill(self, caller: Caller, form: Form, seal: Callable[[Action], str]) -> None:
        values: dict[str, str] = {}
        for box in form.fields:
            values[box.name] = (await self._lines(box) if box.multiline else await self._line(box)) or box.value
        await self._show(caller, self.desk.submit(caller, seal(form.action), values))

    async def _line(self, box: Field) -> str:
        self.console.write(f"{box.label} [{visible(box.value)}]" if box.value else box.label)
        return (await self.console.read("… ") or "").strip()

    async def _lines(self, box: Field) -> str:
        self.console.write(f"{box.label}. End with a line that holds only {END_OF_FORM}")
        lines: list[str] = []
        while (line := await self.console.read("… ")) is not None and line.strip() != END_OF_FORM:
            lines.append(line)
        return "\n".join(lines)

    def _caller(self) -> Caller:
        return Caller(
            DEMO_TENANT, DEMO_CHANNEL, demo_user(self.name), self.name, event=secrets.token_hex(12), is_admin=True
        )


class TerminalChat:
    """The Chat port over a terminal: what is posted is printed, and printed anew once it says something else."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._said: dict[str, tuple[str, str]] = {}

    async def post(self, tenant: Tenant, channel: ChannelId, view: View, key: str) -> str:
        """Print a message; returns its id."""
        id = secrets.token_hex(8)
        self._said[id] = (key, view.fallback)
        self._terminal.post(view)
        return id

    async def reply(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> str:
        """The same: a terminal has no threads."""
        return await self.post(tenant, channel, view, key)

    async def edit(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> None:
        """Print what a message says now, unless that was printed; a counter alone is not worth it."""
        _, said = self._said.get(message, (key, ""))
        self._said[message] = (key, view.fallback)
        if said != view.fallback:
            self._terminal.post(view)

    async def find(
        self, tenant: Tenant, channel: ChannelId, key: str, since: datetime, thread: str = ""
    ) -> Sequence[str]:
        """The messages with that key."""
        return [id for id, (known, _) in self._said.items() if known == key]

    async def delete(self, tenant: Tenant, channel: ChannelId, message: str) -> None:
        """What is printed stays."""
        self._said.pop(message, None)

    async def tell(self, tenant: Tenant, user: UserId, channel: ChannelId, view: View) -> None:
        """Print it: one person sits at a terminal."""
        self._terminal.post(view)


def _pressables(view: View, seal: Callable[[Action], str]) -> Iterator[_Pressable]:
    for button in view.buttons:
        yield _Pressable(button.label, seal(button.action), button.enabled)
    for entry in view.menu.entries if view.menu else ():
        yield _Pressable(entry.label, seal(entry.action), True)


def card(view: View, buttons: list[str], styled: bool = False) -> list[str]:
    """A view as lines of plain text; with `styled`, headings and strong words are bold."""
    lines = [""]
    for block in view.blocks:
        lines.extend(_block(block, styled))
    if buttons:
        letters = len(buttons) <= 6 and all(len(label) == 1 for label in buttons)
        pairs = (label if letters else f"!{number} {_RATING.sub('', label)}" for number, label in enumerate(buttons, 1))
        lines.append(
            ("Answer with " if letters else "") + ("  ".join(pairs) if len(buttons) < 10 else "\n".join(pairs))
        )
    return lines


def _block(block: Block, styled: bool) -> list[str]:
    match block:
        case Heading(text):
            return [_bold(visible(text), styled)]
        case Text(line):
            return [_words(line, styled)]
        case Bullets(items, numbered):
            return [
                f"{f'{number}.' if numbered else '-'} {_words(item, styled)}" for number, item in enumerate(items, 1)
            ]
        case Code(source, _, title):
            body = [f"    {line}" for line in source.splitlines()]
            return [f"{visible(title)}:", *body] if title else body
        case Choices(choices):
            return [
                f"  {choice.letter}. {_SIGNS.get(choice.mark, '')}{_words(choice.line, styled)}"
                + (f"  ({choice.mark.value})" if choice.mark is not Mark.NONE else "")
                for choice in choices
            ]
        case Board(rows):
            return [_row(row) for row in rows]
        case Table(columns, rows):
            return [" | ".join(map(visible, row)) for row in (columns, *rows)]
        case Files(files):
            return [f"[{visible(file.name)}, {len(file.content)} bytes] {visible(file.alt)}".rstrip() for file in files]
        case Note(text):
            return [f"({visible(text)})"]


def _row(row: Ranking) -> str:
    detail = f", {visible(row.detail)}" if row.detail else ""
    return f"{row.rank:>3}. {visible(row.name)}  {plural(row.points, 'point')}{detail}{'  (you)' if row.me else ''}"


def _words(line: Line, styled: bool) -> str:
    return "".join(
        f"`{visible(span.text)}`"
        if span.style is Style.CODE
        else _bold(visible(span.text), styled and span.style is Style.STRONG)
        for span in line
    )


def _bold(text: str, styled: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if styled else text
