"""How all runs together stand against everybody else on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.sandbox.standing import Standing

ORDINARY = {1: ("cpu.shares", 1024), 2: ("cpu.weight", 100)}
"""Of one process that nobody has weighed, by version."""


def weight(folder: Path, version: int) -> float:
    name, ordinary = ORDINARY[version]
    return int((folder / name).read_text()) / ordinary


@pytest.mark.parametrize("version", [1, 2])
def test_all_runs_together_weigh_a_tenth_of_one_ordinary_process(tmp_path: Path, version: int) -> None:
    Standing(tmp_path, version)

    assert weight(tmp_path, version) == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize("version", [1, 2])
def test_while_any_is_being_killed_they_go_first(tmp_path: Path, version: int) -> None:
    runs = Standing(tmp_path, version)

    runs.hurry("one")
    runs.hurry("another")
    runs.forget("one")
    assert weight(tmp_path, version) > 50
    runs.forget("another")

    assert weight(tmp_path, version) == pytest.approx(0.1, abs=0.001)


def test_a_machine_without_processor_groups_is_left_alone(tmp_path: Path) -> None:
    runs = Standing(None, 0)

    runs.hurry("one")
    runs.forget("one")

    assert list(tmp_path.iterdir()) == []
