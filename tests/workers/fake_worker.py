"""A worker process over the fake sandbox, which tests may kill, freeze, cut off and stop."""

from __future__ import annotations

import argparse
import asyncio
import signal

from tests.workers.building import quick
from tests.workers.fakes import FakeSandbox
from workers.settings import WorkerSettings
from workers.worker import serve


async def worker(redis_url: str, name: str, slots: int, attempts: int) -> None:
    """One worker over a fake sandbox; SIGTERM stops it."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = WorkerSettings(queue=quick(attempts=attempts), grace=0.0)
    await serve(redis_url, FakeSandbox(), slots=slots, name=name, settings=settings, stop=stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("redis_url")
    parser.add_argument("name")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--attempts", type=int, default=2)
    arguments = parser.parse_args()
    asyncio.run(worker(arguments.redis_url, arguments.name, arguments.slots, arguments.attempts))
