"""Worker processes that are killed, frozen and stopped, a server that stalls and restarts: every run ends once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.core.runs import Accepted, Finished, Outcome, Refusal, RefusalReason, RunId, Running, RunOrder
from bot.store.connect import command_client
from bot.store.run_queue import RedisRunQueue
from bot.store.server import embedded_server
from tests.workers.building import (
    LEASE,
    a_process,
    a_queue,
    accepted,
    an_order,
    assert_each_ended_once,
    events_of,
    open_runs,
    quick,
    result_of,
    until,
    workers_known,
)
from tests.workers.network import a_network

STORM_SECONDS = 120.0
"""Longest wait for anything in a storm."""
LIVES_SECONDS = (0.5, 2.0)
"""How long a worker serves before it is killed."""
IN_STORM = 40
"""Runs that are open at a time."""

TAKEOVER = 1.3 * LEASE
"""Lease and sweep; what the process needs to begin is added where it is measured."""


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


async def test_a_worker_cut_off_from_the_network_cannot_finish_what_another_took(tmp_path: Path) -> None:
    mark, go_on = tmp_path / "mark", tmp_path / "go on"
    async with a_network(tmp_path) as network, AsyncExitStack() as stack:
        near = f"unix://{network.socket}"
        far, there = await network.host("far")
        queue = await stack.enter_async_context(a_queue(near))
        redis: Any = command_client(near)
        stack.push_async_callback(redis.aclose)
        await stack.enter_async_context(a_process(far, "cut-off", within=there))
        await workers_known(redis, 1)
        order = an_order(f"note {mark}\nuntil {go_on}\nprint done")
        await accepted(queue, order)
        await until(lambda: len(starts(mark)) == 1)
        other = await stack.enter_async_context(a_process(near, "other"))
        await workers_known(redis, 2)
        await network.cut("far")
        began = asyncio.get_running_loop().time()
        await until(lambda: len(starts(mark)) == 2)
        took = asyncio.get_running_loop().time() - began
        go_on.touch()
        events = await events_of(queue, order.id)
        await network.mend("far")
        other.send(signal.SIGTERM)
        await other.ended()
        follow_up = an_order()  # nobody but the one that was cut off is left to run it
        await accepted(queue, follow_up)

        assert Running("cut-off", "cpu", 1) in await events_of(queue, follow_up.id)
        assert ["cut-off", "other"] == [event.worker for event in events if isinstance(event, Running)]
        assert [Outcome.OK] == [event.result.outcome for event in events if isinstance(event, Finished)]
        assert len(starts(mark)) == 2
        assert took < 3 * LEASE  # the link takes its time to be cut; how soon a takeover comes is tested above
        await assert_each_ended_once(redis, [order, follow_up])


async def test_a_filled_queue_refuses_at_once_and_serves_everyone_it_accepted(
    queue: RedisRunQueue, url: str, redis: Any
) -> None:
    settings = quick(waiting_total=30, waiting_team=20, waiting_user=10)
    async with a_queue(url, settings) as small, a_process(url, "victim", attempts=99) as victim:
        await workers_known(redis, 1)
        orders = [an_order("sleep 0.05", user=f"u{n % 7}", tenant=f"t{n % 3}") for n in range(90)]
        answers = [(order, await small.submit(order)) for order in orders]
        taken = [order for order, answer in answers if isinstance(answer, Accepted)]
        victim.send(signal.SIGKILL)
        async with a_process(url, "heir", slots=4, attempts=99):
            results = await asyncio.gather(*(result_of(small, order.id, 60) for order in taken))

            assert {Outcome.OK} == {result.outcome for result in results}
            await assert_each_ended_once(redis, taken)
    refused = {answer.reason for _, answer in answers if isinstance(answer, Refusal)}
    assert RefusalReason.QUEUE_FULL in refused
    assert 30 <= len(taken) < 60


@dataclass
class Storm:
    """Workers that are killed again and again, and what two bots have shown meanwhile."""

    url: str
    redis: Any
    dice: random.Random = field(default_factory=lambda: random.Random(4))
    shown: Counter[RunId] = field(default_factory=Counter)
    outcomes: dict[RunId, Outcome] = field(default_factory=dict)
    kills: int = 0

    async def show(self, queue: RedisRunQueue, name: str) -> None:
        """One bot."""
        async with aclosing(queue.completions("web", name)) as completions:
            async for completion in completions:
                self.shown[completion.run] += 1
                self.outcomes[completion.run] = completion.result.outcome
                await queue.delivered("web", completion)

    async def keep_one(self, name: str, over: asyncio.Event) -> None:
        """One worker after the other."""
        while not over.is_set():
            # The storm is not the snippets' fault: with enough attempts, every run ends well.
            before = set(await self.redis.hkeys("{q:cpu}:workers"))
            async with a_process(self.url, name, slots=2, attempts=99) as worker:
                while not (over.is_set() or await self._serves(name, before)):  # noqa: ASYNC110 - in another process
                    await asyncio.sleep(0.05)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.dice.uniform(*LIVES_SECONDS)):
                        await over.wait()
                if not over.is_set():
                    worker.send(signal.SIGKILL)
                    self.kills += 1

    async def _serves(self, name: str, before: set[bytes]) -> bool:
        """Whether one of that name has registered that was not there before."""
        now = set(await self.redis.hkeys("{q:cpu}:workers"))
        return any(id.startswith(f"{name}-".encode()) for id in now - before)


async def stormed(storm: Storm, runs: int, kills: int) -> list[RunOrder]:
    """Hand in so many runs and see them through, with at least so many kills: more runs follow until there were."""
    orders: list[RunOrder] = []
    over = asyncio.Event()
    async with a_queue(storm.url) as first, a_queue(storm.url) as second, asyncio.TaskGroup() as group:
        showing = [group.create_task(storm.show(first, "bot-1")), group.create_task(storm.show(second, "bot-2"))]
        workers = [group.create_task(storm.keep_one(f"w{n}", over)) for n in range(3)]
        while len(orders) < runs or storm.kills < kills:
            seconds = storm.dice.uniform(0.05, 0.3)
            orders.append(an_order(f"print x\nsleep {seconds:.2f}", tenant=f"t{len(orders) % 6}"))
            await accepted(first, orders[-1], seconds=STORM_SECONDS)
            await until(lambda: len(orders) - len(storm.outcomes) < IN_STORM, seconds=STORM_SECONDS)
        await until(lambda: len(storm.outcomes) == len(orders), seconds=STORM_SECONDS)
        over.set()
        await asyncio.gather(*workers)
        for order in orders[::10]:
            assert [Finished] == [type(e) for e in (await events_of(second, order.id))[-1:]]
        for task in showing:
            task.cancel()
    return orders


async def survived(storm: Storm, runs: int, kills: int) -> None:
    """No run lost, none ended twice, all ended well."""
    orders = await stormed(storm, runs, kills)
    async with a_process(storm.url, "calm", attempts=99):  # drops what the dead have left pending
        assert {order.id for order in orders} == storm.outcomes.keys()
        assert {Outcome.OK} == set(storm.outcomes.values())
        assert {1} == set(storm.shown.values())
        await assert_each_ended_once(storm.redis, orders, within=20.0)


@pytest.mark.timeout(300)
async def test_a_storm_of_kills_loses_no_run_and_ends_none_twice(url: str, redis: Any) -> None:
    await survived(Storm(url, redis), runs=60, kills=3)


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_five_hundred_runs_survive_twenty_five_kills(url: str, redis: Any) -> None:
    storm = Storm(url, redis)

    await survived(storm, runs=500, kills=25)

    assert len(storm.shown) >= 500
    assert storm.kills >= 25
