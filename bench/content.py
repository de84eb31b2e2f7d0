"""The question bank: read and validated in a fresh process; proofs by `content check` against cold Python processes."""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time

from bot.app.proving import Claim, Prover, Snippet, run_once, snippets
from bot.bank.load import load
from bot.cli.worker_process import queue_apart
from bot.config import Settings

SAMPLE = 20
SEED = 20261125
ROUNDS = 3
PRELUDE = "import torch; from torch import nn; import torch.nn.functional as F\n"
READ = """
import sys, time
began = time.perf_counter()
from bot.bank.lint import lint
from bot.bank.load import load
assert not lint(load())
print(time.perf_counter() - began)
assert "torch" not in sys.modules
"""


async def measure() -> dict[str, float]:
    """Seconds to import, load, validate and lint the bank; and how much faster a sample of proofs runs than cold. The
    check holds each proof true twice; the cold process runs it once."""
    reading = [float(await _python(READ)) for _ in range(ROUNDS)]
    proofs = [each for each in snippets(load().items.values()) if each.claim is Claim.PROOF]
    sample = random.Random(SEED).sample(proofs, SAMPLE)
    cold_seconds, warm_seconds = [], []
    settings = Settings()
    async with queue_apart(settings) as queue:
        await run_once(queue, "print(torch.ones(2))")  # the worker is up
        for _ in range(ROUNDS):  # side by side, so that a busy machine slows both
            warm_seconds.append(await _warm(Prover(queue, settings.spares, [each.digest for each in sample]), sample))
            cold_seconds.append(await _cold(sample))
    cold_each, warm_each = statistics.median(cold_seconds) / SAMPLE, statistics.median(warm_seconds) / SAMPLE
    return {
        "content_read_seconds": min(reading),
        "content_cold_seconds_per_proof": cold_each,
        "content_check_seconds_per_proof": warm_each,
        "content_check_speedup": cold_each / warm_each,
    }


async def _warm(prover: Prover, sample: list[Snippet]) -> float:
    began = time.perf_counter()
    async for ran in prover.prove(sample):
        if ran.problem:
            raise RuntimeError(f"{ran.snippet.item}: {ran.problem}")
    return time.perf_counter() - began


async def _cold(sample: list[Snippet]) -> float:
    began = time.perf_counter()
    for snippet in sample:
        await _python(PRELUDE + snippet.source)
    return time.perf_counter() - began


async def _python(source: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", source, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"a cold process failed with status {process.returncode}")
    return printed.decode()
