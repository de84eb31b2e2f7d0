"""The queue's scripts against a model in plain Python: random steps of people and workers, compared after each one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.runs import Accepted, Cancelled, Capability, Outcome, Refusal, RefusalReason, RunId, RunOrder, RunResult
from bot.store.connect import command_client
from bot.store.run_keys import GROUP, RunKeys
from bot.store.run_queue import RedisRunQueue
from bot.store.run_worker_end import Taken, WorkerEnd
from bot.store.server import embedded_server
from tests.workers.building import a_queue, a_worker_end, open_runs, quick

CPU = RunKeys(Capability.CPU)
TOTAL, TEAM, USER, SHARE, ATTEMPTS = 5, 3, 2, 2, 2
BOUNDS = quick(
    waiting_total=TOTAL, waiting_team=TEAM, waiting_user=USER, team_running=SHARE, lease=600.0, block=0.001, answer=60.0
)  # nothing expires by itself: a dead worker is made by hand
RUNS = st.integers(0, 9)
STEPS = st.one_of(
    st.tuples(st.just("submit"), RUNS),
    st.tuples(st.just("submit"), RUNS),
    st.tuples(st.just("take"), st.integers(0, 1)),
    st.tuples(st.just("take"), st.integers(0, 1)),
    st.tuples(st.sampled_from(["finish", "hand_back", "die", "die", "late_finish", "cancel"]), RUNS),
)


def an_order_for(number: int) -> RunOrder:
    """Ten runs of two teams and four people."""
    return RunOrder(RunId(f"m{number}"), f"t{number % 2}", f"u{number % 4}", "print x", reply_to="web")


@dataclass
class Run:
    """What the model knows of a run."""

    order: RunOrder
    state: str
    attempts: int = 0
    cancelled: bool = False
    orphan: bool = False
    """Delivered, but nobody's: handed back, or its worker died."""


@dataclass
class Model:
    """What must be true, without a server."""

    runs: dict[RunId, Run] = field(default_factory=dict)
    ready: list[RunId] = field(default_factory=list)
    lists: dict[str, list[RunId]] = field(default_factory=lambda: {"t0": [], "t1": []})
    ended: Counter[RunId] = field(default_factory=Counter)

    def of(self, *states: str, team: str = "", user: str = "") -> int:
        """How many runs are in these states."""
        return sum(
            run.state in states and team in ("", run.order.tenant) and user in ("", run.order.user)
            for run in self.runs.values()
        )

    def submit(self, order: RunOrder) -> RefusalReason | None:
        if order.id in self.runs:
            return None
        waits = ("waiting", "ready")
        if self.of(*waits, team=order.tenant, user=order.user) >= USER:
            return RefusalReason.USER_FULL
        if self.of(*waits, team=order.tenant) >= TEAM:
            return RefusalReason.TEAM_FULL
        if self.of(*waits) >= TOTAL:
            return RefusalReason.QUEUE_FULL
        self.runs[order.id] = Run(order, "waiting")
        self.lists[order.tenant].append(order.id)
        self.admit()
        return None

    def admit(self) -> None:
        for team, waiting in self.lists.items():
            while waiting and self.of("ready", "running", team=team) < SHARE:
                run = waiting.pop(0)
                self.runs[run].state = "ready"
                self.ready.append(run)

    def end(self, run: RunId) -> None:
        self.runs[run].state = "done"
        self.ended[run] += 1
        for waiting in (self.ready, *self.lists.values()):
            if run in waiting:
                waiting.remove(run)
        self.admit()

    def counters(self) -> dict[bytes, bytes]:
        """The load hash as it must be."""
        found: Counter[str] = Counter()
        for run in self.runs.values():
            team, user = run.order.tenant, run.order.user
            if run.state in ("waiting", "ready"):
                found.update(("waiting", f"team:{team}", f"user:{len(team)}:{team}:{user}"))
            if run.state in ("ready", "running"):
                found[f"admitted:{team}"] += 1
            if run.state in ("ready", "running"):
                found[run.state] += 1
        return {name.encode(): str(number).encode() for name, number in found.items()}


async def next_taken(worker: WorkerEnd) -> Taken | None:
    """The next run for this worker; None when there is none, neither of other workers nor a new one."""
    while True:
        for _ in range(3):  # the cursor of the sweep may have to come round
            if deliveries := await worker.sweep(1):
                break
        deliveries = deliveries or await worker.read(1)
        if not deliveries:
            return None
        if taken := await worker.take(deliveries):
            return taken[0]


class Play:
    """Does each step to the server and to the model, and compares the answers."""

    def __init__(self, redis: Any, queue: RedisRunQueue, workers: list[WorkerEnd]) -> None:
        self.redis = redis
        self.queue = queue
        self.workers = workers
        self.model = Model()
        self.held: dict[RunId, tuple[WorkerEnd, Taken]] = {}
        self.frozen: dict[RunId, tuple[WorkerEnd, Taken]] = {}
        self.past: list[tuple[WorkerEnd, Taken]] = []
        """Workers that have lost their run and do not know it."""

    async def step(self, name: str, number: int) -> None:
        if name in ("submit", "take"):
            await getattr(self, name)(number)
        elif name == "late_finish":
            for worker, taken in self.past:
                assert not await worker.finish(taken, RunResult(Outcome.ERROR))
        elif name == "cancel":
            await self.cancel(an_order_for(number))
        elif self.held:
            held = sorted(self.held)
            await getattr(self, name)(*self.held[held[number % len(held)]])
        await self.compare()

    async def submit(self, number: int) -> None:
        order = an_order_for(number)
        again, refused = order.id in self.model.runs, self.model.submit(order)
        answer = await self.queue.submit(order)
        if isinstance(answer, Accepted):
            assert (refused, again) == (None, answer.again)
        else:
            assert isinstance(answer, Refusal)
            assert refused is answer.reason

    async def take(self, number: int) -> None:
        worker, model = self.workers[number], self.model
        orphans = {run for run, known in model.runs.items() if known.orphan and known.state != "done"}
        doomed = {run for run in orphans if model.runs[run].cancelled or model.runs[run].attempts >= ATTEMPTS}
        taken = await next_taken(worker)
        for run in doomed:  # a sweep that has found another run first has not come to these yet
            if taken is None or await self.redis.hget(CPU.run(run), "state") == b"done":
                model.end(run)
        if taken is None:
            assert not orphans - doomed
            assert not [run for run in model.ready if not model.runs[run].orphan]
            return
        known = model.runs[taken.run]
        if orphans - doomed:
            assert known.orphan
        else:
            assert taken.run == model.ready[0]
        if taken.run in model.ready:
            model.ready.remove(taken.run)
        known.state, known.orphan, known.attempts = "running", False, known.attempts + 1
        assert known.attempts == taken.attempt
        self.held[taken.run] = worker, taken
        if taken.run in self.frozen:
            self.past.append(self.frozen.pop(taken.run))

    async def finish(self, worker: WorkerEnd, taken: Taken) -> None:
        assert await worker.finish(taken, RunResult(Outcome.OK))
        self.model.end(taken.run)
        del self.held[taken.run]

    async def hand_back(self, worker: WorkerEnd, taken: Taken) -> None:
        assert await worker.hand_back(taken)
        known = self.model.runs[taken.run]
        known.state, known.orphan, known.attempts = "ready", True, known.attempts - 1
        self.past.append(self.held.pop(taken.run))

    async def die(self, worker: WorkerEnd, taken: Taken) -> None:
        """The worker falls silent for longer than its lease."""
        await self.redis.hset(CPU.run(taken.run), "lease", 0)
        await self.redis.xclaim(CPU.ready, GROUP, worker.id, 0, [taken.entry], idle=10**9, justid=True)
        self.model.runs[taken.run].orphan = True
        self.frozen[taken.run] = self.held.pop(taken.run)

    async def cancel(self, order: RunOrder) -> None:
        known = self.model.runs.get(order.id)
        met = await self.queue.cancel(order.id, order.user)
        if known is None:
            assert Cancelled.UNKNOWN is met
        elif known.state == "done":
            assert met in (Cancelled.TOO_LATE, Cancelled.DONE)
        elif known.state == "running" and not known.orphan:
            assert Cancelled.ASKED is met
            known.cancelled = True
        else:
            assert Cancelled.DONE is met
            self.model.end(order.id)

    async def compare(self) -> None:
        counters = await self.redis.hgetall(CPU.load)
        counters.pop(b"mean", None)
        assert self.model.counters() == counters
        for run, known in self.model.runs.items():
            assert known.state.encode() == await self.redis.hget(CPU.run(run), "state")
        shown = Counter(RunId(row[b"run"].decode()) for _, row in await self.redis.xrange(CPU.replies("web")))
        assert self.model.ended == shown

    async def wind_up(self) -> None:
        """Let everything end; then nothing must be left."""
        for _ in range(100):
            for worker, taken in list(self.held.values()):
                await self.finish(worker, taken)
            if not self.model.of("waiting", "ready", "running"):
                break
            await self.take(0)
        await self.take(0)  # drops the tombstones that are left
        await self.compare()
        assert {1} >= set(self.model.ended.values())
        assert self.model.ended.keys() == self.model.runs.keys()
        assert await open_runs(self.redis) == {}
        assert await self.redis.xlen(CPU.ready) == 0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with asyncio.Runner() as runner:
        server = embedded_server(tmp_path_factory.mktemp("model"))
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


async def play(url: str, steps: list[tuple[str, int]]) -> None:
    redis: Any = command_client(url)
    await redis.flushall()
    async with (
        a_queue(url, BOUNDS) as queue,
        a_worker_end(url, "w1", BOUNDS) as first,
        a_worker_end(url, "w2", BOUNDS) as second,
    ):
        game = Play(redis, queue, [first, second])
        for name, number in steps:
            await game.step(name, number)
        await game.wind_up()
    await redis.aclose()


@settings(max_examples=20, deadline=None)
@given(st.lists(STEPS, min_size=25, max_size=60))
def test_the_scripts_agree_with_the_model(url: str, steps: list[tuple[str, int]]) -> None:
    asyncio.run(play(url, steps))
