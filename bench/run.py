"""`/run` from submit to finished through the real queue and worker, against a cold Python that imports torch."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bot.bootstrap import open_store
from bot.cli.worker_process import queue_with_worker
from bot.config import Settings
from bot.core.runs import Finished, Outcome, Refusal, RunId, RunOrder
from bot.ports import RunQueue

SNIPPET = "print(torch.ones(2))"
COLD_RUNS = 5
WARM_RUNS = 60
PAUSE_SECONDS = 0.15  # people do not type faster: a spare is ready again


async def measure() -> dict[str, float]:
    """Median seconds of both, and their ratio (at least 25 wanted)."""
    cold = [await _cold() for _ in range(COLD_RUNS)]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(TORCHQUIZ_HOME=folder)  # type: ignore[call-arg]  # settings are named as people type them
        settings = settings.model_copy(update={"redis_url": None, "home": Path(folder)})
        async with (
            open_store(settings, lambda line: None) as store,
            queue_with_worker(store, lambda line: None) as queue,
        ):
            await _warm(queue)
            warm = []
            for _ in range(WARM_RUNS):
                await asyncio.sleep(PAUSE_SECONDS)
                warm.append(await _warm(queue))
    return {
        "run_cold_p50_seconds": statistics.median(cold),
        "run_warm_p50_seconds": statistics.median(warm),
        "run_warm_p95_seconds": statistics.quantiles(warm, n=20)[-1],
        "run_warm_speedup": statistics.median(cold) / statistics.median(warm),
    }


async def _cold() -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import torch; {SNIPPET}", stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        raise RuntimeError("the cold run failed")
    return time.perf_counter() - began


async def _warm(queue: RunQueue) -> float:
    began = time.perf_counter()
    order = RunOrder(RunId(secrets.token_hex(10)), "wbench", "bench", SNIPPET)
    answer = await queue.submit(order)
    if isinstance(answer, Refusal):
        raise RuntimeError(f"refused: {answer}")
    async for event in queue.follow(order.id):
        if isinstance(event, Finished):
            if event.result.outcome is not Outcome.OK:
                raise RuntimeError(f"the warm run failed: {event.result}")
            return time.perf_counter() - began
    raise RuntimeError("the run's events ended without a result")
