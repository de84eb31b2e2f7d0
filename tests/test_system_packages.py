"""What a machine lacks is installed where that is allowed, and named where it is not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "system-packages"


def told(*arguments: str, path: str) -> tuple[int, str]:
    ended = subprocess.run(
        ["/bin/sh", SCRIPT, *arguments], capture_output=True, text=True, env={"PATH": path}, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_nothing_is_said_where_nothing_is_missing() -> None:
    assert told("some tests", "sh", "env", path=os.environ["PATH"]) == (0, "")


def test_without_a_package_manager_it_says_what_to_type_and_what_works_meanwhile(tmp_path: Path) -> None:
    status, words = told("/run", "bubblewrap", path=str(tmp_path))

    assert status == 0
    assert "I can't install bubblewrap" in words
    assert "Everything works but /run" in words
    assert "sudo apt-get install bubblewrap" in words
