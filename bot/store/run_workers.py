"""Which workers are alive, as they say themselves on the queue."""

from __future__ import annotations

import json
from dataclasses import dataclass

from redis.asyncio import Redis

from bot.core.runs import Capability
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_scripts import ask


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
