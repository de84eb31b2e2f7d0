"""The run queue against bare streams and pydocket, in one run on one server: a round trip, and runs a second of a full
queue.

The bare chain is XADD, XREADGROUP, XADD, XREAD with the same clients: what any queue on streams must at least cost.
pydocket is the queue that loses and doubles nothing either; it looks for work every 5 ms here, not every 250.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from docket import Docket, Worker

from bot.core.runs import Accepted, Capability, Finished, Outcome, RunId, RunOrder, RunResult
from bot.store.connect import blocking_client, command_client
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_queue import RedisRunQueue
from bot.store.run_scripts import create_group
from bot.store.run_worker_end import Offer, Taken, WorkerEnd
from bot.store.server import embedded_server

TRIPS = 300
PEER_TRIPS = 100
BLOCKS = 5
"""The two sides take turns in blocks, so that a slow moment of the machine hits both."""
WARMING = 20
DRAINED = 1000
BATCH = 50
RESULT = RunResult(Outcome.OK, output="tensor([1., 1.])\n", exit_status=0)
PEER_CHECK = timedelta(milliseconds=5)
SETTINGS = QueueSettings(waiting_total=10**6, waiting_team=10**6, waiting_user=10**6, team_running=10**6)


class Bare:
    """Two streams and a group: no bound, no lease, no fence, no cancelling."""

    def __init__(self, command: Any, blocking: Any) -> None:
        self.command = command
        self.blocking = blocking
        self.last = "0-0"

    async def serve(self, runs: int) -> None:
        """Answer so many runs."""
        while runs > 0:
            reply = await self.blocking.xreadgroup("w", "me", {"bare:in": ">"}, count=BATCH, block=2000)
            for _, rows in reply or ():
                await asyncio.gather(*(self._answer(entry) for entry, _ in rows))
                runs -= len(rows)

    async def _answer(self, entry: bytes) -> None:
        await self.command.xadd("bare:out", {"r": b"done"})
        await self.command.xack("bare:in", "w", entry)

    async def submit(self) -> None:
        """Hand in one run."""
        await self.command.xadd("bare:in", {"s": b"print(torch.ones(2))"})

    async def trip(self) -> None:
        """Hand in one run and wait for its answer."""
        await self.submit()
        reply = await self.blocking.xread({"bare:out": self.last}, block=20_000)
        self.last = reply[0][1][-1][0]


class Ours:
    """The same with everything the run queue does."""

    def __init__(self, queue: RedisRunQueue, end: WorkerEnd) -> None:
        self.queue = queue
        self.end = end
        self.number = 0

    async def _answer(self, taken: Taken) -> None:
        assert await self.end.finish(taken, RESULT)

    async def serve(self, runs: int) -> None:
        """Take, fence and finish so many runs."""
        while runs > 0:
            begun = await self.end.take(await self.end.read(BATCH))
            await asyncio.gather(*(self._answer(taken) for taken in begun))
            runs -= len(begun)

    async def submit(self) -> RunId:
        """Hand in one run."""
        self.number += 1
        run = RunId(f"bench-{self.number}")
        accepted = await self.queue.submit(RunOrder(run, "team", "user", "print(torch.ones(2))"))
        assert isinstance(accepted, Accepted)
        return run

    async def trip(self) -> None:
        """Hand in one run and follow it to its end."""
        events = [event async for event in self.queue.follow(await self.submit())]
        assert isinstance(events[-1], Finished)


async def answered(source: str) -> str:
    """What pydocket's worker does with a run."""
    return RESULT.output


class Peer:
    """The same through pydocket."""

    def __init__(self, docket: Docket) -> None:
        self.docket = docket

    async def serve(self) -> None:
        """Answer runs for ever."""
        async with Worker(self.docket, minimum_check_interval=PEER_CHECK, scheduling_resolution=PEER_CHECK) as worker:
            await worker.run_forever()

    async def trip(self) -> None:
        """Hand in one run and wait for its answer."""
        execution = await self.docket.add(answered)("print(torch.ones(2))")
        assert await execution.get_result(timeout=timedelta(seconds=20)) == RESULT.output


async def _times(trip: Callable[[], Awaitable[None]], trips: int) -> list[float]:
    times = []
    for _ in range(trips):
        began = time.perf_counter()
        await trip()
        times.append(time.perf_counter() - began)
    return times


async def _drain(
    fill: Callable[[], Awaitable[object]], serve: Callable[[int], Coroutine[Any, Any, None]], runs: int
) -> float:
    """Runs a second of a worker in front of a full queue."""
    for _ in range(0, runs, BATCH):
        await asyncio.gather(*(fill() for _ in range(BATCH)))
    began = time.perf_counter()
    await serve(runs)
    return runs / (time.perf_counter() - began)


@asynccontextmanager
async def _all(url: str) -> AsyncIterator[tuple[Bare, Ours, Peer]]:
    command, blocking = command_client(url), blocking_client(url)
    keys = RunKeys(Capability.CPU)
    end = WorkerEnd(command, blocking, keys, SETTINGS, id="bench", name="bench", device="cpu")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(command.aclose)
        stack.push_async_callback(blocking.aclose)
        queue = await stack.enter_async_context(RedisRunQueue(command, blocking, SETTINGS))
        docket = await stack.enter_async_context(Docket("bench", url))
        docket.register(answered)
        await end.join()
        await end.register(Offer(1))
        await create_group(command, "bare:in", "w")
        yield Bare(command, blocking), Ours(queue, end), Peer(docket)


async def measure() -> dict[str, float]:
    """Round trip (p50 and p95, and their ratio to the bare chain) and drain (runs a second and its ratio): with the
    product's own server, which waits for the disk at every write, and with one that does not (`everysec`)."""
    figures = await _with("always")
    relaxed = await _with("everysec")
    return figures | {name.replace("queue_", "queue_everysec_"): value for name, value in relaxed.items()}


async def _with(fsync: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as state:
        async with embedded_server(Path(state)) as url, _all(url) as (bare, ours, peer):
            await bare.command.config_set("appendfsync", fsync)
            async with _worker_process(url, "ours"), _worker_process(url, "peer") as its_worker:
                times = await _round_trips(bare, ours, peer, its_worker)
            bare_drains, our_drains = [], []
            for _ in range(BLOCKS):
                bare_drains.append(await _drain(bare.submit, bare.serve, DRAINED // BLOCKS))
                await ours.end.register(Offer(1))
                our_drains.append(await _drain(ours.submit, ours.serve, DRAINED // BLOCKS))
    return _summary(*times, bare_drains, our_drains)


async def _round_trips(
    bare: Bare, ours: Ours, peer: Peer, its_worker: asyncio.subprocess.Process
) -> tuple[list[float], list[float], list[float]]:
    bare_times: list[float] = []
    our_times: list[float] = []
    peer_times: list[float] = []
    await peer.trip()  # waits for its worker
    await bare.trip()  # and for ours
    for trip in (bare.trip, ours.trip):
        await _times(trip, WARMING)
    for _ in range(BLOCKS):
        its_worker.send_signal(signal.SIGSTOP)  # it polls, which would slow the others
        bare_times += await _times(bare.trip, TRIPS // BLOCKS)
        await ours.end.register(Offer(1))
        our_times += await _times(ours.trip, TRIPS // BLOCKS)
        its_worker.send_signal(signal.SIGCONT)
        await _times(peer.trip, WARMING)
        peer_times += await _times(peer.trip, PEER_TRIPS // BLOCKS)
    return bare_times, our_times, peer_times


@asynccontextmanager
async def _worker_process(url: str, whose: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Bot and worker are two processes in the product, so they are here."""
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.queue", url, whose)
    try:
        yield worker
    finally:
        worker.kill()
        await worker.wait()


async def _serve(url: str, whose: str) -> None:
    async with _all(url) as (bare, ours, peer):
        if whose == "peer":
            await peer.serve()
        else:
            await asyncio.gather(bare.serve(10**9), ours.serve(10**9))


def _tenth(times: list[float]) -> float:
    return statistics.quantiles(times, n=10)[0]


def _summary(
    bare_times: list[float],
    our_times: list[float],
    peer_times: list[float],
    bare_drains: list[float],
    our_drains: list[float],
) -> dict[str, float]:
    bare, ours, peer = (statistics.median(times) for times in (bare_times, our_times, peer_times))
    p95 = statistics.quantiles(our_times, n=20)[-1]
    bare_drain, our_drain = statistics.median(bare_drains), statistics.median(our_drains)
    return {
        "queue_bare_round_trip_p50_ms": bare * 1000,
        "queue_pydocket_round_trip_p50_ms": peer * 1000,
        "queue_round_trip_p50_ms": ours * 1000,
        "queue_round_trip_p50_ratio": ours / bare,
        # What a busy machine adds to the median falls on whoever wakes up more often; the fastest tenth is without it.
        "queue_round_trip_p10_ratio": _tenth(our_times) / _tenth(bare_times),
        "queue_round_trip_to_pydocket": ours / peer,
        "queue_round_trip_p95_to_p50": p95 / ours,
        "queue_bare_drain_per_second": bare_drain,
        "queue_drain_per_second": our_drain,
        "queue_drain_ratio": our_drain / bare_drain,
    }


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
