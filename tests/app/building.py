"""A desk over memory, and a person who talks to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from bot.app.commands import Commands
from bot.app.deliveries import Deliveries
from bot.app.desk import FrontDesk
from bot.app.leaderboard import Leaderboards
from bot.app.local_days import LocalDays
from bot.app.memory import Memory
from bot.app.puzzles import Puzzles
from bot.app.quiz import Quizzes
from bot.app.reviews import Reviews
from bot.app.runs import Runs
from bot.app.stats import Stats
from bot.app.study import Study
from bot.bank.load import examine
from bot.core.actions import Action, Codec
from bot.core.bank import Bank
from bot.core.ids import Caller, ChannelId, Tenant, UserId
from bot.core.kinds.choosing import Choosable
from bot.core.views import Block, Board, Bullets, Choices, Code, Files, Form, Heading, Note, Reply, Text, View, text_of
from bot.drawing import weeks_picture
from bot.ports import Notebooks, Scores
from bot.spacing import space
from bot.store.memory import MemoryNotebooks, MemoryScores
from tests.app.fakes import FakeClock, FakeLog, FakeQueue

BANK, _ = examine()  # that it has no findings is a test of its own


@dataclass
class House:
    """A desk and what stands behind it."""

    queue: FakeQueue = field(default_factory=FakeQueue)
    scores: Scores = field(default_factory=MemoryScores)
    clock: FakeClock = field(default_factory=FakeClock)
    log: FakeLog = field(default_factory=FakeLog)
    bank: Bank = field(default_factory=lambda: BANK)
    notebooks: Notebooks | None = None
    """Without any, notebooks in memory that follow the scores in memory."""

    def __post_init__(self) -> None:
        zone = ZoneInfo("UTC")
        self.runs = Runs(self.bank, self.queue)
        self.deliveries = Deliveries(self.queue, self.runs, self.log)
        scores = self.scores if isinstance(self.scores, MemoryScores) else MemoryScores()
        self.notebooks = self.notebooks or MemoryNotebooks(scores, self.clock)
        local_days = LocalDays(self.clock, zone)
        memory = Memory(self.bank, self.notebooks, space, local_days, self.log)
        reviews = Reviews(self.bank, memory, space)
        commands = Commands(
            Quizzes(self.bank, self.scores, local_days),
            Study(self.bank, reviews),
            Puzzles(lambda: 5),
            Leaderboards(self.scores, local_days, self.bank),
            self.runs,
            reviews,
            Stats(self.bank, memory, self.scores, local_days, weeks_picture),
            follow=memory.follow,
        )
        self.desk = FrontDesk(commands, self.deliveries, Codec(b"0123456789abcdef"), self.clock, self.log)


_EVENTS = itertools.count(1)


@dataclass
class Person:
    """Someone in a channel. `say`, `press` and `send` return the last reply."""

    house: House
    name: str = "Ada"
    tenant: Tenant = Tenant("dserver")
    channel: ChannelId = ChannelId("general")
    group: str = ""

    def caller(self) -> Caller:
        user = UserId("u-" + self.name)
        return Caller(self.tenant, self.channel, user, self.name, f"e{next(_EVENTS)}", group=self.group, place="m1")

    async def say(self, line: str) -> Reply:
        return (await self.replies(line))[-1]

    async def replies(self, line: str) -> list[Reply]:
        return [reply async for reply in self.house.desk.say(self.caller(), line)]

    async def press(self, reply: Reply, label: str) -> Reply:
        """Press the button or menu entry with that label, as this person."""
        return await self.click(self.wire(reply, label))

    async def click(self, wire: str) -> Reply:
        return (await self.clicks(wire))[-1]

    async def clicks(self, wire: str) -> list[Reply]:
        return [reply async for reply in self.house.desk.press(self.caller(), wire)]

    async def send(self, form: Reply, **values: str) -> Reply:
        assert isinstance(form, Form)
        caller = self.caller()
        wire = self.house.desk.seal(caller, form)(form.action)
        return [reply async for reply in self.house.desk.submit(caller, wire, values)][-1]

    def wire(self, reply: Reply, label: str) -> str:
        return self.house.desk.seal(self.caller(), reply)(action(reply, label))


def action(reply: Reply, label: str) -> Action:
    """The action behind a button or menu entry."""
    assert isinstance(reply, View)
    pressable: dict[str, Action] = {button.label: button.action for button in reply.buttons}
    pressable |= {entry.label: entry.action for entry in (reply.menu.entries if reply.menu else ())}
    return pressable[label]


def right_letter(reply: Reply, bank: Bank = BANK) -> str:
    """The letter of the right option on a question card, found through the bank as no player could."""
    assert isinstance(reply, View)
    for button in reply.buttons:
        item = bank.items[getattr(button.action, "item")]  # noqa: B009  only answers have an item
        assert isinstance(item, Choosable)
        if getattr(button.action, "option") == item.right():  # noqa: B009
            return button.label
    raise AssertionError("no right option on this card")


def wrong_letter(reply: Reply) -> str:
    """Some letter that is not right."""
    assert isinstance(reply, View)
    return next(button.label for button in reply.buttons if button.label != right_letter(reply))


def words(reply: Reply) -> str:
    """All the words of a reply, one block a line."""
    assert isinstance(reply, View), reply
    return "\n".join(_words(block) for block in reply.blocks)


def _words(block: Block) -> str:
    match block:
        case Heading(text) | Note(text):
            return text
        case Text(line):
            return text_of(line)
        case Bullets(items):
            return "\n".join(text_of(item) for item in items)
        case Code(source, _, title):
            return f"{title}\n{source}"
        case Files(files):
            return "\n".join(file.alt for file in files)
        case Choices(choices):
            return "\n".join(f"{choice.letter}. {text_of(choice.line)} {choice.mark}".rstrip() for choice in choices)
        case Board(rows):
            return "\n".join(f"{row.rank}. {row.name} {row.points}{' me' if row.me else ''}" for row in rows)
        case _:
            return ""


def labels(reply: Reply) -> Sequence[str]:
    """The labels of the buttons."""
    assert isinstance(reply, View)
    return [button.label for button in reply.buttons]
