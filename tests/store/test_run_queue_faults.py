"""Worker processes that are killed, frozen and stopped, a server that stalls and restarts: every run ends once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest_asyncio

from bot.core.errors import Unavailable
from bot.core.runs import Accepted, Finished, Outcome, RunId, Running, RunOrder
from bot.store.connect import command_client
from bot.store.run_queue import RedisRunQueue
from bot.store.server import embedded_server
from tests.workers.fakes import LEASE, a_queue, an_order, events_of, open_runs, result_of

ROOT = Path(__file__).parents[2]
STORM_RUNS = int(os.environ.get("TORCHQUIZ_STORM_RUNS", "120"))
"""More of them for a soak, fewer for a quick look."""
STORM_SECONDS = 60.0 + STORM_RUNS / 2

TAKEOVER = 1.3 * LEASE
"""Lease and sweep; what the process needs to begin is added where it is measured."""


class WorkerProcess:
    """A worker in a process of its own, over the fake sandbox."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            self._process.send_signal(number)

    async def ended(self, seconds: float = 10.0) -> int:
        async with asyncio.timeout(seconds):
            return await self._process.wait()


@asynccontextmanager
async def a_process(url: str, name: str, slots: int = 1, attempts: int = 2) -> AsyncIterator[WorkerProcess]:
    command = [sys.executable, "-m", "tests.workers.fakes", url, name, f"--slots={slots}", f"--attempts={attempts}"]
    started = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    worker = WorkerProcess(started)
    try:
        yield worker
    finally:
        worker.send(signal.SIGKILL)
        await worker.ended()


@pytest_asyncio.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with embedded_server(tmp_path) as url:
        yield url


@pytest_asyncio.fixture
async def redis(url: str) -> AsyncIterator[Any]:
    client = command_client(url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def queue(url: str) -> AsyncIterator[RedisRunQueue]:
    async with a_queue(url) as ours:
        yield ours


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (a condition of the outside)
            await asyncio.sleep(0.005)


async def accepted(queue: RedisRunQueue, order: RunOrder, seconds: float = 20.0) -> None:
    """Hand in a run again and again until it is accepted, as the bot does."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if isinstance(await queue.submit(order), Accepted):
                    return
            except Unavailable:
                continue
            await asyncio.sleep(0.02)


async def workers_known(redis: Any, number: int) -> None:
    async with asyncio.timeout(20):
        while await redis.hlen("{q:cpu}:workers") < number:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def starts(mark: Path) -> list[int]:
    """The processes that began the run, in order."""
    return [int(line) for line in mark.read_text().splitlines()] if mark.exists() else []


async def test_another_worker_takes_over_from_one_that_was_killed(
    queue: RedisRunQueue, url: str, redis: Any, tmp_path: Path
) -> None:
    took = []
    async with a_process(url, "spare", slots=9), AsyncExitStack() as stack:
        for n in range(4):
            mark = tmp_path / f"mark-{n}"
            victim = await stack.enter_async_context(a_process(url, f"victim-{n}", slots=9))
            await workers_known(redis, n + 2)
            order = an_order(f"note {mark}\nsleep 0.4")
            while starts(mark)[:1] != [victim.pid]:  # until the victim is the one that takes it
                mark.unlink(missing_ok=True)
                order = an_order(f"note {mark}\nsleep 0.4")
                await accepted(queue, order)
                await until(lambda mark=mark: bool(starts(mark)))  # type: ignore[misc]
            victim.send(signal.SIGKILL)
            began = asyncio.get_running_loop().time()
            await until(lambda mark=mark: len(starts(mark)) == 2)  # type: ignore[misc]
            took.append(asyncio.get_running_loop().time() - began)

            events = await events_of(queue, order.id)
            assert ["victim-" + str(n), "spare"] == [e.worker for e in events if isinstance(e, Running)]
            assert Outcome.OK == (await result_of(queue, order.id)).outcome
    assert max(took) < TAKEOVER + 0.2  # the blocking read that a sweep has to wait for
    assert (await open_runs(redis)).keys() <= {"pending"}


async def test_a_run_that_kills_its_workers_is_given_up_after_two(
    queue: RedisRunQueue, url: str, redis: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    async with a_process(url, "a") as a, a_process(url, "b") as b, a_process(url, "c") as c:
        await workers_known(redis, 3)
        order, innocent = an_order(f"note {mark}\nkill"), an_order()
        await accepted(queue, order)
        result = await result_of(queue, order.id)
        await accepted(queue, innocent)

        assert Outcome.OK == (await result_of(queue, innocent.id)).outcome
        assert [False, False, True] == sorted(worker.alive for worker in (a, b, c))
    assert Outcome.WORKER_LOST == result.outcome
    assert "twice" in result.error
    assert len(starts(mark)) == 2
    assert await open_runs(redis) == {}


async def test_a_worker_frozen_past_its_lease_cannot_finish_what_another_took(
    queue: RedisRunQueue, url: str, redis: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    async with a_process(url, "frozen") as frozen:
        await workers_known(redis, 1)
        order = an_order(f"note {mark}\nprint done\nsleep 0.5")
        await accepted(queue, order)
        await until(lambda: len(starts(mark)) == 1)
        frozen.send(signal.SIGSTOP)
        async with a_process(url, "other") as other:
            await until(lambda: len(starts(mark)) == 2)
            frozen.send(signal.SIGCONT)
            events = await events_of(queue, order.id)
            follow_up = an_order()
            await accepted(queue, follow_up)
            await result_of(queue, follow_up.id)

            assert frozen.alive
            assert other.alive
    assert ["frozen", "other"] == [event.worker for event in events if isinstance(event, Running)]
    assert [Outcome.OK] == [event.result.outcome for event in events if isinstance(event, Finished)]
    assert await redis.xlen("{q:cpu}:rep:web") == 2
    assert await open_runs(redis) == {}


async def test_a_worker_starved_for_most_of_its_lease_keeps_its_run(
    queue: RedisRunQueue, url: str, redis: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    async with a_process(url, "starved") as starved, AsyncExitStack() as stack:
        await workers_known(redis, 1)
        order = an_order(f"note {mark}\nsleep 3")
        await accepted(queue, order)
        await until(lambda: len(starts(mark)) == 1)
        await stack.enter_async_context(a_process(url, "vulture"))
        await workers_known(redis, 2)
        for _ in range(2):
            starved.send(signal.SIGSTOP)
            await asyncio.sleep(0.5 * LEASE)  # the time for which it stands still
            starved.send(signal.SIGCONT)
            await asyncio.sleep(0.5 * LEASE)  # and for which it catches up
        await result_of(queue, order.id)

    assert len(starts(mark)) == 1


async def test_a_worker_that_is_told_to_stop_hands_over_within_a_second(
    queue: RedisRunQueue, url: str, redis: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    async with a_process(url, "leaving") as leaving:
        await workers_known(redis, 1)
        order = an_order(f"note {mark}\nsleep 60")
        await accepted(queue, order)
        await until(lambda: len(starts(mark)) == 1)
        async with a_process(url, "next"):
            await workers_known(redis, 2)
            began = asyncio.get_running_loop().time()
            leaving.send(signal.SIGTERM)
            await until(lambda: len(starts(mark)) == 2)
            took = asyncio.get_running_loop().time() - began

            assert await leaving.ended() == 0
            await queue.cancel(order.id, "u1")
            events = await events_of(queue, order.id)
    assert took < 1.0
    assert [1, 1] == [event.attempt for event in events if isinstance(event, Running)]


async def test_a_server_that_stands_still_for_two_seconds_loses_and_doubles_nothing(
    queue: RedisRunQueue, url: str, redis: Any, tmp_path: Path
) -> None:
    server = (await redis.info("server"))["process_id"]
    async with a_process(url, "w1", slots=2), a_process(url, "w2", slots=2):
        await workers_known(redis, 2)
        orders = [an_order(f"note {tmp_path / str(n)}\nsleep 0.3", tenant=f"t{n % 4}") for n in range(16)]
        for order in orders[:8]:
            await accepted(queue, order)
        os.kill(server, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(2.0, os.kill, server, signal.SIGCONT)
        await asyncio.gather(*(accepted(queue, order) for order in orders[8:]))
        results = await asyncio.gather(*(result_of(queue, order.id) for order in orders))

    assert {Outcome.OK} == {result.outcome for result in results}
    assert await redis.xlen("{q:cpu}:rep:web") == len(orders)
    assert await open_runs(redis) == {}


async def test_a_server_that_is_killed_and_started_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as url, a_queue(url) as queue:
        redis: Any = command_client(url)
        async with a_process(url, "w1", slots=2), a_process(url, "w2", slots=2):
            await workers_known(redis, 2)
            orders = [an_order("print x\nsleep 0.3", tenant=f"t{n % 4}") for n in range(16)]
            following = []
            for order in orders[:8]:
                await accepted(queue, order)
                following.append(asyncio.create_task(result_of(queue, order.id, 40)))
            os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)
            async with embedded_server(tmp_path):
                for order in orders[8:]:
                    await accepted(queue, order)
                results = await asyncio.gather(*following, *(result_of(queue, order.id) for order in orders[8:]))

                assert {Outcome.OK} == {result.outcome for result in results}
                assert await redis.xlen("{q:cpu}:rep:web") == len(orders)
                assert await open_runs(redis) == {}
        await redis.aclose()


async def test_a_storm_of_kills_loses_no_run_and_ends_none_twice(url: str, redis: Any) -> None:
    """Three workers, each killed every 1.5 to 3 s; two bots show what has ended."""
    dice, runs, shown = random.Random(4), STORM_RUNS, Counter[RunId]()
    orders = [an_order(f"print x\nsleep {dice.uniform(0.05, 0.3):.2f}", tenant=f"t{n % 6}") for n in range(runs)]
    outcomes: dict[RunId, Outcome] = {}

    async def show(queue: RedisRunQueue, name: str) -> None:
        async with aclosing(queue.completions("web", name)) as completions:
            async for completion in completions:
                shown[completion.run] += 1
                outcomes[completion.run] = completion.result.outcome
                await queue.delivered("web", completion)

    async def keep_one(name: str, kills: list[float], done: asyncio.Event) -> None:
        while not done.is_set():
            # The storm is not the snippets' fault: with enough attempts, every run ends well.
            async with a_process(url, name, slots=2, attempts=99) as worker:
                for _ in range(int(dice.uniform(15, 30))):
                    if done.is_set():
                        return
                    await asyncio.sleep(0.1)
                worker.send(signal.SIGKILL)
                kills.append(asyncio.get_running_loop().time())

    kills: list[float] = []
    done = asyncio.Event()
    async with a_queue(url) as first, a_queue(url) as second, asyncio.TaskGroup() as group:
        showing = [group.create_task(show(first, "bot-1")), group.create_task(show(second, "bot-2"))]
        storm = [group.create_task(keep_one(f"w{n}", kills, done)) for n in range(3)]
        for order in orders:
            await accepted(first, order)
        await until(lambda: len(outcomes) == runs, seconds=STORM_SECONDS)
        done.set()
        await asyncio.gather(*storm)
        for order in orders[::10]:
            assert [Finished] == [type(e) for e in (await events_of(second, order.id))[-1:]]
        for task in showing:
            task.cancel()

    assert len(kills) >= 3
    assert {order.id for order in orders} == outcomes.keys()
    assert {Outcome.OK} == set(outcomes.values())
    assert {1} == set(shown.values())
    for order in orders:
        assert 1 == sum(fields[b"k"] == b"e" for _, fields in await redis.xrange(f"{{q:cpu}}:out:{order.id}"))
    left = await open_runs(redis)
    assert left.keys() <= {"pending"}  # tombstones that no worker has dropped yet
