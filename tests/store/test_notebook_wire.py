"""A notebook survives its fields, and they stay small."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.activity import DAYS, Activity
from bot.core.ids import OptionId
from bot.core.reviews import (
    MOST_IN_SITTING,
    SITTINGS_KEPT,
    VERSIONS,
    Card,
    Last,
    Locked,
    Moment,
    Notebook,
    Rating,
    Recall,
    Sitting,
    Strength,
    Subject,
    Tally,
    rated,
    undone,
)
from bot.core.schedule import PostId
from bot.spacing import space
from bot.store.notebook_wire import card, changed_fields, fields, notebook, packed, pairs

facts = st.from_regex(r"[a-z0-9]{1,10}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)
moments = st.integers(1, 2**32 - 1).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
versions = st.integers(0, VERSIONS - 1)
days = st.dates(date(2020, 1, 1), date(2100, 1, 1))
kept_difficulty = st.integers(0, 65535).map(lambda step: 1.0 + step / 65535 * 9.0)
recalls = st.builds(Recall, st.builds(Strength, st.floats(0.0625, 36500, width=32), kept_difficulty), moments, moments)
cards = st.builds(Card, versions, st.none() | recalls)
tallies = st.integers(1, 9999).flatmap(lambda asked: st.builds(Tally, st.integers(0, asked), st.just(asked)))
ratings = st.sampled_from(Rating)
sittings = st.builds(
    Sitting,
    st.integers(1, VERSIONS - 1),
    st.text(max_size=40).filter(lambda deck: "\0" not in deck and deck.isprintable()),
    st.integers(1, MOST_IN_SITTING),
    days,
    st.lists(ratings, max_size=MOST_IN_SITTING).map(tuple),
)
lasts = st.builds(Last, facts, versions, ratings, versions, days, st.none() | recalls)
activities = st.builds(Activity, days, st.binary(min_size=DAYS, max_size=DAYS).filter(any))
posts = st.from_regex(r"[0-9]{19}-20261122-[1-9]", fullmatch=True).map(PostId)
locks = st.builds(Locked, st.sampled_from("abcdef").map(OptionId), moments)
books = st.builds(
    Notebook,
    st.dictionaries(facts, cards.filter(lambda each: each != Card()), max_size=5),
    st.lists(sittings, max_size=3, unique_by=lambda each: each.number % SITTINGS_KEPT).map(
        lambda found: {each.number: each for each in found}
    ),
    st.none() | lasts,
    tallies,
    st.dictionaries(facts, tallies, max_size=4),
    activities,
    st.dictionaries(posts, locks, max_size=3),
)


@settings(max_examples=50)
@given(books)
def test_a_notebook_survives_its_fields(book: Notebook) -> None:
    assert notebook(fields(book)) == book
    assert fields(notebook(fields(book))) == fields(book)


@settings(max_examples=25)
@given(books, books)
def test_the_fields_that_change_lead_from_one_notebook_to_the_other(before: Notebook, after: Notebook) -> None:
    held = fields(before)
    for field, was, is_now in changed_fields(before, after):
        assert held.get(field, b"") == was != is_now
        held[field] = is_now

    assert {field: value for field, value in held.items() if value} == fields(after)


@given(st.dictionaries(st.binary(max_size=70), st.binary(max_size=300)))
def test_a_hash_that_comes_as_one_string_is_read_whole(held: dict[bytes, bytes]) -> None:
    one_string = b"".join(len(part).to_bytes(4) + part for pair in held.items() for part in pair)

    assert dict(pairs(one_string)) == held


def test_an_empty_notebook_has_no_fields() -> None:
    assert fields(Notebook()) == {}
    assert notebook({}) == Notebook()


@given(cards)
def test_a_card_is_sixteen_bytes(each: Card) -> None:
    assert len(packed(each)) == 16
    assert card(packed(each)) == each


@given(st.lists(st.tuples(ratings, st.integers(0, 40)), min_size=1, max_size=15))
def test_undo_restores_what_was_kept_to_the_byte(history: list[tuple[Rating, int]]) -> None:
    subject, at = Subject("zero-grad", "autograd"), Moment(datetime(2026, 11, 25, 9, tzinfo=UTC), ZoneInfo("UTC"))
    before = book = Notebook()
    for rating, wait in history:
        at = replace(at, now=at.now + timedelta(days=wait))
        before = book
        book = notebook(fields(rated(book, subject, rating, book.card(subject.fact).version, 0, at, space)))

    restored = undone(book, subject, book.card(subject.fact).version)

    assert packed(replace(restored.card(subject.fact), version=0)) == packed(
        replace(before.card(subject.fact), version=0)
    )


def test_the_fields_that_everyone_has_are_one_stringtightly_by_redis() -> None:
    sitting = Sitting(12, "activations-init", 10, date(2026, 11, 25), (Rating.WELL,) * 10)
    last = Last("tensor-vs-list-numpy", 7, Rating.WELL, 12, date(2026, 11, 25), None)
    activity = Activity(date(2026, 11, 25), bytes(range(DAYS)))

    sizes = [len(value) for value in fields(Notebook({}, {12: sitting}, last, Tally(9, 9), {}, activity)).values()]

    assert max(sizes) <= 64  # hash-max-listpack-value


@pytest.mark.parametrize("field", [b"zero-grad", b"!1", b"<", b"#", b"=", b"=autograd", b"~c1-20261122-1", b"\xff"])
@pytest.mark.parametrize("damage", [b"x", b"\xff" * 15, b"\xff" * 17, b"9" * 5000])
def test_a_damaged_field_spoils_no_other_and_is_kept_until_it_is_written_anew(field: bytes, damage: bytes) -> None:
    good = {b"shape": packed(Card(1)), b"=tensors": b"1/2"}

    book = notebook({**good, field: damage})

    assert book.topics["tensors"] == Tally(1, 2)
    assert book.card("shape") == Card(1)
    assert fields(book) == {**good, field: damage}
    mended = replace(book, cards={**book.cards, "zero-grad": Card(2)})
    assert fields(mended)[b"zero-grad"] == packed(Card(2))


def test_a_field_of_a_newer_version_is_kept() -> None:
    assert fields(notebook({b"?new": b"whatever"})) == {b"?new": b"whatever"}
