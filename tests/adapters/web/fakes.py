"""A desk that answers with one representative view of each kind, so that the page is tested without use cases."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bot.core.actions import (
    PERSONAL,
    Action,
    Answer,
    AskQuiz,
    CancelRun,
    Codec,
    DeleteRun,
    NextQuestion,
    OpenRun,
    RunAgain,
    RunProof,
    ShareResult,
    ShowBoard,
    SubmitRun,
    WhyNot,
)
from bot.core.address import Address
from bot.core.errors import UserError
from bot.core.ids import Caller, ItemId, OptionId, Tenant
from bot.core.runs import RunFile, RunId
from bot.core.views import (
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
    Look,
    Mark,
    Menu,
    Note,
    Ranking,
    Reply,
    Span,
    Style,
    Table,
    Text,
    View,
    plain,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CODE = (
    'import torch\n\n# scores before the softmax\nscores = torch.tensor([2.0, 1.0, 0.1])\nprint(f"{scores.softmax(0)}")'
)
OPTIONS = (
    "About the query vector of token 3",
    "About the key vector of token 3",
    "About the input vector of token 3, before any projection was applied to it",
    "About the value vector of token 3",
)


class FakeLog:
    """Keeps the names of events."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def info(self, event: str, **fields: object) -> None:
        self.events.append(event)

    def warning(self, event: str, **fields: object) -> None:
        self.events.append(event)

    def exception(self, event: str, **fields: object) -> None:
        self.events.append(event)


def png(width: int = 480, height: int = 240) -> bytes:
    """A picture of a falling curve."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            curve = 20 + (height - 40) * (1 - 2.718 ** (-3 * x / width))
            rows += (
                b"\xb9\x3e\x0b"
                if abs(y - curve) < 3
                else b"\xee\xe6\xe0"
                if x % 60 == 0 or y % 40 == 0
                else b"\xff" * 3
            )

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b"")
    )


def question(number: int = 1) -> View:
    """A question with four options."""
    item = ItemId(f"quiz-11-q{number:02}")
    return View(
        blocks=(
            Heading(f"Quiz 11 · Transformers · question {number} of 10"),
            Text(
                (
                    Span("One query matches the key of token 3 far better than any other key, so its "),
                    Span("softmax", Style.CODE),
                    Span(" weight there is "),
                    Span("about 1", Style.STRONG),
                    Span(". What is the attention output for this query?"),
                )
            ),
            Choices(tuple(Choice(letter, plain(text)) for letter, text in zip("ABCD", OPTIONS, strict=True))),
            Note("transformers · understand"),
        ),
        fallback=f"Quiz 11 · Transformers · question {number} of 10: what is the attention output for this query?",
        buttons=tuple(Button(letter, Answer(item, OptionId(letter.lower()), 1)) for letter in "ABCD"),
    )


def verdict(item: ItemId, option: OptionId) -> View:
    """The question with its key shown."""
    right = option == "d"
    words = "Right. +1 point" if right else "Not quite. It is D."
    marks = {"d": Mark.RIGHT} if right else {option: Mark.WRONG, "d": Mark.RIGHT}
    choices = tuple(
        Choice(letter, plain(text), marks.get(letter.lower(), Mark.NONE))
        for letter, text in zip("ABCD", OPTIONS, strict=True)
    )
    return View(
        blocks=(
            Heading(words),
            Choices(choices),
            Text(plain("The output is the weighted sum of the values, and nearly all the weight lies on this one.")),
            Bullets((plain("The key decides how well a token is found."), plain("The value is what it hands over."))),
            Note("scaled_dot_product_attention · Vaswani et al. 2017"),
        ),
        fallback=f"{words} The output is the weighted sum of the values.",
        buttons=(
            Button("See result" if item.endswith("10") else "Next question", NextQuestion(item), Look.MAIN),
            Button("Run the proof", RunProof(item)),
            Button("Why not the others?", WhyNot(item)),
        ),
        in_place=True,
    )


def score() -> View:
    """The end of a quiz."""
    return View(
        blocks=(Heading("Quiz 11 · Transformers"), Text((Span("You got "), Span("6 of 10", Style.STRONG)))),
        fallback="Quiz 11: 6 of 10 right",
        buttons=(Button("Share result", ShareResult("11"), Look.MAIN),),
    )


def board(caller: Caller, period: str, *, in_place: bool = False) -> View:
    """A board with shared ranks."""
    return View(
        blocks=(
            Heading(f"Leaderboard · {period} · this channel"),
            Board(
                (
                    Ranking(1, "Grace", 42, "9 of 10 at the first try"),
                    Ranking(2, caller.name, 31, me=True),
                    Ranking(2, "Linus", 31),
                    Ranking(4, "Barbara", 1),
                )
            ),
            Note("Practice: 1 point the first time you get a question right. Speed and repeats never count."),
        ),
        fallback="Grace leads with 42 points",
        buttons=tuple(
            Button(
                name.capitalize(),
                ShowBoard(name, "channel"),
                Look.MAIN if name == period else Look.PLAIN,
                name != period,
            )
            for name in ("day", "week", "month", "all")
        ),
        in_place=in_place,
    )


def going(output: str) -> View:
    """A run on its way."""
    return View(
        blocks=(Code(CODE, title="Ada runs"), Code(output, "text", "Output so far"), Note("Running on cpu…")),
        fallback="Running on cpu…",
        buttons=(Button("Cancel", CancelRun(RunId("run1")), Look.DANGER),),
        private=False,
        final=False,
    )


def result(output: str = "tensor([0.6590, 0.2424, 0.0986])") -> View:
    """A finished run with a picture, a file and a table."""
    return View(
        blocks=(
            Code(CODE, title="Ada runs"),
            Code(output, "text", "Output"),
            Files(
                (
                    RunFile("loss.png", png(), "Line chart: the loss falls from 2.3 to 0.1 over 40 steps"),
                    RunFile("weights.csv", b"a,b\n1,2\n"),
                )
            ),
            Table(("layer", "weights"), (("embed", "1,024"), ("attention", "4,096"))),
            Note("ok · 0.21 s · 318 MiB peak · cpu · torch 2.13.0"),
        ),
        fallback="Done. tensor([0.6590, 0.2424, 0.0986])",
        buttons=(
            Button("Run again", RunAgain(RunId("run1"))),
            Button("Edit and run", OpenRun(RunId("run1"))),
            Button("Delete", DeleteRun(RunId("run1")), Look.DANGER),
        ),
        private=False,
    )


def notice(text: str, *, private: bool = True, in_place: bool = False) -> View:
    """A card of one sentence."""
    return View((Text(plain(text)),), text, private=private, in_place=in_place)


def menu() -> View:
    """The list of quizzes."""
    entries = (("1 · Tensors", "1"), ("4 · CNNs", "4"), ("11 · Transformers", "11"))
    return View(
        blocks=(Heading("Quizzes"),),
        fallback="3 quizzes",
        menu=Menu("Choose a quiz", tuple(Entry(label, AskQuiz(quiz), "Course 1") for label, quiz in entries)),
    )


def run_form(code: str = "") -> Form:
    """The box for code."""
    return Form("Run PyTorch code", SubmitRun(), (Field("code", "Code", code, multiline=True),), "Run")


@dataclass
class FakeDesk:
    """Answers like `bot.app.desk.Desk`. `gate` holds back every reply until it is set; `codes` keeps what was run."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    callers: list[Caller] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    finished: asyncio.Queue[tuple[Address, View]] = field(default_factory=asyncio.Queue)
    codec: Codec = field(default_factory=lambda: Codec(b"k" * 16))

    def __post_init__(self) -> None:
        self.gate.set()

    async def say(self, caller: Caller, line: str) -> AsyncIterator[Reply]:
        self.callers.append(caller)
        await self.gate.wait()
        command, _, rest = line.partition(" ")
        if command == "/quiz":
            yield question() if rest else menu()
        elif command == "/leaderboard":
            yield board(caller, "month")
        elif command == "/run" and rest:
            async for reply in self._run(caller, rest):
                yield reply
        elif command == "/run":
            yield run_form()
        elif command == "/echo":
            yield notice(rest, private=False)
        else:
            yield notice(f"I answer commands, such as /quiz 11. I do not know: {line}")

    async def press(self, caller: Caller, wire: str) -> AsyncIterator[Reply]:
        self.callers.append(caller)
        await self.gate.wait()
        try:
            action = self.codec.decode(wire, caller.tenant, caller.user, NOW)
        except UserError as error:
            yield notice(str(error))
            return
        async for reply in self._act(caller, action):
            yield reply

    async def submit(self, caller: Caller, wire: str, values: Mapping[str, str]) -> AsyncIterator[Reply]:
        self.callers.append(caller)
        async for reply in self._run(caller, values["code"]):
            yield reply

    def seal(self, caller: Caller, reply: Reply) -> Callable[[Action], str]:
        private = not isinstance(reply, View) or reply.private

        def sealed(action: Action) -> str:
            owner = caller.user if private or isinstance(action, PERSONAL) else None
            return self.codec.encode(action, caller.tenant, NOW, owner)

        return sealed

    def seal_for_all(self, tenant: Tenant) -> Callable[[Action], str]:
        return lambda action: self.codec.encode(action, tenant, NOW)

    async def deliver(self, group: str, consumer: str, show: Callable[[Address, View], Awaitable[None]]) -> None:
        while True:
            await show(*await self.finished.get())

    async def _act(self, caller: Caller, action: Action) -> AsyncIterator[Reply]:
        match action:
            case AskQuiz():
                yield question()
            case Answer(item, option):
                yield verdict(item, option)
            case NextQuestion(item):
                yield score() if item.endswith("10") else question(int(item[-2:]) + 1)
            case WhyNot(item):
                yield replace(verdict(item, OptionId("d")), buttons=())
            case ShowBoard(period, _):
                yield board(caller, period, in_place=True)
            case OpenRun():
                yield run_form(CODE)
            case DeleteRun():
                yield notice(f"{caller.name} deleted this result.", private=False, in_place=True)
            case RunProof() | RunAgain():
                async for reply in self._run(caller, CODE):
                    yield reply
            case ShareResult() | CancelRun():
                yield notice("Stopping it now.")

    async def _run(self, caller: Caller, code: str) -> AsyncIterator[Reply]:
        self.codes.append(code)
        yield going("step 1\nstep 2")
        await self.gate.wait()
        self.finished.put_nowait((Address.of(caller, title="", private=False), result()))
