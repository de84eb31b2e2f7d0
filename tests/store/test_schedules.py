"""Claims, marks and fences: who may send a question, and what is known when someone dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from redis.asyncio import Redis

from bot.core.daily import Claim, Later, Task
from bot.core.errors import BadInput
from bot.core.ids import ChannelId, Platform, Tenant, UserId
from bot.core.schedule import Content, Mode, Schedule, ScheduleId
from bot.store import keys
from bot.store.schedule_wire import document, schedule_of
from bot.store.schedules import LEASE, RedisSchedules
from tests.store.daily_building import FIRST, HandClock, a_schedule

SECOND = timedelta(seconds=1)
DUE = datetime(2031, 3, 3, 8, tzinfo=UTC)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(DUE)


@pytest.fixture
def schedules(redis: Redis, clock: HandClock) -> RedisSchedules:
    return RedisSchedules(redis, clock)


async def claims(schedules: RedisSchedules, tenant: Tenant) -> Sequence[Claim]:
    """Claim what is due of this tenant; what other tests left in the shard is let go."""
    found = await schedules.claim(keys.shard_of(tenant), 100)
    return [claim for claim in found if claim.tenant == tenant]


async def the_claim(schedules: RedisSchedules, tenant: Tenant) -> Claim:
    (claim,) = await claims(schedules, tenant)
    return claim


def test_a_schedule_survives_its_way_through_json() -> None:
    schedule = replace(
        a_schedule(Tenant("d{1}%")),
        content=Content((1, 11), (2,), ("autograd",), ("multiple_choice",), in_order=True, together=True),
        mode=Mode.SEALED,
        holidays=frozenset({date(2026, 12, 24)}),
        skipped=frozenset({date(2026, 12, 1)}),
        paused=True,
        resumes=date(2027, 1, 1),
        closes=time(17, 30),
        version=7,
        planner=UserId("U1"),
    )

    assert schedule_of(document(schedule), 7) == schedule


async def test_what_is_due_is_claimed_once_for_the_length_of_a_lease(
    schedules: RedisSchedules, clock: HandClock, tenant: Tenant
) -> None:
    saved = await schedules.save(a_schedule(tenant), DUE, "ada", "created")
    claim = await the_claim(schedules, tenant)

    assert (claim.task, claim.settings, claim.fence, claim.sending, claim.last) == (Task.POST, saved, 2, False, None)
    assert await claims(schedules, tenant) == []
    clock.at += LEASE
    assert (await the_claim(schedules, tenant)).fence == 3


async def test_nothing_is_claimed_before_it_is_due(schedules: RedisSchedules, tenant: Tenant) -> None:
    await schedules.save(a_schedule(tenant), DUE + SECOND, "ada", "created")

    assert await claims(schedules, tenant) == []
    assert (keys.shard_of(tenant), DUE + SECOND) in await schedules.next_at([Platform.DISCORD])


async def test_many_replicas_share_the_work_and_take_nothing_twice(schedules: RedisSchedules, tenant: Tenant) -> None:
    for number in range(40):
        await schedules.save(a_schedule(tenant, f"c{number}"), DUE, "ada", "created")

    rounds = await asyncio.gather(*(schedules.claim(keys.shard_of(tenant), 3) for _ in range(40)))

    taken = [claim.channel for found in rounds for claim in found if claim.tenant == tenant]
    assert sorted(taken) == sorted(f"c{number}" for number in range(40))


async def test_an_older_claim_may_not_send(schedules: RedisSchedules, clock: HandClock, tenant: Tenant) -> None:
    await schedules.save(a_schedule(tenant), DUE, "ada", "created")
    old = await the_claim(schedules, tenant)
    clock.at += LEASE
    new = await the_claim(schedules, tenant)

    assert not await schedules.mark(old, FIRST)
    assert await schedules.mark(new, FIRST)


async def test_a_claim_after_a_mark_is_in_doubt_about_that_day(
    schedules: RedisSchedules, clock: HandClock, tenant: Tenant
) -> None:
    await schedules.save(a_schedule(tenant), DUE, "ada", "created")
    await schedules.mark(await the_claim(schedules, tenant), FIRST)
    clock.at += LEASE
    claim = await the_claim(schedules, tenant)

    assert (claim.sending, claim.day) == (True, FIRST)
    assert await schedules.later(claim, clock.at + SECOND, sent=False)
    clock.at += SECOND
    assert not (await the_claim(schedules, tenant)).sending


async def test_done_counts_once_and_brings_the_next_and_the_close(
    schedules: RedisSchedules, clock: HandClock, tenant: Tenant
) -> None:
    await schedules.save(a_schedule(tenant), DUE, "ada", "created")
    claim = await the_claim(schedules, tenant)
    await schedules.mark(claim, FIRST)
    tomorrow = DUE + timedelta(days=1)
    close = Later(Task.CLOSE, FIRST, tomorrow)

    assert await schedules.done(claim, FIRST, tomorrow, [close])
    assert not await schedules.done(claim, FIRST, tomorrow, [close])
    assert not await schedules.mark(claim, FIRST)
    clock.at = tomorrow
    due = {each.task: each for each in await claims(schedules, tenant)}
    assert {task: (each.day, each.last) for task, each in due.items()} == {
        Task.POST: (None, FIRST),
        Task.CLOSE: (FIRST, None),
    }
    assert await schedules.done(due[Task.CLOSE], None, None)
    assert await schedules.later(due[Task.POST], None)
    clock.at += timedelta(days=9)
    assert await claims(schedules, tenant) == []


async def test_who_comes_late_with_done_is_heard_and_the_next_date_is_reckoned_anew(
    schedules: RedisSchedules, clock: HandClock, tenant: Tenant
) -> None:
    await schedules.save(a_schedule(tenant), DUE, "ada", "created")
    slow = await the_claim(schedules, tenant)
    await schedules.mark(slow, FIRST)
    clock.at += LEASE
    await the_claim(schedules, tenant)

    assert await schedules.done(slow, FIRST, DUE + timedelta(days=1))
    again = await the_claim(schedules, tenant)
    assert (again.sending, again.last) == (False, FIRST)


async def test_two_admins_at_once_cannot_undo_each_other(schedules: RedisSchedules, tenant: Tenant) -> None:
    saved = await schedules.save(a_schedule(tenant), DUE, "ada", "created")
    changes = [
        schedules.save(replace(saved, at=time(hour)), DUE, who, f"time {hour}")
        for hour, who in ((10, "ada"), (11, "bob"))
    ]
    results = await asyncio.gather(*changes, return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["BadInput", "Schedule"]
    (held,) = await schedules.of_tenant(tenant)
    assert held in results
    assert held.version == 2


async def test_a_save_whose_reply_was_lost_can_be_repeated(schedules: RedisSchedules, tenant: Tenant) -> None:
    schedule = a_schedule(tenant)

    assert await schedules.save(schedule, DUE, "ada", "created") == await schedules.save(
        schedule, DUE, "ada", "created"
    )
    assert len(await schedules.audit(tenant, 10)) == 1


async def test_new_settings_stop_whoever_prepares_under_the_old_ones(schedules: RedisSchedules, tenant: Tenant) -> None:
    saved = await schedules.save(a_schedule(tenant), DUE, "ada", "created")
    claim = await the_claim(schedules, tenant)
    await schedules.save(replace(saved, at=time(18)), DUE + timedelta(hours=9), "ada", "time 18:00")

    assert not await schedules.mark(claim, FIRST)
    assert await claims(schedules, tenant) == []


async def test_settings_changed_while_a_question_is_sent_leave_its_outcome_to_be_found(
    schedules: RedisSchedules, clock: HandClock, tenant: Tenant
) -> None:
    saved = await schedules.save(a_schedule(tenant), DUE, "ada", "created")
    await schedules.mark(await the_claim(schedules, tenant), FIRST)
    await schedules.remove(saved, "ada")
    clock.at += LEASE
    claim = await the_claim(schedules, tenant)

    assert (claim.sending, claim.day, claim.settings) == (True, FIRST, None)


async def test_a_removed_schedule_is_gone_and_its_id_is_never_given_again(
    schedules: RedisSchedules, tenant: Tenant
) -> None:
    channel = ChannelId("c1")
    first = await schedules.new_id(tenant, channel)
    saved = await schedules.save(a_schedule(tenant, id=first), DUE, "ada", "created")
    await schedules.remove(saved, "bob")
    await schedules.remove(saved, "bob")

    assert (await schedules.of_tenant(tenant), await claims(schedules, tenant)) == ([], [])
    assert await schedules.new_id(tenant, channel) != first
    assert [(entry.who, entry.what) for entry in await schedules.audit(tenant, 10)] == [
        ("bob", "removed"),
        ("ada", "created"),
    ]
    with pytest.raises(BadInput, match="Someone else"):
        await schedules.save(replace(saved, paused=True), None, "ada", "paused")


async def test_a_draft_waits_to_be_confirmed(schedules: RedisSchedules, tenant: Tenant) -> None:
    schedule: Schedule = replace(a_schedule(tenant), version=3)
    token = await schedules.keep_draft(tenant, schedule)

    assert await schedules.draft(tenant, token) == schedule
    assert await schedules.draft(tenant, "another") is None


async def test_work_that_is_noted_already_keeps_its_time(
    schedules: RedisSchedules, clock: HandClock, tenant: Tenant
) -> None:
    for wait in (5, 1, 9):
        await schedules.add(tenant, ChannelId("c1"), ScheduleId("1"), Later(Task.COUNT, FIRST, DUE + wait * SECOND))
    clock.at += 4 * SECOND
    assert await claims(schedules, tenant) == []
    clock.at += SECOND

    assert (await the_claim(schedules, tenant)).task is Task.COUNT


async def test_the_servers_clock_decides_where_no_simulation_runs(redis: Redis, tenant: Tenant) -> None:
    schedules = RedisSchedules(redis, lease=timedelta(milliseconds=1))
    now = await schedules.now()
    await schedules.save(a_schedule(tenant), now, "ada", "created")
    claim = await the_claim(schedules, tenant)

    assert now <= claim.now < now + timedelta(seconds=30)
    assert await schedules.mark(claim, FIRST)
    assert await schedules.done(claim, FIRST, None)
