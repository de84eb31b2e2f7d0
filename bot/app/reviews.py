"""Flashcards and reviews: show a card, take a rating, go on to the next one that is due."""

from __future__ import annotations

from bot.app import review_views as views
from bot.app.answers import Answers, pressed, typed
from bot.app.decks import ALL, REVIEW, Deck, Decks
from bot.app.memory import Memory
from bot.app.review_views import Place
from bot.core.actions import AnswerCard, NextCard, OpenDeck, RateCard, ShowCard, UndoRating
from bot.core.bank import Bank
from bot.core.errors import BadInput, NotFound, StaleButton
from bot.core.ids import Caller, ItemId, OptionId
from bot.core.kinds.choosing import Choosable
from bot.core.questions import Item
from bot.core.reviews import (
    MOST_IN_SITTING,
    SITTING,
    Card,
    Moment,
    Notebook,
    Rating,
    Sitting,
    StaleCard,
    Subject,
    interval,
    intervals,
    next_due,
    queue,
    rated,
    rating_of,
    seated,
    undone,
)
from bot.core.text import clip, display_name, line, plural
from bot.core.views import Bullets, Button, Entry, Heading, Look, Menu, Note, View
from bot.ports import Spacing

_GONE = "That card is no longer in the bank. Type `/review` for what is due."
_MOVED_ON = "That card has been rated since, so this rating does not count. Type `/review` for what is due."
_MOST_ENTRIES = 25


class Reviews:
    """Sittings of cards. Ratings are private and give no points."""

    def __init__(self, bank: Bank, memory: Memory, spacing: Spacing) -> None:
        self._bank = bank
        self._memory = memory
        self._spacing = spacing
        self._decks = Decks(bank)
        self._topics = {topic.id: topic.title for topic in bank.topics}

    def answers(self) -> Answers:
        """Drilling cards."""
        return Answers(
            {"flashcards": typed(self.flashcards), "review": typed(self.review)},
            {
                OpenDeck: pressed(self.open),
                ShowCard: pressed(self.show),
                RateCard: pressed(self.rate),
                AnswerCard: pressed(self.answer),
                NextCard: pressed(self.next),
                UndoRating: pressed(self.undo),
            },
        )

    async def flashcards(self, caller: Caller, what: str) -> View:
        """The decks; or a sitting of cards of a topic, of a word or of everything. Raises BadInput or NotFound."""
        word, size = _parsed(what)
        if not what.strip():
            return self._menu(await self._memory.latest(caller), await self._memory.moment(caller))
        if item := self._bank.items.get(ItemId(word)):
            return await self._single(caller, item)
        if self._decks.deck(word) is None:
            raise NotFound(
                f"I have no card for `{clip(display_name(what), 30)}`. "
                f"Try a topic such as {', '.join(f'`{topic}`' for topic in self._decks.topics()[:3])}, "
                f"or `/flashcards {SITTING}`."
            )
        return await self._sit(caller, word, size)

    async def review(self, caller: Caller, what: str) -> View:
        """Everything that is due, topics mixed. Raises BadInput."""
        word, size = _parsed(what)
        if word != ALL:
            raise BadInput(f"`/review` takes a number of cards, such as `/review 20`; at most {MOST_IN_SITTING}.")
        return await self._sit(caller, REVIEW, size)

    async def open(self, caller: Caller, action: OpenDeck) -> View:
        """A deck was chosen."""
        if self._decks.deck(action.deck) is None or not 0 < action.size <= MOST_IN_SITTING:
            raise StaleButton("That deck is no longer there. Type `/flashcards` for the list.")
        return await self._sit(caller, action.deck, action.size)

    async def show(self, caller: Caller, action: ShowCard) -> View:
        """Turn a card over."""
        item = self._item(action.item)
        book = await self._memory.read(caller)
        return await self._back(caller, book, item, await self._place(caller, book, item, action.sitting))

    async def ratings(self, caller: Caller, item: Item) -> tuple[Button, ...]:
        """Buttons to rate an item outside a sitting."""
        card = (await self._memory.read(caller)).card(item.fact)
        return views.ratings(item, card, intervals(card, await self._memory.moment(caller), self._spacing), 0)

    async def next(self, caller: Caller, action: NextCard) -> View:
        """Go on in a sitting."""
        book = await self._memory.latest(caller)
        if (sitting := book.sittings.get(action.sitting)) is None:
            raise StaleButton("That sitting is over. Type `/review` for what is due.")
        return await self._go_on(caller, book, sitting)

    async def rate(self, caller: Caller, action: RateCard) -> View:
        """Take a rating and go on. A second rating of the same card is answered as the first."""
        item = self._item(action.item)
        if not Rating.NOT_AT_ALL <= action.rating <= Rating.PERFECTLY:
            raise StaleButton
        book = await self._rated(caller, item, Rating(action.rating), action.version, action.sitting)
        card = book.card(item.fact)
        stands = book.last.rating if book.last else Rating(action.rating)
        note = f"Rated {stands.words}: back {_in(interval(card, await self._memory.moment(caller)))}."
        undo = UndoRating(item.id, card.version, action.sitting)
        if sitting := book.sittings.get(action.sitting):
            return await self._go_on(caller, book, sitting, note, undo)
        return views.rated_alone(item, Place(self._title(item), 0, note, undo))

    async def answer(self, caller: Caller, action: AnswerCard) -> View:
        """Grade a question of a review: wrong comes back in this sitting, right in some days."""
        item = self._item(action.item)
        if not isinstance(item, Choosable) or item.option(action.option) is None:
            raise StaleButton("That question has changed since. Type `/review` for what is due.")
        rating = rating_of(action.option == item.right())
        book = await self._rated(caller, item, rating, action.version, action.sitting)
        stands = book.last.rating if book.last else rating
        back = interval(book.card(item.fact), await self._memory.moment(caller))
        kept = "" if stands is rating else "Your first answer counts. "
        place = Place(self._title(item), action.sitting, f"{kept}Back {_in(back)}.")
        order = _order(caller, item, Card(action.version))
        return views.verdict(item, order, action.option if stands is rating else None, stands.recalled, place)

    async def undo(self, caller: Caller, action: UndoRating) -> View:
        """Take the newest rating back and ask for it again."""
        item = self._item(action.item)
        subject = Subject(item.fact, item.topic)
        try:
            book = await self._memory.change(caller, lambda held: undone(held, subject, action.version))
        except StaleCard:
            raise StaleButton(
                "Only the newest rating can be taken back, and that was another one. Type `/review` to go on."
            ) from None
        place = await self._place(
            caller, book, item, action.sitting, "That rating is taken back. How well did you know it?"
        )
        return await self._back(caller, book, item, place)

    async def _sit(self, caller: Caller, deck: str, size: int) -> View:
        moment = await self._memory.moment(caller)
        await self._memory.latest(caller)
        book = await self._memory.change(caller, lambda held: seated(held, deck, size, moment.day))
        sitting = book.left(deck, size, moment.day)
        assert sitting is not None
        return await self._go_on(caller, book, sitting)

    async def _single(self, caller: Caller, item: Item) -> View:
        item = self._item(item.id)
        book = await self._memory.read(caller)
        card = book.card(item.fact)
        return views.front(item, card, Place(self._title(item)), _order(caller, item, card))

    async def _rated(self, caller: Caller, item: Item, rating: Rating, version: int, sitting: int) -> Notebook:
        subject, moment = Subject(item.fact, item.topic), await self._memory.moment(caller)
        try:
            return await self._memory.change(
                caller, lambda held: rated(held, subject, rating, version, sitting, moment, self._spacing)
            )
        except StaleCard:
            raise StaleButton(_MOVED_ON) from None

    async def _go_on(
        self, caller: Caller, book: Notebook, sitting: Sitting, note: str = "", undo: UndoRating | None = None
    ) -> View:
        """The next card of the sitting, or its summary."""
        deck, moment = await self._deck(caller, book, sitting), await self._memory.moment(caller)
        if deck is None:
            raise StaleButton("That deck is no longer there. Type `/flashcards` for the list.")
        waiting = queue(book, deck.subjects(), moment.now, new=deck.name != REVIEW)
        if sitting.over or not waiting:
            place = Place(deck.title, sitting.number, note, undo)
            ahead = next_due(book, deck.subjects(), moment.now)
            return views.summary(sitting, deck.title, place, ahead, len(waiting), moment.zone)
        card = book.card(waiting[0].fact)
        item = deck.form(waiting[0].fact, card)
        title = self._progress(deck, sitting, item, len(waiting))
        return views.front(item, card, Place(title, sitting.number, note, undo), _order(caller, item, card))

    async def _back(self, caller: Caller, book: Notebook, item: Item, place: Place) -> View:
        card = book.card(item.fact)
        return views.back(item, card, intervals(card, await self._memory.moment(caller), self._spacing), place)

    async def _deck(self, caller: Caller, book: Notebook, sitting: Sitting) -> Deck | None:
        deck = self._decks.deck(sitting.deck)
        return await self._memory.open_to(caller, book, deck) if deck and deck.name == REVIEW else deck

    async def _place(self, caller: Caller, book: Notebook, item: Item, number: int, note: str = "") -> Place:
        sitting = book.sittings.get(number)
        deck = await self._deck(caller, book, sitting) if sitting else None
        if sitting is None or deck is None:
            return Place(self._title(item), 0, note)
        now = (await self._memory.moment(caller)).now
        waiting = queue(book, deck.subjects(), now, new=deck.name != REVIEW)
        return Place(self._progress(deck, sitting, item, len(waiting)), number, note)

    def _progress(self, deck: Deck, sitting: Sitting, item: Item, waiting: int) -> str:
        done = len(sitting.ratings)
        return f"{deck.title} · {self._topic(item)} · {done + 1} of {min(sitting.size, done + max(waiting, 1))}"

    def _title(self, item: Item) -> str:
        return f"{self._topic(item)} · {item.kind.replace('_', ' ')}"

    def _topic(self, item: Item) -> str:
        return self._topics.get(item.topic, item.topic)

    def _item(self, id: ItemId) -> Item:
        item = self._bank.items.get(id)
        if item is None or item.recall_side is None:
            raise StaleButton(_GONE)
        return item

    def _menu(self, book: Notebook, moment: Moment) -> View:
        lines, entries = [], []
        for number, section in enumerate(self._decks.sections, 1):
            deck = self._decks.deck(str(number))
            assert deck is not None
            due = len(queue(book, deck.subjects(), moment.now))
            new = sum(book.card(subject.fact).recall is None for subject in deck.subjects())
            state = (
                " · ".join(f"{count} {word}" for count, word in ((due, "due"), (new, "new")) if count) or "all known"
            )
            lines.append(line(f"**{section.title}** {state}"))
            entries.append(Entry(clip(section.title, 75), OpenDeck(str(number), SITTING), state))
        return View(
            blocks=(
                Heading("Flashcards"),
                Bullets(tuple(lines)),
                Note("Choose a deck, or type a topic and how many: /flashcards autograd 20"),
            ),
            fallback=f"Flashcards: {plural(len(entries), 'deck')}",
            buttons=(
                Button(f"Drill {SITTING} cards", OpenDeck(ALL, SITTING), Look.MAIN),
                Button("Review what is due", OpenDeck(REVIEW, SITTING)),
            ),
            menu=Menu("Choose a deck", tuple(entries[:_MOST_ENTRIES])) if entries else None,
        )


def _parsed(what: str) -> tuple[str, int]:
    """A word and a number of cards, either of which may be missing. Raises BadInput for a number that is none."""
    words = what.lower().split()
    size = SITTING
    if words and words[-1].lstrip("-").isdigit():
        number = words.pop()
        if not (number.isascii() and number.isdigit() and len(number) <= 4 and 0 < int(number) <= MOST_IN_SITTING):
            raise BadInput(f"A sitting has 1 to {MOST_IN_SITTING} cards, such as `/flashcards autograd 20`.")
        size = int(number)
    return clip(" ".join(words), 40).lstrip("_") or ALL, size


def _in(interval: str) -> str:
    return "in this sitting" if interval == "now" else f"in {interval}"


def _order(caller: Caller, item: Item, card: Card) -> tuple[OptionId, ...]:
    """The options as this person sees them until the card changes."""
    seed = f"{caller.tenant}\0{caller.user}\0{card.version}"
    return item.order(seed) if isinstance(item, Choosable) else ()
