"""Acknowledgements on Discord while `/run` saturates the worker of the same machine, against the same bot at rest.

All of it is real: the bot in its own process over Redis, the worker, the jail, and snippets that compute and print.
Rounds at rest and under load alternate, so that a slow moment of the machine hits both. Our own Redis syncs each write
to disk, output of runs as well, and whoever reads meanwhile waits: the time of a sync is printed beside. TMPDIR chooses
the disk.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.discord_acks import WIDTH, Bot, bot
from bot.bootstrap import open_store
from bot.cli.worker_process import queue_with_worker
from bot.config import Settings
from tests.adapters.discord.fake_discord import Interaction, Someone, command_data

ROUNDS = 5
CROWD = WIDTH, 640
"""So many at a time, and so many in a round."""
FEW = 2, 400
"""A quiet chat. Here a wait for the kernel's next tick, 4 ms, is more than the whole."""
RUNS = 6
"""Two at a time is what the worker takes; the others wait and their cards say so."""
DEADLINE = 120.0
"""Seconds for anything here to happen."""
BUSY = """
import time
end = time.process_time() + 1.5
while time.process_time() < end:
    for _ in range(20):
        torch.randn(300, 300) @ torch.randn(300, 300)
    print(time.process_time(), flush=True)
"""
"""It prints some dozens of lines. A longer output comes as an upload, which the Discord of the tests reads in the
process that takes the times."""


async def measure() -> dict[str, float]:
    """Milliseconds to acknowledge `/quiz 11` at rest and under load, 64 at a time and two at a time; the medians over
    the rounds of the ratios of their 99th percentiles; and how many stayed unacknowledged."""
    rest: dict[tuple[int, int], list[list[float]]] = {CROWD: [], FEW: []}
    load: dict[tuple[int, int], list[list[float]]] = {CROWD: [], FEW: []}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings().model_copy(update={"redis_url": None, "home": Path(folder)})
        async with (
            open_store(settings, lambda _: None) as store,
            queue_with_worker(store, lambda _: None),
            bot("ours", store.url) as ours,
        ):
            while not await store.workers():  # noqa: ASYNC110  nothing tells
                await asyncio.sleep(0.1)
            await _settled(ours, _runs(ours, 2))
            await _take(ours, {CROWD: [], FEW: []})
            sync = _sync(Path(folder))
            gc.collect()
            gc.disable()  # a collection here, in the process that takes the times, would be taken for ours
            for _ in range(ROUNDS):
                await _take(ours, rest)
                runs = _runs(ours, RUNS)
                await ours.fake.until(partial(_one_prints, runs), DEADLINE)
                await _take(ours, load)
                if all(_ended(each) for each in runs):
                    raise RuntimeError("the runs had ended before the acknowledgements were taken")
                await _settled(ours, runs)
                ours.forget()
            unacknowledged = ours.unacknowledged
    gc.enable()
    return {
        "discord_flood_sync_ms": sync,
        **_figures("discord_ack", rest[CROWD], load[CROWD]),
        **_figures("discord_ack_of_few", rest[FEW], load[FEW]),
        "discord_flood_unacknowledged": float(unacknowledged),
    }


async def _take(ours: Bot, times: dict[tuple[int, int], list[list[float]]]) -> None:
    for (width, count), rounds in times.items():
        rounds.append(await ours.times(count, width))


def _figures(name: str, rest: list[list[float]], load: list[list[float]]) -> dict[str, float]:
    ratios = (_percentile(busy, 99) / _percentile(idle, 99) for idle, busy in zip(rest, load, strict=True))
    return {
        f"{name}_p50_idle_ms": _milliseconds(rest, 50),
        f"{name}_p50_flooded_ms": _milliseconds(load, 50),
        f"{name}_p99_idle_ms": _milliseconds(rest, 99),
        f"{name}_p99_flooded_ms": _milliseconds(load, 99),
        f"{name}_p99_flooded_ratio": statistics.median(ratios),
    }


def _sync(folder: Path) -> float:
    """Milliseconds that the disk takes for a small write, in the median."""
    times = []
    with (folder / "sync").open("ab", buffering=0) as file:
        for _ in range(100):
            began = time.perf_counter()
            file.write(b"x" * 200)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def _runs(ours: Bot, count: int) -> list[Interaction]:
    """So many people run something long, each in a channel of their own."""
    people = [
        Someone(ours.fake, f"R{number}", str(14 * 10**17 + number), str(15 * 10**17 + number))
        for number in range(count)
    ]
    return [person.begins(2, command_data("run", code=BUSY)) for person in people]


async def _settled(ours: Bot, runs: list[Interaction]) -> None:
    """Wait until every result is shown."""
    await ours.fake.until(lambda: all(map(_ended, runs)), DEADLINE)


def _one_prints(runs: list[Interaction]) -> bool:
    return any(run.kind and "Output so far" in run.message.text for run in runs)


def _ended(run: Interaction) -> bool:
    return bool(run.kind) and "torch 2" in run.message.text


def _milliseconds(rounds: list[list[float]], percent: int) -> float:
    return statistics.median(_percentile(times, percent) for times in rounds) * 1000


def _percentile(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]
