"""The queue's two ends against each other over a real server; here the worker does only what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.core.errors import NotFound, Unavailable
from bot.core.runs import (
    MAX_SOURCE_BYTES,
    Accepted,
    Cancelled,
    Capability,
    Completion,
    Finished,
    Outcome,
    Printed,
    Refusal,
    RefusalReason,
    RunFile,
    RunId,
    Running,
    RunResult,
    Waiting,
)
from bot.store.connect import command_client
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_queue import RedisRunQueue
from bot.store.run_scripts import run_script
from bot.store.run_wire import GONE, UNREADABLE, decode_result, encode_result
from bot.store.run_worker_end import Delivery, Lease, NoticeKind, Offer, WorkerEnd
from bot.store.server import embedded_server
from tests.workers.building import (
    LEASE,
    a_queue,
    a_worker_end,
    an_order,
    events_of,
    open_runs,
    quick,
    result_of,
    taken_by,
)

OK = RunResult(Outcome.OK, output="hello\n", exit_status=0, seconds=2.0)
CPU = RunKeys(Capability.CPU)
STEPS = ("submit", "take", "renew", "finish", "cancel", "hand_back", "expire", "heartbeat", "leave", "hold")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this module's own: the queue's keys carry no tenant, so it cannot share one."""
    with asyncio.Runner() as runner:
        server = embedded_server(tmp_path_factory.mktemp("runs"))
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest_asyncio.fixture
async def redis(url: str) -> AsyncIterator[Any]:
    client = command_client(url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def queue(url: str, redis: Any) -> AsyncIterator[RedisRunQueue]:
    async with a_queue(url) as ours:
        yield ours


@pytest_asyncio.fixture
async def worker(url: str, redis: Any) -> AsyncIterator[WorkerEnd]:
    async with a_worker_end(url) as end:
        yield end


async def next_completion(queue: RedisRunQueue, consumer: str, seconds: float = 10.0) -> Completion:
    async with asyncio.timeout(seconds), aclosing(queue.completions("web", consumer)) as completions:
        return await anext(completions)


async def no_completion(queue: RedisRunQueue, consumer: str, seconds: float) -> bool:
    try:
        await next_completion(queue, consumer, seconds)
    except TimeoutError:
        return True
    return False


async def test_a_run_is_followed_from_its_beginning_to_its_end(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    order = an_order()
    accepted = await queue.submit(order)
    taken = await taken_by(worker)
    await worker.output(taken, "hel")
    assert await worker.finish(taken, OK, rest="lo\n")

    assert accepted == Accepted(order.id, Waiting(0, 0.0))
    assert (order.source, 1) == (taken.source, taken.attempt)
    expected = [Waiting(0, 0.0), Running("w1", "cpu", 1), Printed("hel"), Printed("lo\n"), Finished(OK)]
    assert expected == await events_of(queue, order.id)


async def test_events_arrive_while_the_run_goes_on(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    order = an_order()
    await queue.submit(order)
    async with asyncio.timeout(10), aclosing(queue.follow(order.id)) as events:
        assert isinstance(await anext(events), Waiting)
        taken = await taken_by(worker)
        assert isinstance(await anext(events), Running)
        await worker.output(taken, "so far")
        assert Printed("so far") == await anext(events)
        await worker.finish(taken, OK)
        assert Finished(OK) == await anext(events)


async def test_many_followers_of_many_runs_each_see_all_of_theirs(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    orders = [an_order(tenant=f"t{n}") for n in range(8)]
    for order in orders:
        await queue.submit(order)
    following = [asyncio.create_task(events_of(queue, order.id)) for order in orders for _ in range(2)]
    for _ in orders:
        taken = await taken_by(worker)
        await worker.output(taken, taken.run)
        await worker.finish(taken, OK)

    for n, events in enumerate(await asyncio.gather(*following)):
        assert [Printed(orders[n // 2].id), Finished(OK)] == events[-2:]


async def test_handing_in_the_same_run_again_changes_nothing(
    queue: RedisRunQueue, worker: WorkerEnd, redis: Any
) -> None:
    order = an_order()
    answers = await asyncio.gather(*(queue.submit(order) for _ in range(20)))

    assert {order.id} == {answer.id for answer in answers if isinstance(answer, Accepted)}
    assert [False] + [True] * 19 == sorted(answer.again for answer in answers if isinstance(answer, Accepted))
    assert await redis.xlen(CPU.ready) == 1
    await worker.finish(await taken_by(worker), OK)
    assert Accepted(order.id, Waiting(0, 0.0), again=True) == await queue.submit(order)
    assert await open_runs(redis) == {}


async def test_without_a_worker_a_run_is_refused_at_once(queue: RedisRunQueue, redis: Any) -> None:
    assert Refusal(RefusalReason.NO_WORKER) == await queue.submit(an_order())
    assert await redis.dbsize() == 0


async def test_a_silent_worker_does_not_count(queue: RedisRunQueue, url: str) -> None:
    async with a_queue(url, quick(worker_lifetime=0.05)) as hasty, a_worker_end(url):
        await asyncio.sleep(0.1)  # the lifetime of a sign of life
        assert Refusal(RefusalReason.NO_WORKER) == await hasty.submit(an_order())


async def test_a_worker_without_a_sandbox_says_why_and_what_to_do(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    await worker.register(Offer(1, problem="user namespaces are off", fix="sysctl -w x=1"))

    expected = Refusal(RefusalReason.WORKER_UNAVAILABLE, detail="user namespaces are off", fix="sysctl -w x=1")
    assert expected == await queue.submit(an_order())


async def test_one_good_worker_is_enough(queue: RedisRunQueue, worker: WorkerEnd, url: str) -> None:
    async with a_worker_end(url, "w2") as other:
        await other.register(Offer(1, problem="broken", fix="mend it"))

        assert isinstance(await queue.submit(an_order()), Accepted)


async def test_a_snippet_that_is_too_large_is_refused(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    assert isinstance(await queue.submit(an_order("x" * MAX_SOURCE_BYTES)), Accepted)
    refusal = Refusal(RefusalReason.TOO_LARGE, MAX_SOURCE_BYTES)
    assert refusal == await queue.submit(an_order("é" * (MAX_SOURCE_BYTES // 2) + "x"))


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ({"waiting_user": 2}, RefusalReason.USER_FULL),
        ({"waiting_team": 2}, RefusalReason.TEAM_FULL),
        ({"waiting_total": 2}, RefusalReason.QUEUE_FULL),
    ],
)
async def test_each_bound_is_answered_at_once_and_frees_up(
    url: str, worker: WorkerEnd, bounds: dict[str, Any], reason: RefusalReason
) -> None:
    async with a_queue(url, quick(**bounds)) as queue:
        for _ in range(2):
            assert isinstance(await queue.submit(an_order()), Accepted)
        refused = an_order()

        assert Refusal(reason, 2) == await queue.submit(refused)
        await taken_by(worker)
        assert isinstance(await queue.submit(refused), Accepted)


async def test_one_persons_flood_leaves_room_for_others_of_the_team(url: str, worker: WorkerEnd) -> None:
    async with a_queue(url, quick(waiting_user=1)) as queue:
        await queue.submit(an_order(user="a"))
        assert isinstance(await queue.submit(an_order(user="a")), Refusal)
        assert isinstance(await queue.submit(an_order(user="b")), Accepted)


async def test_a_flood_of_one_team_holds_only_its_share_ahead_of_another(url: str, redis: Any) -> None:
    settings = quick(team_running=2)
    async with a_queue(url, settings) as queue, a_worker_end(url, settings=settings) as worker:
        flood = [an_order(tenant="loud") for _ in range(10)]
        for order in flood:
            await queue.submit(order)
        await queue.submit(an_order(tenant="quiet"))
        ran = []
        for _ in range(11):
            taken = await taken_by(worker)
            ran.append(taken.run)
            await worker.finish(taken, OK)

    assert [*flood[:2], *flood[2:]] == [order for run in ran for order in flood if order.id == run]
    assert [order.id for order in flood[:2]] == ran[:2]
    assert ran[2] not in {order.id for order in flood}
    assert await open_runs(redis) == {}


async def test_no_team_has_more_than_its_share_running(url: str, redis: Any) -> None:
    settings = quick(team_running=2)
    async with a_queue(url, settings) as queue, a_worker_end(url, settings=settings, slots=9) as worker:
        for _ in range(5):
            await queue.submit(an_order())

        assert len(await worker.read(9)) == 2
        assert await worker.read(9) == []


async def test_the_expected_wait_is_places_times_the_recent_mean_over_slots(url: str, redis: Any) -> None:
    async with a_queue(url, quick(team_running=99)) as queue, a_worker_end(url, slots=2) as worker:
        await queue.submit(an_order())
        await worker.finish(await taken_by(worker), OK)  # takes 2 seconds
        for _ in range(2):
            await queue.submit(an_order())
            await taken_by(worker)
        waits = [await queue.submit(an_order()) for _ in range(3)]

    expected = [Waiting(0, 1.0), Waiting(1, 2.0), Waiting(2, 3.0)]
    assert expected == [answer.waiting for answer in waits if isinstance(answer, Accepted)]


async def test_nothing_is_promised_before_a_run_has_been_timed(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    await queue.submit(an_order())
    answer = await queue.submit(an_order())
    assert isinstance(answer, Accepted)
    assert Waiting(1, None) == answer.waiting


# Cancelling


async def test_a_run_in_the_ready_stream_is_cancelled_and_never_starts(
    queue: RedisRunQueue, worker: WorkerEnd, redis: Any
) -> None:
    order, other = an_order(), an_order()
    await queue.submit(order)
    await queue.submit(other)

    assert Cancelled.DONE == await queue.cancel(order.id, "u1")
    assert Outcome.CANCELLED == (await result_of(queue, order.id)).outcome
    taken = await taken_by(worker)
    assert other.id == taken.run
    await worker.finish(taken, OK)
    assert await open_runs(redis) == {}
    assert await redis.xlen(CPU.ready) == 0


async def test_a_run_in_its_teams_list_is_cancelled_and_never_starts(url: str, redis: Any) -> None:
    settings = quick(team_running=1)
    async with a_queue(url, settings) as queue, a_worker_end(url, settings=settings) as worker:
        first, second, third = an_order(), an_order(), an_order()
        for order in (first, second, third):
            await queue.submit(order)

        assert Cancelled.DONE == await queue.cancel(second.id, "u1")
        assert Outcome.CANCELLED == (await result_of(queue, second.id)).outcome
        for expected in (first, third):
            taken = await taken_by(worker)
            assert expected.id == taken.run
            await worker.finish(taken, OK)
        assert await open_runs(redis) == {}


async def test_cancelling_a_ready_run_lets_the_teams_next_one_in(url: str, redis: Any) -> None:
    settings = quick(team_running=1)
    async with a_queue(url, settings) as queue, a_worker_end(url, settings=settings) as worker:
        first, second = an_order(), an_order()
        await queue.submit(first)
        await queue.submit(second)
        await queue.cancel(first.id, "u1")

        assert second.id == (await taken_by(worker)).run


async def test_a_running_run_is_cancelled_by_its_worker(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    order = an_order()
    await queue.submit(order)
    taken = await taken_by(worker)
    after = await worker.latest_notice()

    assert Cancelled.ASKED == await queue.cancel(order.id, "u1")
    _, (notice,) = await worker.notices(after)
    assert (NoticeKind.CANCEL, order.id) == (notice.kind, notice.run)
    assert [Lease.CANCELLED] == await worker.renew([taken])
    await worker.finish(taken, RunResult(Outcome.CANCELLED))
    assert Outcome.CANCELLED == (await result_of(queue, order.id)).outcome


async def test_a_cancelled_run_whose_worker_dies_is_not_run_again(url: str, redis: Any) -> None:
    settings = quick(lease=0.1)
    async with (
        a_queue(url, settings) as queue,
        a_worker_end(url, "w1", settings) as dead,
        a_worker_end(url, "w2", settings) as other,
    ):
        order, next_one = an_order(), an_order()
        await queue.submit(order)
        await taken_by(dead)
        await queue.cancel(order.id, "u1")
        await asyncio.sleep(0.15)  # the lease of the dead worker
        await queue.submit(next_one)

        taken = await taken_by(other)
        assert next_one.id == taken.run
        await other.finish(taken, OK)
        while await other.sweep(1):
            pass
        assert Outcome.CANCELLED == (await result_of(queue, order.id)).outcome


async def test_a_run_of_a_dead_worker_is_cancelled_at_once(url: str, redis: Any) -> None:
    settings = quick(lease=0.05)
    async with a_queue(url, settings) as queue, a_worker_end(url, settings=settings) as dead:
        order = an_order()
        await queue.submit(order)
        taken = await taken_by(dead)
        await asyncio.sleep(0.1)  # the lease

        assert Cancelled.DONE == await queue.cancel(order.id, "u1")
        assert not await dead.finish(taken, OK)
        assert Outcome.CANCELLED == (await result_of(queue, order.id)).outcome


async def test_a_run_that_was_handed_back_can_be_cancelled(queue: RedisRunQueue, worker: WorkerEnd, redis: Any) -> None:
    order = an_order()
    await queue.submit(order)
    await worker.hand_back(await taken_by(worker))

    assert Cancelled.DONE == await queue.cancel(order.id, "u1")
    for delivery in await worker.sweep(1):
        assert await worker.take([delivery]) == []
    assert await open_runs(redis) == {}


async def test_cancelling_again_gives_the_same_answer(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    order = an_order()
    await queue.submit(order)
    assert [Cancelled.DONE] * 2 == [await queue.cancel(order.id, "u1") for _ in range(2)]


async def test_what_cannot_be_cancelled_says_so(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    order = an_order()
    await queue.submit(order)
    assert Cancelled.NOT_YOURS == await queue.cancel(order.id, "someone else")
    await worker.finish(await taken_by(worker), OK)

    assert Cancelled.TOO_LATE == await queue.cancel(order.id, "u1")
    assert Cancelled.UNKNOWN == await queue.cancel(RunId("never"), "u1")


# Leases and fences


async def test_a_live_worker_keeps_its_run_for_many_leases(url: str, redis: Any) -> None:
    settings = quick(lease=0.3)
    async with (
        a_queue(url, settings) as queue,
        a_worker_end(url, "w1", settings) as worker,
        a_worker_end(url, "w2", settings) as vulture,
    ):
        await queue.submit(an_order())
        taken = await taken_by(worker)
        for _ in range(12):
            assert await vulture.sweep(1) == []
            assert [Lease.HELD] == await worker.renew([taken])
            await asyncio.sleep(0.1)  # a third of the lease
        assert await worker.finish(taken, OK)


async def test_the_late_finisher_is_rejected_and_the_new_one_accepted(url: str, redis: Any) -> None:
    settings = quick(lease=0.1)
    async with (
        a_queue(url, settings) as queue,
        a_worker_end(url, "w1", settings) as late,
        a_worker_end(url, "w2", settings) as new,
    ):
        order = an_order()
        await queue.submit(order)
        old = await taken_by(late)
        again = await taken_by(new)

        assert (2, old.fence + 1) == (again.attempt, again.fence)
        assert [Lease.LOST] == await late.renew([old])
        assert not await late.finish(old, RunResult(Outcome.ERROR))
        await late.output(old, "ghost")
        await new.output(again, "real")
        assert await new.finish(again, OK)
        assert not await late.finish(old, RunResult(Outcome.ERROR))
        events = await events_of(queue, order.id)

    kinds = [Waiting(0, 0.0), Running("w1", "cpu", 1), Running("w2", "cpu", 2), Printed("real"), Finished(OK)]
    assert kinds == events
    assert await open_runs(redis) == {}


async def test_finishing_again_is_accepted_and_changes_nothing(
    queue: RedisRunQueue, worker: WorkerEnd, redis: Any
) -> None:
    order = an_order()
    await queue.submit(order)
    taken = await taken_by(worker)

    assert await worker.finish(taken, OK)
    assert await worker.finish(taken, OK)
    assert await redis.xlen(CPU.replies("web")) == 1
    assert await redis.xlen(CPU.out(order.id)) == 2


async def test_taking_again_is_the_same_take(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    await queue.submit(an_order())
    (delivery,) = await worker.read(1)

    first, second = await worker.take([delivery]), await worker.take([delivery])

    assert len(first) == 1
    assert first == second


async def test_a_run_that_ends_two_workers_is_given_up(url: str, redis: Any) -> None:
    settings = quick(lease=0.05)
    async with a_queue(url, settings) as queue, a_worker_end(url, settings=settings) as worker:
        order, innocent = an_order(), an_order()
        await queue.submit(order)
        assert [1, 2] == [(await taken_by(worker)).attempt for _ in range(2)]
        await asyncio.sleep(0.1)  # the lease
        (delivery,) = await worker.sweep(1)
        assert await worker.take([delivery]) == []
        result = await result_of(queue, order.id)
        await queue.submit(innocent)

        assert Outcome.WORKER_LOST == result.outcome
        assert "twice" in result.error
        taken = await taken_by(worker)
        assert innocent.id == taken.run
        await worker.finish(taken, OK)
        assert await open_runs(redis) == {}


async def test_a_run_that_was_handed_back_keeps_its_attempts_and_its_place(url: str, redis: Any) -> None:
    async with a_queue(url) as queue, a_worker_end(url, "w1") as leaving, a_worker_end(url, "w2") as other:
        order = an_order()
        await queue.submit(order)
        await queue.submit(an_order())
        after = await other.latest_notice()
        for _ in range(3):
            taken = await taken_by(leaving)
            assert (order.id, 1) == (taken.run, taken.attempt)
            assert await leaving.hand_back(taken)
            assert not await leaving.finish(taken, OK)

        assert NoticeKind.SWEEP in {notice.kind for notice in (await other.notices(after))[1]}
        again = await taken_by(other)
        assert (order.id, 1) == (again.run, again.attempt)


async def test_an_entry_that_was_read_but_not_begun_can_be_handed_back(url: str, redis: Any) -> None:
    async with a_queue(url) as queue, a_worker_end(url, "w1") as leaving, a_worker_end(url, "w2") as other:
        await queue.submit(an_order())
        (delivery,) = await leaving.read(1)
        await leaving.hand_back(delivery)

        assert [delivery.run] == [found.run for found in await other.sweep(1)]


async def test_a_stolen_entry_of_a_live_run_goes_back_to_its_worker(queue: RedisRunQueue, url: str, redis: Any) -> None:
    async with a_worker_end(url, "w1") as worker, a_worker_end(url, "w2") as other:
        await queue.submit(an_order())
        taken = await taken_by(worker)
        await redis.xgroup_destroy(CPU.ready, "w")
        assert await other.read(1) == []  # finds no group and makes it
        (delivery,) = await other.read(1)

        assert await other.take([delivery]) == []
        assert [Lease.HELD] == await worker.renew([taken])
        assert await worker.finish(taken, OK)
        assert await open_runs(redis) == {}


async def test_a_missing_group_is_made_again_and_loses_nothing(
    queue: RedisRunQueue, worker: WorkerEnd, redis: Any
) -> None:
    order = an_order()
    await queue.submit(order)
    await redis.xgroup_destroy(CPU.ready, "w")
    await worker.finish(await taken_by(worker), OK)

    assert OK == await result_of(queue, order.id)


async def test_a_flushed_server_is_served_again(queue: RedisRunQueue, worker: WorkerEnd, redis: Any) -> None:
    await queue.submit(an_order())
    lost = await taken_by(worker)
    await redis.flushall()

    assert [Lease.LOST] == await worker.renew([lost])
    assert not await worker.finish(lost, OK)
    await worker.register(Offer(1))
    order = an_order()
    await queue.submit(order)
    await worker.finish(await taken_by(worker), OK)
    assert OK == await result_of(queue, order.id)


async def test_a_leaving_worker_leaves_nothing_behind(worker: WorkerEnd, redis: Any) -> None:
    await worker.read(1)
    await worker.leave()

    assert await redis.hlen(CPU.workers) == 0
    assert await redis.xinfo_consumers(CPU.ready, "w") == []


async def test_a_leaving_worker_that_holds_an_entry_stays_known_until_it_is_taken(
    queue: RedisRunQueue, worker: WorkerEnd, redis: Any
) -> None:
    await queue.submit(an_order())
    await worker.read(1)
    await worker.leave()

    assert [1] == [consumer["pending"] for consumer in await redis.xinfo_consumers(CPU.ready, "w")]


# Every accepted run ends


async def test_a_run_that_no_worker_takes_in_time_ends_as_refused(url: str, redis: Any) -> None:
    async with a_queue(url, quick(patience=0.01, team_running=1)) as queue, a_worker_end(url) as worker:
        orders = [an_order(), an_order()]
        for order in orders:
            await queue.submit(order)
        await asyncio.sleep(0.05)  # the patience
        await queue.expire()

        assert [Outcome.REFUSED] * 2 == [(await result_of(queue, order.id)).outcome for order in orders]
        for delivery in await worker.read(9):
            assert await worker.take([delivery]) == []
        assert await open_runs(redis) == {}


async def test_a_run_whose_last_worker_died_ends_as_worker_lost(url: str, redis: Any) -> None:
    settings = quick(lease=0.05, orphan_patience=0.1)
    async with a_queue(url, settings) as queue, a_worker_end(url, settings=settings) as dead:
        order = an_order()
        await queue.submit(order)
        taken = await taken_by(dead)
        assert await queue.expire() == []
        await asyncio.sleep(0.15)  # the patience
        await queue.expire()

        assert Outcome.WORKER_LOST == (await result_of(queue, order.id)).outcome
        assert not await dead.finish(taken, OK)


async def test_a_long_run_of_a_live_worker_is_left_alone(url: str, redis: Any) -> None:
    settings = quick(orphan_patience=0.01)
    async with a_queue(url, settings) as queue, a_worker_end(url, settings=settings) as worker:
        await queue.submit(an_order())
        taken = await taken_by(worker)
        await asyncio.sleep(0.05)  # the patience
        assert await queue.expire() == []
        assert await worker.finish(taken, OK)


# What is kept, and for how long


async def test_the_code_is_kept_for_a_day_and_the_output_for_a_quarter_of_an_hour(
    queue: RedisRunQueue, worker: WorkerEnd, redis: Any
) -> None:
    order = an_order("print  'é'")
    await queue.submit(order)
    await worker.finish(await taken_by(worker), OK)

    assert order.source == await queue.source(order.id)
    assert 86_000 < await redis.ttl(CPU.run(order.id)) <= 86_400
    assert 800 < await redis.ttl(CPU.out(order.id)) <= 900
    await redis.delete(CPU.run(order.id), CPU.out(order.id))
    assert await queue.source(order.id) is None


async def test_every_key_of_a_finished_run_expires(queue: RedisRunQueue, worker: WorkerEnd, redis: Any) -> None:
    order = an_order()
    await queue.submit(order)
    await worker.finish(await taken_by(worker), OK)

    lasting = {key async for key in redis.scan_iter() if await redis.ttl(key) < 0}
    assert {CPU.ready.encode(), CPU.load.encode(), CPU.workers.encode()} == lasting


async def test_late_output_does_not_bring_an_expired_stream_back(
    queue: RedisRunQueue, worker: WorkerEnd, redis: Any
) -> None:
    order = an_order()
    await queue.submit(order)
    taken = await taken_by(worker)
    await redis.delete(CPU.out(order.id))
    await worker.output(taken, "too late")

    assert not await redis.exists(CPU.out(order.id))


async def test_an_unknown_or_expired_run_cannot_be_followed(
    queue: RedisRunQueue, worker: WorkerEnd, url: str, redis: Any
) -> None:
    order = an_order()
    await queue.submit(order)
    await worker.finish(await taken_by(worker), OK)
    await redis.delete(CPU.out(order.id))
    async with a_queue(url) as other:
        for run in (order.id, RunId("never")):
            with pytest.raises(NotFound, match="no longer kept"):
                await events_of(other, run)


async def test_a_run_of_another_bot_is_followed_from_its_beginning(
    queue: RedisRunQueue, worker: WorkerEnd, url: str
) -> None:
    order = an_order()
    await queue.submit(order)
    async with a_queue(url) as other, asyncio.timeout(10), aclosing(other.follow(order.id)) as events:
        assert Waiting(0, 0.0) == await anext(events)
        await worker.finish(await taken_by(worker), OK)
        assert [Running("w1", "cpu", 1), Finished(OK)] == [event async for event in events]


async def test_a_store_that_is_away_is_unavailable(tmp_path: Any) -> None:
    async with a_queue(f"unix://{tmp_path}/nothing.sock") as queue:
        for call in (queue.submit(an_order()), queue.cancel(RunId("x"), "u"), queue.source(RunId("x"))):
            with pytest.raises(Unavailable):
                await call


# Completions


async def finished_run(queue: RedisRunQueue, worker: WorkerEnd, result: RunResult = OK) -> RunId:
    order = an_order()
    await queue.submit(order)
    await worker.finish(await taken_by(worker), result)
    return order.id


async def test_a_completion_carries_the_whole_result(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    result = RunResult(Outcome.ERROR, output="é\x00", files=(RunFile("a.png", bytes(range(256)), "a plot"),), signal=9)
    run = await finished_run(queue, worker, result)

    completion = await next_completion(queue, "bot-1")

    assert (run, "card 7", result) == (completion.run, completion.address, completion.result)


async def test_a_completion_waits_for_a_bot_that_comes_later(queue: RedisRunQueue, worker: WorkerEnd) -> None:
    waiting = asyncio.create_task(next_completion(queue, "bot-1"))
    run = await finished_run(queue, worker)

    assert run == (await waiting).run


async def test_a_completion_is_handed_out_again_after_its_bot_died_and_never_after_delivery(
    queue: RedisRunQueue, worker: WorkerEnd, url: str
) -> None:
    run = await finished_run(queue, worker)
    async with a_queue(url) as dying:
        assert run == (await next_completion(dying, "bot-1")).run

    again = await next_completion(queue, "bot-2")
    await queue.delivered("web", again)

    assert run == again.run
    assert await no_completion(queue, "bot-3", 2.5 * LEASE)


async def test_a_bot_that_starts_again_under_its_name_gets_its_completions_at_once(
    worker: WorkerEnd, url: str, redis: Any
) -> None:
    settings = quick(reply_lease=60.0)
    async with a_queue(url, settings) as first:
        run = await finished_run(first, worker)
        await next_completion(first, "bot-1")
    async with a_queue(url, settings) as second:
        assert run == (await next_completion(second, "bot-1")).run


async def test_a_completion_that_a_live_bot_is_showing_is_not_handed_out_twice(
    queue: RedisRunQueue, worker: WorkerEnd, url: str
) -> None:
    await finished_run(queue, worker)
    async with aclosing(queue.completions("web", "bot-1")) as completions, a_queue(url) as other:
        slow = await anext(completions)

        assert await no_completion(other, "bot-2", 3 * LEASE)
        await queue.delivered("web", slow)


async def test_a_completion_that_a_live_bot_failed_to_show_is_handed_out_again(
    worker: WorkerEnd, url: str, redis: Any
) -> None:
    async with a_queue(url, quick(show_again=0.1)) as queue:
        run = await finished_run(queue, worker)
        async with asyncio.timeout(10), aclosing(queue.completions("web", "bot-1")) as completions:
            assert [run, run] == [(await anext(completions)).run for _ in range(2)]


async def test_completions_that_wait_behind_slow_ones_are_not_handed_out_elsewhere(
    queue: RedisRunQueue, worker: WorkerEnd, url: str
) -> None:
    runs = [await finished_run(queue, worker) for _ in range(5)]
    shown = []
    async with asyncio.timeout(20), aclosing(queue.completions("web", "bot-1")) as completions, a_queue(url) as other:
        waiting = asyncio.create_task(no_completion(other, "bot-2", 3.5 * LEASE))
        for _ in runs:
            completion = await anext(completions)
            await asyncio.sleep(0.6 * LEASE)  # how long it takes to show one
            await queue.delivered("web", completion)
            shown.append(completion.run)

        assert await waiting
    assert runs == shown


async def test_a_completion_outlives_the_output(queue: RedisRunQueue, worker: WorkerEnd, redis: Any) -> None:
    run = await finished_run(queue, worker)
    await redis.delete(CPU.out(run))

    result = (await next_completion(queue, "bot-1")).result

    assert (Outcome.OK, 2.0, "", (GONE,)) == (result.outcome, result.seconds, result.output, result.notes)


async def test_cancelled_and_expired_runs_complete_as_well(url: str, redis: Any) -> None:
    async with a_queue(url, quick(patience=0.01)) as queue, a_worker_end(url):
        cancelled, expired = an_order(), an_order()
        await queue.submit(cancelled)
        await queue.cancel(cancelled.id, "u1")
        await queue.submit(expired)
        await asyncio.sleep(0.05)  # the patience
        await queue.expire()
        async with asyncio.timeout(10), aclosing(queue.completions("web", "bot")) as completions:
            outcomes = {(done := await anext(completions)).run: done.result.outcome for _ in range(2)}

    assert {cancelled.id: Outcome.CANCELLED, expired.id: Outcome.REFUSED} == outcomes


async def test_a_run_without_a_reply_group_completes_for_nobody(
    queue: RedisRunQueue, worker: WorkerEnd, redis: Any
) -> None:
    await queue.submit(an_order(reply_to=""))
    await worker.finish(await taken_by(worker), OK)

    assert [key async for key in redis.scan_iter(match=CPU.replies("*"))] == []


async def test_a_deleted_reply_group_is_made_again(queue: RedisRunQueue, worker: WorkerEnd, redis: Any) -> None:
    async with asyncio.timeout(10), aclosing(queue.completions("web", "bot-1")) as completions:
        run = await finished_run(queue, worker)
        await queue.delivered("web", await anext(completions))
        await redis.delete(CPU.replies("web"))
        run = await finished_run(queue, worker)

        assert run == (await anext(completions)).run


# The wire


@pytest.mark.parametrize("protocol", [2, 3])
async def test_both_protocols_of_redis_work(worker: WorkerEnd, url: str, redis: Any, protocol: int) -> None:
    command, blocking = (Redis.from_url(url, protocol=protocol, socket_timeout=None) for _ in range(2))
    async with RedisRunQueue(command, blocking, quick()) as queue:
        end = WorkerEnd(command, blocking, CPU, quick(), id="w9", name="w9", device="cpu")
        order = an_order()
        await queue.submit(order)
        await queue.cancel(order.id, "u1")
        order = an_order()
        await queue.submit(order)
        await end.finish(await taken_by(end), OK)

        assert Finished(OK) == (await events_of(queue, order.id))[-1]
        assert (await next_completion(queue, "bot-1")).result.outcome in (Outcome.OK, Outcome.CANCELLED)
        assert len((await end.notices("0-0"))[1]) == 0
    await command.aclose()
    await blocking.aclose()


files = st.builds(RunFile, st.text(), st.binary(), st.text())
results = st.builds(
    RunResult,
    outcome=st.sampled_from(Outcome),
    output=st.text(st.characters()),
    exit_status=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    error=st.text(),
    error_line=st.none() | st.integers(1),
    seconds=st.floats(0, 1e6),
    peak_memory_bytes=st.none() | st.integers(0, 2**63),
    files=st.lists(files, max_size=3).map(tuple),
    notes=st.lists(st.text(), max_size=3).map(tuple),
)


@given(results)
def test_a_result_survives_the_wire(result: RunResult) -> None:
    assert result == decode_result(encode_result(result))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"outcome":"fine"}', b"\xff", b'{"outcome":"ok","files":[1]}'])
def test_what_is_not_a_result_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_result(raw)


async def test_a_run_whose_result_cannot_be_read_still_ends(
    queue: RedisRunQueue, worker: WorkerEnd, redis: Any
) -> None:
    order = an_order()
    await queue.submit(order)
    await redis.xadd(CPU.out(order.id), {"k": "news", "of": "a later version"})
    await redis.xadd(CPU.out(order.id), {"k": "e", "result": b"\xff"})

    result = await result_of(queue, order.id)

    assert (Outcome.WORKER_LOST, UNREADABLE) == (result.outcome, result.error)


@pytest.mark.parametrize("name", STEPS)
def test_every_key_of_a_step_carries_the_hash_tag_of_its_capability(name: str) -> None:
    source = run_script(name).source.decode()

    assert "'{" not in source  # no name is made but from the prefix
    made = [CPU.ready, CPU.load, CPU.open, CPU.workers, CPU.control, CPU.run(RunId("}{x")), CPU.wake("p")]
    assert {"q:cpu"} == {key[key.index("{") + 1 : key.index("}")] for key in made}


def test_the_bounds_of_the_documented_defaults() -> None:
    settings = QueueSettings()

    assert (5.0, 2, 900.0, 86400.0) == (
        settings.lease,
        settings.attempts,
        settings.result_lifetime,
        settings.source_lifetime,
    )


def test_two_deliveries_of_a_run_are_two_takes() -> None:
    assert Delivery(RunId("a"), "1-0").token != Delivery(RunId("a"), "1-0").token
