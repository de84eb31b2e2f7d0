"""What spaced repetition costs: an answer with and without it, a rating against its bare round trips, bytes a card."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from redis.asyncio import Redis

from bench.answer_path import BANK, CALLERS, throughput, work
from bot.app.commands import Commands
from bot.app.local_days import LocalDays
from bot.app.memory import Memory
from bot.app.quiz import Quizzes
from bot.app.reviews import Reviews
from bot.bootstrap import SystemClock
from bot.core.actions import Answer, RateCard
from bot.core.ids import Caller, ChannelId, Tenant, UserId
from bot.core.reviews import Moment, Notebook, Rating, Subject, rated
from bot.ports import PracticeAnswer
from bot.spacing import space
from bot.store import keys
from bot.store.connect import connected
from bot.store.notebooks import RedisNotebooks
from bot.store.scores import RedisScores
from bot.store.scripts import script
from bot.store.server import embedded_server

ROUNDS = 21
CARDS = 100
ZONE = ZoneInfo("UTC")
DAYS = LocalDays(SystemClock(), ZONE)
Call = Callable[[Any], Awaitable[object]]


async def measure() -> dict[str, float]:
    """Ratios of throughputs (1.0: memory costs nothing), microseconds to take an answer in, bytes a card."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_server(Path(folder)) as url, connected(url) as store:
            redis = store.commands
            memory = Memory(BANK, RedisNotebooks(redis), space, DAYS, structlog.get_logger())
            return {
                "memory_answer_ratio": await answer_ratio(redis, memory),
                "memory_rating_ratio": await rating_ratio(redis, memory),
                "memory_us_per_answer_taken_in": await taken_in(redis, memory),
                "memory_bytes_per_card": await bytes_per_card(redis),
            }


async def answer_ratio(redis: Redis, memory: Memory) -> float:
    """Answers through the command table with memory following, against the same without it, in turns."""
    quizzes = Quizzes(BANK, RedisScores(redis), DAYS)

    def path(commands: Commands) -> Call:
        async def answer(one: PracticeAnswer) -> object:
            action = Answer(one.item, one.option, one.round)
            return [reply async for reply in commands.act(one.caller, action, {})]

        return answer

    followed, alone = path(Commands(quizzes, follow=memory.follow)), path(Commands(quizzes))
    return await _ratio(followed, alone, work)


async def rating_ratio(redis: Redis, memory: Memory) -> float:
    """A rating with the card that follows it, against its two bare round trips."""
    reviews, client, sha = Reviews(BANK, memory, space), redis, script("notebook_write").sha
    items = list({item.fact: item for item in BANK.items.values() if item.kind == "flashcard"}.values())[:10]

    async def rate(press: tuple[Caller, RateCard]) -> object:
        return await reviews.rate(*press)

    async def bare(press: tuple[Caller, RateCard]) -> object:
        commands: Any = client
        key = keys.notebook(press[0].tenant, press[0].user)
        await commands.hgetall(key)
        cells = (1, press[0].user, 1, press[1].item, "", b"0" * 16)
        return await commands.execute_command("EVALSHA", sha, 2, keys.opted_out(press[0].tenant), key, *cells)

    def presses() -> list[list[tuple[Caller, RateCard]]]:
        tenant = Tenant(f"d{uuid.uuid4().int}")
        people = [Caller(tenant, ChannelId("c"), UserId(f"{number}"), "x", "") for number in range(CALLERS)]
        return [[(person, RateCard(item.id, 4, 0, 0)) for item in items] for person in people]

    return await _ratio(rate, bare, presses)


async def _ratio(ours: Call, theirs: Call, load: Callable[[], Sequence[Sequence[Any]]]) -> float:
    ratios = []
    for number in range(-1, ROUNDS):
        order = (ours, theirs) if number % 2 else (theirs, ours)
        rates = {call: await throughput(call, load()) for call in order}
        if number >= 0:  # the first round opens the connections
            ratios.append(rates[ours] / rates[theirs])
    return statistics.median(ratios)


async def taken_in(redis: Redis, memory: Memory) -> float:
    """Microseconds for one answer of the log, all in: read, spaced, written."""
    scores, answers = RedisScores(redis), [one for each in work() for one in each]
    for one in answers:
        await scores.record_practice(one)
    begin = time.perf_counter()
    await memory.latest(answers[0].caller)
    return (time.perf_counter() - begin) / len(answers) * 1e6


async def bytes_per_card(redis: Redis) -> float:
    """Memory of a notebook with a hundred cards, shared out among them."""
    tenant, user, book = Tenant("dbytes"), UserId("1200000000000000123"), Notebook()
    facts = list(dict.fromkeys(item.fact for item in BANK.items.values()))[:CARDS]
    for fact in facts:
        book = rated(book, Subject(fact, "autograd"), Rating.WELL, 0, 0, Moment(datetime.now(UTC), ZONE), space)
    await RedisNotebooks(redis).write(tenant, user, Notebook(), book)
    client: Any = redis
    return float(await client.memory_usage(keys.notebook(tenant, user), samples=0)) / CARDS


if __name__ == "__main__":
    for name, value in asyncio.run(measure()).items():
        print(f"{name} {value:.3f}")
