"""A task ends even where its first cancellation got lost."""

from __future__ import annotations

import asyncio

from bot.tasks import stop


async def test_a_task_that_survives_a_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)

    await asyncio.wait_for(stop(task, None), 10)

    assert task.cancelled()
    assert lost == 1


async def test_a_task_that_has_ended_is_left_alone() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task

    await stop(task)

    assert not task.cancelled()
