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
from workers.limits import LIMITS
from workers.sandbox.base import Sandbox, SandboxUnavailable
from workers.sandbox.bubblewrap import BubblewrapSandbox
from workers.sandbox.gpu import GpuSandbox
from workers.sandbox.gpu_watch import DriverWatch
from workers.settings import WorkerSettings
from workers.worker import serve


@click.command(context_settings={"max_content_width": 100})
@click.option("--name", default=None, help="Name of this worker; default: host name and process id.")
@click.option(
    "--device",
    default=None,
    metavar="DEVICE",
    help="cpu (the default), or one GPU for `/run gpu`: cuda:0, GPU-<uuid> or MIG-<uuid>. Also TORCHQUIZ_DEVICE.",
)
@click.option(
    "--check-gpu",
    is_flag=True,
    help="Try the GPU, with and without the jail, print one JSON object and end. Needs no Redis.",
)
def main(name: str | None, device: str | None, check_gpu: bool) -> None:
    """Run PyTorch snippets from the queue, each in a jail of its own.

    REDIS_URL names the queue. The worker needs Linux, bubblewrap and the `run` extra (torch). A worker that cannot
    build its jail stays online, says why, and tries again.

    \b
    Exit status: 0 stopped in order; 1 a setting is wrong or Redis is away.
    With --check-gpu: 0 everything holds; 1 something does not; 2 no CUDA device to check;
    3 everything that ran holds, but something was skipped (the JSON says what and why).
    The same check without our dependencies: python -m workers.check_gpu
    """
    if check_gpu:
        from workers.check_gpu import main as check

        sys.exit(check([device] if device else []))
    try:
        chosen = settings()
        configure_logging(chosen.log)
        if chosen.redis_url is None:
            raise ConfigError("A worker needs REDIS_URL: the Redis that the bot uses, such as redis://localhost:6379/0")
        _end_with_parent()
        asyncio.run(_serve(chosen, chosen.redis_url.get_secret_value(), name, device or chosen.device))
    except (ConfigError, Unavailable) as error:
        click.echo(f"worker off: {error}")
        sys.exit(1)


async def _serve(chosen: Settings, url: str, name: str | None, device: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sandbox: Sandbox
    if device == "cpu":
        sandbox = BubblewrapSandbox(spares=chosen.spares, allow_no_memory_cgroup=chosen.allow_no_memory_cgroup)
        slots, shown = chosen.spares, "cpu"
    else:
        sandbox, slots, shown = GpuSandbox(device), 1, await _card_name(device)
    await serve(
        url,
        sandbox,
        slots=slots,
        name=name or f"{os.uname().nodename}-{os.getpid()}",
        settings=WorkerSettings(limits=LIMITS[sandbox.capability], device=shown, torch_version=_torch_version()),
        stop=stop,
    )


async def _card_name(device: str) -> str:
    """What the driver calls it; the sandbox itself will say what is wrong when it does not answer."""
    watch = DriverWatch(device)
    try:
        return (await watch.card()).name
    except SandboxUnavailable:
        return device
    finally:
        await watch.close()


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
