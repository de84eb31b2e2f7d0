"""How all runs together stand against everybody else on the machine."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workers.sandbox import standing
from workers.sandbox.standing import Level, Standing, use

ORDINARY = {1: ("cpu.shares", 1024), 2: ("cpu.weight", 100)}
"""Of one process that nobody has weighed, by version."""


class Run:
    """A run as far as its standing is concerned."""

    def __init__(self, *pids: int) -> None:
        self._pids = set(pids)

    def pids(self) -> set[int]:
        return self._pids


@contextmanager
def process(source: str) -> Iterator[int]:
    """One that has begun."""
    with subprocess.Popen([sys.executable, "-c", f"print(flush=True)\n{source}"], stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        try:
            yield started.pid
        finally:
            started.kill()


def idle(folder: Path) -> str:
    return (folder / "cpu.idle").read_text()


def weight(folder: Path, version: int) -> float:
    name, ordinary = ORDINARY[version]
    return int((folder / name).read_text()) / ordinary


@pytest.mark.parametrize("version", [1, 2])
def test_runs_stand_last(tmp_path: Path, version: int) -> None:
    assert Standing(tmp_path, version).level is Level.LAST

    assert idle(tmp_path) == "1"


@pytest.mark.parametrize("version", [1, 2])
def test_where_the_kernel_knows_no_last_they_weigh_a_tenth_of_one_process(tmp_path: Path, version: int) -> None:
    (tmp_path / "cpu.idle").mkdir()  # cannot be written

    Standing(tmp_path, version)

    assert weight(tmp_path, version) == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize("version", [1, 2])
def test_one_that_is_being_killed_goes_first_until_it_has_gone(tmp_path: Path, version: int) -> None:
    dying, other = Run(), Run()
    runs = Standing(tmp_path, version)

    runs.hurry(dying)
    runs.hurry(other)
    runs.forget(dying)
    assert (runs.level, idle(tmp_path)) == (Level.FIRST, "0")
    assert weight(tmp_path, version) > 50
    runs.forget(other)

    assert idle(tmp_path) == "1"


async def test_a_run_that_gets_nothing_though_it_could_compute_is_given_a_tenth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "use", lambda _: standing.Use(seconds=1.0, waits=True))
    runs = Standing(tmp_path, 2)

    with runs.watching(Run()):
        async with asyncio.timeout(5):
            while runs.level is not Level.TENTH:  # noqa: ASYNC110  nothing tells
                await asyncio.sleep(0.01)
        assert idle(tmp_path) == "0"
        assert weight(tmp_path, 2) == pytest.approx(0.1)

    assert idle(tmp_path) == "1"


@pytest.mark.parametrize("waits", [False, True], ids=["sleeps", "computes"])
async def test_a_run_that_sleeps_or_gets_on_stays_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    seen: list[float] = []

    def used(_: set[int]) -> standing.Use:
        seen.append(len(seen) * (1.0 if waits else 0.0))
        return standing.Use(seen[-1], waits)

    monkeypatch.setattr(standing, "use", used)
    runs = Standing(tmp_path, 2)

    with runs.watching(Run()):
        async with asyncio.timeout(5):
            while len(seen) < 3:
                assert runs.level is Level.LAST
                await asyncio.sleep(0.01)

    assert runs.level is Level.LAST


async def test_a_machine_without_processor_groups_is_left_alone() -> None:
    runs = Standing(None, 0)

    runs.hurry(run := Run())
    runs.forget(run)
    with runs.watching(run):
        await asyncio.sleep(0)

    assert runs.level is Level.LAST


def test_what_a_process_has_had_and_whether_it_would_take_more() -> None:
    with process("while True: pass") as busy, process("import time\ntime.sleep(60)") as asleep:
        first = use({busy, asleep})
        while use({busy}).seconds < first.seconds + 0.05:
            pass

        assert use({busy, asleep}).waits
        assert not use({asleep}).waits


def test_a_thread_counts_where_its_process_waits_for_it() -> None:
    with process(
        "import threading\nt = threading.Thread(target=lambda: [0 for _ in iter(int, 1)])\nt.start()\nt.join()"
    ) as one:
        assert any(use({one}).waits for _ in range(10_000))


def test_who_has_gone_has_nothing() -> None:
    with process("pass") as gone:
        os.kill(gone, signal.SIGKILL)
        os.waitid(os.P_PID, gone, os.WEXITED | os.WNOWAIT)

    assert use({gone}) == standing.Use(0.0, waits=False)
