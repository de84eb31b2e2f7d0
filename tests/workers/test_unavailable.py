"""Where the jail cannot be built nothing runs: the sandbox says what is missing and what to do about it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.bubblewrap import BubblewrapSandbox

REFUSING = """#!/bin/sh
echo 'bwrap: No permissions to create new namespace, likely because the kernel does not allow it' >&2
exit 1
"""


async def refusal(sandbox: BubblewrapSandbox) -> SandboxUnavailable:
    """Why the sandbox does not start."""
    with pytest.raises(SandboxUnavailable) as caught:
        await sandbox.start()
    await sandbox.close()
    return caught.value


async def test_a_missing_bubblewrap_is_named_with_the_command_that_adds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    error = await refusal(BubblewrapSandbox())

    assert (error.problem, error.fix) == ("bubblewrap is not installed", "install it: apt install bubblewrap")


async def test_forbidden_user_namespaces_are_named_with_the_setting_that_allows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # not under /tmp, which a jail's staging covers
        Path(folder).chmod(0o755)
        (Path(folder) / "bwrap").write_text(REFUSING)
        (Path(folder) / "bwrap").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

        error = await refusal(BubblewrapSandbox())

    assert "No permissions to create new namespace" in error.problem
    assert "allow user namespaces" in error.fix
