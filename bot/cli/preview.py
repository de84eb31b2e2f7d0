"""`torchquiz content preview`: every card that a learner can meet on the way through an item, as a surface shows it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from bot.adapters.discord import render as discord
from bot.adapters.discord.messages import message_body
from bot.adapters.slack import render as slack
from bot.adapters.terminal import card as terminal_card
from bot.adapters.web import render as web
from bot.app.local_days import LocalDays
from bot.app.memory import Memory
from bot.app.quiz import Quizzes
from bot.app.reviews import Reviews
from bot.app.study import Study
from bot.bank.load import examine
from bot.bootstrap import SystemClock
from bot.cli import layouts
from bot.core.actions import Action, Answer, Codec, ShowSide, WhyNot
from bot.core.bank import Bank
from bot.core.errors import NotFound
from bot.core.ids import Caller, ChannelId, ItemId, Tenant, UserId
from bot.core.kinds.choosing import Choosable
from bot.core.questions import Item
from bot.core.text import letter
from bot.core.views import View
from bot.spacing import space
from bot.store.memory import MemoryNotebooks, MemoryScores

_CALLER = Caller(Tenant("wpreview"), ChannelId("preview"), UserId("you"), "You", "")
_CODEC = Codec(b"only for previews")


@dataclass(frozen=True, slots=True)
class Surface:
    """How a surface shows a view: what is sent, and how that looks in a terminal."""

    payload: Callable[[View], layouts.Json]
    layout: Callable[[layouts.Json], str]


async def preview_item(folder: Path, id: str, surface: str, *, as_json: bool = False) -> str:
    """All cards of an item, one after the other. Raises NotFound for an unknown item or surface."""
    if surface not in SURFACES:
        raise NotFound(f"There is no surface {surface!r}; there are {', '.join(SURFACES)}.")
    bank, _ = examine(folder)
    item = bank.items.get(ItemId(id))
    if item is None:
        raise NotFound(f"There is no item {id!r} in {folder}.")
    shown = SURFACES[surface]
    cards = [(label, shown.payload(view)) async for label, view in _cards(bank, item)]
    if as_json:
        return json.dumps(dict(cards), ensure_ascii=False, indent=1)
    return "\n\n".join(f"━━ {item.id} · {label}\n{shown.layout(payload)}" for label, payload in cards)


async def _cards(bank: Bank, item: Item) -> AsyncIterator[tuple[str, View]]:
    if isinstance(item, Choosable) and bank.quiz_of(item.id):
        async for label, view in _asked(bank, item):
            yield label, view
        return
    whole = next(each for section in bank.sections for each in section.items if item in (each, *_follow_ups(each)))
    study = _study(bank)
    last = str(_follow_ups(whole).index(item) + 1) if whole is not item else ""
    for number, side in enumerate(whole.sides()):
        if side.label.endswith(last):  # of a follow-up only its own two sides
            yield side.label, await study.side(_CALLER, ShowSide(whole.id, number))


def _study(bank: Bank) -> Study:
    clock = SystemClock()
    notebooks = MemoryNotebooks(MemoryScores(), clock)
    memory = Memory(bank, notebooks, space, LocalDays(clock, ZoneInfo("UTC")), structlog.get_logger())
    return Study(bank, Reviews(bank, memory, space))


def _follow_ups(item: Item) -> tuple[Item, ...]:
    follow_ups: tuple[Item, ...] = getattr(item, "follow_ups", ())
    return follow_ups


async def _asked(bank: Bank, question: Choosable) -> AsyncIterator[tuple[str, View]]:
    """The question, the verdict on each option, and all reasons, by the real game over a store in memory."""
    for number, option in enumerate(question.order(f"{_CALLER.tenant}\0{_CALLER.user}\0" + "1")):
        quizzes = Quizzes(bank, MemoryScores(), LocalDays(SystemClock(), ZoneInfo("UTC")))
        quiz, place = bank.places[question.id]
        for before in quiz.questions[:place]:
            await quizzes.answer(_CALLER, Answer(before.id, before.right(), 1))
        if not number:
            yield "question", await quizzes.show(_CALLER, quiz)
        yield f"{letter(number)} chosen", await quizzes.answer(_CALLER, Answer(question.id, option, 1))
    yield "why not the others", await quizzes.why_not(_CALLER, WhyNot(question.id))


def _seal(action: Action) -> str:
    return _CODEC.encode(action, _CALLER.tenant, SystemClock().now(), _CALLER.user)


def _text(view: View) -> layouts.Json:
    return {"text": "\n".join(terminal_card(view, [button.label for button in view.buttons])).strip("\n")}


SURFACES: Mapping[str, Surface] = {
    "text": Surface(_text, lambda payload: str(payload["text"])),
    "web": Surface(lambda view: web.card(view, _seal, lambda file: file.name), layouts.web),
    "discord": Surface(lambda view: message_body(discord.card(view, _seal), private=view.private), layouts.discord),
    "slack": Surface(lambda view: slack.message(view, _seal).body, layouts.slack),
}
