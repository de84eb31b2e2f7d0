"""`torchquiz run`: one snippet through the same queue and sandbox that the chat uses."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from bot.app.run_cards import outcome_words
from bot.bootstrap import open_store
from bot.cli.worker_process import queue_with_worker
from bot.config import Settings
from bot.core.errors import Unavailable
from bot.core.runs import Finished, Outcome, Printed, Refusal, RunId, RunOrder, RunResult


async def run_snippet(settings: Settings, source: str, on_output: Callable[[str], None]) -> RunResult:
    """Run `source` and return its result; a refusal is a result too. Output goes to `on_output` as it comes."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings, lambda line: None))
        queue = await stack.enter_async_context(queue_with_worker(store, lambda line: None))
        order = RunOrder(RunId(secrets.token_hex(10)), "wterminal", "terminal", source)
        answer = await queue.submit(order)
        if isinstance(answer, Refusal):
            reason = " ".join(
                part for part in (answer.reason.value.replace("_", " "), answer.detail, answer.fix) if part
            )
            return RunResult(Outcome.REFUSED, error=reason)
        async for event in queue.follow(order.id):
            if isinstance(event, Printed):
                on_output(event.text)
            elif isinstance(event, Finished):
                return event.result
    raise Unavailable("The run's events ended without a result.")


def as_json(result: RunResult) -> str:
    """The result as one JSON object; files by name, size and alt text."""
    return json.dumps(
        {
            "outcome": result.outcome.value,
            "exit": result.exit_status,
            "signal": result.signal,
            "seconds": round(result.seconds, 6),
            "peak_memory_bytes": result.peak_memory_bytes,
            "device": result.device,
            "torch": result.torch_version,
            "stdout": result.output,
            "error": result.error,
            "error_line": result.error_line,
            "files": [{"name": file.name, "bytes": len(file.content), "alt": file.alt} for file in result.files],
            "notes": list(result.notes),
        },
        ensure_ascii=False,
    )


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
