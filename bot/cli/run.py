"""`torchquiz run`: one snippet through the same queue and sandbox that the chat uses."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from bot.app.run_cards import outcome_words, refusal_words
from bot.bootstrap import open_store
from bot.cli.worker_process import queue_with_worker
from bot.config import Settings
from bot.core.errors import Unavailable
from bot.core.runs import Capability, Finished, Outcome, Printed, Refusal, RunId, RunOrder, RunResult
from bot.core.text import line
from bot.core.views import text_of
from bot.ports import RunQueue
from bot.tasks import stop

T = TypeVar("T")
_CANCEL_SECONDS = 15.0
_USER = "terminal"

FIELDS: Mapping[str, str] = {
    "outcome": "ok, error, syntax_error, timed_out, out_of_memory, too_much_output, killed, cancelled, refused or "
    "worker_lost",
    "message": "the outcome as one sentence, with the limit it met",
    "exit": "exit status of the snippet; null when a signal ended it or it never started",
    "signal": "the signal that ended it, or null",
    "seconds": "how long it ran",
    "peak_memory_bytes": "the most memory it held, or null",
    "gpu_peak_memory_bytes": "the most GPU memory it held; null on the CPU",
    "device": "cpu, or the name of the GPU",
    "torch": "the version of torch it ran on",
    "stdout": "standard output and error in the order written, then the value of the last expression",
    "error": "the traceback cut to the snippet's own lines, or why it was refused",
    "error_line": "the line of the snippet that failed, counted from 1, or null",
    "files": "what came back, each with name, bytes and alt; --files saves them",
    "files_dropped": "how many files were left behind, beyond the limits",
    "notes": "hints and remarks, in sentences",
    "limits": "what the run might use; see docs/sandbox.md",
}
"""Of the JSON object, in this order, and what each means. Every outcome has them all."""


async def run_snippet(
    settings: Settings, source: str, on_output: Callable[[str], None], on: Capability = Capability.CPU
) -> RunResult:
    """Run `source` and return its result; a refusal is a result too. Output goes to `on_output` as it comes. The first
    SIGINT or SIGTERM cancels the run, which is then its result."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    order = RunOrder(RunId(secrets.token_hex(10)), "wterminal", _USER, source, on)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings, lambda line: None))
        queue: RunQueue = store.queue
        if on is Capability.CPU:  # a GPU worker is never started by the way
            queue = await stack.enter_async_context(queue_with_worker(store, lambda line: None))
        answer = await _unless(stopping, queue.submit(order))
        if answer is None:
            return RunResult(Outcome.CANCELLED)
        if isinstance(answer, Refusal):
            return RunResult(Outcome.REFUSED, error=text_of(line(refusal_words(answer, on))))
        ending = asyncio.create_task(_followed(queue, order.id, on_output))
        try:
            result = await _unless(stopping, asyncio.shield(ending))
            if result is None:
                await queue.cancel(order.id, _USER)
                result = await asyncio.wait_for(asyncio.shield(ending), _CANCEL_SECONDS)
            return result
        finally:
            await stop(ending)


async def _followed(queue: RunQueue, run: RunId, on_output: Callable[[str], None]) -> RunResult:
    async for event in queue.follow(run):
        if isinstance(event, Printed):
            on_output(event.text)
        elif isinstance(event, Finished):
            return event.result
    raise Unavailable("The run's events ended without a result.")


async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, T] | asyncio.Future[T]) -> T | None:
    """What comes of `work`; None when we are to stop first."""
    asked, working = asyncio.create_task(stopping.wait()), asyncio.ensure_future(work)
    try:
        await asyncio.wait((asked, working), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        await stop(asked, working)


def as_json(result: RunResult) -> str:
    """The result as one JSON object with FIELDS; files by name, size and alt text."""
    values = (
        result.outcome.value,
        outcome_words(result),
        result.exit_status,
        result.signal,
        round(result.seconds, 6),
        result.peak_memory_bytes,
        result.gpu_peak_memory_bytes,
        result.device,
        result.torch_version,
        result.output,
        result.error,
        result.error_line,
        [{"name": file.name, "bytes": len(file.content), "alt": file.alt} for file in result.files],
        result.files_dropped,
        list(result.notes),
        asdict(result.limits),
    )
    return json.dumps(dict(zip(FIELDS, values, strict=True)), ensure_ascii=False)


def save(result: RunResult, folder: Path) -> list[Path]:
    """Write the files of a result into `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file in result.files:
        path = folder / Path(file.name).name
        path.write_bytes(file.content)
        paths.append(path)
    return paths


def summary(result: RunResult) -> str:
    """One line for the terminal."""
    memory = f" · {result.peak_memory_bytes / 2**20:.0f} MiB" if result.peak_memory_bytes is not None else ""
    return f"{outcome_words(result)} {result.seconds:.2f} s{memory} · {result.device}"
