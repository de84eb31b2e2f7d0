"""The question of the day: ten thousand channels due at once, a rush of clicks, what an answer weighs, a large board.

The fan-out runs at 200 messages a second, five times what Discord lets a bot send: at 40 it would take minutes. What is
compared is the ratio to the time that the rate allows.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bot.app.daily_pool import Pool
from bot.app.posting import Posting
from bot.bank.load import examine
from bot.core.daily import NewPost, Status
from bot.core.ids import Caller, ChannelId, ItemId, OptionId, Platform, Tenant, UserId
from bot.core.schedule import EVERY_DAY, Mode, Schedule, ScheduleId, post_id
from bot.core.views import View
from bot.store import keys
from bot.store.connect import connected
from bot.store.daily import RedisDailies
from bot.store.gathering import Gathering
from bot.store.schedules import RedisSchedules
from bot.store.scores import RedisScores
from bot.store.server import embedded_server
from bot.store.shared import RedisRate

CHANNELS = 10_000
SLICES = 10
PER_SECOND = 200.0
IDLE_SECONDS = 3.0
"""How long the server is watched at rest."""
REPLICAS = 4
CLICKS = 10_000
POSTS, ANSWERS = 10_000, 100
TENANT = Tenant("d1200000000000000123")


class QuickChat:
    """A platform that takes everything at once and counts."""

    def __init__(self) -> None:
        self.posted: set[str] = set()
        self.doubled = 0
        self.full = asyncio.Event()
        self.sliced = asyncio.Event()

    async def post(self, tenant: Tenant, channel: ChannelId, view: View, key: str) -> str:
        self.doubled += key in self.posted
        self.posted.add(key)
        if len(self.posted) == CHANNELS:
            self.full.set()
        if len(self.posted) % (CHANNELS // SLICES) == 0:
            self.sliced.set()
        return f"m-{key}"

    async def reply(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> str:
        return f"m-{key}"

    async def edit(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> None:
        return None

    async def find(
        self, tenant: Tenant, channel: ChannelId, key: str, since: datetime, thread: str = ""
    ) -> Sequence[str]:
        return [f"m-{key}"] if key in self.posted else []

    async def delete(self, tenant: Tenant, channel: ChannelId, message: str) -> None:
        return None

    async def tell(self, tenant: Tenant, user: UserId, channel: ChannelId, view: View) -> None:
        return None


class Quiet:
    """A log that keeps nothing."""

    def info(self, event: str, **fields: object) -> None: ...

    warning = exception = info


async def measure() -> dict[str, float]:
    """Each figure on a server of its own state."""
    figures: dict[str, float] = {}
    for part in (fan_out, rush, weight, large_board):
        with tempfile.TemporaryDirectory() as folder:
            async with embedded_server(Path(folder)) as url, connected(url) as store:
                figures |= await part(store.commands)
    return figures


async def fan_out(redis: Redis) -> dict[str, float]:
    """How much longer than the rate allows it takes to post everywhere, and what a post adds to the server at rest."""
    schedules, chat = RedisSchedules(redis), QuickChat()
    pool = Pool(examine()[0])
    now = await schedules.now()
    at = now.replace(second=0, microsecond=0)
    for number in range(CHANNELS):
        tenant = Tenant(f"d{1200000000000000000 + number // 20}")
        plan = Schedule(
            ScheduleId("1"),
            tenant,
            ChannelId(str(1300000000000000000 + number)),
            "UTC",
            at.time(),
            at.time(),
            EVERY_DAY,
        )
        day = now.date()
        await schedules.save(
            Schedule(plan.id, tenant, plan.channel, "UTC", plan.at, plan.closes, EVERY_DAY, early=day, since=at),
            now,
            "bench",
            "created",
        )
    idle = await _server_cpu(redis)
    await asyncio.sleep(IDLE_SECONDS)
    idle = (await _server_cpu(redis) - idle) / IDLE_SECONDS
    began = time.perf_counter()
    running = [asyncio.create_task(_replica(redis, pool, chat)) for _ in range(REPLICAS)]
    spent = await _spent(redis, chat, idle)
    took = time.perf_counter() - began
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return {
        "daily_fanout_ratio": took / (CHANNELS / PER_SECOND),
        "daily_fanout_doubled": chat.doubled,
        "daily_redis_us_per_post": min(spent) / (CHANNELS / SLICES) * 1e6,
        "daily_redis_us_per_post_mean": sum(spent) / CHANNELS * 1e6,
        "daily_redis_idle_us_per_second": idle * 1e6,
    }


async def _spent(redis: Redis, chat: QuickChat, idle: float) -> Sequence[float]:
    """Seconds of server CPU for each tenth of the posts, without the `idle` ones that each second takes anyway. The
    least is the cost: neighbours on the machine only ever add to it, by emptying caches."""
    spent = []
    async with asyncio.timeout(5 * CHANNELS / PER_SECOND):
        while not chat.full.is_set():
            cpu, began = await _server_cpu(redis), time.perf_counter()
            await chat.sliced.wait()
            chat.sliced.clear()
            spent.append(await _server_cpu(redis) - cpu - idle * (time.perf_counter() - began))
    return spent


async def _replica(redis: Redis, pool: Pool, chat: QuickChat) -> None:
    async with Gathering(redis) as calls:
        ports = RedisSchedules(calls), RedisDailies(calls), {Platform.DISCORD: chat}, RedisRate(redis)
        await Posting(pool, *ports, Quiet(), per_second=PER_SECOND).run()


async def rush(redis: Redis) -> dict[str, float]:
    """Ten thousand people click at the same moment."""
    dailies = RedisDailies(redis)
    post = await _posted(dailies, await RedisSchedules(redis).now(), 0)
    began = time.perf_counter()
    ended = await asyncio.gather(
        *(dailies.answer(_caller(number), post.id, OptionId("ab"[number % 2])) for number in range(CLICKS)),
        return_exceptions=True,
    )
    took = time.perf_counter() - began
    replies = [reply for reply in ended if not isinstance(reply, BaseException)]
    recorded = sum(reply.status is Status.RECORDED for reply in replies)
    held = await dailies.post(post.tenant, post.id)
    assert held is not None
    return {
        "daily_clicks_unanswered": CLICKS - len(replies),
        "daily_clicks_lost": CLICKS - recorded,
        "daily_clicks_doubled": held.answered - recorded,
        "daily_clicks_per_second": CLICKS / took,
    }


async def weight(redis: Redis) -> dict[str, float]:
    """Bytes of the server for each recorded answer, post included, on a million answers in ten thousand posts.

    One post is answered in the ordinary way, to see that the others, written in bulk, weigh the same.
    """
    client: Any = redis
    dailies = RedisDailies(redis)
    post = await _posted(dailies, await RedisSchedules(redis).now(), 0)
    for number in range(ANSWERS):
        await dailies.answer(_caller(number), post.id, OptionId("a"))
    real = await client.memory_usage(keys.answers(post.tenant, post.id), samples=0)
    fields = await client.hgetall(keys.post(post.tenant, post.id))
    before = (await client.info("memory"))["used_memory"]
    for first in range(0, POSTS, 100):
        pipeline = client.pipeline(transaction=False)
        for number in range(first, first + 100):
            id = f"{1300000000000000000 + number}-20310303-1"
            people = {
                str(1200000000000000000 + (number * 37 + n) * 4194304): 16 + n % 4 + 64 * 10 for n in range(ANSWERS)
            }
            pipeline.hset(keys.answers(TENANT, id), mapping=people)
            pipeline.expire(keys.answers(TENANT, id), 10**7)
            pipeline.hset(keys.post(TENANT, id), mapping=fields)
            pipeline.expire(keys.post(TENANT, id), 10**7)
            pipeline.zadd(keys.posts(TENANT), {id: number})
        await pipeline.execute()
    after = (await client.info("memory"))["used_memory"]
    bulk = await client.memory_usage(keys.answers(TENANT, f"{1300000000000000000}-20310303-1"), samples=0)
    return {
        "daily_bytes_per_answer": (after - before) / (POSTS * ANSWERS),
        "daily_bulk_like_real": bulk / real,
    }


async def large_board(redis: Redis) -> dict[str, float]:
    """Server CPU of a leaderboard among a million against one among a thousand."""
    client: Any = redis
    scores = RedisScores(redis)
    spent: dict[int, float] = {}
    for members in (1_000, 1_000_000):
        channel = f"c{members}"
        for first in range(0, members, 10_000):
            rows = {
                str(1200000000000000000 + n): ((n * 7919 % 5000) << 32) + n % 97
                for n in range(first, min(members, first + 10_000))
            }
            await client.zadd(keys.board(TENANT, channel, "m203103"), rows)
    for _ in range(7):  # the least of several: neighbours on the machine only ever add
        for members in (1_000, 1_000_000):
            callers = [_caller(n * (members // 1000), f"c{members}") for n in range(1000)]
            cpu = await _server_cpu(redis)
            for caller in callers:
                await scores.board(caller, caller.channel, "m203103", 10)
            spent[members] = min(spent.get(members, 1e9), await _server_cpu(redis) - cpu)
    return {"daily_board_cpu_ratio_1m": spent[1_000_000] / spent[1_000]}


async def _server_cpu(redis: Redis) -> float:
    facts = await redis.info("cpu")
    return float(facts["used_cpu_user"]) + float(facts["used_cpu_sys"])


async def _posted(dailies: RedisDailies, now: datetime, number: int) -> NewPost:
    channel = ChannelId(str(1300000000000000000 + number))
    new = NewPost(
        id=post_id(channel, now.date(), ScheduleId("1")),
        tenant=TENANT,
        channel=channel,
        schedule=ScheduleId("1"),
        item=ItemId("quiz-11-q01"),
        round=1,
        right=OptionId("a"),
        order=tuple(map(OptionId, "cadb")),
        topic="attention",
        mode=Mode.INSTANT,
        zone="UTC",
        day=now.date(),
        opens=now,
        closes=now + timedelta(days=1),
    )
    await dailies.record(new, await dailies.bag(TENANT, channel, new.day, ""))
    return new


def _caller(number: int, channel: str = "1300000000000000000") -> Caller:
    return Caller(TENANT, ChannelId(channel), UserId(str(1200000000000000000 + number)), f"player {number}", "")


if __name__ == "__main__":
    for name, value in asyncio.run(measure()).items():
        print(f"{name} {value:.3f}")
