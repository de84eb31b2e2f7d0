"""What a rating does to memory, what can be taken back, and which card comes next. FSRS itself does the spacing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.activity import Activity
from bot.core.ids import OptionId
from bot.core.reviews import (
    ENOUGH_EVIDENCE,
    SHORT_STEP,
    SITTINGS_KEPT,
    VERSIONS,
    Card,
    Last,
    Locked,
    Moment,
    Notebook,
    Rating,
    StaleCard,
    Subject,
    Tally,
    answered,
    answered_daily,
    begins,
    interval,
    intervals,
    learning_day,
    locked,
    next_due,
    queue,
    rated,
    reviewed,
    seated,
    undone,
    unlocked,
    weakest,
)
from bot.core.schedule import PostId
from bot.spacing import MAX_DAYS, space

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
MOMENT = Moment(NOW, BERLIN)
GRAD = Subject("zero-grad", "autograd")
SHAPE = Subject("shape", "tensors")
POST = PostId("c1-20261125-1")
ratings = st.sampled_from(Rating)
successes = st.sampled_from([Rating.WITH_EFFORT, Rating.WELL, Rating.PERFECTLY])


def later(days: float = 0, minutes: float = 0) -> Moment:
    return Moment(NOW + timedelta(days=days, minutes=minutes), BERLIN)


def rate(book: Notebook, rating: Rating, subject: Subject = GRAD, at: Moment = MOMENT, sitting: int = 0) -> Notebook:
    """Rate the card as it stands."""
    return rated(book, subject, rating, book.card(subject.fact).version, sitting, at, space)


def in_days(card: Card, at: Moment) -> int:
    assert card.recall is not None
    return (learning_day(card.recall.due, at.zone) - at.day).days


def when_due(card: Card) -> Moment:
    return Moment(max(NOW, card.recall.due), BERLIN) if card.recall else MOMENT


def test_a_button_tells_what_each_rating_of_a_new_card_leads_to() -> None:
    offers = intervals(Card(), MOMENT, space)

    assert [f"{rating.words} · {offers[rating]}" for rating in Rating] == [
        "1 Not at all · now",
        "2 Barely · 10 min",
        "3 With effort · 1 d",
        "4 Well · 2 d",
        "5 Perfectly · 8 d",
    ]


@given(st.lists(ratings, max_size=12), st.integers(0, 400))
def test_every_label_fits_a_button(history: Sequence[Rating], late: int) -> None:
    card, at = Card(), MOMENT
    for rating in history:
        card = reviewed(card, rating, at, space)
        at = Moment(when_due(card).now + timedelta(days=late), BERLIN)

    for rating, words in intervals(card, at, space).items():
        assert len(f"{rating.words} · {words}") <= 34


@given(st.lists(ratings, max_size=8), st.lists(successes, min_size=2, max_size=12), st.integers(0, 60))
def test_after_a_success_the_next_interval_is_never_shorter(
    history: Sequence[Rating], then: Sequence[Rating], late: int
) -> None:
    card, at = Card(), MOMENT
    for rating in history:
        card = reviewed(card, rating, at, space)
        at = when_due(card)
    last = 0
    for rating in then:
        card = reviewed(card, rating, at, space)
        assert last <= in_days(card, at) <= MAX_DAYS
        last = in_days(card, at)
        at = Moment(when_due(card).now + timedelta(days=late), BERLIN)


@given(st.lists(ratings, max_size=10), st.integers(0, 30 * 24 * 60))
def test_a_better_rating_never_comes_back_sooner(history: Sequence[Rating], minutes: int) -> None:
    card = Card()
    for rating in history:
        card = reviewed(card, rating, when_due(card), space)
    at = Moment(when_due(card).now + timedelta(minutes=minutes), BERLIN)

    dues = [after.recall.due for rating in Rating if (after := reviewed(card, rating, at, space)).recall]

    assert dues == sorted(dues)
    assert dues[0] <= at.now
    assert dues[1] == dues[0] + SHORT_STEP


@given(st.integers(0, 20 * 365 * 24 * 60), st.sampled_from(["UTC", "Asia/Tokyo", "America/Lima"]))
def test_what_was_recalled_comes_back_when_a_day_begins(minutes: int, zone: str) -> None:
    moment = Moment(NOW + timedelta(minutes=minutes), ZoneInfo(zone))

    card = reviewed(Card(), Rating.WELL, moment, space)

    assert card.recall is not None
    assert card.recall.due.astimezone(moment.zone).strftime("%H:%M") == "04:00"
    assert in_days(card, moment) == 2


@pytest.mark.parametrize(
    ("at", "day"),
    [("2026-11-25T03:59", 24), ("2026-11-25T04:00", 25), ("2026-11-25T23:59", 25), ("2026-11-26T00:30", 25)],
)
def test_a_learning_day_begins_at_four_in_the_morning(at: str, day: int) -> None:
    assert learning_day(datetime.fromisoformat(at).replace(tzinfo=BERLIN), BERLIN).day == day


def test_days_begin_at_four_on_the_wall_in_summer_and_in_winter() -> None:
    assert begins(date(2026, 7, 1), BERLIN) == datetime(2026, 7, 1, 2, tzinfo=UTC)
    assert begins(date(2026, 12, 1), BERLIN) == datetime(2026, 12, 1, 3, tzinfo=UTC)


def test_an_evening_and_the_night_after_it_are_one_day() -> None:
    evening = Moment(datetime(2026, 11, 25, 22, tzinfo=BERLIN), BERLIN)
    night = Moment(datetime(2026, 11, 26, 1, tzinfo=BERLIN), BERLIN)
    card = reviewed(Card(), Rating.WELL, evening, space)

    again = reviewed(card, Rating.WELL, night, space)

    assert in_days(again, night) <= in_days(card, evening) + 1  # a second look on one day teaches little


@pytest.mark.parametrize(("days", "words"), [(1, "1 d"), (59, "59 d"), (61, "2 mo"), (364, "12 mo"), (450, "1.2 y")])
def test_an_interval_is_said_shortly(days: int, words: str) -> None:
    card = reviewed(Card(), Rating.WELL, MOMENT, space)
    assert card.recall is not None

    assert interval(Card(1, replace(card.recall, due=NOW + timedelta(days=days))), MOMENT) == words


def test_a_rating_is_noted_with_all_that_it_changes() -> None:
    book = rate(seated(Notebook(), "_all", 10, MOMENT.day), Rating.WELL, sitting=1)

    assert book.card(GRAD.fact).version == 1
    assert book.topics == {"autograd": Tally(1, 1)}
    assert book.sittings[1].ratings == (Rating.WELL,)
    assert book.activity == Activity().counted(MOMENT.day)


def test_the_same_button_pressed_twice_counts_once_and_the_first_rating_stands() -> None:
    book = rated(Notebook(), GRAD, Rating.WELL, 0, 0, MOMENT, space)

    assert rated(book, GRAD, Rating.NOT_AT_ALL, 0, 0, later(minutes=1), space) is book


def test_a_button_of_a_card_that_changed_since_is_stale() -> None:
    book = rate(rate(Notebook(), Rating.WELL), Rating.WELL, at=later(2))

    with pytest.raises(StaleCard):
        rated(book, GRAD, Rating.WELL, 0, 0, later(2), space)


@given(st.lists(st.tuples(ratings, st.sampled_from([GRAD, SHAPE])), max_size=8), ratings, st.integers(0, 5000))
def test_undo_restores_memory_exactly(history: Sequence[tuple[Rating, Subject]], last: Rating, minutes: int) -> None:
    book = seated(Notebook(), "_all", 30, MOMENT.day)
    for number, (rating, subject) in enumerate(history):
        book = rate(book, rating, subject, later(minutes=17 * number), sitting=1)
    at = later(minutes=17 * len(history) + minutes)
    after = rate(book, last, at=at, sitting=1)

    restored = undone(after, GRAD, after.card(GRAD.fact).version)

    assert restored.card(GRAD.fact).recall == book.card(GRAD.fact).recall
    assert restored.sittings == book.sittings
    assert {topic: tally for topic, tally in restored.topics.items() if tally.asked} == book.topics
    assert restored.activity == book.activity.up_to(at.day)
    assert restored.cards == {**book.cards, GRAD.fact: restored.card(GRAD.fact)}


@given(st.lists(st.tuples(st.integers(0, 30), ratings, st.booleans()), max_size=60))
def test_however_buttons_are_delivered_each_rates_at_most_once(presses: Sequence[tuple[int, Rating, bool]]) -> None:
    """Every button ever shown may come again at any time, in any order, with another rating; so may every Undo."""
    book = seated(Notebook(), "_all", 30, MOMENT.day)
    shown = [(GRAD, 0), (SHAPE, 0)]
    counted: Counter[tuple[Subject, int]] = Counter()
    taken_back: Counter[tuple[Subject, int]] = Counter()
    for number, (which, rating, undo) in enumerate(presses):
        subject, version = shown[which % len(shown)]
        before, at = book, later(minutes=number)
        try:
            book = undone(book, subject, version) if undo else rated(book, subject, rating, version, 1, at, space)
        except StaleCard:
            assert book is before
            continue
        if book is not before:
            (taken_back if undo else counted)[subject, version] += 1
            shown.append((subject, book.card(subject.fact).version))

    assert set(counted.values()) | set(taken_back.values()) <= {1}
    rated_in_all = counted.total() - taken_back.total()
    assert rated_in_all == sum(tally.asked for tally in book.topics.values()) == sum(book.activity.counts)
    assert len(book.sittings[1].ratings) == rated_in_all or book.sittings[1].over


def test_after_undo_no_old_button_fits_again() -> None:
    book = rate(Notebook(), Rating.PERFECTLY)
    restored = undone(book, GRAD, 1)

    for version in (0, 1):
        with pytest.raises(StaleCard):
            rated(restored, GRAD, Rating.PERFECTLY, version, 0, MOMENT, space)
    assert rate(restored, Rating.WELL).card(GRAD.fact).version == 3


def test_only_the_newest_rating_can_be_undone_and_only_once() -> None:
    book = rate(rate(Notebook(), Rating.WELL), Rating.WELL, SHAPE)

    with pytest.raises(StaleCard):
        undone(book, GRAD, 1)
    with pytest.raises(StaleCard):
        undone(undone(book, SHAPE, 1), SHAPE, 1)


def test_an_answer_in_a_quiz_after_a_rating_makes_undo_stale() -> None:
    book = answered(rate(Notebook(), Rating.WELL), GRAD, True, later(minutes=5), space)

    with pytest.raises(StaleCard):
        undone(book, GRAD, 1)


def test_versions_begin_again_without_a_step() -> None:
    card = reviewed(Card(VERSIONS - 1), Rating.WELL, MOMENT, space)

    assert card.version == 0


def test_a_wrong_answer_is_due_at_once_and_a_right_one_in_some_days() -> None:
    wrong = answered(Notebook(), GRAD, False, MOMENT, space, first_try=True)
    right = answered(Notebook(), GRAD, True, MOMENT, space, first_try=True)

    assert queue(wrong, [GRAD], NOW) == [GRAD]
    assert queue(right, [GRAD], NOW) == []
    assert next_due(right, [GRAD], NOW) == begins(MOMENT.day + timedelta(days=2), BERLIN)
    assert (wrong.first_tries, right.first_tries) == (Tally(0, 1), Tally(1, 1))


def test_a_later_round_is_no_first_try_but_teaches() -> None:
    book = answered(Notebook(), GRAD, True, MOMENT, space)

    assert book.first_tries == Tally()
    assert book.topics == {"autograd": Tally(1, 1)}
    assert book.card(GRAD.fact).recall is not None


def test_an_answer_that_is_told_late_still_counts() -> None:
    book = rate(Notebook(), Rating.WELL, at=later(minutes=30))

    late = answered(book, GRAD, False, MOMENT, space)

    assert queue(late, [GRAD], later(minutes=31).now) == [GRAD]


def test_a_question_of_the_day_teaches_and_keeps_its_own_account() -> None:
    book = answered_daily(Notebook(), GRAD, False, MOMENT, space)

    assert queue(book, [GRAD], NOW) == [GRAD]
    assert (book.first_tries, book.topics) == (Tally(), {})


def test_a_voided_question_of_the_day_teaches_nothing() -> None:
    assert answered_daily(Notebook(), GRAD, None, MOMENT, space).cards == {}


def test_a_sealed_answer_says_nothing_before_the_question_closes() -> None:
    book = locked(Notebook(), POST, Locked(OptionId("b"), NOW), BERLIN)
    book = locked(book, POST, Locked(OptionId("c"), NOW + timedelta(minutes=2)), BERLIN)

    assert book.cards == {}
    assert book.locked[POST].option == "c"
    assert sum(book.activity.counts) == 1
    after = unlocked(book, POST, GRAD, False, later(1), space)
    assert after.locked == {}
    assert queue(after, [GRAD], later(1).now) == [GRAD]


def test_a_sitting_that_was_left_today_goes_on_and_a_finished_one_does_not() -> None:
    book = rate(seated(Notebook(), "_all", 2, MOMENT.day), Rating.WELL, sitting=1)
    resumed = seated(book, "_all", 2, MOMENT.day)
    finished = rate(resumed, Rating.WELL, SHAPE, sitting=1)

    assert resumed is book
    assert finished.sittings[1].over
    assert finished.left("_all", 2, MOMENT.day) is None
    assert list(seated(finished, "_all", 2, MOMENT.day).sittings) == [1, 2]
    assert list(seated(book, "_all", 2, MOMENT.day + timedelta(days=1)).sittings) == [1, 2]


def test_a_look_at_another_deck_does_not_end_a_sitting() -> None:
    book = seated(seated(Notebook(), "_all", 10, MOMENT.day), "_review", 10, MOMENT.day)

    after = rate(book, Rating.WELL, sitting=1)

    assert seated(after, "_all", 10, MOMENT.day) is after
    assert [len(sitting.ratings) for sitting in after.sittings.values()] == [1, 0]


def test_a_rating_of_a_forgotten_sitting_counts_for_memory_only() -> None:
    book = Notebook()
    for size in range(1, SITTINGS_KEPT + 2):
        book = seated(book, "_all", size, MOMENT.day)

    after = rate(book, Rating.WELL, sitting=1)

    assert list(book.sittings) == list(range(2, SITTINGS_KEPT + 2))
    assert after.sittings == book.sittings
    assert after.card(GRAD.fact).recall is not None


def test_topics_are_mixed_and_the_weakest_comes_first() -> None:
    weak, strong = [Subject(f"w{n}", "weak") for n in range(3)], [Subject(f"s{n}", "strong") for n in range(2)]
    book = Notebook()
    for place, subject in enumerate([*strong, *weak]):
        book = rate(book, Rating.WELL, subject, later(minutes=place))
    book = replace(book, topics={"weak": Tally(1, 4), "strong": Tally(3, 4)})

    order = queue(book, [*strong, *weak], later(10).now)

    assert [subject.topic for subject in order] == ["weak", "strong", "weak", "strong", "weak"]
    assert [subject.fact for subject in order if subject.topic == "weak"] == ["w0", "w1", "w2"]


def test_what_was_missed_a_moment_ago_comes_after_new_cards() -> None:
    new = Subject("new", "tensors")
    book = rate(rate(Notebook(), Rating.NOT_AT_ALL), Rating.WELL, SHAPE, later(-5))

    assert queue(book, [GRAD, SHAPE, new], NOW, new=True) == [SHAPE, new, GRAD]
    assert queue(book, [GRAD, SHAPE, new], NOW) == [SHAPE, GRAD]


@given(st.lists(st.tuples(ratings, st.integers(0, 9), st.integers(0, 40)), max_size=30))
def test_the_queue_holds_each_due_card_once_and_no_other(history: Sequence[tuple[Rating, int, int]]) -> None:
    subjects = [Subject(f"f{n}", f"t{n % 3}") for n in range(10)]
    book, at = Notebook(), MOMENT
    for rating, fact, days in history:
        at = Moment(at.now + timedelta(days=days), BERLIN)
        book = rate(book, rating, subjects[fact], at)

    ready = queue(book, subjects, at.now)

    assert Counter(ready) == Counter(subject for subject in subjects if book.card(subject.fact).is_due(at.now))


def test_a_topic_is_weak_only_with_evidence_and_something_missed() -> None:
    topics = {
        "few": Tally(0, ENOUGH_EVIDENCE - 1),
        "all-right": Tally(9, 9),
        "half": Tally(2, 4),
        "bad": Tally(1, 4),
        "worse": Tally(2, 8),
    }

    assert [topic for topic, _ in weakest(topics, 3)] == ["worse", "bad", "half"]


def test_the_last_rating_is_kept_to_be_taken_back() -> None:
    before = rate(Notebook(), Rating.WELL)
    after = rate(before, Rating.BARELY, at=later(2))

    assert after.last == Last(GRAD.fact, 2, Rating.BARELY, 0, later(2).day, before.card(GRAD.fact).recall)
