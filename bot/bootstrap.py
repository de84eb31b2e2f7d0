"""Builds the object graph: the only place that knows which store, which bank and which clock are in use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.asyncio import Redis

from bot.app.commands import Commands
from bot.app.deliveries import Deliveries
from bot.app.desk import Desk
from bot.app.leaderboard import Leaderboards
from bot.app.quiz import Quizzes
from bot.app.runs import Runs
from bot.app.study import Study
from bot.config import Settings
from bot.core.actions import Codec
from bot.core.bank import Bank
from bot.core.runs import Capability
from bot.ports import Log, RunQueue
from bot.store.connect import connected, signing_key
from bot.store.run_queue import RedisRunQueue
from bot.store.run_workers import LiveWorker, live_workers
from bot.store.scores import RedisScores
from bot.store.server import redis_server
from bot.store.shared import RedisOnce, RedisRate


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The current time in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Store:
    """A store in use, with what stands on it."""

    url: str
    queue: RedisRunQueue
    scores: RedisScores
    signing_key: bytes
    warnings: tuple[str, ...]
    redis: Redis

    async def workers(self, capability: Capability = Capability.CPU) -> tuple[LiveWorker, ...]:
        """The workers that are alive. Raises Unavailable."""
        return await live_workers(self.redis, capability)

    def once(self) -> RedisOnce:
        """Which deliveries were handled, over all replicas."""
        return RedisOnce(self.redis)

    def rate(self) -> RedisRate:
        """The rates that all replicas share."""
        return RedisRate(self.redis)


@asynccontextmanager
async def open_store(settings: Settings, progress: Callable[[str], None]) -> AsyncIterator[Store]:
    """The Redis that the settings name, or our own. Raises ConfigError or Unavailable with what to do."""
    given = settings.redis_url.get_secret_value() if settings.redis_url else None
    async with (
        redis_server(given, settings.home, progress=progress) as url,
        connected(url) as connection,
        RedisRunQueue(connection.commands, connection.blocking) as queue,
    ):
        own_key = settings.signing_key.get_secret_value().encode() if settings.signing_key else None
        yield Store(
            url=url,
            queue=queue,
            scores=RedisScores(connection.commands),
            signing_key=own_key or await signing_key(connection.commands),
            warnings=connection.warnings,
            redis=connection.commands,
        )


def build_desk(settings: Settings, store: Store, log: Log, queue: RunQueue, bank: Bank) -> Desk:
    """The front desk over a store. `queue` is the store's own, or one that waits for its worker."""
    clock, zone = SystemClock(), settings.zone_info()
    runs = Runs(bank, queue)
    commands = Commands(
        Quizzes(bank, store.scores, clock, zone),
        Study(bank, clock, zone),
        Leaderboards(store.scores, clock, zone),
        runs,
    )
    return Desk(commands, Deliveries(queue, runs, log), Codec(store.signing_key), clock, log)
