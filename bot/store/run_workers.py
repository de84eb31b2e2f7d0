"""Which workers are alive, as they say themselves on the queue."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from redis.asyncio import Redis

from bot.core.errors import Unavailable
from bot.core.runs import Capability
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_scripts import ask
from bot.store.run_worker_end import Offer, WorkerEnd
from bot.tasks import stop


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A worker that gave a sign within `QueueSettings.worker_lifetime`. `problem` is empty when its sandbox works."""

    name: str
    slots: int
    device: str
    torch_version: str
    problem: str
    fix: str


async def live_workers(
    redis: Redis, capability: Capability, settings: QueueSettings | None = None
) -> tuple[LiveWorker, ...]:
    """The workers of a capability, those with a problem included. Raises Unavailable."""
    lifetime = (settings or QueueSettings()).worker_lifetime
    seconds, microseconds = await ask(redis.time())
    now = seconds + microseconds / 1e6
    found = await ask(redis.hgetall(RunKeys(capability).workers))
    alive = []
    for value in found.values():
        seen, slots, about = value.decode().split(" ", 2)
        if now - int(seen) / 1000 <= lifetime:
            said = json.loads(about)
            alive.append(
                LiveWorker(
                    name=said.get("name", ""),
                    slots=int(slots),
                    device=said.get("device", ""),
                    torch_version=said.get("torch_version", ""),
                    problem=said.get("problem", ""),
                    fix=said.get("fix", ""),
                )
            )
    return tuple(alive)


@asynccontextmanager
async def no_worker_yet(
    redis: Redis, capability: Capability, problem: str, fix: str, settings: QueueSettings | None = None
) -> AsyncIterator[None]:
    """Says on the queue, for as long as the context, why there is no worker and what to do about it."""
    timing = settings or QueueSettings()
    end = WorkerEnd(
        redis, redis, RunKeys(capability), timing, id=f"none-{secrets.token_hex(8)}", name="", device=capability.value
    )
    with suppress(Unavailable):  # it is said again below
        await end.register(Offer(0, problem=problem, fix=fix))
    saying = asyncio.create_task(_repeat(end, Offer(0, problem=problem, fix=fix), timing.worker_lifetime / 3))
    try:
        yield
    finally:
        await stop(saying)
        with suppress(Unavailable):  # it is forgotten by itself
            await end.leave()


async def _repeat(end: WorkerEnd, offer: Offer, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        with suppress(Unavailable):
            await end.register(offer)
