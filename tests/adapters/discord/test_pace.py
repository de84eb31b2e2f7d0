"""Turns: one edit a second in a channel, whoever asks."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from bot.adapters.discord.pace import POST_BURST, POSTS_PER_SECOND, Pace
from bot.core.errors import Unavailable
from tests.adapters.discord.living import MemoryRate


async def turn(pace: Pace, channel: str) -> float:
    await pace.edit(channel)
    return asyncio.get_running_loop().time()


async def test_two_replies_in_one_channel_do_not_share_a_turn() -> None:
    pace = Pace(MemoryRate())

    times = sorted(await asyncio.gather(*(turn(pace, "c") for _ in range(3))))

    assert all(later - earlier > 0.95 for earlier, later in pairwise(times))


async def test_channels_do_not_wait_for_each_other() -> None:
    pace = Pace(MemoryRate())

    times = await asyncio.gather(*(turn(pace, str(number)) for number in range(20)))

    assert max(times) - min(times) < 0.5


async def test_a_turn_that_was_not_used_goes_to_the_next() -> None:
    rate = MemoryRate()
    pace = Pace(rate)
    await pace.edit("c")
    waiting = asyncio.create_task(pace.edit("c"))
    await asyncio.sleep(0)  # it has taken its turn
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await pace.edit("c")

    assert rate.taken["discord.edit"] == 2


async def test_no_second_holds_the_fifty_requests_that_discord_allows() -> None:
    rate = MemoryRate()
    turns = [await rate.take("discord.post", POSTS_PER_SECOND, POST_BURST) for _ in range(400)]

    assert max(sum(turn <= other < turn + 1 for other in turns) for turn in turns) < 50


class Away:
    """A store that is away."""

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        raise Unavailable


async def test_without_the_store_everyone_keeps_a_careful_pace() -> None:
    began = asyncio.get_running_loop().time()

    assert await turn(Pace(Away()), "c") - began > 0.95
