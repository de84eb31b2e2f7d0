from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.core.ids import Tenant
from bot.core.periods import buckets
from bot.store import keys
from bot.store.connect import command_client
from bot.store.scores import RedisScores
from bot.store.scripts import Script, all_scripts, preload
from tests.store.building import DAY, ITEMS, MONTH, a_caller, an_answer
from tests.store.proxy import proxied

WRONG: dict[str, Callable[[str], tuple[str, ...]]] = {
    "string": lambda key: ("SET", key, "x"),
    "list": lambda key: ("RPUSH", key, "x"),
    "set": lambda key: ("SADD", key, "x"),
    "hash": lambda key: ("HSET", key, "x", "x"),
    "zset": lambda key: ("ZADD", key, "1", "x"),
    "stream": lambda key: ("XADD", key, "*", "x", "x"),
}


def touched(tenant: Tenant) -> dict[str, str]:
    """Every key that an answer touches, with its right type."""
    user = a_caller(tenant).user
    boards = [keys.board(tenant, scope, bucket.label) for scope in ("c1", "t") for bucket in buckets(DAY)]
    fixed = {keys.practice(tenant, user): "hash", keys.names(tenant): "hash", keys.log(tenant): "stream"}
    return fixed | dict.fromkeys(boards, "zset")


def typeless(redis: Redis) -> Any:
    """Commands whose types redis-py does not tell."""
    return redis


async def everything(redis: Redis, tenant: Tenant) -> dict[bytes, bytes | None]:
    return {
        key: await redis.dump(key) async for key in typeless(redis).scan_iter(match=f"q1:{{{tenant}}}*", count=1000)
    }


async def test_a_key_of_a_wrong_type_stops_an_answer_before_anything_is_written(redis: Redis, tenant: Tenant) -> None:
    for key, right in touched(tenant).items():
        for kind in WRONG.keys() - {right}:
            await typeless(redis).execute_command(*WRONG[kind](key))
            before = await everything(redis, tenant)

            with pytest.raises(ResponseError, match="WRONGTYPE"):
                await RedisScores(redis).record_practice(an_answer(a_caller(tenant)))

            assert before == await everything(redis, tenant)
            await redis.delete(key)


@pytest.mark.parametrize("field", [f"n:11 {ITEMS[0]}", f"a:{ITEMS[0]}", f"r:{ITEMS[0]}", "days", "n:11"])
@pytest.mark.parametrize(
    "value", ["", "nonsense", "1:a:1", "x" * 10_000, "-1", "1e400", "20310314=99999999999999999999"]
)
async def test_a_damaged_practice_hash_never_leaves_an_answer_half_written(
    redis: Redis, tenant: Tenant, field: str, value: str
) -> None:
    caller = a_caller(tenant)
    await redis.hset(keys.practice(tenant, caller.user), field, value)

    recorded = await RedisScores(redis).record_practice(an_answer(caller))

    logged = await redis.xlen(keys.log(tenant))
    members = [await redis.zcard(key) for key, kind in touched(tenant).items() if kind == "zset"]
    assert ((0, [0] * len(members)) if recorded.stale else (1, [1] * len(members))) == (logged, members)


async def test_a_retry_writes_nothing(redis: Redis, tenant: Tenant) -> None:
    answer = an_answer(a_caller(tenant))
    await RedisScores(redis).record_practice(answer)
    before = await everything(redis, tenant)

    await RedisScores(redis).record_practice(answer)

    assert before == await everything(redis, tenant)


async def test_boards_expire_as_their_periods_say(redis: Redis, tenant: Tenant) -> None:
    await RedisScores(redis).record_practice(an_answer(a_caller(tenant)))

    for scope in ("c1", "t"):
        for bucket in buckets(DAY):
            expires = int(bucket.expires.timestamp()) if bucket.expires else -1
            assert expires == await redis.expiretime(keys.board(tenant, scope, bucket.label))


async def test_an_answer_for_a_board_that_has_expired_still_reports_its_rank(redis: Redis, tenant: Tenant) -> None:
    recorded = await RedisScores(redis).record_practice(an_answer(a_caller(tenant), day=DAY.replace(year=2001)))

    assert (recorded.total, recorded.rank) == (1, 1)
    assert await redis.exists(keys.board(tenant, "c1", "m200103")) == 0


async def test_the_log_holds_what_the_boards_are_made_of(redis: Redis, tenant: Tenant) -> None:
    await RedisScores(redis).record_practice(an_answer(a_caller(tenant, "2" * 19)))
    ((_, entry),) = await typeless(redis).xrange(keys.log(tenant))

    assert {
        b"kind": b"practice",
        b"user": b"2" * 19,
        b"channel": b"c1",
        b"quiz": b"11",
        b"round": b"1",
        b"item": ITEMS[0].encode(),
        b"option": b"a",
        b"correct": b"1",
        b"points": b"1",
        b"day": b"20310314",
    } == entry


async def test_ranks_are_shared_only_with_the_same_tie_break(redis: Redis, tenant: Tenant) -> None:
    scores = {"a": (5 << 32) + 7, "b": (5 << 32) + 7, "c": 5 << 32, "d": 2**53 - 1}
    await redis.zadd(keys.board(tenant, "c1", MONTH), scores)

    page = await RedisScores(redis).board(a_caller(tenant, "c"), "c1", MONTH, 10)

    assert [(r.user, r.points, r.rank) for r in page.top] == [
        ("d", 2**21 - 1, 1),
        ("b", 5, 2),
        ("a", 5, 2),
        ("c", 5, 4),
    ]


async def test_every_call_is_one_round_trip(redis: Redis, redis_url: str, tenant: Tenant, tmp_path: Path) -> None:
    await preload(redis)
    async with proxied(redis_url, tmp_path) as (url, proxy):
        client = command_client(url)
        scores, caller = RedisScores(client), a_caller(tenant)
        await typeless(client).ping()
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "first answer": lambda: scores.record_practice(an_answer(caller)),
            "repeated answer": lambda: scores.record_practice(an_answer(caller)),
            "progress": lambda: scores.progress(caller, "11", ITEMS),
            "board": lambda: scores.board(caller, "c1", MONTH, 10),
            "restart": lambda: scores.restart(caller, "11", ITEMS, 1),
        }
        trips = {}
        for name, call in calls.items():
            before = proxy.requests
            await call()
            trips[name] = proxy.requests - before
        await client.aclose()

    assert dict.fromkeys(calls, 1) == trips


async def test_a_server_that_forgot_the_scripts_is_told_again(redis: Redis, tenant: Tenant) -> None:
    await redis.script_flush()

    recorded = await RedisScores(redis).record_practice(an_answer(a_caller(tenant)))

    assert recorded.first


async def test_preloading_makes_every_script_known(redis: Redis) -> None:
    await preload(redis)

    assert all(await redis.script_exists(*(step.sha for step in all_scripts())))


@pytest.mark.parametrize("step", all_scripts(), ids=lambda step: step.name)
def test_a_script_says_what_it_takes_and_returns_and_spares_redis_7_0(step: Script) -> None:
    source = step.source.decode()
    header = "\n".join(line for line in source.splitlines() if line.startswith("--"))

    for word in ("KEYS", "ARGV", "Returns"):
        assert word in header
    newer = re.findall(r"WITHSCORE\b|HEXPIRE|WAITAOF|HGETEX|HSETEX|XDELEX|XACKDEL|MSETEX|CLIENT NO-TOUCH", source)
    assert newer == []


def test_all_keys_of_a_tenant_share_one_slot() -> None:
    user = a_caller(Tenant("d{1}"))
    made = [
        keys.practice(user.tenant, "u{x}"),
        keys.names(user.tenant),
        keys.log(user.tenant),
        keys.board(user.tenant, "{c}", "a"),
    ]

    assert {"d%7B1%7D"} == {key[key.index("{") + 1 : key.index("}")] for key in made}


@pytest.mark.parametrize("bad", ["", "a\nb", "a\x00", "\x7f", "\ud800", "x" * 201, "\u2028"])
def test_what_cannot_be_an_id_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="not an id"):
        keys.practice(Tenant("d1"), bad)


def test_escaped_ids_stay_distinct() -> None:
    assert len({keys.part(name) for name in ("{", "%7B", "%257B", "%")}) == 4


async def test_no_channel_can_pass_for_the_whole_tenant(redis: Redis, tenant: Tenant) -> None:
    with pytest.raises(ValueError, match="whole tenant"):
        await RedisScores(redis).record_practice(an_answer(a_caller(tenant, channel="t")))
