"""The supervisor in this process, over a real server and a sandbox that runs nothing."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from bot.core.runs import Cancelled, Finished, Outcome, Printed, Refusal, RefusalReason, RunEvent, Running
from bot.store.run_queue import RedisRunQueue
from bot.store.server import embedded_server
from tests.workers.building import (
    LEASE,
    a_queue,
    a_worker,
    accepted,
    an_order,
    events_of,
    open_runs,
    quick,
    result_of,
    until,
)
from tests.workers.fakes import FakeSandbox
from workers.printer import Printer
from workers.sandbox.base import SandboxUnavailable
from workers.settings import WorkerSettings
from workers.worker import serve

BROKEN = SandboxUnavailable("user namespaces are off", "turn them on")


async def refused(queue: RedisRunQueue, seconds: float = 10.0) -> Refusal:
    async with asyncio.timeout(seconds):
        while True:
            answer = await queue.submit(an_order())
            if isinstance(answer, Refusal) and answer.reason is not RefusalReason.NO_WORKER:
                return answer
            await asyncio.sleep(0.01)


async def test_a_run_goes_from_the_bot_to_a_worker_and_back(queue: RedisRunQueue, url: str, redis: Any) -> None:
    async with a_worker(url):
        order = an_order("print hello\nfile plot.png 2000000")
        await accepted(queue, order)
        events = await events_of(queue, order.id)

    assert Running("w1", "cpu", 1) in events
    assert Printed("hello\n") in events
    assert isinstance(events[-1], Finished)
    result = events[-1].result
    assert (
        result.outcome,
        result.output,
        [len(f.content) for f in result.files],
    ) == (Outcome.OK, "hello\n", [2_000_000])
    assert await open_runs(redis) == {}


async def test_a_worker_never_takes_more_than_it_has_slots(queue: RedisRunQueue, url: str, redis: Any) -> None:
    async with a_worker(url, slots=2) as worker:
        orders = [an_order("sleep 0.05", tenant=f"t{n % 3}") for n in range(12)]
        for order in orders:
            await accepted(queue, order)
        outcomes = {(await result_of(queue, order.id)).outcome for order in orders}

    assert ({Outcome.OK}, 2) == (outcomes, worker.sandbox.most_active)
    assert await open_runs(redis) == {}


async def test_what_a_worker_has_no_slot_for_is_left_to_others(queue: RedisRunQueue, url: str, redis: Any) -> None:
    async with a_worker(url):
        first, second = an_order("sleep 30"), an_order()
        await accepted(queue, first)
        await accepted(queue, second)
        async with a_worker(url, name="w2"):
            assert Running("w2", "cpu", 1) in await events_of(queue, second.id)
        await queue.cancel(first.id, "u1")
        await result_of(queue, first.id)


async def test_output_is_published_in_pieces_and_the_rest_before_the_end(queue: RedisRunQueue, url: str) -> None:
    lines = [f"print {n}" for n in range(100)]
    order = an_order("\n".join(["print first", "sleep 0.05", *lines, "sleep 0.15", "print last"]))
    async with a_worker(url):
        await accepted(queue, order)
        events = await events_of(queue, order.id)

    pieces = [event.text for event in events if isinstance(event, Printed)]
    assert pieces[0] == "first\n"
    assert len(pieces) == 3
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.result.output == "".join(pieces)


async def test_a_long_piece_goes_out_without_waiting() -> None:
    sent: list[str] = []

    async def send(text: str) -> None:
        sent.append(text)

    printer = Printer(send, 100_000)
    printer.feed("a")
    await until(lambda: sent == ["a"])
    printer.feed("b" * 4096)
    await until(lambda: len(sent) == 2, seconds=0.09)
    printer.feed("c")

    assert await printer.stop() == "c"
    assert printer.heard == "a" + "b" * 4096 + "c"


async def test_output_beyond_the_bound_is_dropped() -> None:
    sent: list[str] = []

    async def send(text: str) -> None:
        sent.append(text)

    printer = Printer(send, 5)
    printer.feed("123")
    printer.feed("45678")
    printer.feed("9")

    assert "".join(sent) + await printer.stop() == "12345"


async def test_cancelling_kills_the_run_at_once_and_keeps_its_output(queue: RedisRunQueue, url: str) -> None:
    async with a_worker(url) as worker:
        order = an_order("print so far\nsleep 30")
        await accepted(queue, order)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10), aclosing(queue.follow(order.id)) as following:
            events: list[RunEvent] = []
            async for event in following:
                events.append(event)
                if isinstance(event, Printed):
                    asked = loop.time()
                    assert await queue.cancel(order.id, "u1") == Cancelled.ASKED
            took = loop.time() - asked

    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.result.outcome, last.result.output, worker.sandbox.killed) == (Outcome.CANCELLED, "so far\n", 1)
    assert took < 0.25


async def test_a_worker_without_a_sandbox_says_so_and_serves_when_it_is_mended(queue: RedisRunQueue, url: str) -> None:
    async with a_worker(url, FakeSandbox(problems=(BROKEN, BROKEN))):
        expected = Refusal(RefusalReason.WORKER_UNAVAILABLE, detail=BROKEN.problem, fix=BROKEN.fix)
        assert expected == await refused(queue)

        order = an_order()
        await accepted(queue, order)
        assert (await result_of(queue, order.id)).outcome == Outcome.OK


async def test_a_worker_keeps_saying_that_its_sandbox_is_unavailable(url: str) -> None:
    settings = quick(worker_lifetime=0.3)
    broken = FakeSandbox(problems=(BROKEN,) * 1000)
    async with a_queue(url, settings) as queue, a_worker(url, broken, settings=settings):
        await refused(queue)
        for _ in range(10):
            answer = await queue.submit(an_order())
            assert isinstance(answer, Refusal)
            assert RefusalReason.WORKER_UNAVAILABLE is answer.reason
            await asyncio.sleep(0.1)  # together more than three lifetimes


async def test_a_sandbox_that_breaks_with_no_run_there_is_told_at_once(queue: RedisRunQueue, url: str) -> None:
    sandbox = FakeSandbox()
    async with a_worker(url, sandbox):
        await accepted(queue, order := an_order())
        await result_of(queue, order.id)
        sandbox.problems.extend([BROKEN] * 2)
        sandbox.broken.set()

        await until(lambda: sandbox.closed > 0)
        answer = await refused(queue)
        assert answer.reason is RefusalReason.WORKER_UNAVAILABLE


async def test_a_sandbox_that_breaks_gives_its_run_to_another_worker(
    queue: RedisRunQueue, url: str, tmp_path: Path
) -> None:
    mark = tmp_path / "starts"
    stuck = FakeSandbox()
    async with a_worker(url, stuck):
        order = an_order(f"note {mark}\nbroken")
        await accepted(queue, order)
        await until(lambda: stuck.closed > 2)

        assert len(mark.read_text().splitlines()) > 2  # blameless: it does not end as "worker lost"
        await queue.cancel(order.id, "u1")
        assert (await result_of(queue, order.id)).outcome == Outcome.CANCELLED


async def test_a_bug_of_the_sandbox_ends_the_run_after_two_attempts_and_is_logged(
    queue: RedisRunQueue, url: str, redis: Any
) -> None:
    with capture_logs() as logs:
        async with a_worker(url):
            order, innocent = an_order("bug"), an_order()
            await accepted(queue, order)
            result = await result_of(queue, order.id)
            await accepted(queue, innocent)
            assert (await result_of(queue, innocent.id)).outcome == Outcome.OK

    assert result.outcome == Outcome.WORKER_LOST
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["run.sandbox_failed"] * 2
    assert await open_runs(redis) == {}


async def test_the_logs_name_what_happened_and_never_the_code(queue: RedisRunQueue, url: str) -> None:
    with capture_logs() as logs:
        async with a_worker(url):
            order = an_order("print s3cret")
            await accepted(queue, order)
            await result_of(queue, order.id)

    finished = next(entry for entry in logs if entry["event"] == "run.finished")
    assert (order.id, "ok") == (finished["run"], finished["outcome"])
    assert "s3cret" not in repr(logs)


async def test_a_stopping_worker_finishes_what_it_can_in_the_grace(queue: RedisRunQueue, url: str, redis: Any) -> None:
    async with a_worker(url) as worker:
        order = an_order("sleep 0.5")
        await accepted(queue, order)
        await until(lambda: worker.sandbox.active == 1)
        worker.stop.set()

        assert (await result_of(queue, order.id)).outcome == Outcome.OK
    assert await open_runs(redis) == {}
    assert await redis.xinfo_consumers("{q:cpu}:ready", "w") == []


async def test_a_stopping_worker_hands_back_the_rest_within_a_second(queue: RedisRunQueue, url: str) -> None:
    loop = asyncio.get_running_loop()
    async with a_worker(url, grace=0.0, name="w1") as leaving:
        order = an_order("sleep 0.3")
        await accepted(queue, order)
        await until(lambda: leaving.sandbox.active == 1)
        async with a_worker(url, name="w2") as other:
            asked = loop.time()
            leaving.stop.set()
            await until(lambda: other.sandbox.active == 1)
            took = loop.time() - asked
            events = await events_of(queue, order.id)

    assert took < 1.0
    assert [Running("w1", "cpu", 1), Running("w2", "cpu", 1)] == [e for e in events if isinstance(e, Running)]
    assert leaving.sandbox.killed == 1


async def test_an_idle_worker_stops_within_a_second_and_is_not_counted_any_more(queue: RedisRunQueue, url: str) -> None:
    async with a_worker(url) as worker:
        await accepted(queue, an_order())
        worker.stop.set()
        async with asyncio.timeout(1.0):
            await worker.task
        assert Refusal(RefusalReason.NO_WORKER) == await queue.submit(an_order())
    assert worker.sandbox.closed == 1


async def test_a_run_that_was_lost_to_another_worker_is_killed(queue: RedisRunQueue, url: str, redis: Any) -> None:
    async with a_worker(url) as worker:
        order = an_order("sleep 30")
        await accepted(queue, order)
        await until(lambda: worker.sandbox.active == 1)
        await redis.hset(f"{{q:cpu}}:run:{order.id}", "fence", 99)

        await until(lambda: worker.sandbox.killed == 1, seconds=LEASE)


async def test_a_worker_that_stood_still_for_most_of_its_lease_keeps_its_run(queue: RedisRunQueue, url: str) -> None:
    settings = replace(quick(), lease=2.0)
    async with a_worker(url, settings=settings, slots=2):
        order = an_order("sleep 0.7\nstall 1.2\nsleep 0.7")
        await accepted(queue, order)
        events = await events_of(queue, order.id)

    assert [event.attempt for event in events if isinstance(event, Running)] == [1]


async def test_a_worker_waits_for_a_store_that_is_not_there_yet(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with embedded_server(tmp_path) as url:
            pass
        async with a_worker(url):
            await until(lambda: any(entry["event"] == "store.away" for entry in logs))
            async with embedded_server(tmp_path), a_queue(url) as queue:
                order = an_order()
                await accepted(queue, order)
                assert (await result_of(queue, order.id)).outcome == Outcome.OK


async def test_a_bug_of_the_worker_itself_is_raised_and_leaves_no_task(url: str, redis: Any) -> None:
    await redis.set("{q:cpu}:ready", "not a stream")
    stop, sandbox, before = asyncio.Event(), FakeSandbox(), len(asyncio.all_tasks())

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await serve(url, sandbox, slots=1, name="w1", settings=WorkerSettings(queue=quick()), stop=stop)
    assert (1, before) == (sandbox.closed, len(asyncio.all_tasks()))
