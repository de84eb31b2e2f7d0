"""`make soak`: good and hostile runs through a real queue, a real worker and real jails; then what is left behind.

`python -m tests.e2e.soak --runs 1000` prints what came of them and fails when one hung, got lost, ended twice or ended
otherwise than it must, or when a process, mount or control group is left.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import family
from bot.config import configure_logging
from bot.core.runs import Accepted, Cancelled, Finished, Limits, Outcome, Printed, RunId, RunOrder
from bot.store.connect import command_client
from bot.store.run_queue import RedisRunQueue
from bot.store.server import embedded_server
from tests.workers.building import a_queue, open_runs
from workers.sandbox.bubblewrap import BubblewrapSandbox
from workers.settings import WorkerSettings
from workers.worker import serve

SLOTS = 2
IN_FLIGHT = 6
SECONDS = 3.0
"""What a run may take: less than the product's limit, so that a thousand of them take minutes."""
LIMITS = replace(Limits(), memory_bytes=96 << 20)
GROUPS = Path("/sys/fs/cgroup")
WARM_SECONDS = 120.0
HUNG_SECONDS = 60.0
"""A run that has not ended so long after it was accepted hangs."""
GONE_SECONDS = 3.0
"""How long the kernel may take to end what the worker started, once the worker has left."""
FORK_BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"


@dataclass(frozen=True, slots=True)
class Kind:
    """A snippet, how often it comes, and how its run must end."""

    weight: int
    source: str
    outcomes: frozenset[Outcome]
    cancelled: bool = False
    """By its user, once it has printed."""


def _kind(weight: int, source: str, *outcomes: Outcome, cancelled: bool = False) -> Kind:
    return Kind(weight, source, frozenset(outcomes), cancelled)


KINDS: Mapping[str, Kind] = {
    "good": _kind(44, "print(torch.ones(2))", Outcome.OK),
    "with files": _kind(8, "open('output/a.txt', 'w').write('A')\nprint('x');", Outcome.OK),
    "failing": _kind(10, "print('on')\n1 / 0", Outcome.ERROR),
    "crashing": _kind(3, "import os\nos.abort()", Outcome.KILLED),
    "not Python": _kind(3, "x = = 2", Outcome.SYNTAX_ERROR),
    "timing out": _kind(6, "while True: pass", Outcome.TIMED_OUT),
    "out of memory": _kind(6, "x = torch.ones(2**28)", Outcome.OUT_OF_MEMORY),
    "flooding": _kind(6, "while True: print('x' * 1000)", Outcome.TOO_MUCH_OUTPUT),
    "a fork bomb": _kind(6, FORK_BOMB, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY),
    "cancelled": _kind(
        8, "print('on')\nwhile True: pass", Outcome.CANCELLED, Outcome.TIMED_OUT, cancelled=True
    ),
}  # fmt: skip


@dataclass(slots=True)
class Report:
    """What came of the runs, and what is left of them."""

    runs: int
    ended: Counter[str] = field(default_factory=Counter)
    hung: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    open: Mapping[str, object] = field(default_factory=dict)
    processes: int = 0
    mounts: int = 0
    groups: int = 0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether everything ended as it must and nothing is left."""
        left = self.processes or self.mounts or self.groups or self.open
        return not (self.hung or self.unexpected or self.lost or self.doubled or left)

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.ended.items()))
        lines = [
            f"{self.runs} runs in {self.seconds:.0f} s: {kinds}",
            f"{len(self.hung)} hung, {self.lost} lost, {self.doubled} doubled, {len(self.unexpected)} ended otherwise",
            f"{self.processes} processes, {self.mounts} mounts, {self.groups} control groups left behind",
            f"left in the queue: {dict(self.open) or 'nothing'}",
            *self.hung,
            *self.unexpected,
        ]
        return "\n".join(lines)


async def soaked(runs: int, seed: int = 4, seconds: float = SECONDS) -> Report:
    """Put so many runs through a worker and count what is left of them."""
    dice, report, began, mounts = random.Random(seed), Report(runs), time.monotonic(), _mounts()
    chosen = dice.choices(list(KINDS), [kind.weight for kind in KINDS.values()], k=runs)
    family_seen: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as state:
        async with embedded_server(Path(state)) as url, a_queue(url) as queue, _worker(url, seconds) as worker:
            shown: Counter[RunId] = Counter()
            beside = [asyncio.create_task(_show(queue, shown)), asyncio.create_task(_watch(worker, family_seen))]
            await _all(queue, chosen, report)
            await _shown_all(shown, runs - len(report.hung))
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            redis: Any = command_client(url)
            report.open = await open_runs(redis)
            await redis.aclose()
    report.lost = runs - len(report.hung) - len(shown)
    report.doubled = sum(shown.values()) - len(shown)
    report.processes = await _left(family_seen)
    report.groups = len(list(GROUPS.glob(f"**/torchquiz-{worker.pid}-*")))
    report.mounts = len(_mounts() - mounts)
    report.seconds = time.monotonic() - began
    return report


async def _all(queue: RedisRunQueue, chosen: list[str], report: Report) -> None:
    left = iter(enumerate(chosen))

    async def one_after_the_other() -> None:
        for number, name in left:
            await _one(queue, number, name, report)

    await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))


async def _one(queue: RedisRunQueue, number: int, name: str, report: Report) -> None:
    kind = KINDS[name]
    order = RunOrder(RunId(f"soak-{number}"), f"t{number % 5}", f"u{number}", kind.source, reply_to="soak", address="c")
    await _accepted(queue, order)
    try:
        async with asyncio.timeout(HUNG_SECONDS), aclosing(queue.follow(order.id)) as events:
            async for event in events:
                if kind.cancelled and isinstance(event, Printed):
                    assert await queue.cancel(order.id, order.user) in (Cancelled.ASKED, Cancelled.TOO_LATE)
                if isinstance(event, Finished):
                    report.ended[name] += 1
                    if event.result.outcome not in kind.outcomes:
                        report.unexpected.append(f"{order.id}, {name}: {event.result}")
    except TimeoutError:
        report.hung.append(f"{order.id}, {name}, has not ended")


async def _accepted(queue: RedisRunQueue, order: RunOrder) -> None:
    """Hand in a run, as soon as the worker is there and there is room."""
    async with asyncio.timeout(WARM_SECONDS):
        while not isinstance(await queue.submit(order), Accepted):  # noqa: ASYNC110 - as a person would
            await asyncio.sleep(0.05)


async def _show(queue: RedisRunQueue, shown: Counter[RunId]) -> None:
    """What a bot does with completions."""
    async with aclosing(queue.completions("soak", "bot")) as completions:
        async for completion in completions:
            shown[completion.run] += 1
            await queue.delivered("soak", completion)


async def _shown_all(shown: Counter[RunId], runs: int) -> None:
    until = time.monotonic() + HUNG_SECONDS
    while len(shown) < runs and time.monotonic() < until:  # noqa: ASYNC110 - another task counts
        await asyncio.sleep(0.05)


async def _watch(worker: asyncio.subprocess.Process, seen: dict[int, str]) -> None:
    """Note everything that the worker ever started."""
    while True:
        seen |= {pid: started for pid in family.of(worker.pid) if (started := _started(pid))}
        await asyncio.sleep(0.2)


async def _left(seen: Mapping[int, str]) -> int:
    until = time.monotonic() + GONE_SECONDS
    while left := sum(_started(pid) == started for pid, started in seen.items()):
        if time.monotonic() > until:
            break
        await asyncio.sleep(0.02)
    return left


def _started(pid: int) -> str:
    """When a process began; empty for none. Tells it from a later one of its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _mounts() -> set[str]:
    return set(Path("/proc/self/mounts").read_text().splitlines())


@asynccontextmanager
async def _worker(url: str, seconds: float) -> AsyncIterator[asyncio.subprocess.Process]:
    command = (sys.executable, "-m", "tests.e2e.soak", "--serve", url, "--seconds", str(seconds))
    worker = await asyncio.create_subprocess_exec(*command)
    try:
        yield worker
    finally:
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WARM_SECONDS):
            assert await worker.wait() == 0


async def _serve(url: str, seconds: float) -> None:
    """A worker as the product's, except for the limits."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sandbox = BubblewrapSandbox(spares=SLOTS)
    settings = WorkerSettings(limits=replace(LIMITS, seconds=seconds))
    await serve(url, sandbox, slots=SLOTS, name=f"soak-{os.getpid()}", settings=settings, stop=stop)


def main() -> int:
    """0 when nothing went wrong and nothing is left."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="limit of each run")
    parser.add_argument("--serve", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        configure_logging("warning")
        asyncio.run(_serve(given.serve, given.seconds))
        return 0
    report = asyncio.run(soaked(given.runs, given.seed, given.seconds))
    sys.stdout.write(f"{report}\n")
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
