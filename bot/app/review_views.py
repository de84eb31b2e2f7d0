"""How a card looks: its front, its back with the ratings, a question in a review, and the end of a sitting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.app.decks import ALL
from bot.core.actions import (
    AnswerCard,
    NextCard,
    NextItem,
    OpenDeck,
    RateCard,
    RunProof,
    RunSample,
    ShowCard,
    ShowStats,
    UndoRating,
)
from bot.core.ids import OptionId
from bot.core.kinds.choosing import Choosable
from bot.core.questions import Item
from bot.core.reviews import SITTING, Card, Rating, Sitting
from bot.core.schedule_words import moment_text
from bot.core.text import letter, line, plural
from bot.core.views import Block, Bullets, Button, Heading, Line, Look, Note, Span, Text, View

PROGRESS = Button("My progress", ShowStats())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card stands: what is said above it, the sitting it belongs to (0: none), what was just rated."""

    title: str
    sitting: int = 0
    note: str = ""
    undo: UndoRating | None = None


def front(item: Item, card: Card, place: Place, order: tuple[OptionId, ...] = ()) -> View:
    """What is asked: of a question with its options as buttons, of all else to be turned over."""
    if isinstance(item, Choosable):
        asked: tuple[Block, ...] = item.asked(order)
        think = "Right brings it back in some days, wrong in this sitting."
        buttons = tuple(
            Button(letter(index), AnswerCard(item.id, id, card.version, place.sitting))
            for index, id in enumerate(order)
        )
    else:
        asked, think = item.sides()[0].blocks, "Think of your answer first."
        buttons = (Button("Show", ShowCard(item.id, place.sitting), Look.MAIN),)
    return View(
        blocks=(Heading(place.title), *asked, *_notes(place.note or think)),
        fallback=f"{place.title}: {item.title()}",
        buttons=(*buttons, *_undo(place)),
        in_place=bool(place.note),
    )


def back(item: Item, card: Card, offers: Mapping[Rating, str], place: Place) -> View:
    """The answer, with five ratings and when each brings the card back."""
    side = item.sides()[item.recall_side or 1]
    asked = item.stem.parts if isinstance(item, Choosable) else item.sides()[0].blocks
    return View(
        blocks=(
            Heading(place.title),
            *asked,
            Heading(side.label),
            *side.blocks,
            Note(item.sources()),
            *_notes(place.note or "How well did you know it?"),
        ),
        fallback=f"{place.title}: {item.title()} How well did you know it, from 1 to 5?",
        buttons=(*ratings(item, card, offers, place.sitting), *runs(item)),
        in_place=True,
    )


def ratings(item: Item, card: Card, offers: Mapping[Rating, str], sitting: int) -> tuple[Button, ...]:
    """The five ratings, each with when it brings the card back."""
    return tuple(
        Button(f"{rating.words} · {interval}", RateCard(item.id, int(rating), card.version, sitting))
        for rating, interval in offers.items()
    )


def runs(item: Item) -> tuple[Button, ...]:
    """What of an item can be run."""
    sample = (Button("Run the code", RunSample(item.id)),) if getattr(item, "code", None) else ()
    return (*sample, *((Button("Run the proof", RunProof(item.id)),) if item.proof else ()))


def rated_alone(item: Item, place: Place) -> View:
    """A card that was rated outside a sitting."""
    side = item.sides()[item.recall_side or 1]
    return View(
        blocks=(Heading(place.title), *item.sides()[0].blocks, Heading(side.label), *side.blocks, *_notes(place.note)),
        fallback=place.note,
        buttons=(Button("Next", NextItem(item.id), Look.MAIN), *_undo(place), *runs(item)),
        in_place=True,
    )


def verdict(item: Choosable, order: tuple[OptionId, ...], chosen: OptionId | None, right: bool, place: Place) -> View:
    """The reveal of a question in a review."""
    words = "Right." if right else f"Not quite. It is {letter(order.index(item.right()))}."
    proof = (Button("Run the proof", RunProof(item.id)),) if item.proof else ()
    return View(
        blocks=(
            Heading(words),
            *item.revealed(order, chosen),
            Note(item.sources()),
            *_notes(f"{place.title} · {place.note}"),
        ),
        fallback=f"{words} {' '.join(item.explanation.source.split())}",
        buttons=(Button("Next", NextCard(place.sitting), Look.MAIN), *proof),
        in_place=True,
    )


def summary(sitting: Sitting, title: str, place: Place, next_due: datetime | None, left: int, zone: ZoneInfo) -> View:
    """The end of a sitting: how it went, and when the next card is due."""
    counts = Counter(sitting.ratings)
    done = sum(counts.values())
    head = f"{title} · {plural(done, 'card')} done" if done else title
    lines = tuple(line(f"**{rating.words}** {counts[rating]}") for rating in reversed(Rating) if counts[rating])
    deck = sitting.deck
    more = plural(min(left, SITTING), "more card") if left else ""
    waiting = line(f"{plural(left, 'more card')} {'is' if left == 1 else 'are'} waiting.")
    ahead = waiting if left else nothing_until(next_due, zone)
    return View(
        blocks=(
            Heading(head),
            *((Bullets(lines),) if lines else ()),
            Text(ahead),
            *_notes(place.note),
        ),
        fallback=f"{head}. {''.join(span.text for span in ahead)}",
        buttons=(
            *((Button(more[:1].upper() + more[1:], OpenDeck(_on_wire(deck), SITTING), Look.MAIN),) if left else ()),
            *_undo(place),
            *((Button("New cards", OpenDeck(ALL, SITTING)),) if not left and deck != ALL else ()),
            PROGRESS,
        ),
        in_place=bool(place.note),
    )


def nothing_until(next_due: datetime | None, zone: ZoneInfo) -> Line:
    """When there is something to review again."""
    if next_due is None:
        return line("Nothing is due. Play a `/quiz` or drill `/flashcards`: what you meet there comes back here.")
    return (Span("Nothing is due until "), Span(moment_text(next_due, zone.key), at=next_due), Span("."))


def _on_wire(deck: str) -> str:
    """The deck as a button can carry it: one found by a free text becomes every card."""
    return deck if deck.isascii() and deck.replace("-", "").replace("_", "").isalnum() and len(deck) <= 40 else ALL


def _notes(words: str) -> tuple[Block, ...]:
    return (Note(words),) if words else ()


def _undo(place: Place) -> tuple[Button, ...]:
    return (Button("Undo", place.undo),) if place.undo else ()
