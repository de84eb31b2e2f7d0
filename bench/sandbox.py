"""The jail alone against a cold Python that imports torch, bare and inside bubblewrap, in one run.

Rivals and jail take turns in blocks, so that a slow moment of the machine hits all. The rivals run at the niceness of
the jail. Times are in seconds until the ratios.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench import family
from bot.core.runs import Limits, Outcome
from workers.inside.zygote import NICENESS
from workers.sandbox.bubblewrap import BubblewrapSandbox

SNIPPET = "print(torch.ones(2))"
WITH_FILES = f"{SNIPPET}\nopen('output/a.txt', 'w').write('A')\nopen('output/b.txt', 'w').write('B');"
FORK_BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
COLD = ("nice", "-n", str(NICENESS), sys.executable, "-c", f"import torch; {SNIPPET}")
SHOWN = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
COLD_IN_BUBBLEWRAP = ("nice", "-n", str(NICENESS), "bwrap", "--unshare-all", "--die-with-parent", *SHOWN, *COLD[3:])
BLOCKS = 6
WARM_PER_BLOCK = 20
BURSTS_PER_BLOCK = 3
SPARES = 2
BURST = 2 * SPARES
THROUGHPUT_RUNS = 60
COLD_THROUGHPUT_RUNS = 6
BOMBS = 5
BOMB_SECONDS = 0.6
PAUSE_SECONDS = 0.03
"""After the spares are back: until their last page has settled."""


@dataclass(slots=True)
class Times:
    """Seconds from submit, one entry a run."""

    cold_first: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    cold_in_bubblewrap: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    with_files: list[float] = field(default_factory=list)
    no_spare: list[float] = field(default_factory=list)


async def measure() -> dict[str, float]:
    """Every row of the jail alone."""
    times = Times()
    async with BubblewrapSandbox(spares=SPARES) as sandbox:
        await _spared(sandbox)
        memory = _idle_memory()
        for _ in range(BLOCKS):
            await _one_block(sandbox, times)
        cold_rate = await _rate(lambda: cold(COLD), COLD_THROUGHPUT_RUNS)
        await _spared(sandbox)
        rate = await _rate(lambda: _run(sandbox, SNIPPET), THROUGHPUT_RUNS)
        reaped = [await _reaped_after(sandbox) for _ in range(BOMBS)]
    cold_first, whole = statistics.median(times.cold_first), statistics.median(times.cold)
    p50, p95 = statistics.median(times.first), statistics.quantiles(times.first, n=20)[-1]
    return {
        "sandbox_cold_first_output_p50_ms": cold_first * 1000,
        "sandbox_cold_in_bubblewrap_p50_ms": statistics.median(times.cold_in_bubblewrap) * 1000,
        "sandbox_first_output_p50_ms": p50 * 1000,
        "sandbox_first_output_p95_ms": p95 * 1000,
        "sandbox_first_output_p50_speedup": cold_first / p50,
        "sandbox_first_output_p95_speedup": cold_first / p95,
        "sandbox_result_with_files_speedup": whole / statistics.median(times.with_files),
        "sandbox_burst_no_spare_speedup": cold_first / statistics.median(times.no_spare),
        "sandbox_runs_per_second": rate,
        "sandbox_runs_per_second_speedup": rate / cold_rate,
        "sandbox_fork_bomb_reaped_p50_ms": statistics.median(reaped) * 1000,
        **memory,
    }


async def _one_block(sandbox: BubblewrapSandbox, times: Times) -> None:
    first, whole = await cold(COLD)
    times.cold_first.append(first)
    times.cold.append(whole)
    times.cold_in_bubblewrap.append((await cold(COLD_IN_BUBBLEWRAP))[0])
    for _ in range(WARM_PER_BLOCK):
        await _spared(sandbox)
        times.first.append((await _run(sandbox, SNIPPET))[0])
        await _spared(sandbox)
        times.with_files.append((await _run(sandbox, WITH_FILES))[1])
    for _ in range(BURSTS_PER_BLOCK):
        await _spared(sandbox)
        started = await asyncio.gather(*(_run(sandbox, SNIPPET) for _ in range(BURST)))
        # In order of submission: the first found a spare, the others had to be forked for.
        times.no_spare += [first for first, _ in started[SPARES:]]


async def _spared(sandbox: BubblewrapSandbox) -> None:
    while sandbox.ready < SPARES:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.005)
    await asyncio.sleep(PAUSE_SECONDS)


async def _run(sandbox: BubblewrapSandbox, source: str) -> tuple[float, float]:
    """Until the first output, and until the result."""
    began = time.perf_counter()
    heard: list[float] = []
    result = await sandbox.run(source, Limits(), lambda _: heard.append(time.perf_counter() - began))
    if result.outcome is not Outcome.OK:
        raise RuntimeError(f"the run failed: {result}")
    return heard[0], time.perf_counter() - began


async def cold(command: Sequence[str]) -> tuple[float, float]:
    """Seconds until the first output of a fresh process, and until its end."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.read(1)
    first = time.perf_counter() - began
    await process.stdout.read()
    if await process.wait():
        raise RuntimeError("the cold run failed")
    return first, time.perf_counter() - began


async def _rate(run: Callable[[], Awaitable[object]], runs: int) -> float:
    """Runs a second, as many at a time as there are spares."""
    left = iter(range(runs))

    async def one_after_the_other() -> None:
        for _ in left:
            await run()

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(SPARES)))
    return runs / (time.perf_counter() - began)


async def _reaped_after(sandbox: BubblewrapSandbox) -> float:
    """Seconds between the limit and the last process gone."""
    await _spared(sandbox)
    began = time.perf_counter()
    result = await sandbox.run(FORK_BOMB, Limits(seconds=BOMB_SECONDS))
    if result.outcome is not Outcome.TIMED_OUT:
        raise RuntimeError(f"the fork bomb ended otherwise: {result}")
    return time.perf_counter() - began - BOMB_SECONDS


def _idle_memory() -> dict[str, float]:
    snippets = family.named(family.of(os.getpid()), "snippet")
    spares = [[snippet, family.parent(snippet)] for snippet in snippets]  # its init belongs to it
    return {"sandbox_idle_spare_private_mib": statistics.mean(map(family.private_mib, spares))}
