"""Which question comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.core.ids import ItemId
from bot.core.picking import Asked, Candidate, die, pick


def a_pool(topics: str) -> list[Candidate]:
    return [Candidate(ItemId(f"q{number}"), topic) for number, topic in enumerate(topics)]


def questions(pool: Sequence[Candidate], count: int, seed: str = "", *, in_order: bool = False) -> list[ItemId]:
    """What a channel is asked in a row."""
    asked: dict[ItemId, Asked] = {}
    out = []
    for number in range(1, count + 1):
        picked = pick(pool, asked, (), die(seed, str(number)), in_order=in_order)
        assert picked is not None
        asked[picked.item] = Asked(picked.round, number)
        out.append(picked.item)
    return out


@given(st.text("ab", min_size=1, max_size=12), st.text(max_size=3), st.integers(1, 4))
def test_nothing_is_asked_again_before_everything_was_asked(topics: str, seed: str, rounds: int) -> None:
    pool = a_pool(topics)
    asked = questions(pool, rounds * len(pool), seed)

    for begin in range(0, len(asked), len(pool)):
        assert len(set(asked[begin : begin + len(pool)])) == len(pool)


@given(st.text("ab", min_size=2, max_size=12), st.text(max_size=3))
def test_no_question_comes_twice_in_a_row(topics: str, seed: str) -> None:
    asked = questions(a_pool(topics), 5 * len(topics), seed)

    assert all(one != other for one, other in pairwise(asked))


def test_topics_take_turns_by_their_size() -> None:
    half = questions(a_pool("aaaaaaaabbbb"), 6, "seed")

    assert Counter(item in {f"q{n}" for n in range(8)} for item in half) == {True: 4, False: 2}


def test_in_order_means_the_order_of_the_bank() -> None:
    assert questions(a_pool("abab"), 5, in_order=True) == ["q0", "q1", "q2", "q3", "q0"]


def test_a_question_that_another_channel_has_today_is_avoided_while_there_is_another() -> None:
    pool = a_pool("aa")
    elsewhere = {ItemId("q0")}

    assert {pick(pool, {}, elsewhere, n / 10).item for n in range(10)} == {"q1"}  # type: ignore[union-attr]
    assert pick(pool[:1], {}, elsewhere, 0.5).item == "q0"  # type: ignore[union-attr]


def test_a_question_that_joins_later_is_not_asked_as_often_as_it_is_behind() -> None:
    asked = {ItemId("q0"): Asked(5, 1), ItemId("q1"): Asked(5, 2)}
    newcomer = pick(a_pool("aaa"), asked, (), 0.0)

    assert newcomer is not None
    assert (newcomer.item, newcomer.round, newcomer.begins_again) == ("q2", 5, False)


def test_an_empty_pool_has_nothing_to_ask() -> None:
    assert pick([], {}, (), 0.5) is None


def test_the_same_state_gives_the_same_question_and_channels_differ() -> None:
    pool = a_pool("abcdefgh")

    assert questions(pool, 8, "c1") == questions(pool, 8, "c1") != questions(pool, 8, "c2")
