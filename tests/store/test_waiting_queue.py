"""A queue whose CPU worker is warming up: its runs wait for it, those for a GPU do not."""

from __future__ import annotations

import asyncio
import time

from bot.core.runs import Accepted, Capability, RunId, RunOrder
from bot.store.waiting_queue import WaitingQueue
from tests.app.fakes import FakeQueue


def an_order(capability: Capability = Capability.CPU) -> RunOrder:
    return RunOrder(RunId("r"), "t", "u", "1 + 1", capability)


async def test_a_run_is_handed_in_once_the_worker_is_ready() -> None:
    inner, ready = FakeQueue(), asyncio.Event()
    submitting = asyncio.create_task(WaitingQueue(inner, ready, 60).submit(an_order()))
    await asyncio.sleep(0)
    assert not inner.orders

    ready.set()

    assert isinstance(await asyncio.wait_for(submitting, 10), Accepted)


async def test_past_the_deadline_the_queue_itself_answers() -> None:
    inner = FakeQueue()

    await asyncio.wait_for(WaitingQueue(inner, asyncio.Event(), 0.01).submit(an_order()), 10)

    assert inner.orders


async def test_a_run_for_a_gpu_does_not_wait_for_a_cpu_worker() -> None:
    inner, began = FakeQueue(), time.monotonic()

    await WaitingQueue(inner, asyncio.Event(), 60).submit(an_order(Capability.GPU))

    assert inner.orders
    assert time.monotonic() - began < 30
