"""`/run` from submit to result through the real queue and worker, against a cold process and the jail alone in the same
run."""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import tempfile
import time
from pathlib import Path

from bench import family
from bench.sandbox import COLD, cold
from bot.bootstrap import open_store
from bot.cli.worker_process import queue_with_worker
from bot.config import Settings
from bot.core.runs import Finished, Limits, Outcome, Refusal, RunId, RunOrder
from bot.ports import RunQueue
from workers.sandbox.bubblewrap import BubblewrapSandbox

SNIPPET = "print(torch.ones(2))"
RUNS = 60
COLD_RUNS = 5
PAUSE_SECONDS = 0.15  # people do not type faster: a spare is ready again


async def measure() -> dict[str, float]:
    """Median times, their ratios, what the queue adds, and the memory of an idle worker with all that it started."""
    colds = [(await cold(COLD))[1] for _ in range(COLD_RUNS)]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(TORCHQUIZ_HOME=folder)  # type: ignore[call-arg]  # settings are named as people type them
        settings = settings.model_copy(update={"redis_url": None, "home": Path(folder)})
        async with (
            open_store(settings, lambda line: None) as store,
            queue_with_worker(store, lambda line: None) as queue,
        ):
            await _through_the_queue(queue)
            memory = await _worker_memory()
            async with BubblewrapSandbox(spares=1) as sandbox:
                queued, alone = await _in_turns(queue, sandbox)
    return {
        "run_cold_p50_ms": statistics.median(colds) * 1000,
        "run_speedup": statistics.median(colds) / statistics.median(queued),
        "run_through_redis_p50_ms": statistics.median(queued) * 1000,
        "run_through_redis_p95_ms": statistics.quantiles(queued, n=20)[-1] * 1000,
        "run_jail_alone_p50_ms": statistics.median(alone) * 1000,
        "run_added_by_redis_p50_ms": (statistics.median(queued) - statistics.median(alone)) * 1000,
        "run_worker_family_pss_mib": memory,
    }


async def _in_turns(queue: RunQueue, sandbox: BubblewrapSandbox) -> tuple[list[float], list[float]]:
    queued, alone = [], []
    for _ in range(RUNS):
        await asyncio.sleep(PAUSE_SECONDS)
        queued.append(await _through_the_queue(queue))
        await asyncio.sleep(PAUSE_SECONDS)
        alone.append(await _alone(sandbox))
    return queued, alone


async def _worker_memory() -> float:
    await asyncio.sleep(2.0)  # until its spares are back
    ours = family.of(os.getpid())
    worker = next(pid for pid in ours if "workers" in family.command(pid))
    return family.proportional_mib(family.of(worker))


async def _alone(sandbox: BubblewrapSandbox) -> float:
    began = time.perf_counter()
    result = await sandbox.run(SNIPPET, Limits())
    if result.outcome is not Outcome.OK:
        raise RuntimeError(f"the run failed: {result}")
    return time.perf_counter() - began


async def _through_the_queue(queue: RunQueue) -> float:
    began = time.perf_counter()
    order = RunOrder(RunId(secrets.token_hex(10)), "wbench", "bench", SNIPPET)
    answer = await queue.submit(order)
    if isinstance(answer, Refusal):
        raise RuntimeError(f"refused: {answer}")
    async for event in queue.follow(order.id):
        if isinstance(event, Finished):
            if event.result.outcome is not Outcome.OK:
                raise RuntimeError(f"the run failed: {event.result}")
            return time.perf_counter() - began
    raise RuntimeError("the run's events ended without a result")
