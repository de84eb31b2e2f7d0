"""A notebook as the fields of a hash, each at most 64 bytes, so that Redis packs them tightly."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

from bot.core.activity import DAYS, Activity
from bot.core.ids import OptionId
from bot.core.reviews import SITTINGS_KEPT, Card, Last, Locked, Notebook, Rating, Recall, Sitting, Strength, Tally

_CARDS = b""
SITTING, LAST, ACTIVITY, TALLY, LOCKED = b"!", b"<", b"#", b"=", b"~"
"""What the fields begin with that hold no card. A fact begins with a letter or a digit."""

_CARD = struct.Struct(">HIIfH")  # version, reviewed, due (seconds), stability (days), difficulty
_LAST = struct.Struct(">HBIIIIfH")  # version, rating, sitting, day number, then the card before without its version
_DAY = struct.Struct(">I")
_LEAST, _MOST, _STEPS = 1.0, 10.0, 65535
"""Difficulty lies between these and is kept in so many steps."""


def fields(book: Notebook) -> dict[bytes, bytes]:
    """The fields of a notebook. What says nothing has none."""
    return {**book.unread, **dict(_cards(book)), **dict(_rest(book))}


def changed_fields(before: Notebook, after: Notebook) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Each field that differs, with what it held and what it holds now; empty for nothing. Cards that were not touched
    are not packed."""
    touched = {fact for fact, each in after.cards.items() if before.cards.get(fact) is not each}
    touched |= before.cards.keys() - after.cards.keys()
    held = {**before.unread, **dict(_cards(before, touched)), **dict(_rest(before))}
    now = {**after.unread, **dict(_cards(after, touched)), **dict(_rest(after))}
    for field in held.keys() | now.keys():
        if (was := held.get(field, b"")) != (is_now := now.get(field, b"")):
            yield field, was, is_now


def pairs(packed: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields and values of a hash that comes as one string."""
    parts, place = [], 0
    while place < len(packed):
        end = place + 4 + int.from_bytes(packed[place : place + 4])
        parts.append(packed[place + 4 : end])
        place = end
    return zip(parts[::2], parts[1::2], strict=True)


def notebook(held: Mapping[bytes, bytes]) -> Notebook:
    """The notebook of these fields. One that cannot be read (damaged, or of a newer version) spoils no other."""
    read: dict[bytes, dict[Any, Any]] = {kind: {} for kind in (_CARDS, SITTING, LAST, ACTIVITY, TALLY, LOCKED)}
    unread = {}
    for field, value in held.items():
        kind = field[:1] if field[:1] in read else _CARDS
        try:
            name = field[len(kind) :].decode()
            read[kind][name] = _READ[kind](value)
        except (ValueError, struct.error):
            unread[field] = value
    tallies = read[TALLY]
    return Notebook(
        cards=read[_CARDS],
        sittings={sitting.number: sitting for _, sitting in sorted(read[SITTING].items())},
        last=read[LAST].get(""),
        first_tries=tallies.pop("", Tally()),
        topics=tallies,
        activity=read[ACTIVITY].get("", Activity()),
        locked=read[LOCKED],
        unread=unread,
    )


def packed(card: Card) -> bytes:
    """A card in 16 bytes; all but the version are 0 for one that is not rated."""
    return _CARD.pack(card.version, *_recall_cells(card.recall))


def card(value: bytes) -> Card:
    """The card of 16 bytes."""
    version, *cells = _CARD.unpack(value)
    return Card(version, _recall(*cells))


def _cards(book: Notebook, facts: Collection[str] | None = None) -> Iterator[tuple[bytes, bytes]]:
    for fact in book.cards if facts is None else facts:
        if (each := book.card(fact)) != Card():
            yield fact.encode(), packed(each)


def _rest(book: Notebook) -> Iterator[tuple[bytes, bytes]]:
    for number, sat in book.sittings.items():
        ratings = "".join(str(int(rating)) for rating in sat.ratings)
        yield (
            SITTING + str(number % SITTINGS_KEPT).encode(),
            f"{sat.number}:{sat.size}:{sat.day.toordinal()}:{ratings}:{sat.deck}".encode(),
        )
    if last := book.last:
        cells = (last.version, int(last.rating), last.sitting, last.day.toordinal(), *_recall_cells(last.before))
        yield LAST, _LAST.pack(*cells) + last.fact.encode()
    if any(book.activity.counts):
        yield ACTIVITY, _DAY.pack(book.activity.last.toordinal()) + book.activity.counts
    for topic, tally in (("", book.first_tries), *book.topics.items()):
        if tally.asked:
            yield TALLY + topic.encode(), f"{tally.right}/{tally.asked}".encode()
    for post, locked in book.locked.items():
        yield LOCKED + post.encode(), f"{locked.option}:{int(locked.at.timestamp())}".encode()


def _recall_cells(recall: Recall | None) -> tuple[int, int, float, int]:
    if recall is None:
        return 0, 0, 0.0, 0
    hard = round((recall.strength.difficulty - _LEAST) / (_MOST - _LEAST) * _STEPS)
    return _seconds(recall.reviewed), _seconds(recall.due), recall.strength.stability, hard


def _recall(reviewed: int, due: int, stability: float, hard: int) -> Recall | None:
    if not reviewed:
        return None
    strength = Strength(stability, _LEAST + hard / _STEPS * (_MOST - _LEAST))
    return Recall(strength, _moment(reviewed), _moment(due))


def _sitting(value: bytes) -> Sitting:
    number, size, day, ratings, deck = value.decode().split(":", 4)
    return Sitting(int(number), deck, int(size), date.fromordinal(int(day)), tuple(Rating(int(one)) for one in ratings))


def _last(value: bytes) -> Last:
    version, rating, sitting, day, *cells = _LAST.unpack(value[: _LAST.size])
    fact = value[_LAST.size :].decode()
    return Last(fact, version, Rating(rating), sitting, date.fromordinal(day), _recall(*cells))


def _tally(value: bytes) -> Tally:
    right, _, asked = value.partition(b"/")
    return Tally(int(right), int(asked))


def _activity(value: bytes) -> Activity:
    day, counts = value[: _DAY.size], value[_DAY.size :]
    if len(counts) != DAYS:
        raise ValueError(f"{len(counts)} days")
    return Activity(date.fromordinal(*_DAY.unpack(day)), counts)


def _locked(value: bytes) -> Locked:
    option, _, at = value.decode().partition(":")
    return Locked(OptionId(option), _moment(int(at)))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_READ: Mapping[bytes, Callable[[bytes], Any]] = {
    _CARDS: card,
    SITTING: _sitting,
    LAST: _last,
    ACTIVITY: _activity,
    TALLY: _tally,
    LOCKED: _locked,
}
