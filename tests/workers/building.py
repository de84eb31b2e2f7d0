"""Builders for tests of the run queue and its workers, whose defaults are all valid."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from bot.core.errors import Unavailable
from bot.core.runs import Accepted, Capability, Finished, RunEvent, RunId, RunOrder, RunResult
from bot.store.connect import blocking_client, command_client
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_queue import RedisRunQueue
from bot.store.run_worker_end import Offer, Taken, WorkerEnd
from tests.workers.fakes import FakeSandbox
from workers.settings import WorkerSettings
from workers.worker import serve

ROOT = Path(__file__).parents[2]
LEASE = 1.0
_numbers = count()


def quick(**changes: object) -> QueueSettings:
    """Settings whose leases a test can wait out."""
    base = QueueSettings(lease=LEASE, worker_lifetime=4.0, reply_lease=1.0, idle_block=1.0, block=0.2)
    base = replace(base, waiting_user=1000, waiting_team=1000, waiting_total=1000)
    return replace(base, **changes)  # type: ignore[arg-type]


def an_order(source: str = "print hello", user: str = "u1", tenant: str = "t1", reply_to: str = "web") -> RunOrder:
    """A run that no other test has handed in."""
    return RunOrder(RunId(f"run-{next(_numbers)}"), tenant, user, source, reply_to=reply_to, address="card 7")


async def events_of(queue: RedisRunQueue, run: RunId, seconds: float = 20.0) -> list[RunEvent]:
    """All events of a run, to its end."""
    async with asyncio.timeout(seconds):
        return [event async for event in queue.follow(run)]


async def result_of(queue: RedisRunQueue, run: RunId, seconds: float = 20.0) -> RunResult:
    """How a run ended."""
    last = (await events_of(queue, run, seconds))[-1]
    assert isinstance(last, Finished)
    return last.result


@asynccontextmanager
async def a_queue(redis_url: str, settings: QueueSettings | None = None) -> AsyncIterator[RedisRunQueue]:
    """A bot process' end of the queue, with clients of its own."""
    async with AsyncExitStack() as stack:
        command, blocking = command_client(redis_url), blocking_client(redis_url)
        stack.push_async_callback(command.aclose)
        stack.push_async_callback(blocking.aclose)
        yield await stack.enter_async_context(RedisRunQueue(command, blocking, settings or quick()))


@asynccontextmanager
async def a_worker_end(
    redis_url: str, name: str = "w1", settings: QueueSettings | None = None, slots: int = 1
) -> AsyncIterator[WorkerEnd]:
    """A registered worker's end of the cpu queue that does only what the test says."""
    async with AsyncExitStack() as stack:
        command, blocking = command_client(redis_url), blocking_client(redis_url)
        stack.push_async_callback(command.aclose)
        stack.push_async_callback(blocking.aclose)
        keys, settings = RunKeys(Capability.CPU), settings or quick()
        end = WorkerEnd(command, blocking, keys, settings, id=f"{name}-id", name=name, device="cpu")
        await end.join()
        await end.register(Offer(slots))
        yield end


async def taken_by(end: WorkerEnd, seconds: float = 10.0) -> Taken:
    """The next run that this worker can take, by a sweep or from the stream. Raises TimeoutError."""
    until = time.monotonic() + seconds  # not asyncio.timeout: a client that is sending may swallow its one cancellation
    while time.monotonic() < until:
        if taken := await end.take(await end.sweep(1) or await end.read(1)):
            return taken[0]
    raise TimeoutError


async def open_runs(redis: Redis) -> dict[str, object]:
    """What is left of unfinished runs in the cpu queue: nothing, once all have ended."""
    keys, client = RunKeys(Capability.CPU), cast("Any", redis)
    counters = {field: n for field, n in (await client.hgetall(keys.load)).items() if field != b"mean"}
    left = {"counters": counters, "open": await client.zrange(keys.open, 0, -1)}
    left["lists"] = await client.keys(keys.waiting("*"))
    left["pending"] = (await client.xpending(keys.ready, "w"))["pending"]
    return {name: value for name, value in left.items() if value}


@dataclass
class Serving:
    """A worker that serves in the background."""

    sandbox: FakeSandbox
    stop: asyncio.Event
    task: asyncio.Task[None]


@asynccontextmanager
async def a_worker(
    url: str,
    sandbox: FakeSandbox | None = None,
    slots: int = 1,
    grace: float = 5.0,
    name: str = "w1",
    settings: QueueSettings | None = None,
) -> AsyncIterator[Serving]:
    """A worker in this process."""
    sandbox, stop = sandbox or FakeSandbox(), asyncio.Event()
    served = WorkerSettings(queue=settings or quick(), grace=grace, restart=0.2)
    task = asyncio.create_task(serve(url, sandbox, slots=slots, name=name, settings=served, stop=stop))
    try:
        yield Serving(sandbox, stop, task)
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await task


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
async def a_process(
    url: str, name: str, slots: int = 1, attempts: int = 2, within: Sequence[str] = ()
) -> AsyncIterator[WorkerProcess]:
    """`within`: a command that starts another, such as one that enters a network."""
    command = [*within, sys.executable, "-m", "tests.workers.fake_worker", url, name]
    command += [f"--slots={slots}", f"--attempts={attempts}"]
    started = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    worker = WorkerProcess(started)
    try:
        yield worker
    finally:
        worker.send(signal.SIGKILL)
        await worker.ended()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something outside. Raises TimeoutError."""
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
    """Wait until so many workers have registered."""
    async with asyncio.timeout(20):
        while await redis.hlen("{q:cpu}:workers") < number:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def assert_each_ended_once(redis: Redis, orders: Sequence[RunOrder], within: float = 10.0) -> None:
    """What holds after any fault: every run has one end, by the worker that had it last, and nothing is open."""
    keys, client = RunKeys(Capability.CPU), cast("Any", redis)
    for order in orders:
        ends = [fields for _, fields in await client.xrange(keys.out(order.id)) if fields[b"k"] == b"e"]
        state, fence, finished = await client.hmget(keys.run(order.id), ["state", "fence", "finished"])
        assert (1, b"done", fence) == (len(ends), state, finished or fence), order.id
    completed = Counter(fields[b"run"].decode() for _, fields in await client.xrange(keys.replies("web")))
    assert not completed or max(completed.values()) == 1
    until = time.monotonic() + within
    while (left := await open_runs(redis)) and time.monotonic() < until:  # noqa: ASYNC110 - a worker drops tombstones
        await asyncio.sleep(0.05)
    assert left == {}
