"""`python -m workers`: a worker that serves runs until it is told to stop."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from importlib.metadata import PackageNotFoundError, version

import click

from bot.config import Settings, configure_logging, settings
from bot.core.errors import ConfigError, Unavailable
from bot.core.runs import Capability
from workers.sandbox.bubblewrap import BubblewrapSandbox
from workers.worker import WorkerSettings, serve


@click.command()
@click.option("--name", default=None, help="Name of this worker; default: host name and process id.")
def main(name: str | None) -> None:
    """Run PyTorch snippets from the queue, each in a jail of its own.

    REDIS_URL names the queue. The worker needs Linux, bubblewrap and the `run` extra (torch).
    """
    try:
        chosen = settings()
        configure_logging(chosen.log)
        if chosen.redis_url is None:
            raise ConfigError("A worker needs REDIS_URL: the Redis that the bot uses, such as redis://localhost:6379/0")
        _end_with_parent()
        asyncio.run(_serve(chosen, chosen.redis_url.get_secret_value(), name))
    except (ConfigError, Unavailable) as error:
        click.echo(f"worker off: {error}")
        sys.exit(1)


async def _serve(chosen: Settings, url: str, name: str | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sandbox = BubblewrapSandbox(
        capability=Capability.CPU, spares=chosen.spares, allow_no_memory_cgroup=chosen.allow_no_memory_cgroup
    )
    await serve(
        url,
        sandbox,
        slots=chosen.spares,
        name=name or f"{os.uname().nodename}-{os.getpid()}",
        settings=WorkerSettings(torch_version=_torch_version()),
        stop=stop,
    )


def _torch_version() -> str:
    """Of the torch that runs will see; asked of its metadata, because this process never imports it."""
    try:
        return version("torch").partition("+")[0]
    except PackageNotFoundError:
        return ""


def _end_with_parent() -> None:
    """When the demo that started us is killed, the kernel tells us to stop too."""
    if os.environ.get("TORCHQUIZ_PARENT") and sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != int(os.environ["TORCHQUIZ_PARENT"]):
            sys.exit(0)


if __name__ == "__main__":
    main()
