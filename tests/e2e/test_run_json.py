"""`torchquiz run --json -`: one object with the documented fields, for every way a run can end, over the real jail."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.cli.run import FIELDS, as_json
from bot.core.runs import Capability, Limits, Outcome, RunResult
from bot.store.connect import command_client
from bot.store.run_workers import live_workers
from bot.store.server import embedded_server
from tests.e2e.processes import environment, torchquiz

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


async def serves(redis: Any, pid: int) -> bool:
    """Whether the worker with that process id, which ends its name, offers slots."""
    return any(each.slots and each.name.endswith(f"-{pid}") for each in await live_workers(redis, Capability.CPU))


@asynccontextmanager
async def a_worker(url: str, home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real worker of its own on that Redis, ready to serve."""
    redis = command_client(url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers", env=environment(home, {"REDIS_URL": url, "TORCHQUIZ_LOG": "warning"})
    )
    try:
        async with asyncio.timeout(120):
            while not await serves(redis, process.pid):  # noqa: ASYNC110 (a condition of the outside)
                await asyncio.sleep(0.1)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), 60)
        await redis.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    home = tmp_path_factory.mktemp("home")
    async with embedded_server(home) as url, a_worker(url, home):
        yield url


async def ran(url: str, home: Path, source: str, *options: str, status: int = 1) -> dict[str, Any]:
    """The object that a run of `source` prints."""
    ended, printed, errors = await torchquiz(
        home, "run", "--json", *options, "-", stdin=source, extra={"REDIS_URL": url}
    )
    assert ended == status, errors
    told: dict[str, Any] = json.loads(printed)
    assert list(told) == list(FIELDS)
    return told


async def test_ok(url: str, tmp_path: Path) -> None:
    source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('hello')\n1 + 1"

    told = await ran(url, tmp_path, source, "--files", str(tmp_path / "out"), status=0)

    assert (told["outcome"], told["message"], told["exit"], told["signal"]) == ("ok", "Done.", 0, None)
    assert (told["stdout"], told["error"], told["error_line"]) == ("hello\n2\n", "", None)
    assert (told["device"], told["gpu_peak_memory_bytes"]) == ("cpu", None)
    assert told["seconds"] > 0
    assert told["peak_memory_bytes"] > 0
    ((file,), saved) = told["files"], tmp_path / "out" / "figure-1.png"
    assert file["name"] == "figure-1.png"
    assert file["bytes"] == saved.stat().st_size
    assert told["limits"]["seconds"] == Limits().seconds


async def test_error(url: str, tmp_path: Path) -> None:
    told = await ran(url, tmp_path, "print('before')\nx = input()\n")

    assert (told["outcome"], told["exit"], told["error_line"], told["stdout"]) == ("error", 1, 2, "before\n")
    assert told["message"] == "It stopped with an error in line 2."
    assert "EOFError" in told["error"]
    assert "workers" not in told["error"]
    assert any("Nobody can type here" in note for note in told["notes"])


async def test_error_with_an_exit_status(url: str, tmp_path: Path) -> None:
    told = await ran(url, tmp_path, "import sys\nsys.exit(7)")

    assert (told["outcome"], told["exit"], told["message"]) == ("error", 7, "It ended with exit status 7.")


async def test_syntax_error(url: str, tmp_path: Path) -> None:
    told = await ran(url, tmp_path, "print('no')\npip install einops")

    assert (told["outcome"], told["stdout"], told["error_line"]) == ("syntax_error", "", 2)
    assert any("no pip install here" in note for note in told["notes"])


async def test_timed_out(url: str, tmp_path: Path) -> None:
    told = await ran(url, tmp_path, "print('partial')\nimport time\ntime.sleep(60)")

    assert (told["outcome"], told["stdout"]) == ("timed_out", "partial\n")
    assert told["message"] == "Stopped after 10 s, the time limit. Output up to then is kept."
    assert told["seconds"] >= 10


async def test_out_of_memory(url: str, tmp_path: Path) -> None:
    told = await ran(url, tmp_path, "print('begun')\nx = torch.ones(400 * 2**20)")

    assert (told["outcome"], told["stdout"], told["signal"]) == ("out_of_memory", "begun\n", 9)
    assert told["message"] == "Out of memory: a run may use 1 GiB."


async def test_too_much_output(url: str, tmp_path: Path) -> None:
    told = await ran(url, tmp_path, "while True: print('x' * 1000)")

    assert told["outcome"] == "too_much_output"
    assert 60_000 < len(told["stdout"].encode()) <= told["limits"]["output_bytes"]


async def test_killed(url: str, tmp_path: Path) -> None:
    told = await ran(url, tmp_path, "import ctypes\nprint('begun')\nctypes.string_at(0)")

    assert (told["outcome"], told["signal"], told["exit"]) == ("killed", signal.SIGSEGV, None)
    assert told["message"] == "Killed by signal 11, a segmentation fault."


async def test_cancelled_by_ctrl_c(url: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", "-", env=environment(tmp_path, {"REDIS_URL": url}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"print('begun')\nimport time\ntime.sleep(60)")
    process.stdin.close()
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"begun\n"

    process.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 130
    assert errors.startswith(b"Cancelled.")


async def test_cancelled_as_json(url: str, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", "--json", "-", env=environment(tmp_path, {"REDIS_URL": url}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    redis = command_client(url)
    running = asyncio.create_task(process.communicate(b"print('begun', flush=True)\nimport time\ntime.sleep(60)"))
    async with asyncio.timeout(60):
        while not await redis.hget("{q:cpu}:load", "running"):  # noqa: ASYNC110 (a condition of the outside)
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    printed, _ = await asyncio.wait_for(running, 60)
    await redis.aclose()

    told = json.loads(printed)
    assert (process.returncode, told["outcome"], told["message"]) == (130, "cancelled", "Cancelled.")
    assert not mark.exists()


async def test_refused_for_its_size_before_anything_starts(tmp_path: Path) -> None:
    told = await ran("", tmp_path / "home", "x" * 70_000)

    assert (told["outcome"], told["message"]) == ("refused", "It was not started.")
    assert "larger than 64 KiB" in told["error"]
    assert not (tmp_path / "home").exists()


async def test_refused_because_no_gpu_worker_is_online(url: str, tmp_path: Path) -> None:
    told = await ran(url, tmp_path, "1 + 1", "--gpu")

    assert told["outcome"] == "refused"
    assert "no GPU worker is online" in told["error"]
    assert "The same code runs on the CPU" in told["error"]


async def test_refused_because_the_sandbox_is_off(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    ended, printed, _ = await torchquiz(
        tmp_path / "home", "run", "--json", "-", stdin="1 + 1", extra={"PATH": str(tmp_path / "bin")}
    )

    told = json.loads(printed)
    assert (ended, told["outcome"]) == (1, "refused")
    assert "Running code is off: bubblewrap is not installed" in told["error"]
    assert "apt install bubblewrap" in told["error"]


async def test_worker_lost(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as url, a_worker(url, tmp_path) as first, a_worker(url, tmp_path) as second:
        redis = command_client(url)
        running = asyncio.create_task(ran(url, tmp_path, "import time\ntime.sleep(60)"))
        pids = {str(each.pid): each for each in (first, second)}
        for attempt in (1, 2):  # whoever has begun it dies
            holder = await _holder(redis, pids, attempt)
            os.kill(pids.pop(holder).pid, signal.SIGKILL)
        async with a_worker(url, tmp_path):  # someone must be there to see that it was the second time
            told = await asyncio.wait_for(running, 120)
        await redis.aclose()

    assert told["outcome"] == "worker_lost"
    assert told["message"] == "This snippet ended its worker twice, so I stopped trying."


async def _holder(redis: Any, pids: dict[str, asyncio.subprocess.Process], attempt: int) -> str:
    """The process id, which ends its worker's name, of whoever has begun the only run for that attempt."""
    async with asyncio.timeout(60):
        while True:
            async for run in redis.scan_iter("{q:cpu}:run:*"):
                begun, owner = await redis.hmget(run, "attempts", "owner")
                for pid in pids:
                    if begun == str(attempt).encode() and f"-{pid}-" in owner.decode():
                        return pid
            await asyncio.sleep(0.05)


@pytest.mark.asyncio(loop_scope="function")
async def test_every_field_is_documented_in_help_and_docs() -> None:
    status, shown, _ = await torchquiz(Path("/nonexistent"), "run", "--help")
    documented = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()

    assert status == 0
    for field in FIELDS:
        assert f"  {field} " in shown
        assert f"| `{field}` |" in documented
    for outcome in Outcome:
        assert outcome.value in shown
        assert f"`{outcome.value}`" in documented
        assert list(json.loads(as_json(RunResult(outcome)))) == list(FIELDS)
