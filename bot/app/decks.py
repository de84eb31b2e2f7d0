"""Decks: which items ask for a fact, and which facts a name stands for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.core.bank import Bank, Section
from bot.core.ids import ItemId
from bot.core.questions import Item
from bot.core.reviews import Card, Subject

ALL, REVIEW = "_all", "_review"
"""Names that nobody types: every flashcard; everything that can be reviewed."""
CARDS = "flashcard"
_LONG = ("concept", "interview")


@dataclass(frozen=True, slots=True)
class Deck:
    """Facts with the items that ask for each."""

    name: str
    title: str
    forms: Mapping[str, tuple[Item, ...]]
    """By fact, in the order of the bank."""

    def subjects(self) -> Sequence[Subject]:
        """Its facts, each with the topic of its first item."""
        return [Subject(fact, items[0].topic) for fact, items in self.forms.items()]

    def without(self, reserved: Collection[ItemId], met: Callable[[str], bool]) -> Deck:
        """The same without reserved items, except for facts that this person has `met`."""
        kept = {
            fact: tuple(item for item in items if item.id not in reserved or met(fact))
            for fact, items in self.forms.items()
        }
        return replace(self, forms={fact: items for fact, items in kept.items() if items})

    def form(self, fact: str, card: Card) -> Item:
        """The item that asks for a fact this time; another one after each review."""
        items = self.forms[fact]
        return items[card.version % len(items)]


class Decks:
    """Finds decks in the bank."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.sections: tuple[Section, ...] = bank.sections_of(CARDS)
        self._cards = [item for section in self.sections for item in section.items]
        questions = [question for quiz in bank.quizzes.values() for question in quiz.questions]
        short = _by_fact([*self._cards, *questions])
        long = _by_fact([item for section in bank.sections_of(*_LONG) for item in section.items])
        self._everything = {**long, **short}  # a long answer is asked for only where nothing shorter asks for the fact

    def deck(self, name: str) -> Deck | None:
        """The deck of a name: `ALL`, `REVIEW`, the number of a section, a topic or a word of the card."""
        if name == REVIEW:
            return Deck(name, "Review", self._everything)
        if name == ALL:
            return Deck(name, "Flashcards", _by_fact(self._cards))
        if name.isascii() and name.isdigit():
            place = int(name[:6]) - 1
            found = self.sections[place : place + 1] if place >= 0 else ()
            return Deck(name, found[0].title, _by_fact(found[0].items)) if found else None
        items = [item for section in self.sections for item in section.items if _matches(section, item, name)]
        items.sort(key=lambda item: item.topic != name)  # those of the topic come before those that only mention it
        return Deck(name, "Flashcards", _by_fact(items)) if items else None

    def topics(self) -> Sequence[str]:
        """The topics that have cards."""
        return list(dict.fromkeys(item.topic for item in self._cards))


def _matches(section: Section, item: Item, word: str) -> bool:
    return word in (item.id, item.topic) or word in section.title.lower() or word in item.title().lower()


def _by_fact(items: Sequence[Item]) -> dict[str, tuple[Item, ...]]:
    forms: dict[str, tuple[Item, ...]] = {}
    for item in items:
        forms[item.fact] = (*forms.get(item.fact, ()), item)
    return forms
