"""The commands, declared once for all platforms, and what each action does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.app.daily import Daily
from bot.app.days import Days
from bot.app.leaderboard import SCOPES, Leaderboards
from bot.app.memory import Memory
from bot.app.privacy import WORDS, Privacy
from bot.app.quiz import Quizzes
from bot.app.reports import Reports
from bot.app.reviews import Reviews
from bot.app.runs import Runs
from bot.app.setup import Setup
from bot.app.stats import Stats
from bot.app.study import SHELVES, Shelf, Study
from bot.core.actions import (
    Action,
    Answer,
    AnswerCard,
    AskQuiz,
    CancelRun,
    ChangeSchedule,
    DailyAnswer,
    DeleteRun,
    EraseData,
    ExportData,
    JudgeReport,
    NextCard,
    NextItem,
    NextQuestion,
    OpenDeck,
    OpenReport,
    OpenRun,
    OpenSetup,
    RateCard,
    RestartQuiz,
    RunAgain,
    RunProof,
    RunSample,
    SaveSchedule,
    SetAnonymous,
    ShareResult,
    ShowBoard,
    ShowCard,
    ShowDaily,
    ShowSide,
    ShowStats,
    SubmitReport,
    SubmitRun,
    SubmitSetup,
    UndoRating,
    WhyNot,
)
from bot.core.errors import NotFound, StaleButton
from bot.core.ids import Caller
from bot.core.periods import PERIODS
from bot.core.scoring import RULE
from bot.core.text import clip, display_name, line
from bot.core.views import Bullets, Button, Heading, Look, Note, Reply, View

PREFIX = "/"
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
            ),
        ),
        Command("daily", "Show the question of the day of this channel", "/daily", (_DAILY,), in_channels=True),
        Command("flashcards", "Drill flashcards", "/flashcards autograd 20", (_CARDS,)),
        Command("review", "Review what is due and what you missed", "/review", (_SIZE,)),
        Command("stats", "See your own progress", "/stats"),
        Command("interview", "Read interview questions and answers", "/interview 12", (_WHAT,)),
        Command("concepts", "Explain a concept in your own words, then compare", "/concepts tensors", (_WHAT,)),
        Command("reference", "Look up formulas and code patterns", "/reference cross-entropy", (_WHAT,)),
        Command(
            "run", "Run PyTorch code in the sandbox", "/run torch.arange(3).sum()", (Argument("code", "The code"),)
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

NEXT_DAY = Command("next", "Go on to the next day (here in the demo)", "/next")
"""Only where time is simulated."""

Handler = Callable[[Caller, str], AsyncIterator[Reply]]


class Commands:
    """Finds the use case for what was typed or pressed."""

    def __init__(
        self,
        quizzes: Quizzes,
        study: Study,
        leaderboards: Leaderboards,
        runs: Runs,
        daily: Daily | None = None,
        setup: Setup | None = None,
        reports: Reports | None = None,
        days: Days | None = None,
        privacy: Privacy | None = None,
        *,
        memory: Memory,
        reviews: Reviews,
        stats: Stats,
    ) -> None:
        """Without `daily`, `setup` and `reports`, questions of the day are not to be had on this surface; with `days`
        its days can be made to pass."""
        self._handlers: Mapping[str, Handler] = {
            "quiz": _single(quizzes.open),
            **{name: _shelf(study, shelf) for name, shelf in SHELVES.items()},
            "leaderboard": _single(leaderboards.open),
            "flashcards": _single(reviews.flashcards),
            "review": _single(reviews.review),
            "stats": _single(stats.open),
            "run": runs.run,
            "help": _single(self._help),
        }
        self._actions: Mapping[type, Callable[..., AsyncIterator[Reply]]] = {
            AskQuiz: _single(quizzes.act_open),
            RestartQuiz: _single(quizzes.restart),
            Answer: _followed(memory, quizzes.answer),
            NextQuestion: _single(quizzes.next),
            WhyNot: _single(quizzes.why_not),
            ShareResult: _single(quizzes.share),
            ShowBoard: _single(leaderboards.act),
            RunProof: runs.prove,
            RunSample: runs.sample,
            ShowSide: _single(study.side),
            NextItem: _single(study.next),
            OpenDeck: _single(reviews.open),
            ShowCard: _single(reviews.show),
            RateCard: _single(reviews.rate),
            AnswerCard: _single(reviews.answer),
            NextCard: _single(reviews.next),
            UndoRating: _single(reviews.undo),
            ShowStats: _single(stats.open),
            RunAgain: runs.again,
            OpenRun: _single(runs.open),
            CancelRun: _single(runs.cancel),
            DeleteRun: _single(runs.delete),
        }
        self._submit = runs.submit
        self._forms: dict[type, Callable[..., Awaitable[Reply]]] = {}
        if daily and setup and reports:
            self._forms = {SubmitSetup: setup.submit, SubmitReport: reports.submit}
            self._handlers = {
                **self._handlers,
                "daily": _single(setup.daily),
                "setup": _single(setup.open),
                "schedules": _single(setup.overview),
                "reports": _single(lambda caller, _: reports.overview(caller)),
            }
            self._actions = {
                **self._actions,
                DailyAnswer: _followed(memory, daily.answer),
                ShowDaily: _single(daily.show),
                OpenSetup: _single(setup.edit_or_open),
                SaveSchedule: _single(setup.save),
                ChangeSchedule: _single(setup.change),
                OpenReport: _single(reports.open),
                JudgeReport: _single(reports.judge),
            }

        if privacy:
            self._handlers = {**self._handlers, "privacy": _single(privacy.open)}
            self._actions = {
                **self._actions,
                SetAnonymous: _single(privacy.set_anonymous),
                ExportData: _single(privacy.export),
                EraseData: _single(privacy.erase),
            }
        if days:
            self._handlers = {**self._handlers, NEXT_DAY.name: _single(days.next)}

    def say(self, caller: Caller, text: str) -> AsyncIterator[Reply]:
        """Answer a typed line. Raises NotFound for an unknown command."""
        name, rest = _COMMAND.fullmatch(text).groups()  # type: ignore[union-attr]  # it matches every text
        name = name.lower()
        if not name.startswith(PREFIX):
            raise NotFound("I answer commands, such as `/quiz 11`. Type `/help` to see them all.")
        handler = self._handlers.get(name[1:])
        if handler is None:
            raise NotFound(f"There is no command `{clip(display_name(name), 30)}`. Type `/help` to see them all.")
        return handler(caller, rest if name == "/run" else rest.strip())

    def act(self, caller: Caller, action: Action, values: Mapping[str, str]) -> AsyncIterator[Reply]:
        """Do what a button, a menu entry or a form means."""
        if isinstance(action, SubmitRun):
            return self._submit(caller, action, values)
        if type(action) in self._forms:
            return _once(self._forms[type(action)](caller, action, values))
        if type(action) not in self._actions:
            raise StaleButton
        return self._actions[type(action)](caller, action)

    async def _help(self, _: Caller, __: str) -> View:
        here = [command for command in (*COMMANDS.values(), NEXT_DAY) if command.name in self._handlers]
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


def _shelf(study: Study, shelf: Shelf) -> Handler:
    return _single(lambda caller, what: study.open(caller, shelf, what))


def _single(answer: Callable[[Caller, Any], Awaitable[Reply]]) -> Callable[[Caller, Any], AsyncIterator[Reply]]:
    async def replies(caller: Caller, argument: Any) -> AsyncIterator[Reply]:
        yield await answer(caller, argument)

    return replies


def _followed(
    memory: Memory, answer: Callable[[Caller, Any], Awaitable[Reply]]
) -> Callable[[Caller, Any], AsyncIterator[Reply]]:
    """The answer is replied to first; then memory may take it in."""

    async def replies(caller: Caller, argument: Any) -> AsyncIterator[Reply]:
        yield await answer(caller, argument)
        await memory.follow(caller.tenant)

    return replies


async def _once(answer: Awaitable[Reply]) -> AsyncIterator[Reply]:
    yield await answer
