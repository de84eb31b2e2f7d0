"""Spaced repetition: what is kept of a person's memory, what a rating does to it, and which cards come next.

Memory is kept by fact, not by card: all items that test the same fact share it, so a question missed in a quiz and the
flashcard about it are one thing to learn. A learning day begins at 04:00, because people study past midnight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

from bot.core.activity import Activity
from bot.core.ids import ItemId, OptionId, Tenant
from bot.core.schedule import PostId

DAY_BEGINS = time(4)
"""When a learning day begins, on the wall clock."""
SHORT_STEP = timedelta(minutes=10)
"""How soon a card that was barely known comes back."""
SITTING = 10
"""How many cards a sitting has where nothing else is said."""
MOST_IN_SITTING = 30
SITTINGS_KEPT = 3
VERSIONS = 1 << 16
"""Versions of a card begin again after so many changes: a button this old has long expired."""
ENOUGH_EVIDENCE = 3
"""A topic is called weak only after so many answers and ratings."""


class Rating(IntEnum):
    """How well a person says they knew it."""

    NOT_AT_ALL = 1
    BARELY = 2
    WITH_EFFORT = 3
    WELL = 4
    PERFECTLY = 5

    @property
    def words(self) -> str:
        """As a button says it."""
        return f"{self.value} {self.name.replace('_', ' ').capitalize()}"

    @property
    def recalled(self) -> bool:
        """Whether it counts as known."""
        return self >= Rating.WITH_EFFORT


class Grade(IntEnum):
    """How well it was known, as spacing counts it."""

    AGAIN = 1
    HARD = 2
    GOOD = 3
    EASY = 4


GRADES: Mapping[Rating, Grade] = {
    Rating.NOT_AT_ALL: Grade.AGAIN,
    Rating.BARELY: Grade.AGAIN,
    Rating.WITH_EFFORT: Grade.HARD,
    Rating.WELL: Grade.GOOD,
    Rating.PERFECTLY: Grade.EASY,
}


def rating_of(correct: bool) -> Rating:
    """What an answer to a question says about memory."""
    return Rating.WELL if correct else Rating.NOT_AT_ALL


@dataclass(frozen=True, slots=True)
class Strength:
    """How firmly a fact is held."""

    stability: float
    """Days until the chance to recall it has fallen to nine in ten."""
    difficulty: float
    """From 1, easy, to 10."""


Space = Callable[[Strength | None, Grade, int], tuple[Strength, int]]
"""The strength after a grade and the days until the next review, from the strength before (None: never met) and the
days that have passed since the last review."""


@dataclass(frozen=True, slots=True)
class Recall:
    """The last review of a fact and what follows from it."""

    strength: Strength
    reviewed: datetime
    due: datetime


@dataclass(frozen=True, slots=True)
class Card:
    """What is kept of a fact. Each change has a version of its own, so a button knows whether it still fits."""

    version: int = 0
    recall: Recall | None = None
    """None until it is rated, and again when that was undone."""

    def is_due(self, now: datetime) -> bool:
        """Whether it is time to review it."""
        return self.recall is not None and self.recall.due <= now

    def met_since(self, moment: datetime) -> bool:
        """Whether it was reviewed after that moment."""
        return self.recall is not None and self.recall.reviewed >= moment


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of how many were right or recalled."""

    right: int = 0
    asked: int = 0

    def counted(self, right: bool, change: int = 1) -> Tally:
        """With one more, or with `change` -1 one fewer."""
        return Tally(max(0, self.right + change * right), max(0, self.asked + change))

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.right + other.right, self.asked + other.asked)

    @property
    def share(self) -> float:
        """The share that was right; 0 of none."""
        return self.right / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class Sitting:
    """Cards reviewed in a row. `number` tells it from those before; the buttons of a sitting carry it."""

    number: int
    deck: str
    size: int
    day: date
    ratings: tuple[Rating, ...] = ()

    @property
    def over(self) -> bool:
        """Whether all its cards have been rated."""
        return len(self.ratings) >= self.size


@dataclass(frozen=True, slots=True)
class Last:
    """The newest rating, so that it can be taken back."""

    fact: str
    version: int
    """The card's version after it."""
    rating: Rating
    sitting: int
    day: date
    before: Recall | None


@dataclass(frozen=True, slots=True)
class Locked:
    """An answer to a sealed question of the day: it says nothing about memory until that question closes."""

    option: OptionId
    at: datetime


@dataclass(frozen=True, slots=True)
class Notebook:
    """Everything that is kept of a person's reviews."""

    cards: Mapping[str, Card] = field(default_factory=dict)
    """By fact."""
    sittings: Mapping[int, Sitting] = field(default_factory=dict)
    """The newest ones by number, so that a look at one deck does not end a sitting with another."""
    last: Last | None = None
    first_tries: Tally = Tally()
    """Questions answered in the first round of practice."""
    topics: Mapping[str, Tally] = field(default_factory=dict)
    """Answers in practice and ratings, by topic."""
    activity: Activity = field(default_factory=Activity)
    locked: Mapping[PostId, Locked] = field(default_factory=dict)
    unread: Mapping[bytes, bytes] = field(default_factory=dict)
    """What this version cannot read, kept as it is until it is written anew."""

    def card(self, fact: str) -> Card:
        """The card of a fact; a new one where none is kept."""
        return self.cards.get(fact, Card())

    def left(self, deck: str, size: int, day: date) -> Sitting | None:
        """The sitting of that day with a deck that has cards left."""
        found = (each for each in self.sittings.values() if (each.deck, each.size, each.day) == (deck, size, day))
        return next((each for each in found if not each.over), None)


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What a rating is about."""

    fact: str
    topic: str


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is, and in which zone people live."""

    now: datetime
    zone: ZoneInfo

    @property
    def day(self) -> date:
        """The learning day."""
        return learning_day(self.now, self.zone)


class StaleCard(Exception):
    """The card has changed since its button was made."""


def learning_day(at: datetime, zone: ZoneInfo) -> date:
    """The day that a moment belongs to when days begin at `DAY_BEGINS`."""
    local = at.astimezone(zone)
    return local.date() if local.time() >= DAY_BEGINS else local.date() - timedelta(days=1)


def begins(day: date, zone: ZoneInfo) -> datetime:
    """When a learning day begins, in UTC."""
    return datetime.combine(day, DAY_BEGINS, tzinfo=zone).astimezone(UTC)


def reviewed(card: Card, rating: Rating, moment: Moment, space: Space) -> Card:
    """The card after a rating. One that was not recalled comes back today, every other one on the morning of its day.
    A success never makes the interval shorter."""
    before = card.recall
    elapsed = (moment.day - learning_day(before.reviewed, moment.zone)).days if before else 0
    strength, days = space(before.strength if before else None, GRADES[rating], max(0, elapsed))
    now = moment.now.astimezone(UTC).replace(microsecond=0)
    if rating.recalled:
        morning = begins(moment.day + timedelta(days=days), moment.zone)
        due = max(morning, now + SHORT_STEP)  # minutes before a day begins, no better rating comes back sooner
    else:
        due = now + SHORT_STEP * (rating is Rating.BARELY)
    return Card((card.version + 1) % VERSIONS, Recall(strength, now, due))


def intervals(card: Card, moment: Moment, space: Space) -> Mapping[Rating, str]:
    """What each rating would do, in words for its button."""
    return {rating: interval(reviewed(card, rating, moment, space), moment) for rating in Rating}


def interval(card: Card, moment: Moment) -> str:
    """How long until a card is due: ``now``, ``10 min``, ``9 d``, ``3 mo``, ``1.2 y``."""
    if card.recall is None or card.recall.due <= moment.now:
        return "now"
    days = (learning_day(card.recall.due, moment.zone) - moment.day).days
    if days < 1:
        return f"{max(1, round((card.recall.due - moment.now).total_seconds() / 60))} min"
    if days < 60:
        return f"{days} d"
    return f"{days / 30.44:.0f} mo" if days < 365 else f"{days / 365.25:.1f} y"


def rated(
    book: Notebook, subject: Subject, rating: Rating, version: int, sitting: int, moment: Moment, space: Space
) -> Notebook:
    """The notebook after a rating of the card as of `version`. Raises StaleCard when the card has changed since.

    A rating that is said twice (a double click, a button pressed again, a delivery that is repeated) stands as it was
    said first: the same notebook comes back.
    """
    card, last = book.card(subject.fact), book.last
    if last and last.fact == subject.fact and last.version == (version + 1) % VERSIONS == card.version:
        return book
    if card.version != version:
        raise StaleCard
    after = reviewed(card, rating, moment, space)
    sittings, seat = book.sittings, book.sittings.get(sitting)
    if seat and not seat.over:
        sittings = {**sittings, sitting: replace(seat, ratings=(*seat.ratings, rating))}
    return replace(
        book,
        cards={**book.cards, subject.fact: after},
        sittings=sittings,
        last=Last(subject.fact, after.version, rating, sitting, moment.day, card.recall),
        topics=_counted(book.topics, subject.topic, rating.recalled),
        activity=book.activity.counted(moment.day),
    )


def undone(book: Notebook, subject: Subject, version: int) -> Notebook:
    """The notebook as it was before the newest rating, which made `version` of the card. Only the version goes on, so
    that no old button fits again. Raises StaleCard when something else has happened since."""
    last = book.last
    if last is None or last.fact != subject.fact or not last.version == version == book.card(subject.fact).version:
        raise StaleCard
    sittings, seat = book.sittings, book.sittings.get(last.sitting)
    if seat:
        sittings = {**sittings, seat.number: replace(seat, ratings=seat.ratings[:-1])}
    return replace(
        book,
        cards={**book.cards, subject.fact: Card((version + 1) % VERSIONS, last.before)},
        sittings=sittings,
        last=None,
        topics=_counted(book.topics, subject.topic, last.rating.recalled, -1),
        activity=book.activity.counted(last.day, -1),
    )


def answered(
    book: Notebook, subject: Subject, correct: bool, moment: Moment, space: Space, *, first_try: bool = False
) -> Notebook:
    """The notebook after an answer in a quiz at that moment."""
    return replace(
        _remembered(book, subject, correct, moment, space),
        first_tries=book.first_tries.counted(correct) if first_try else book.first_tries,
        topics=_counted(book.topics, subject.topic, correct),
        activity=book.activity.counted(moment.day),
    )


def answered_daily(book: Notebook, subject: Subject, correct: bool | None, moment: Moment, space: Space) -> Notebook:
    """The notebook after an answer to a question of the day; `correct` is None for one that was voided. Right and
    asked are not counted here: the question of the day keeps its own account, which corrections put right."""
    after = book if correct is None else _remembered(book, subject, correct, moment, space)
    return replace(after, activity=book.activity.counted(moment.day))


def locked(book: Notebook, post: PostId, answer: Locked, zone: ZoneInfo) -> Notebook:
    """The notebook after an answer to a sealed question; the newest one for a post stands."""
    day = learning_day(answer.at, zone)
    activity = book.activity if post in book.locked else book.activity.counted(day)
    return replace(book, locked={**book.locked, post: answer}, activity=activity)


def unlocked(
    book: Notebook, post: PostId, subject: Subject, correct: bool | None, moment: Moment, space: Space
) -> Notebook:
    """The notebook once a sealed question has closed; `correct` is None for one that was voided."""
    after = book if correct is None else _remembered(book, subject, correct, moment, space)
    return replace(after, locked={each: answer for each, answer in book.locked.items() if each != post})


def seated(book: Notebook, deck: str, size: int, day: date) -> Notebook:
    """The notebook with a sitting of that deck: the one that was left today, else a new one."""
    if book.left(deck, size, day):
        return book
    number = max(book.sittings, default=0) + 1
    kept = {each: sitting for each, sitting in book.sittings.items() if each > number - SITTINGS_KEPT}
    return replace(book, sittings={**kept, number: Sitting(number, deck, size, day)})


def queue(book: Notebook, facts: Iterable[Subject], now: datetime, *, new: bool = False) -> list[Subject]:
    """What to review, in order: first what is due, then, where `new` ones are wanted, what was never rated, and last
    what was missed a moment ago.

    What is due comes with its topics mixed: the most overdue fact of each topic, the weakest topic first, then the
    second of each, and so on.
    """
    unmet: list[Subject] = []
    ready: list[tuple[datetime, bool, Subject]] = []
    for subject in facts:
        card = book.card(subject.fact)
        if card.recall is None:
            unmet.append(subject)
        elif card.is_due(now):
            before = card.recall.reviewed
            missed = card.recall.due - before <= SHORT_STEP and now - before < 2 * SHORT_STEP
            ready.append((card.recall.due, missed, subject))
    ready.sort()
    turns: Counter[str] = Counter()
    ordered: list[tuple[int, float, int, Subject]] = []
    for place, (_, missed, subject) in enumerate(ready):
        if not missed:
            share = book.topics.get(subject.topic, Tally()).share
            ordered.append((turns[subject.topic], share, place, subject))
            turns[subject.topic] += 1
    again = [subject for _, missed, subject in ready if missed]
    return [*(subject for *_, subject in sorted(ordered)), *(unmet if new else ()), *again]


def next_due(book: Notebook, facts: Iterable[Subject], now: datetime) -> datetime | None:
    """When the next of these facts that is not due yet will be; None when there is none."""
    recalls = (book.card(subject.fact).recall for subject in facts)
    return min((recall.due for recall in recalls if recall and recall.due > now), default=None)


def weakest(topics: Mapping[str, Tally], count: int) -> Sequence[tuple[str, Tally]]:
    """The topics with the lowest share right, of those with enough evidence and something missed."""
    known = [
        (topic, tally)
        for topic, tally in topics.items()
        if tally.asked >= ENOUGH_EVIDENCE and tally.right < tally.asked
    ]
    return sorted(known, key=lambda pair: (pair[1].share, -pair[1].asked, pair[0]))[:count]


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One answer of the log."""

    user: str
    item: ItemId
    option: OptionId
    at: datetime
    correct: bool
    round: int
    """The round of practice; 0 for a question of the day."""
    post: PostId | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Answers that no notebook has taken in yet, oldest first."""

    tenant: Tenant
    since: str
    until: str
    answers: Sequence[LoggedAnswer]
    """Entries of the log that are no answers are left out, so a page that is not the last may hold none."""
    more: bool


def _remembered(book: Notebook, subject: Subject, correct: bool, moment: Moment, space: Space) -> Notebook:
    card = book.card(subject.fact)
    if card.recall and card.recall.reviewed > moment.now:  # told late: it counts from the newest review on
        moment = replace(moment, now=card.recall.reviewed)
    after = reviewed(card, rating_of(correct), moment, space)
    return replace(book, cards={**book.cards, subject.fact: after})


def _counted(topics: Mapping[str, Tally], topic: str, right: bool, change: int = 1) -> Mapping[str, Tally]:
    return {**topics, topic: topics.get(topic, Tally()).counted(right, change)}
