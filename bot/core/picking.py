"""Which question comes next: a bag without replacement for each channel, from stored state and a die.

Every question has a round: how often it has been out of the bag. The bag holds those behind the furthest round;
when it is empty, a new round begins. A question that joins later is out of the bag once, not as often as it is behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from bot.core.ids import ItemId


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that may be asked."""

    id: ItemId
    topic: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a channel remembers of a question."""

    round: int
    number: int
    """The how-manieth question of the channel it was, when it was asked last."""


@dataclass(frozen=True, slots=True)
class Pick:
    """The question, and the round it is noted with."""

    item: ItemId
    round: int
    begins_again: bool
    """The bag was empty: everything has been asked once more."""


def pick(
    pool: Sequence[Candidate],
    asked: Mapping[ItemId, Asked],
    elsewhere: Collection[ItemId],
    die: float,
    *,
    in_order: bool = False,
) -> Pick | None:
    """The next question; None for an empty pool.

    `elsewhere` are questions that other channels of the team have today: avoided while there is another. `die` is in
    [0, 1). The same arguments give the same question.
    """
    if not pool:
        return None
    rounds = {each.id: asked[each.id].round if each.id in asked else 0 for each in pool}
    furthest = max(rounds.values())
    bag = [each for each in pool if rounds[each.id] < furthest]
    if begins_again := not bag and furthest > 0:
        bag = _rested(pool, asked)
    bag = bag or list(pool)
    chosen = (
        bag[0] if in_order else _balanced([each for each in bag if each.id not in elsewhere] or bag, asked, pool, die)
    )
    return Pick(chosen.id, furthest + 1 if begins_again or not furthest else furthest, begins_again)


def die(*names: str) -> float:
    """A number in [0, 1) that these names always give."""
    digest = blake2b("\0".join(names).encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return int.from_bytes(digest) / 2**48


def _rested(pool: Sequence[Candidate], asked: Mapping[ItemId, Asked]) -> list[Candidate]:
    """A fresh bag without the half that came last, so that no question comes twice in a row."""
    by_age = sorted(pool, key=lambda each: asked[each.id].number)
    rested = {each.id for each in by_age[: max(1, len(by_age) // 2)]}
    return [each for each in pool if each.id in rested]


def _balanced(
    bag: Sequence[Candidate], asked: Mapping[ItemId, Asked], pool: Sequence[Candidate], die: float
) -> Candidate:
    """One of the bag, from the topic of which the least share has been asked in this round."""
    sizes = Counter(each.topic for each in pool)
    left = Counter(each.topic for each in bag)
    fullest = max(left[topic] / sizes[topic] for topic in left)
    fair = [each for each in bag if left[each.topic] / sizes[each.topic] == fullest]
    return fair[int(die * len(fair))]
