"""Study without points: interview questions, concepts, formulas and patterns, one side after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from bot.app.answers import Answers, pressed, typed
from bot.app.review_views import runs
from bot.app.reviews import Reviews
from bot.core.actions import NextItem, ShowSide
from bot.core.bank import Bank, Section
from bot.core.errors import NotFound, StaleButton
from bot.core.ids import Caller, ItemId
from bot.core.questions import Item
from bot.core.text import clip, display_name, line
from bot.core.views import Bullets, Button, Entry, Heading, Look, Menu, Note, View


@dataclass(frozen=True, slots=True)
class Shelf:
    """What one command opens: items of some kinds, and what each is called."""

    title: str
    noun: str
    kinds: tuple[str, ...]


SHELVES: Mapping[str, Shelf] = {
    "interview": Shelf("Interview questions", "question", ("interview",)),
    "concepts": Shelf("Concepts", "concept", ("concept",)),
    "reference": Shelf("Formulas and patterns", "entry", ("formula", "pattern")),
}
MOST_ENTRIES = 25  # the longest menu that every platform has


class Study:
    """Opens shelves and turns items over."""

    def __init__(self, bank: Bank, reviews: Reviews) -> None:
        self._bank = bank
        self._reviews = reviews

    def answers(self) -> Answers:
        """Reading what is on the shelves."""
        return Answers(
            {name: typed(partial(self.open, shelf)) for name, shelf in SHELVES.items()},
            {ShowSide: pressed(self.side), NextItem: pressed(self.next)},
        )

    async def open(self, shelf: Shelf, _: Caller, what: str) -> View:
        """The sections of a shelf, or an item of it by number, id, topic or section. Raises NotFound."""
        sections = self._bank.sections_of(*shelf.kinds)
        items = [item for section in sections for item in section.items]
        word = what.strip().lower()
        if not word:
            return _menu(shelf, sections)
        found = items[int(word) - 1 : int(word)] if _is_number(word) else _search(sections, word)
        if not found:
            raise NotFound(
                f"I have no {shelf.noun} for `{clip(display_name(what), 30)}`. "
                f"Use a number from 1 to {len(items)}, or a topic such as `{items[0].topic if items else 'tensors'}`."
            )
        return self._show(found[0], 0)

    async def side(self, caller: Caller, action: ShowSide) -> View:
        """Turn an item over; the answer comes with five ratings. Raises StaleButton when it is gone."""
        item = self._bank.items.get(action.item)
        if item is None or not 0 <= action.side < len(item.sides()) or self._bank.section_of(item.id) is None:
            raise StaleButton("That card has changed since. Type the command again for a fresh one.")
        rated = await self._reviews.ratings(caller, item) if action.side == item.recall_side else ()
        return self._show(item, action.side, rated, in_place=action.side > 0)

    async def next(self, _: Caller, action: NextItem) -> View:
        """The next item of the same section; after the last comes the first."""
        section, place = self._placed(action.item)
        return self._show(section.items[(place + 1) % len(section.items)], 0)

    def _placed(self, id: ItemId) -> tuple[Section, int]:
        found = self._bank.section_of(id)
        if found is None:
            raise StaleButton("That card is no longer in the bank. Type the command again for a fresh one.")
        return found

    def _show(self, item: Item, side: int, rated: tuple[Button, ...] = (), *, in_place: bool = False) -> View:
        section, place = self._placed(item.id)
        sides = item.sides()
        asked = sides[0].blocks
        title = f"{section.title} · {place + 1} of {len(section.items)}"
        shown = sides[side].blocks if side else ()
        about = sides[side].of or item
        asks = not side or sides[side].asks
        last = Note("Think of your answer first." if asks else about.sources())
        return View(
            blocks=(Heading(title), *asked, *((Heading(sides[side].label),) if side else ()), *shown, last),
            fallback=f"{title}: {item.title()}",
            buttons=(*_turns(item, side), *rated, *(() if asks else runs(about)), Button("Next", NextItem(item.id))),
            in_place=in_place,
        )


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 6 and int(word) > 0


def _search(sections: tuple[Section, ...], word: str) -> list[Item]:
    if word.isdigit():
        return []
    return [
        item
        for section in sections
        for item in section.items
        if word in (item.id, item.topic) or word in section.title.lower() or word in item.title().lower()
    ]


def _turns(item: Item, side: int) -> tuple[Button, ...]:
    sides = item.sides()
    return tuple(
        Button(
            sides[number].label,
            ShowSide(item.id, number),
            Look.MAIN if number == side + 1 else Look.PLAIN,
            number != side,
        )
        for number in range(1, len(sides))
    )


def _menu(shelf: Shelf, sections: tuple[Section, ...]) -> View:
    lines = tuple(line(f"**{section.title}** {len(section.items)}") for section in sections)
    entries = tuple(
        Entry(clip(section.title, 75), ShowSide(section.items[0].id, 0), f"{len(section.items)} in this section")
        for section in sections[:MOST_ENTRIES]
    )
    return View(
        blocks=(Heading(shelf.title), Bullets(lines), Note("Choose a section below, or type a number or a topic.")),
        fallback=f"{shelf.title}: {len(sections)} sections",
        menu=Menu("Choose a section", entries) if entries else None,
    )
