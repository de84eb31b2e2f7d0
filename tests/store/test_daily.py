"""What counts of an answer to the question of the day, and what it is worth on every board."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.core.daily import ANSWERS_PER_MINUTE, Post, PostState, Status
from bot.core.ids import ItemId, OptionId, Tenant, UserId
from bot.core.periods import PERIODS
from bot.core.picking import Asked
from bot.core.schedule import Mode
from bot.core.scoring import board_score
from bot.core.streaks import Streak, advanced
from bot.store import keys
from bot.store.daily import RedisDailies
from bot.store.personal_data import RedisPersonalData
from bot.store.scores import RedisScores
from tests.store.building import a_caller, an_answer
from tests.store.daily_building import FIRST, HandClock, a_post, again, answer, sent

MONTH = PERIODS["month"].label(FIRST)
PEOPLE = 5000
SCOPES = ("c1", "t", "topic:autograd")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def dailies(redis: Redis, clock: HandClock) -> RedisDailies:
    return RedisDailies(redis, clock)


async def scores_on(redis: Redis, post: Post, scope: str, period: str) -> dict[str, int]:
    """User -> whole score on a board."""
    client: Any = redis  # zrange tells no types
    rows = await client.zrange(keys.board(post.tenant, scope, PERIODS[period].label(post.day)), 0, -1, withscores=True)
    return {user.decode(): int(score) for user, score in rows}


async def assert_everywhere(redis: Redis, post: Post, expected: dict[str, int]) -> None:
    for scope in SCOPES:
        for period in PERIODS:
            assert await scores_on(redis, post, scope, period) == expected, (scope, period)


async def test_the_first_answer_is_final_and_counts_on_every_board(
    redis: Redis, dailies: RedisDailies, tenant: Tenant
) -> None:
    post = await sent(dailies, a_post(tenant))

    first = await answer(dailies, post, "ada", "a")
    second = await answer(dailies, post, "ada", "b")
    wrong = await answer(dailies, post, "bob", "b")

    assert (first.status, first.correct, first.points, first.total, first.rank) == (Status.RECORDED, True, 10, 10, 1)
    assert (second.status, second.option, second.correct, second.points) == (Status.STANDS, "a", True, 10)
    assert (wrong.status, wrong.correct, wrong.points, wrong.rank) == (Status.RECORDED, False, 1, 2)
    await assert_everywhere(redis, post, {"ada": board_score(10, 1, 1), "bob": board_score(1, 0, 1)})
    counted = await again(dailies, post)
    assert (counted.answered, dict(counted.chosen)) == (2, {"a": 1, "b": 1, "c": 0, "d": 0})


async def test_the_same_click_delivered_again_is_told_the_same(dailies: RedisDailies, tenant: Tenant) -> None:
    post = await sent(dailies, a_post(tenant))
    first, second = await answer(dailies, post, "ada"), await answer(dailies, post, "ada")

    assert (first.option, first.points, first.total, first.rank, first.streak) == (
        second.option,
        second.points,
        second.total,
        second.rank,
        second.streak,
    )


async def test_ties_go_to_the_better_first_try_and_then_are_shared(
    redis: Redis, dailies: RedisDailies, tenant: Tenant
) -> None:
    first, second = await sent(dailies, a_post(tenant)), await sent(dailies, a_post(tenant, 1))
    for user, options in (("careful", "ax"), ("lucky", "ba"), ("twin", "xa")):
        for post, option in zip((first, second), options, strict=True):
            if option != "x":
                await answer(dailies, post, user, option)
    practice = RedisScores(redis)
    for user in ("careful", "twin"):
        await practice.record_practice(an_answer(a_caller(tenant, user), day=FIRST))

    page = await practice.board(a_caller(tenant, "twin"), "c1", MONTH, 5)

    assert [(row.user, row.points, row.rank) for row in page.top] == [
        ("twin", 11, 1),
        ("careful", 11, 1),
        ("lucky", 11, 3),
    ]


async def test_a_sealed_answer_may_change_until_the_close_and_earns_nothing_before(
    redis: Redis, dailies: RedisDailies, clock: HandClock, tenant: Tenant
) -> None:
    post = await sent(dailies, a_post(tenant, mode=Mode.SEALED))
    replies = [await answer(dailies, post, "ada", option) for option in "bba"]
    await answer(dailies, post, "bob", "c")

    assert [reply.status for reply in replies] == [Status.RECORDED, Status.RECORDED, Status.CHANGED]
    assert [(reply.correct, reply.points, reply.total) for reply in replies] == [(False, 0, 0)] * 3
    await assert_everywhere(redis, post, {})
    assert dict((await again(dailies, post)).chosen) == {"a": 1, "b": 0, "c": 1, "d": 0}

    for _ in range(2):
        await dailies.close(post)
        await assert_everywhere(redis, post, {"ada": board_score(10, 1, 1), "bob": board_score(1, 0, 1)})
    late = await answer(dailies, post, "ada", "d")
    assert (late.status, late.option, late.correct, late.points) == (Status.LATE, "a", True, 10)


async def test_the_clock_of_the_store_decides_what_is_late(
    dailies: RedisDailies, clock: HandClock, tenant: Tenant
) -> None:
    post = await sent(dailies, a_post(tenant))
    clock.at = post.closes - timedelta(milliseconds=1)
    in_time = await answer(dailies, post, "ada")
    clock.at = post.closes
    late, late_again = await answer(dailies, post, "bob"), await answer(dailies, post, "ada", "b")

    assert (in_time.status, late.status, late.points, late.option) == (Status.RECORDED, Status.LATE, 0, None)
    assert (late_again.status, late_again.option) == (Status.LATE, "a")
    assert (await again(dailies, post)).answered == 1


async def test_what_is_no_question_or_no_option_is_unknown(dailies: RedisDailies, tenant: Tenant) -> None:
    post = await sent(dailies, a_post(tenant))

    for option in ("e", "", "ab", "ca", "."):
        assert (await answer(dailies, post, "ada", option)).status is Status.UNKNOWN
    unknown = await dailies.answer(a_caller(tenant), a_post(tenant, 5).id, OptionId("a"))
    assert (unknown.status, unknown.post) == (Status.UNKNOWN, None)


async def test_whoever_asked_not_to_be_recorded_is_not(redis: Redis, dailies: RedisDailies, tenant: Tenant) -> None:
    post = await sent(dailies, a_post(tenant))
    await redis.sadd(keys.opted_out(tenant), "ada")

    assert (await answer(dailies, post, "ada")).status is Status.REFUSED
    await assert_everywhere(redis, post, {})


async def test_more_than_sixty_answers_a_minute_cool_down(
    dailies: RedisDailies, clock: HandClock, tenant: Tenant
) -> None:
    post = await sent(dailies, a_post(tenant, mode=Mode.SEALED))
    replies = [await answer(dailies, post, "robot", "abc"[n % 3]) for n in range(ANSWERS_PER_MINUTE + 2)]
    clock.at += timedelta(minutes=1)

    assert [reply.status for reply in replies[-3:]] == [Status.CHANGED, Status.COOLING, Status.COOLING]
    assert (await answer(dailies, post, "robot", "d")).status is Status.CHANGED


async def test_a_voided_question_leaves_the_try_point_and_no_trace_in_accuracy(
    redis: Redis, dailies: RedisDailies, tenant: Tenant
) -> None:
    before, post = await sent(dailies, a_post(tenant)), await sent(dailies, a_post(tenant, 1))
    await answer(dailies, before, "ada")
    for user, option in (("ada", "b"), ("bob", "a"), ("cleo", "c")):
        await answer(dailies, post, user, option)

    for _ in range(2):
        await dailies.void(post, "ambiguous")
        board = await scores_on(redis, post, "c1", "month")
        assert board == {"ada": board_score(11, 1, 1), "bob": board_score(1, 0, 0), "cleo": board_score(1, 0, 0)}
    assert (await again(dailies, post)).void == "ambiguous"
    assert (await answer(dailies, post, "dan", "a")).points == 1

    await dailies.void(post, "")
    assert (await scores_on(redis, post, "t", "all"))["bob"] == board_score(10, 1, 1)
    assert (await scores_on(redis, post, "t", "all"))["ada"] == board_score(11, 1, 2)


async def test_another_key_moves_every_board(redis: Redis, dailies: RedisDailies, tenant: Tenant) -> None:
    post = await sent(dailies, a_post(tenant))
    await answer(dailies, post, "ada", "a")
    await answer(dailies, post, "bob", "b")

    await dailies.rekey(post, OptionId("b"))

    await assert_everywhere(redis, post, {"ada": board_score(1, 0, 1), "bob": board_score(10, 1, 1)})
    person = await dailies.person(a_caller(tenant, "bob"))
    assert (person.answered, person.right, person.points, dict(person.topics)) == (1, 1, 10, {"autograd": (1, 1)})


async def test_a_question_that_never_went_out_breaks_no_streak_and_returns_to_the_bag(
    dailies: RedisDailies, tenant: Tenant
) -> None:
    post = await sent(dailies, a_post(tenant))
    await answer(dailies, post, "ada")
    lost = a_post(tenant, 1)
    assert await dailies.record(lost, await dailies.bag(tenant, lost.channel, lost.day, ""))
    next_day = await sent(dailies, a_post(tenant, 2))

    reply = await answer(dailies, next_day, "ada")

    unsent = await dailies.post(tenant, lost.id)
    assert unsent is not None
    assert (unsent.state, unsent.ordinal, next_day.ordinal) == (PostState.UNSENT, 2, 3)
    assert (reply.streak, reply.saved) == (Streak(2, 2, 3, 0), False)
    assert await dailies.confirm(unsent, "too late") == ""
    assert (await dailies.bag(tenant, lost.channel, lost.day, "")).asked[lost.item] == Asked(0, 0)
    assert (await answer(dailies, unsent, "ada")).status is Status.UNKNOWN


async def test_two_schedules_of_a_channel_share_a_day_of_the_streak(dailies: RedisDailies, tenant: Tenant) -> None:
    days = [
        await sent(dailies, a_post(tenant, day, schedule=schedule, item=f"q{day}{schedule}"))
        for day in range(2)
        for schedule in "12"
    ]

    assert [post.ordinal for post in days] == [1, 1, 2, 2]
    assert [(await answer(dailies, post, "ada")).streak.length for post in (days[0], days[1], days[3])] == [1, 1, 2]


async def test_the_bag_is_read_with_a_version_that_recording_checks(dailies: RedisDailies, tenant: Tenant) -> None:
    new, other = a_post(tenant), a_post(tenant, schedule="2", item="quiz-11-q09", together="all")
    bag = await dailies.bag(tenant, new.channel, new.day, "all")
    assert await dailies.record(other, bag)

    assert not await dailies.record(new, bag)
    fresh = await dailies.bag(tenant, new.channel, new.day, "all")
    assert dict(fresh.asked) == {other.item: Asked(1, 1)}
    assert (set(fresh.elsewhere), fresh.shared) == ({other.item}, other.item)
    assert await dailies.record(new, fresh)
    assert await dailies.record(new, bag)  # stands already: a repeated call


async def test_a_question_of_the_day_is_left_out_of_practice_for_ten_days(
    dailies: RedisDailies, tenant: Tenant
) -> None:
    post = await sent(dailies, a_post(tenant))
    reserved = [await dailies.recent_items(tenant, FIRST + timedelta(days=n)) for n in (-1, 0, 9, 10)]

    assert reserved == [{post.item: post.closes}] * 3 + [{}]


async def test_a_question_that_several_channels_ask_is_held_until_the_last_closes(
    dailies: RedisDailies, tenant: Tenant
) -> None:
    late = replace(a_post(tenant, channel="c2"), closes=a_post(tenant).closes + timedelta(hours=5))
    for new in (a_post(tenant), late, a_post(tenant, channel="c3")):
        await sent(dailies, new)

    assert await dailies.recent_items(tenant, FIRST) == {late.item: late.closes}


async def test_the_first_message_that_is_noted_stands(dailies: RedisDailies, tenant: Tenant) -> None:
    post = await sent(dailies, a_post(tenant))

    assert await dailies.confirm(post, "another") == post.message
    assert await dailies.confirm(post, "d1", digest=True) == await dailies.confirm(post, "d2", digest=True) == "d1"
    newest = await dailies.newest(tenant, post.channel)
    assert newest is not None
    assert (newest.id, newest.digest) == (post.id, "d1")


async def test_milestones_name_who_reached_them_with_this_question(dailies: RedisDailies, tenant: Tenant) -> None:
    posts = [await sent(dailies, a_post(tenant, day)) for day in range(5)]
    for post in posts:
        await answer(dailies, post, "ada", "b")
    for post in posts[2:]:
        await answer(dailies, post, "bob")

    assert await dailies.milestones(posts[2], 5) == [("name of ada", "ada", 3)]
    assert await dailies.milestones(posts[4], 5) == [("name of ada", "ada", 5), ("name of bob", "bob", 3)]


async def test_many_answers_spread_over_small_hashes(redis: Redis, dailies: RedisDailies, tenant: Tenant) -> None:
    first = await sent(dailies, a_post(tenant, mode=Mode.SEALED))
    await asyncio.gather(*(answer(dailies, first, f"u{n}") for n in range(250)))
    await dailies.close(first)
    second = await sent(dailies, a_post(tenant, 1, mode=Mode.SEALED))
    await asyncio.gather(*(answer(dailies, second, f"u{n}", "ab"[n % 2]) for n in range(250)))
    await dailies.close(second)

    sizes = [await redis.hlen(f"{keys.answers(tenant, second.id)}:{bucket}") for bucket in range(3)]
    assert sum(sizes) == 250
    assert max(sizes) < 128
    points = sorted(score >> 32 for score in (await scores_on(redis, second, "c1", "month")).values())
    assert points == [11] * 125 + [20] * 125


async def test_ten_thousand_first_clicks_at_once_are_each_counted_once(
    redis: Redis, dailies: RedisDailies, tenant: Tenant
) -> None:
    post = await sent(dailies, a_post(tenant))
    clicks = 2  # of each person, on different options
    replies = await asyncio.gather(
        *(
            answer(dailies, post, str(1200000000000000000 + n), "ab"[(n + click) % 2])
            for n in range(5000)
            for click in range(clicks)
        )
    )

    by_status = [sum(reply.status is status for reply in replies) for status in (Status.RECORDED, Status.STANDS)]
    assert by_status == [PEOPLE, PEOPLE]
    board = await scores_on(redis, post, "c1", "month")
    told = {reply.total for reply in replies}
    assert (len(board), told) == (PEOPLE, {10, 1})
    counted = await again(dailies, post)
    assert counted.answered == sum(counted.chosen.values()) == PEOPLE
    assert (
        sum(score >> 32 for score in board.values())
        == 10 * counted.chosen[OptionId("a")] + counted.chosen[OptionId("b")]
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["-", "a", "b"]), st.booleans()), min_size=3, max_size=14))
async def test_streaks_in_the_store_follow_the_rule(redis: Redis, days: Sequence[tuple[str, bool]]) -> None:
    tenant = Tenant("d" + uuid.uuid4().hex)
    dailies = RedisDailies(redis, clock := HandClock())
    expected, right = Streak(), 0
    holes: set[int] = set()
    for number, (option, goes_out) in enumerate(days):
        new = a_post(tenant, number)
        clock.at = new.opens
        if not goes_out:
            assert await dailies.record(new, await dailies.bag(tenant, new.channel, new.day, ""))
            holes.add(number + 1)
            continue
        post = await sent(dailies, new)
        if option != "-":
            expected = advanced(expected, number + 1, new.day.toordinal(), holes)
            right += option == "a"
            assert (await answer(dailies, post, "ada", option)).streak == expected
    person = await dailies.person(a_caller(tenant, "ada"))
    assert person.right == right


async def test_an_answer_to_a_damaged_board_writes_nothing(redis: Redis, dailies: RedisDailies, tenant: Tenant) -> None:
    post = await sent(dailies, a_post(tenant))
    damaged = keys.board(tenant, "topic:autograd", "a")
    await redis.set(damaged, "x")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await answer(dailies, post, "ada")

    await redis.delete(damaged)
    await assert_everywhere(redis, post, {})
    assert (await again(dailies, post)).answered == 0
    assert (await answer(dailies, post, "ada")).status is Status.RECORDED
    assert ItemId("quiz-11-q00") == post.item


async def test_what_a_channel_earned_follows_every_correction_and_every_farewell(
    dailies: RedisDailies, redis: Redis, tenant: Tenant
) -> None:
    scores, label = RedisScores(redis), PERIODS["month"].label(FIRST)
    post = await sent(dailies, a_post(tenant))
    for user, option in (("ada", "a"), ("bob", "b"), ("cleo", "a")):
        await answer(dailies, post, user, option)
    told = [await scores.teams(tenant, label)]
    await dailies.void(post, "mistaken")
    told.append(await scores.teams(tenant, label))
    await dailies.void(post, "")
    await RedisPersonalData(redis).erase(tenant, UserId("ada"))
    told.append(await scores.teams(tenant, label))

    assert [(team.points, team.people) for (team,) in told] == [(21, 3), (3, 3), (11, 2)]
    assert {team.channel for (team,) in told} == {post.channel}
    assert 0 < await redis.ttl(keys.totals(tenant, label))


async def test_a_channel_with_braces_is_a_team_like_any_other(
    dailies: RedisDailies, redis: Redis, tenant: Tenant
) -> None:
    post = await sent(dailies, a_post(tenant, channel="a{b}%c"))
    await answer(dailies, post, "ada")
    (before,) = await RedisScores(redis).teams(tenant, "a")
    await RedisPersonalData(redis).erase(tenant, UserId("ada"))
    (after,) = await RedisScores(redis).teams(tenant, "a")

    assert (before.channel, before.points, before.people) == ("a{b}%c", 10, 1)
    assert (after.points, after.people) == (0, 0)
