"""Turns keep to the shared rate, and few requests are needed to hand them out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from bot.app.turns import BLOCK, Turns
from bot.core.errors import Unavailable


@dataclass
class HandRate:
    """A rate that answers as it is told."""

    wait: float = 0.0
    asked: list[tuple[str, float, int]] = field(default_factory=list)

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        self.asked.append((bucket, per_second, burst))
        await asyncio.sleep(0)
        return self.wait


@dataclass
class Pauses:
    """Waits without waiting, and remembers how long."""

    lengths: list[float] = field(default_factory=list)

    async def pause(self, seconds: float) -> None:
        self.lengths.append(seconds)


async def test_one_alone_asks_for_one_turn() -> None:
    rate, pauses = HandRate(), Pauses()
    await Turns(rate, "post:d", 40.0, pauses.pause).take()

    assert rate.asked == [("post:d", 40.0, 10)]
    assert pauses.lengths == []


async def test_a_crowd_reserves_blocks_that_weigh_as_much_as_their_turns() -> None:
    rate = HandRate()
    turns = Turns(rate, "post:d", 40.0, Pauses().pause)
    await asyncio.gather(*(turns.take() for _ in range(25)))

    assert [round(40.0 / per_second) for _, per_second, _ in rate.asked] == [1, BLOCK, BLOCK, 4]


async def test_turns_of_a_block_that_has_to_wait_are_spaced() -> None:
    rate, pauses = HandRate(wait=100.0), Pauses()
    turns = Turns(rate, "post:d", 40.0, pauses.pause)
    await asyncio.gather(*(turns.take() for _ in range(5)))
    _, *block = pauses.lengths  # the first came before the others

    assert [later - block[0] for later in block] == pytest.approx([0.0, 0.025, 0.05, 0.075], abs=0.02)
    assert block[0] == pytest.approx(100.0, abs=1.0)


async def test_a_store_that_is_away_is_asked_again_by_the_next() -> None:
    class AwayRate(HandRate):
        async def take(self, bucket: str, per_second: float, burst: int) -> float:
            await super().take(bucket, per_second, burst)
            if len(self.asked) == 1:
                raise Unavailable("gone")
            return 0.0

    rate = AwayRate()
    turns = Turns(rate, "post:d", 40.0)
    ended = await asyncio.gather(*(turns.take() for _ in range(2)), return_exceptions=True)

    assert [type(error) for error in ended] == [Unavailable, type(None)]
