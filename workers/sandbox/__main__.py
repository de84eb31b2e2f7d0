"""Try the sandbox by hand: `python -m workers.sandbox FILE` (or `-`), `python -m workers.sandbox --self-test`."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
from dataclasses import asdict
from pathlib import Path

from bot.core.runs import Limits, Outcome, RunResult
from workers.sandbox.base import SandboxUnavailable, SelfTest
from workers.sandbox.bubblewrap import BubblewrapSandbox


def main(arguments: list[str] | None = None) -> int:
    """Print one JSON object. Status 0 for success, 1 for any other outcome, 2 when there is no sandbox here."""
    parser = argparse.ArgumentParser(prog="python -m workers.sandbox", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("file", nargs="?", help="the snippet; - for standard input")
    what.add_argument("--self-test", action="store_true", help="build and probe the jail, run nothing else")
    parser.add_argument("--seconds", type=float, default=Limits().seconds, help="wall-clock limit")
    parser.add_argument(
        "--allow-no-memory-cgroup", action="store_true", help="accept that a snippet may exhaust this machine's memory"
    )
    given = parser.parse_args(arguments)
    sandbox = BubblewrapSandbox(spares=1, allow_no_memory_cgroup=given.allow_no_memory_cgroup)
    try:
        if given.self_test:
            _say(asdict(asyncio.run(_tested(sandbox))))
            return 0
        source = sys.stdin.read() if given.file == "-" else Path(given.file).read_text(encoding="utf-8")
        result = asyncio.run(_ran(sandbox, source, Limits(seconds=given.seconds)))
    except SandboxUnavailable as unavailable:
        _say({"problem": unavailable.problem, "fix": unavailable.fix})
        return 2
    _say(_shown(result))
    return 0 if result.outcome is Outcome.OK else 1


async def _tested(sandbox: BubblewrapSandbox) -> SelfTest:
    try:
        return await sandbox.start()
    finally:
        await sandbox.close()


async def _ran(sandbox: BubblewrapSandbox, source: str, limits: Limits) -> RunResult:
    async with sandbox:
        return await sandbox.run(source, limits)


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")


def _shown(result: RunResult) -> dict[str, object]:
    shown: dict[str, object] = asdict(result)
    shown["files"] = [
        {"name": file.name, "alt": file.alt, "base64": base64.b64encode(file.content).decode()} for file in result.files
    ]
    return shown


if __name__ == "__main__":
    sys.exit(main())
