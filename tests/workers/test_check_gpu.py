"""The GPU check: honest where there is no GPU, complete where there is one, and never silent about what it left out."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workers import disguise
from tests.workers.gpu_building import CARD, FakeWatch, gpu_sandbox
from workers.check_gpu import ALL_HOLDS, NO_DEVICE, NOT_ALL_HOLDS, PARTLY, Check, Report
from workers.sandbox.base import SandboxUnavailable

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(300)
DISGUISED = (sys.executable, disguise.__file__)


def printed(*command: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run((sys.executable, *command), cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
@pytest.mark.parametrize("command", [("-m", "workers", "--check-gpu"), ("-m", "workers.check_gpu")])
def test_without_a_gpu_it_says_so_in_json_and_ends_with_2(command: tuple[str, ...]) -> None:
    status, told = printed(*command)

    assert status == NO_DEVICE
    assert (told["ok"], told["device"], told["checks"]) == (False, None, [])
    assert "built for the CPU only, and no CUDA device: libnvidia-ml.so.1 cannot be loaded" in told["problem"]
    assert told["fix"]


def test_it_needs_nothing_but_the_standard_library_and_torch() -> None:
    source = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import workers.check_gpu"

    subprocess.run((sys.executable, "-I", "-S", "-c", source), check=True, timeout=250)


def test_a_python_without_torch_is_told_what_to_install() -> None:
    check = Check("cuda:0", python=(sys.executable, "-S", "-I"), watch=FakeWatch())

    report = asyncio.run(check.run())

    assert report.status == NO_DEVICE
    assert "No module named 'torch'" in report.facts["problem"]


async def test_every_check_runs_where_there_is_a_gpu(tmp_path: Path) -> None:
    watch = FakeWatch()
    report = await Check("cuda:0", DISGUISED, watch, lambda: gpu_sandbox(tmp_path, watch)).run()

    told = report.shown()
    assert [check["check"] for check in told["checks"] if not check["holds"]] == []
    assert (report.status, told["ok"], told["skipped"]) == (ALL_HOLDS, True, [])
    assert (told["device"], told["driver"], told["memory_bytes"]) == (CARD.name, CARD.driver, CARD.total_bytes)
    figures = {check["check"].split(":")[0] + ":" + check["check"].split(":")[-1]: check for check in told["checks"]}
    assert len(figures) == 11
    assert figures["cold: new process to first CUDA output"]["seconds"] > 0
    assert figures["jail, warm: snippet to first CUDA output"]["median_seconds"] > 0
    assert figures["jail: a kernel that never ends is killed at the time limit"]["seconds_to_end"] >= 2.0
    assert figures["jail: a memory hog is ended and its memory comes back"]["bytes_peak"] >= 1 << 30
    assert figures["jail: other devices are invisible"]["device_files"] == 1


async def test_a_jail_that_cannot_be_built_is_skipped_with_the_reason(tmp_path: Path) -> None:
    watch = FakeWatch()

    class NoJail:
        async def start(self) -> None:
            raise SandboxUnavailable("bubblewrap is not installed", "install it")

    report = await Check("cuda:0", DISGUISED, watch, NoJail).run()  # type: ignore[arg-type]

    assert report.status == PARTLY
    assert report.skipped == [
        {"check": "everything in the jail", "why": "bubblewrap is not installed", "fix": "install it"}
    ]


async def test_without_the_drivers_library_memory_is_skipped_and_the_rest_tried() -> None:
    report = await Check("cuda:0", DISGUISED, FakeWatch(problem="no library")).run()

    assert report.status == PARTLY
    assert [skipped["check"] for skipped in report.skipped] == ["memory of the GPU, and the jail"]
    assert len(report.checks) == 4
    assert report.facts["device"] == "cuda:0"


async def test_memory_that_stays_held_fails_the_check_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.check_gpu._CLEAR_SECONDS", 0.2)
    watch = FakeWatch()
    check = Check("cuda:0", DISGUISED, watch)
    assert await check._find()

    watch.used = CARD.used_bytes + (512 << 20)  # it holds this, and is killed
    await check._guarded("a memory hog", check._hog)

    ((failed,), status) = check.report.checks, check.report.status
    assert "512 MiB of its memory are still held" in failed["problem"]
    assert status == NOT_ALL_HOLDS


def test_help_documents_every_exit_status() -> None:
    shown = subprocess.run(
        (sys.executable, "-m", "workers", "--help"), cwd=ROOT, capture_output=True, text=True, timeout=250,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout  # fmt: skip

    for words in ("0 everything holds", "1 something does not", "2 no CUDA device", "3 everything that ran holds"):
        assert words in shown


def test_a_failed_check_outweighs_a_skipped_one() -> None:
    report = Report({"device": "x"})
    report.skip("a", "b", "c")
    assert (report.status, report.shown()["ok"]) == (PARTLY, True)
    report.add("d", holds=False)
    assert (report.status, report.shown()["ok"]) == (NOT_ALL_HOLDS, False)


async def test_without_the_drivers_library_the_device_asked_for_is_still_the_one_tried(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    spy = tmp_path / "spy.py"
    spy.write_text(f"import os; open({str(seen)!r}, 'w').write(os.environ.get('CUDA_VISIBLE_DEVICES', ''))")

    await Check("cuda:1", (sys.executable, str(spy)), FakeWatch()).run()

    assert seen.read_text() == "1"
