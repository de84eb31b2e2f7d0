"""Tokens of Slack workspaces rest encrypted, under keys that can be changed; who leaves is forgotten."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from redis.asyncio import Redis

from bot.core.errors import ConfigError, Unavailable
from bot.core.ids import ChannelId, Platform, Tenant
from bot.core.schedule import Schedule
from bot.store import keys
from bot.store.connect import command_client
from bot.store.daily import RedisDailies
from bot.store.erase import erase_tenant
from bot.store.schedules import RedisSchedules
from bot.store.scores import RedisScores
from bot.store.slack_installations import RedisInstallations
from tests.redis_server import lonely, lonely_url
from tests.store.building import a_caller, an_answer
from tests.store.contents import content, everything
from tests.store.daily_building import HandClock, a_post, a_schedule, answer, sent

__all__ = ["lonely", "lonely_url"]

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
T1, T2, T10 = Tenant("sT1"), Tenant("sT2"), Tenant("sT10")
RECORD = '{"token":"xoxb-canary-1","refresh":"xoxe-canary-2"}'


def installations(redis: Redis, *secrets: str, clock: HandClock | None = None) -> RedisInstallations:
    return RedisInstallations(redis, secrets or (OLD,), clock or HandClock())


async def test_a_record_comes_back_as_it_was(lonely: Redis) -> None:
    store = installations(lonely)
    await store.save(T1, RECORD)
    await store.save(T2, "another ü")
    await store.save(T1, RECORD)

    assert [RECORD, "another ü", None] == [await store.find(tenant) for tenant in (T1, T2, T10)]


async def test_nothing_of_a_record_can_be_read_at_rest(lonely: Redis) -> None:
    store = installations(lonely)
    await store.save(T1, RECORD)
    await store.check()

    held = await everything(lonely)
    assert len(held) > 100
    assert not any(secret in held for secret in (b"canary", b"token", b"xoxb", OLD.encode()))


async def test_a_record_cannot_be_put_in_another_workspaces_place(lonely: Redis) -> None:
    store = installations(lonely)
    await store.save(T1, RECORD)
    redis: Any = lonely
    await redis.hset(keys.INSTALLATIONS, T2, await redis.hget(keys.INSTALLATIONS, T1))

    with pytest.raises(Unavailable, match="SLACK_INSTALLATION_KEYS"):
        await store.find(T2)


async def test_a_wrong_key_is_told_at_the_start_and_shows_no_secret(lonely: Redis) -> None:
    await installations(lonely).check()

    with pytest.raises(ConfigError, match="SLACK_INSTALLATION_KEYS does not read") as told:
        await installations(lonely, NEW).check()
    assert OLD not in str(told.value)
    assert NEW not in str(told.value)


@pytest.mark.parametrize("secrets", [("",), ("short",), (OLD, "xoxb-canary")])
def test_what_is_no_key_is_told_with_the_way_to_make_one(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=f"key {len(secrets)} is no key. Make one with: torchquiz slack-key") as told:
        RedisInstallations(command_client("redis://127.0.0.1:1"), secrets, HandClock())
    assert "canary" not in str(told.value)


async def test_records_move_to_the_newest_key_and_the_old_one_can_go(lonely: Redis) -> None:
    await installations(lonely, OLD).save(T1, RECORD)
    await installations(lonely, OLD).check()

    await installations(lonely, NEW, OLD).check()
    await installations(lonely, NEW, OLD).check()
    newest = installations(lonely, NEW)
    await newest.check()

    assert await newest.find(T1) == RECORD
    with pytest.raises(Unavailable):
        await installations(lonely, OLD).find(T1)


async def test_a_token_that_was_renewed_while_keys_change_is_not_set_back(lonely: Redis) -> None:
    old = installations(lonely, OLD)
    await old.save(T1, "first")
    redis: Any = lonely
    seen = await redis.hget(keys.INSTALLATIONS, T1)
    await old.save(T1, "renewed")

    await installations(lonely, NEW, OLD)._renewed(T1, seen)

    assert await installations(lonely, NEW, OLD).find(T1) == "renewed"


async def test_a_renewed_record_does_not_bring_a_workspace_back_that_left(lonely: Redis) -> None:
    store = installations(lonely)
    await store.save(T1, "first")
    await store.renew(T1, "second")
    assert await store.find(T1) == "second"
    await store.delete(T1)
    await store.renew(T1, "third")

    assert await store.find(T1) is None


# ---- leaving


async def lived_in(redis: Redis, tenant: Tenant, clock: HandClock) -> Schedule:
    """A workspace with scores, a schedule, a question and an answer."""
    schedules, dailies = RedisSchedules(redis, clock), RedisDailies(redis, clock)
    await RedisScores(redis).record_practice(an_answer(a_caller(tenant)))
    saved = await schedules.save(a_schedule(tenant), clock.at + timedelta(hours=1), "Ada (U1)", "created")
    await schedules.new_id(tenant, ChannelId("c1"))
    post = await sent(dailies, a_post(tenant))
    await answer(dailies, post, "u1")
    return saved


async def mentioning(redis: Any, tenant: Tenant) -> list[bytes]:
    """The keys that belong to a tenant or name it."""
    names_it = re.compile(rb"(?<!\w)" + tenant.encode() + rb"(?!\d)")
    return [key async for key in redis.scan_iter() if names_it.search(await content(redis, key))]


async def test_a_workspace_that_left_loses_its_tokens_at_once_and_its_scores_after_a_month(lonely: Redis) -> None:
    clock = HandClock()
    store = installations(lonely, clock=clock)
    for tenant in (T1, T10):
        await store.save(tenant, RECORD)
        await lived_in(lonely, tenant, clock)

    await store.delete(T1)
    await store.delete(T1)
    assert await store.find(T1) is None
    clock.at += timedelta(days=29)
    assert await store.erase_left() == []
    assert await RedisSchedules(lonely, clock).of_tenant(T1)
    clock.at += timedelta(days=2)
    assert await store.erase_left() == [T1]

    assert await mentioning(lonely, T1) == []
    assert len(await RedisSchedules(lonely, clock).of_tenant(T10)) == 1
    assert await store.find(T10) == RECORD
    assert await store.erase_left() == []
    assert len(await RedisSchedules(lonely, clock).next_at([Platform.SLACK])) == 1


async def test_a_workspace_that_comes_back_finds_all_as_it_was(lonely: Redis) -> None:
    clock = HandClock()
    store = installations(lonely, clock=clock)
    saved = await lived_in(lonely, T1, clock)
    await store.delete(T1)
    clock.at += timedelta(days=20)
    await store.save(T1, RECORD)
    clock.at += timedelta(days=20)

    assert await store.erase_left() == []
    assert list(await RedisSchedules(lonely, clock).of_tenant(T1)) == [saved]


async def test_an_interrupted_removal_goes_on_and_one_that_is_called_off_stops(lonely: Redis) -> None:
    clock = HandClock()
    await lived_in(lonely, T1, clock)
    for number in range(1200):
        await lonely.set(keys.of(T1, "pr", f"u{number}"), "x")
    answers = iter([True, True, False])

    async def going() -> bool:
        return next(answers, True)

    assert not await erase_tenant(lonely, T1, going)
    left = len(await mentioning(lonely, T1))
    assert 0 < left < 1200
    assert await erase_tenant(lonely, T1, going)
    assert await mentioning(lonely, T1) == []


async def test_a_strange_name_removes_nothing_else(lonely: Redis) -> None:
    clock = HandClock()
    await lived_in(lonely, T1, clock)
    before = await lonely.dbsize()

    async def going() -> bool:
        return True

    await erase_tenant(lonely, Tenant("s*"), going)
    await erase_tenant(lonely, Tenant("s[A-Z]?"), going)

    assert await lonely.dbsize() == before


async def test_a_store_that_is_away_is_told_as_that() -> None:
    store = installations(command_client("redis://127.0.0.1:1"))

    for step in (
        store.save(T1, RECORD),
        store.renew(T1, RECORD),
        store.find(T1),
        store.delete(T1),
        store.check(),
        store.erase_left(),
    ):
        with pytest.raises(Unavailable):
            await step
