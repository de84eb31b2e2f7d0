"""A sandbox that runs nothing, and a worker process around it that tests may kill, freeze and stop.

A snippet of the fake sandbox is a list of lines: ``print TEXT``, ``sleep SECONDS``, ``file NAME BYTES``, ``note PATH``
(append the process id to a file), ``error``, ``bug`` (the sandbox itself fails), ``broken`` (its jail is gone),
``kill`` (the worker dies), ``stall SECONDS`` (the whole worker stands still).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

from bot.core.runs import (
    Capability,
    Finished,
    Limits,
    Outcome,
    RunEvent,
    RunFile,
    RunId,
    RunOrder,
    RunResult,
)
from bot.store.connect import blocking_client, command_client
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_queue import RedisRunQueue
from bot.store.run_worker_end import Offer, Taken, WorkerEnd
from workers.sandbox.base import SandboxUnavailable, SelfTest
from workers.worker import WorkerSettings, serve

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


class FakeSandbox:
    """`Sandbox` for tests. `problems` are raised by the first calls of start(), one each."""

    def __init__(self, capability: Capability = Capability.CPU, problems: tuple[SandboxUnavailable, ...] = ()) -> None:
        self.capability = capability
        self.problems = list(problems)
        self.active = 0
        self.most_active = 0
        self.killed = 0
        self.closed = 0
        self.broken = asyncio.Event()

    async def start(self) -> SelfTest:
        if self.problems:
            raise self.problems.pop(0)
        return SelfTest(probes=1, seconds=0.0)

    async def run(self, source: str, limits: Limits, on_output: Callable[[str], None] | None = None) -> RunResult:
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        began = time.monotonic()
        try:
            result = await self._obey(source, on_output or (lambda _: None))
        except asyncio.CancelledError:
            self.killed += 1
            raise
        finally:
            self.active -= 1
        return replace(result, seconds=time.monotonic() - began, limits=limits)

    async def trouble(self) -> SandboxUnavailable:
        await self.broken.wait()
        return SandboxUnavailable("it broke by itself", "mend it")

    async def close(self) -> None:
        self.broken.clear()
        self.closed += 1

    async def _obey(self, source: str, show: Callable[[str], None]) -> RunResult:
        output, files, outcome = "", [], Outcome.OK
        for line in source.splitlines():
            word, _, rest = line.partition(" ")
            match word:
                case "print":
                    output += rest + "\n"
                    show(rest + "\n")
                case "sleep":
                    await asyncio.sleep(float(rest))
                case "stall":
                    time.sleep(float(rest))  # noqa: ASYNC251 (the point of it)
                case "file":
                    name, size = rest.split()
                    files.append(RunFile(name, os.urandom(int(size)), "a file"))
                case "note":
                    with Path(rest).open("a") as notes:  # noqa: ASYNC230
                        notes.write(f"{os.getpid()}\n")
                case "error":
                    outcome = Outcome.ERROR
                case "bug":
                    raise RuntimeError("a bug in the sandbox")
                case "broken":
                    raise SandboxUnavailable("the jail is gone", "start it again")
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
        return RunResult(outcome, output=output, files=tuple(files), exit_status=0)


async def worker(redis_url: str, name: str, slots: int, attempts: int) -> None:
    """One worker over a fake sandbox; SIGTERM stops it."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = WorkerSettings(queue=quick(attempts=attempts), grace=0.0)
    await serve(redis_url, FakeSandbox(), slots=slots, name=name, settings=settings, stop=stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("redis_url")
    parser.add_argument("name")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--attempts", type=int, default=2)
    arguments = parser.parse_args()
    asyncio.run(worker(arguments.redis_url, arguments.name, arguments.slots, arguments.attempts))
