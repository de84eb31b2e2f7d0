"""Which Redis to use: REDIS_URL, or a server that we start on a private socket and that keeps its data.

The rules of the embedded server, all in the data folder ``<state>/redis``:

* ``server.lock`` is held alone by the server process itself, for its whole life: we take it, the server inherits it.
  Two servers can never write one data folder, and a free lock means that no server is alive.
* ``users.lock`` is held together by every process of ours that uses the server. Whoever leaves last stops the server.
* A server whose users were all killed lives on. The next user finds it by its socket and adopts it.
* ``socket`` names the socket: in the data folder, or in a private folder in /run or /tmp where that path is too long.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from bot.core.errors import ConfigError
from bot.store.binaries import Binary, Preference, candidates
from bot.store.locks import NO_EMBEDDED_SERVER_HERE, FileLock

Progress = Callable[[str], None]

MAX_SOCKET_PATH = 100
"""Bytes in a socket path: Linux takes 107, macOS 103."""
ANSWER_SECONDS = 5.0
"""A healthy server answers in milliseconds; under heavy load, within a second."""

_PING_SECONDS = 1.0
_LOAD_SECONDS = 120.0  # reading a large append-only file
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.01
_LOG_TAIL = 400


def silent(line: str) -> None:
    """Show no progress."""


@asynccontextmanager
async def redis_server(
    redis_url: str | None, state: Path, preference: Preference = Preference.AUTO, progress: Progress = silent
) -> AsyncIterator[str]:
    """The URL of the server to use: `redis_url` if given, else that of the embedded one, for as long as the context."""
    if redis_url:
        yield redis_url
        return
    async with embedded_server(state, preference, progress) as url:
        yield url


@asynccontextmanager
async def embedded_server(
    state: Path,
    preference: Preference = Preference.AUTO,
    progress: Progress = silent,
    patience: float = ANSWER_SECONDS,
) -> AsyncIterator[str]:
    """The URL of the server of `state`, started or adopted; it stops when its last user leaves.

    `patience` is how many seconds a running server may take to answer. Raises ConfigError when none can be started or
    the data folder is in use.
    """
    if sys.platform == "win32":
        raise ConfigError(NO_EMBEDDED_SERVER_HERE)
    data = state / "redis"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        users = FileLock(data / "users.lock").__enter__()
    except OSError as error:
        raise ConfigError(f"Cannot write to the data folder {data}: {error.strerror}. Set TORCHQUIZ_HOME.") from error
    with users:
        await _until(lambda: _now(users.try_shared()), _STOP_SECONDS, f"The server of {data} is taking long to stop.")
        pid = await _start_or_adopt(data, preference, progress, patience)
        try:
            yield f"unix://{quote(str(socket_of(data)))}"
        finally:
            if users.try_alone():
                await _stop(data, pid, progress)


def socket_of(data: Path) -> Path:
    """The socket of the server of a data folder, as its starter wrote it down."""
    record = data / "socket"
    return Path(record.read_text()) if record.exists() else data / "redis.sock"


async def _start_or_adopt(data: Path, preference: Preference, progress: Progress, patience: float) -> int | None:
    """The process id of a server that we started; None for one that we found."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        with FileLock(data / "server.lock") as lock:
            if lock.try_alone():
                return await _start_any(data, await candidates(preference), lock, progress)
        if await _ping(socket_of(data)) in ("PONG", "LOADING"):
            await _until_ready(data, None)
            progress(f"Using the Redis server that already runs for {data}.")
            return None
        if asyncio.get_running_loop().time() > deadline:
            raise ConfigError(
                f"The data folder {data} is in use by a server that does not answer. Stop that process "
                f"(`fuser {data / 'server.lock'}` names it), or choose another folder with TORCHQUIZ_HOME."
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _start_any(data: Path, binaries: tuple[Binary, ...], lock: FileLock, progress: Progress) -> int:
    """Start the first program that can read the data: an older one refuses files that a newer one wrote."""
    refusals: list[str] = []
    for binary in binaries:
        progress(f"Starting {binary.title} in {data} ...")
        try:
            pid = _spawn(binary, data, lock)
            await _until_ready(data, pid)
        except ConfigError as error:
            refusals.append(f"{binary.title}: {error}")
        else:
            return pid
    raise ConfigError(f"The embedded Redis server does not start. {' '.join(refusals)} Its log: {data / 'server.log'}")


def _spawn(binary: Binary, data: Path, lock: FileLock) -> int:
    """Start the server in a process group of its own, so that Ctrl-C reaches us and not it. It inherits the lock.

    Not in a session of its own: Linux weighs each session as one (`autogroup`), and what hands work to and fro between
    two of them waits behind the runs of `/run` now and then.
    """
    socket = _choose_socket(data)
    (data / "socket").write_text(str(socket))
    log = os.open(data / "server.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    quiet = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.set_inheritable(lock.descriptor, True)
    try:
        return os.posix_spawn(
            binary.path,
            [str(binary.path), *_settings(data, socket)],
            {"PATH": os.defpath, "LC_ALL": "C"},  # no secret of ours; a locale that exists everywhere
            file_actions=[
                (os.POSIX_SPAWN_DUP2, quiet, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setpgroup=0,
        )
    except OSError as error:
        raise ConfigError(f"{binary.path}: {error.strerror}.") from error
    finally:
        os.set_inheritable(lock.descriptor, False)
        os.close(log)
        os.close(quiet)


def _settings(data: Path, socket: Path) -> list[str]:
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "always",
        "latency-tracking": "no",
        "aof-use-rdb-preamble": "yes",
        "maxmemory-policy": "noeviction",
        "save": "",
        "daemonize": "no",
        "logfile": "",
        "hash-max-listpack-entries": "512",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def _choose_socket(data: Path) -> Path:
    """In the data folder; where that path is too long for a socket, in a private folder with a short name."""
    usual = data / "redis.sock"
    if len(os.fsencode(usual)) <= MAX_SOCKET_PATH:
        return usual
    before = socket_of(data)
    if len(os.fsencode(before)) <= MAX_SOCKET_PATH and _is_private(before.parent):
        return before
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 (mkdtemp below)
        if base and len(os.fsencode(base)) <= MAX_SOCKET_PATH - 40 and os.access(base, os.W_OK):
            return Path(tempfile.mkdtemp(prefix="torchquiz-", dir=base)) / "redis.sock"
    raise ConfigError(
        f"No folder with a path short enough for a socket. Set TORCHQUIZ_HOME to one shorter than {data}."
    )


def _is_private(folder: Path) -> bool:
    """Ours, and closed to everybody else."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


async def _until_ready(data: Path, pid: int | None) -> None:
    """Wait until the server answers; ConfigError when it has died (a server that we started) or stays silent."""

    async def ready() -> bool:
        if pid is not None and _has_ended(pid):
            raise ConfigError(_last_words(data / "server.log"))
        return await _ping(socket_of(data)) == "PONG"

    await _until(ready, _LOAD_SECONDS, f"The server of {data} does not become ready.")


async def _stop(data: Path, pid: int | None, progress: Progress) -> None:
    """Stop the server and wait until its lock is free; with `appendfsync always` there is nothing left to write."""
    progress("Stopping the Redis server ...")
    await _ping(socket_of(data), b"SHUTDOWN\r\n")
    with FileLock(data / "server.lock") as lock:
        try:
            await _until(lambda: _now(lock.try_alone()), _STOP_SECONDS, "The Redis server does not stop.")
        except ConfigError as error:
            progress(str(error))
            return
        if pid is not None:
            await _until(lambda: _now(_has_ended(pid)), _STOP_SECONDS, "The Redis server does not end.")
        _remove_socket(data)


def _remove_socket(data: Path) -> None:
    socket = socket_of(data)
    with suppress(OSError):
        socket.unlink(missing_ok=True)
        if socket.parent != data:
            socket.parent.rmdir()
        (data / "socket").unlink(missing_ok=True)


def _has_ended(pid: int) -> bool:
    """Whether our child has ended; reaps it."""
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:
        return True


def _last_words(log: Path) -> str:
    """Why a server stopped: the end of its log, without dates."""
    with suppress(OSError):
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        return " / ".join(line.partition(" # ")[2] or line for line in lines[-3:])[-_LOG_TAIL:]
    return "it wrote no log."


async def _ping(socket: Path, command: bytes = b"PING\r\n") -> str:
    """The first word of the server's reply to `command`; empty without one."""
    try:
        async with asyncio.timeout(_PING_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(command)
                reply = await reader.readline()
            finally:
                writer.close()
    except OSError:  # absent, refused, too slow
        return ""
    return reply.decode("ascii", "replace").lstrip("+-").split(" ")[0].strip()


async def _now(value: bool) -> bool:
    return value


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float, failure: str) -> None:
    """Wait for a condition; ConfigError with `failure` when it has not come true in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise ConfigError(failure)
        await asyncio.sleep(_POLL_SECONDS)
