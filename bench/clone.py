"""From a fresh clone to the first page and the first result, with the package cache as it is. Printed, not asserted."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
DEADLINE_SECONDS = 900.0


async def measure() -> dict[str, float]:
    """Seconds from `git clone` to the page's address and to the first run's result."""
    with tempfile.TemporaryDirectory() as folder:
        checkout, home = Path(folder) / "clone", Path(folder) / "home"
        environment = {**os.environ, "PORT": "0", "TORCHQUIZ_HOME": str(home)}
        environment.pop("REDIS_URL", None)
        began = time.perf_counter()
        await _call("git", "clone", "--quiet", str(HERE), str(checkout))
        demo = await asyncio.create_subprocess_exec(
            "make", "demo", cwd=checkout, env=environment, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await _line(demo, r"http://")
                page = time.perf_counter() - began
                await _line(demo, r"worker +ready")  # torch comes while the page is up
                await _call(
                    str(checkout / ".venv/bin/torchquiz"), "run", "-", env=environment, stdin=b"print(torch.ones(2))"
                )
                run = time.perf_counter() - began
        finally:
            os.killpg(demo.pid, signal.SIGINT)
            await demo.wait()
    return {"clone_to_page_seconds": page, "clone_to_run_seconds": run}


async def _call(*command: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    await process.communicate(stdin)
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed with status {process.returncode}")


async def _line(process: asyncio.subprocess.Process, pattern: str) -> None:
    assert process.stdout is not None
    while raw := await process.stdout.readline():
        if re.search(pattern, raw.decode()):
            return
    raise RuntimeError(f"make demo ended before it printed {pattern}")
