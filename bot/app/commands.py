"""The commands, declared once for all platforms, and the way from what was typed or pressed to the use case."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bot.app.answers import Answers, Pressed, Typed, UseCase, Values, typed
from bot.app.days import NEXT
from bot.app.leaderboard import SCOPES
from bot.app.privacy import WORDS
from bot.core.actions import Action, Answer, AskQuiz, DailyAnswer, ShowBoard
from bot.core.errors import NotFound, StaleButton
from bot.core.ids import Caller, Tenant
from bot.core.periods import PERIODS
from bot.core.puzzles import SUBJECTS
from bot.core.scoring import RULE
from bot.core.text import clip, display_name, line
from bot.core.views import Bullets, Button, Heading, Look, Note, Reply, View

PREFIX = "/"
Key = TypeVar("Key")
Value = TypeVar("Value")
_COMMAND = re.compile(r"\s*(\S*)[ \t]*\n?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command. Platforms with typed arguments join them with spaces, in order."""

    name: str
    about: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A command as people type it."""

    name: str
    about: str
    example: str
    arguments: tuple[Argument, ...] = ()
    admins: bool = False
    """Only admins may use it; a platform that can hides it from others."""
    in_channels: bool = False
    """It is about a team's channel, and means nothing in private messages."""


_PLAN = Argument("plan", "Time, zone and days; empty for a form")
_DAILY = Argument("what", "Empty for the question; for admins: now, skip, pause, resume, holidays, remove, audit")
_CARDS = Argument("what", "A topic or a word, and how many cards; empty for the decks")
_SIZE = Argument("cards", "How many cards at most")
_WHAT = Argument("what", "A number, a topic or a word; empty for the list")

COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command("quiz", "Play a quiz", "/quiz 11", (Argument("what", "Number of the quiz; empty for the list"),)),
        Command(
            "leaderboard",
            "See who has how many points",
            "/leaderboard week workspace",
            (
                Argument("period", "Which stretch of days", tuple(PERIODS)),
                Argument("scope", "Where the points were earned", tuple(SCOPES)),
                Argument("topic", "Only what was asked about a topic, such as autograd"),
            ),
        ),
        Command("daily", "Show the question of the day of this channel", "/daily", (_DAILY,), in_channels=True),
        Command("flashcards", "Drill flashcards", "/flashcards autograd 20", (_CARDS,)),
        Command("review", "Review what is due and what you missed", "/review", (_SIZE,)),
        Command(
            "puzzle",
            "Guess what fresh code prints, then run it",
            "/puzzle broadcasting",
            (Argument("subject", "What it is about; empty for any", tuple(SUBJECTS)),),
        ),
        Command("stats", "See your own progress", "/stats"),
        Command("interview", "Read interview questions and answers", "/interview 12", (_WHAT,)),
        Command("concepts", "Explain a concept in your own words, then compare", "/concepts tensors", (_WHAT,)),
        Command("reference", "Look up formulas and code patterns", "/reference cross-entropy", (_WHAT,)),
        Command(
            "run",
            "Run PyTorch code in the sandbox",
            "/run torch.arange(3).sum()",
            (Argument("code", "The code; gpu in front of it asks for a GPU"),),
        ),
        Command(
            "privacy",
            "See what I keep of you; hide, get or remove it",
            "/privacy",
            (Argument("what", "Do it at once; empty for the choice", WORDS),),
        ),
        Command("help", "What I can do", "/help"),
        Command(
            "setup",
            "Plan a question of the day in this channel",
            "/setup 9:30 Europe/Berlin mon-fri",
            (_PLAN,),
            admins=True,
            in_channels=True,
        ),
        Command("schedules", "See and change what is planned in this channel", "/schedules", (), True, True),
        Command("reports", "Judge mistakes that members reported", "/reports", (), True, True),
    )
}

NEXT_DAY = Command(NEXT, "Go on to the next day (here in the demo)", "/next")
"""Only where time is simulated."""

RECORDED = (Answer, DailyAnswer)
"""Actions that leave an answer in the log."""


class Commands:
    """Finds the use case for what was typed or pressed."""

    def __init__(self, *use_cases: UseCase, follow: Callable[[Tenant], Awaitable[None]] | None = None) -> None:
        """What is not among the `use_cases` is not to be had on this surface. `follow` is called after an answer was
        recorded and replied to. Raises ValueError where two of them answer the same."""
        answers = (Answers({"help": typed(self._help)}), *(each.answers() for each in use_cases))
        self._commands: Mapping[str, Typed] = _united(each.commands for each in answers)
        self._actions: Mapping[type, Pressed] = _united(each.actions for each in answers)
        self._follow = follow

    def say(self, caller: Caller, text: str) -> AsyncIterator[Reply]:
        """Answer a typed line. Raises NotFound for an unknown command."""
        name, rest = _COMMAND.fullmatch(text).groups()  # type: ignore[union-attr]  # it matches every text
        name = name.lower()
        if not name.startswith(PREFIX):
            raise NotFound("I answer commands, such as `/quiz 11`. Type `/help` to see them all.")
        answer = self._commands.get(name[1:])
        if answer is None:
            raise NotFound(f"There is no command `{clip(display_name(name), 30)}`. Type `/help` to see them all.")
        return answer(caller, rest if name == "/run" else rest.strip())

    def act(self, caller: Caller, action: Action, values: Values) -> AsyncIterator[Reply]:
        """Do what a button, a menu entry or a form means. Raises StaleButton for what is not to be had here."""
        answer = self._actions.get(type(action))
        if answer is None:
            raise StaleButton
        replies = answer(caller, action, values)
        return self._followed(caller, replies) if isinstance(action, RECORDED) else replies

    async def _followed(self, caller: Caller, replies: AsyncIterator[Reply]) -> AsyncIterator[Reply]:
        async for reply in replies:
            yield reply
        if self._follow:
            await self._follow(caller.tenant)

    async def _help(self, _: Caller, __: str) -> View:
        here = [command for command in (*COMMANDS.values(), NEXT_DAY) if command.name in self._commands]
        lines = [line(f"`{each.example}` {_lowered(each.about)}") for each in here if not each.admins]
        if admin := [f"`{each.example}` {_lowered(each.about)}" for each in here if each.admins]:
            lines.append(line("For admins: " + "; ".join(admin)))
        play = Button("Play Quiz 1", AskQuiz("1"), Look.MAIN)
        return View(
            blocks=(Heading("I teach PyTorch, one question at a time"), Bullets(tuple(lines)), Note(RULE)),
            fallback="Commands: " + ", ".join(command.example for command in here),
            buttons=(play, Button("Leaderboard", ShowBoard("month", "channel"))),
        )


def _lowered(about: str) -> str:
    return about[:1].lower() + about[1:]


def _united(parts: Iterable[Mapping[Key, Value]]) -> dict[Key, Value]:
    whole: dict[Key, Value] = {}
    for part in parts:
        if twice := whole.keys() & part.keys():
            raise ValueError(f"answered by two use cases: {twice}")
        whole |= part
    return whole
