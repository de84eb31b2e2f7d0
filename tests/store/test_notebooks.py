"""Notebooks in Redis: all of a change or nothing, each answer of the log once, whoever is in the way."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ResponseError

from bot.app.local_days import LocalDays
from bot.app.memory import FOLLOW_EVERY, Memory
from bot.core.errors import BadInput, Unavailable
from bot.core.ids import Caller, Tenant, UserId
from bot.core.reviews import Moment, Notebook, Rating, StaleCard, Subject, Tally, rated, seated
from bot.ports import Notebooks
from bot.spacing import space
from bot.store import keys
from bot.store.connect import command_client
from bot.store.memory import MemoryNotebooks, MemoryScores
from bot.store.notebook_wire import fields
from bot.store.notebooks import PAGE, RedisNotebooks
from bot.store.scores import RedisScores
from bot.store.scripts import preload
from tests.app.building import BANK
from tests.app.fakes import FakeClock, FakeLog
from tests.store.building import ITEMS, a_caller, an_answer
from tests.store.proxy import Fate, proxied
from tests.store.test_scripts import WRONG, everything, typeless

UTC_ZONE = ZoneInfo("UTC")
AT = Moment(datetime(2031, 3, 14, 9, tzinfo=UTC), UTC_ZONE)
ADA, BOB = UserId("9223372036854775807"), UserId("9223372036854775806")
FAULTS = 2_000


def a_memory(notebooks: Notebooks, clock: FakeClock | None = None) -> Memory:
    return Memory(BANK, notebooks, space, LocalDays(clock or FakeClock(AT.now), UTC_ZONE), FakeLog())


def a_book(fact: str = "zero-grad", rating: Rating = Rating.WELL) -> Notebook:
    book = seated(Notebook(), "_all", 10, AT.day)
    return rated(book, Subject(fact, "autograd"), rating, 0, 1, AT, space)


async def held(notebooks: Notebooks, tenant: Tenant, user: UserId = ADA) -> Notebook:
    return (await notebooks.read(tenant, [user]))[user]


async def test_a_notebook_is_read_as_it_was_written(redis: Redis, tenant: Tenant) -> None:
    notebooks, book = RedisNotebooks(redis), a_book()

    assert await held(notebooks, tenant) == Notebook()
    assert await notebooks.write(tenant, ADA, Notebook(), book)

    kept = await held(notebooks, tenant)
    assert fields(kept) == fields(book)
    assert await held(notebooks, tenant, BOB) == Notebook()


async def test_what_is_taken_away_is_gone(redis: Redis, tenant: Tenant) -> None:
    notebooks, book = RedisNotebooks(redis), a_book()
    await notebooks.write(tenant, ADA, Notebook(), book)

    assert await notebooks.write(tenant, ADA, book, replace(book, last=None))

    assert (await held(notebooks, tenant)).last is None


async def test_of_two_changes_to_one_notebook_the_second_is_refused_whole(redis: Redis, tenant: Tenant) -> None:
    notebooks = RedisNotebooks(redis)
    assert await notebooks.write(tenant, ADA, Notebook(), a_book())
    before = await everything(redis, tenant)

    assert not await notebooks.write(tenant, ADA, Notebook(), a_book("shape", Rating.BARELY))

    assert before == await everything(redis, tenant)


async def test_a_change_that_is_repeated_writes_nothing(redis: Redis, tenant: Tenant) -> None:
    notebooks = RedisNotebooks(redis)
    await notebooks.write(tenant, ADA, Notebook(), a_book())
    before = await everything(redis, tenant)

    assert not await notebooks.write(tenant, ADA, Notebook(), a_book())

    assert before == await everything(redis, tenant)


@pytest.mark.parametrize("kind", sorted(WRONG.keys() - {"hash"}))
async def test_a_key_of_a_wrong_type_stops_everything_before_anything_is_written(
    redis: Redis, tenant: Tenant, kind: str
) -> None:
    await RedisScores(redis).record_practice(an_answer(a_caller(tenant, ADA)))
    notebooks = RedisNotebooks(redis)
    page = await notebooks.page(tenant)
    changed = {ADA: (Notebook(), a_book()), BOB: (Notebook(), a_book("shape"))}
    for key in (
        keys.notebook(tenant, BOB),
        keys.taken_in(tenant),
        *([keys.opted_out(tenant)] if kind != "set" else ()),
    ):
        await typeless(redis).execute_command(*WRONG[kind](key))
        before = await everything(redis, tenant)

        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await notebooks.take_in(page, changed)

        assert before == await everything(redis, tenant)
        await redis.delete(key)


@pytest.mark.parametrize("damage", ["nonsense", "x" * 10_000, "\x00" * 15])
@pytest.mark.parametrize("field", ["zero-grad", "!1", "<", "#", "=autograd"])
async def test_a_field_that_holds_something_else_stops_the_whole_change(
    redis: Redis, tenant: Tenant, field: str, damage: str
) -> None:
    await redis.hset(keys.notebook(tenant, ADA), field, damage)
    before = await everything(redis, tenant)

    assert not await RedisNotebooks(redis).write(tenant, ADA, Notebook(), a_book())

    assert before == await everything(redis, tenant)


async def test_a_page_is_taken_in_once(redis: Redis, tenant: Tenant) -> None:
    await RedisScores(redis).record_practice(an_answer(a_caller(tenant, ADA)))
    notebooks = RedisNotebooks(redis)
    page = await notebooks.page(tenant)

    assert [(answer.user, answer.item, answer.correct, answer.round) for answer in page.answers] == [
        (ADA, ITEMS[0], True, 1)
    ]
    assert await notebooks.take_in(page, {ADA: (Notebook(), a_book())})
    assert not await notebooks.take_in(page, {BOB: (Notebook(), a_book())})
    assert (await notebooks.page(tenant)).answers == []
    assert await held(notebooks, tenant, BOB) == Notebook()


async def test_a_page_is_refused_when_a_notebook_has_changed(redis: Redis, tenant: Tenant) -> None:
    await RedisScores(redis).record_practice(an_answer(a_caller(tenant, ADA)))
    notebooks = RedisNotebooks(redis)
    page = await notebooks.page(tenant)
    await notebooks.write(tenant, ADA, Notebook(), a_book())

    assert not await notebooks.take_in(page, {ADA: (Notebook(), a_book("shape"))})
    assert len((await notebooks.page(tenant)).answers) == 1


async def test_who_asked_not_to_be_recorded_is_not(redis: Redis, tenant: Tenant) -> None:
    await RedisScores(redis).record_practice(an_answer(a_caller(tenant, ADA)))
    await RedisScores(redis).record_practice(an_answer(a_caller(tenant, BOB)))
    notebooks = RedisNotebooks(redis)
    page = await notebooks.page(tenant)
    await typeless(redis).sadd(keys.opted_out(tenant), ADA)

    assert not await notebooks.take_in(page, {user: (Notebook(), a_book()) for user in (ADA, BOB)})
    with pytest.raises(BadInput, match="asked me not to keep"):
        await notebooks.write(tenant, ADA, Notebook(), a_book())
    assert (await a_memory(notebooks).latest(a_caller(tenant, BOB))).first_tries == Tally(1, 1)
    assert await redis.exists(keys.notebook(tenant, ADA)) == 0


async def test_what_is_no_answer_is_passed_over(redis: Redis, tenant: Tenant) -> None:
    entries: list[dict[str, str]] = [
        {"kind": "practice", "user": ADA, "item": ITEMS[0], "correct": "1", "round": "first"},
        {"kind": "daily", "user": ADA, "item": ITEMS[0] + "\x1f", "correct": "1"},
        {"kind": "void", "post": "c1-20310314-1"},
        {"kind": "practice"},
        {"kind": "practice", "user": ADA, "item": "gone-from-the-bank", "correct": "1", "round": "1"},
    ]
    for entry in entries:
        await typeless(redis).xadd(keys.log(tenant), entry)
    memory = a_memory(RedisNotebooks(redis))

    assert await memory.latest(a_caller(tenant, ADA)) == Notebook()
    assert (await RedisNotebooks(redis).page(tenant)).answers == []


async def test_pages_follow_one_another_to_the_end_of_the_log(redis: Redis, tenant: Tenant) -> None:
    scores = RedisScores(redis)
    people = PAGE // 5
    for person in range(people):
        for item in ITEMS:
            await scores.record_practice(an_answer(a_caller(tenant, f"p{person}"), item))

    memory = a_memory(RedisNotebooks(redis))
    for person in range(people):
        book = await memory.latest(a_caller(tenant, f"p{person}"))
        assert book.first_tries == Tally(len(ITEMS), len(ITEMS))


async def test_a_rating_is_two_round_trips_and_the_reply_to_an_answer_none(
    redis: Redis, redis_url: str, tenant: Tenant, tmp_path: Path
) -> None:
    await preload(redis)
    async with proxied(redis_url, tmp_path) as (url, proxy):
        client = command_client(url)
        await typeless(client).ping()
        clock = FakeClock(AT.now)
        memory, caller = a_memory(RedisNotebooks(client), clock), a_caller(tenant, ADA)
        before = proxy.requests
        await memory.change(caller, lambda book: rated(book, Subject("a", "t"), Rating.WELL, 0, 0, AT, space))
        trips = proxy.requests - before
        for _ in range(10):
            await memory.follow(tenant)
        at_once = proxy.requests - before - trips
        clock.at += FOLLOW_EVERY
        await memory.follow(tenant)
        await client.aclose()

    assert trips == 2
    assert at_once == 0
    assert proxy.requests == before + trips + 1


async def rate_until_it_counts(memory: Memory, caller: Caller, subject: Subject, rating: Rating, version: int) -> None:
    """Press the button again as long as the bot says "try again"."""
    while True:
        try:
            await memory.change(caller, lambda book: rated(book, subject, rating, version, 0, AT, space))
        except Unavailable:
            continue
        except StaleCard:
            pytest.fail("a button that fitted no longer fits")
        return


async def test_network_faults_lose_no_rating_and_double_none(
    redis: Redis, redis_url: str, tenant: Tenant, tmp_path: Path
) -> None:
    dice = random.Random(5)
    fates = [Fate.PASS] * 2 + [Fate.LOST, Fate.UNANSWERED, Fate.UNANSWERED, Fate.TORN]
    async with proxied(redis_url, tmp_path, lambda: dice.choice(fates)) as (url, proxy):
        retry = Retry(ExponentialWithJitterBackoff(cap=0.002, base=0.0005), 3)
        pool = BlockingConnectionPool.from_url(url, max_connections=16, timeout=5, driver_info=None, retry=retry)
        client = Redis.from_pool(pool)
        memory = a_memory(RedisNotebooks(client))
        rounds = Counter[str]()

        async def rate_until_enough(person: str) -> None:
            caller, subject = a_caller(tenant, person), Subject("zero-grad", "autograd")
            while proxy.faults < FAULTS:
                version = rounds[person]
                await rate_until_it_counts(memory, caller, subject, Rating.WELL, version)
                rounds[person] += 1

        people = [f"p{number}" for number in range(8)]
        await asyncio.gather(*map(rate_until_enough, people))
        await client.aclose()

    assert proxy.faults >= FAULTS
    for person in people:
        book = await held(RedisNotebooks(redis), tenant, UserId(person))
        assert book.card("zero-grad").version == rounds[person]
        assert book.topics == {"autograd": Tally(rounds[person], rounds[person])}


async def test_followers_that_fail_and_race_take_in_every_answer_once(
    redis: Redis, redis_url: str, tenant: Tenant, tmp_path: Path
) -> None:
    """Answers, ratings and three replicas that follow the log at once, over a network that loses a third."""
    dice = random.Random(7)
    fates = [Fate.PASS] * 4 + [Fate.LOST, Fate.UNANSWERED]
    people = [UserId(f"p{number}") for number in range(6)]
    scores = RedisScores(redis)
    subject = Subject("a-fact-of-no-quiz", "losses")
    async with proxied(redis_url, tmp_path, lambda: dice.choice(fates)) as (url, _):
        pool = BlockingConnectionPool.from_url(
            url, max_connections=16, timeout=5, driver_info=None, retry=Retry(ExponentialWithJitterBackoff(), 0)
        )
        client = Redis.from_pool(pool)
        memory = a_memory(RedisNotebooks(client))

        async def answers(person: UserId) -> None:
            for number, item in enumerate(ITEMS):
                await scores.record_practice(an_answer(a_caller(tenant, person), item, correct=number % 3 > 0))
                await rate_until_it_counts(memory, a_caller(tenant, person), subject, Rating.WELL, number)

        async def follows() -> None:
            for _ in range(30):
                try:
                    await memory.latest(a_caller(tenant, dice.choice(people)))
                except Unavailable:
                    await asyncio.sleep(0)

        await asyncio.gather(*map(answers, people), follows(), follows(), follows())
        await client.aclose()

    whole = a_memory(RedisNotebooks(redis))
    for person in people:
        book = await whole.latest(a_caller(tenant, person))
        asked = sum(tally.asked for topic, tally in book.topics.items() if topic != "losses")
        assert book.first_tries == Tally(6, 10)
        assert asked == 10
        assert book.topics["losses"] == Tally(10, 10)


async def test_the_same_story_reads_the_same_in_memory_and_in_redis(redis: Redis, tenant: Tenant) -> None:
    clock = FakeClock(AT.now)
    kept_scores, scores = RedisScores(redis), MemoryScores()
    kept = a_memory(RedisNotebooks(redis, clock), clock)
    remembered = a_memory(MemoryNotebooks(scores, clock), clock)
    caller = a_caller(tenant, ADA)
    for number, item in enumerate(ITEMS):
        for each in (kept_scores, scores):
            await each.record_practice(an_answer(caller, item, correct=number % 2 > 0))
        for memory in (kept, remembered):
            await memory.latest(caller)
            await rate_until_it_counts(memory, caller, Subject("x", "y"), Rating.BARELY, number)

    assert fields(await kept.latest(caller)) == fields(await remembered.latest(caller))


async def test_a_notebook_that_everyone_writes_to_is_unavailable_in_the_end(redis: Redis, tenant: Tenant) -> None:
    notebooks = RedisNotebooks(redis)

    async def beaten(*_: object) -> bool:
        return False

    notebooks.write = beaten  # type: ignore[method-assign, assignment]

    with pytest.raises(Unavailable, match="Try again"):
        await a_memory(notebooks).change(a_caller(tenant), lambda book: seated(book, "_all", 10, AT.day))


async def test_a_server_that_is_down_is_unavailable_and_following_it_is_quiet(tmp_path: Path, tenant: Tenant) -> None:
    client = command_client(f"unix://{tmp_path / 'nothing.sock'}")
    notebooks, log = RedisNotebooks(client), FakeLog()
    calls: dict[str, Callable[[], Any]] = {
        "read": lambda: notebooks.read(tenant, [ADA]),
        "write": lambda: notebooks.write(tenant, ADA, Notebook(), a_book()),
        "page": lambda: notebooks.page(tenant),
    }
    for call in calls.values():
        with pytest.raises(Unavailable):
            await call()
    clock = FakeClock(AT.now)
    memory = Memory(BANK, notebooks, space, LocalDays(clock, UTC_ZONE), log)
    await memory.follow(tenant)
    clock.at += FOLLOW_EVERY
    await memory.follow(tenant)
    await client.aclose()

    assert log.events == [("notebooks.behind", {"tenant": tenant})]


def test_all_keys_of_a_change_share_one_slot() -> None:
    made = (keys.notebook("d{1}", "u{x}"), keys.taken_in("d{1}"), keys.log("d{1}"))

    assert {"d%7B1%7D"} == {key[key.index("{") + 1 : key.index("}")] for key in made}


async def test_a_hundred_cards_weigh_less_than_four_kilobytes(redis: Redis, tenant: Tenant) -> None:
    book = Notebook()
    for number in range(100):
        book = rated(book, Subject(f"a-fact-of-usual-length-{number}", "autograd"), Rating.WELL, 0, 0, AT, space)
    await RedisNotebooks(redis).write(tenant, ADA, Notebook(), book)

    assert await typeless(redis).memory_usage(keys.notebook(tenant, ADA), samples=0) < 6_000
