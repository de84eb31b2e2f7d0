from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import cycle

import pytest
from redis.asyncio import Redis

from bot.core.ids import ItemId, Tenant
from bot.core.periods import PERIODS
from bot.core.scoring import PRACTICE_DAY_CAP, Standing
from bot.ports import Scores
from bot.store.memory import MemoryScores
from bot.store.scores import MAX_NAME, RedisScores
from tests.store.building import DAY, ITEMS, MONTH, a_caller, an_answer

MANY = tuple(ItemId(f"quiz-1-q{n:02}") for n in range(1, 16))
SNOWFLAKE = str(2**63 - 1)


@pytest.fixture(params=["memory", "redis"])
def scores(request: pytest.FixtureRequest, redis: Redis) -> Scores:
    return MemoryScores() if request.param == "memory" else RedisScores(redis)


async def earn(scores: Scores, tenant: Tenant, user: str, points: int, channel: str = "c1", name: str = "") -> None:
    """`points` right answers; none means one wrong answer."""
    for item in MANY[: points or 1]:
        caller = a_caller(tenant, user, channel, name or user)
        await scores.record_practice(an_answer(caller, item, correct=points > 0, items=MANY, quiz="1"))


async def test_a_right_answer_earns_one_point(scores: Scores, tenant: Tenant) -> None:
    recorded = await scores.record_practice(an_answer(a_caller(tenant)))

    assert (
        recorded.first,
        recorded.option,
        recorded.correct,
        recorded.points,
        recorded.total,
        recorded.rank,
        recorded.practice_today,
    ) == (True, "a", True, 1, 1, 1, 1)
    assert (1, 1) == (recorded.answered, recorded.right)


async def test_only_the_first_answer_counts(scores: Scores, tenant: Tenant) -> None:
    await scores.record_practice(an_answer(a_caller(tenant), option="b", correct=False))

    again = await scores.record_practice(an_answer(a_caller(tenant), option="a", correct=True))

    assert (again.first, again.option, again.correct, again.points, again.total) == (False, "b", False, 0, 0)


async def test_the_same_click_delivered_again_gets_the_same_reply(scores: Scores, tenant: Tenant) -> None:
    answer = an_answer(a_caller(tenant, event="interaction-7"))
    reply = await scores.record_practice(answer)

    assert [reply] * 3 == [await scores.record_practice(answer) for _ in range(3)]


async def test_another_click_on_the_same_option_is_not_a_retry(scores: Scores, tenant: Tenant) -> None:
    await scores.record_practice(an_answer(a_caller(tenant)))

    assert not (await scores.record_practice(an_answer(a_caller(tenant)))).first


async def test_another_option_under_the_same_event_is_not_a_retry(scores: Scores, tenant: Tenant) -> None:
    caller = a_caller(tenant, event="interaction-7")
    await scores.record_practice(an_answer(caller, option="a"))

    assert not (await scores.record_practice(an_answer(caller, option="b", correct=False))).first


async def test_without_an_event_nothing_is_a_retry(scores: Scores, tenant: Tenant) -> None:
    answer = an_answer(a_caller(tenant, event=""))
    await scores.record_practice(answer)

    assert not (await scores.record_practice(answer)).first


async def test_practice_earns_at_most_ten_points_a_day(scores: Scores, tenant: Tenant) -> None:
    caller = a_caller(tenant)
    points = [(await scores.record_practice(an_answer(caller, item, items=MANY, quiz="1"))).points for item in MANY]

    assert points == [1] * PRACTICE_DAY_CAP + [0] * 5


async def test_the_cap_begins_anew_each_day_and_each_day_has_its_own(scores: Scores, tenant: Tenant) -> None:
    today = [an_answer(a_caller(tenant), item, items=MANY, quiz="1") for item in MANY[:11]]
    tomorrow = an_answer(a_caller(tenant), MANY[11], items=MANY, quiz="1", day=DAY + timedelta(days=1))
    today_again = an_answer(a_caller(tenant), MANY[12], items=MANY, quiz="1")
    replies = [await scores.record_practice(answer) for answer in (*today, tomorrow, today_again)]

    assert (
        [reply.practice_today for reply in replies[9:]],
        [reply.points for reply in replies[9:]],
    ) == ([10, 10, 1, 10], [1, 0, 1, 0])


@pytest.mark.parametrize("days", [3, 4, 7])
async def test_a_day_before_the_three_newest_earns_nothing(scores: Scores, tenant: Tenant, days: int) -> None:
    for n in range(days):
        await scores.record_practice(an_answer(a_caller(tenant), MANY[n], day=DAY + timedelta(days=n)))

    assert (
        await scores.record_practice(an_answer(a_caller(tenant), ITEMS[9], day=DAY - timedelta(days=1)))
    ).points == 0


async def test_days_may_come_in_any_order(scores: Scores, tenant: Tenant) -> None:
    for item, later in zip(MANY, (2, 1, 0, 3), strict=False):
        await scores.record_practice(an_answer(a_caller(tenant), item, day=DAY + timedelta(days=later)))

    again = await scores.record_practice(an_answer(a_caller(tenant), MANY[4], day=DAY + timedelta(days=2)))

    assert again.practice_today == 2


async def test_a_question_earns_once_even_in_a_later_round(scores: Scores, tenant: Tenant) -> None:
    caller = a_caller(tenant)
    await scores.record_practice(an_answer(caller, ITEMS[0], correct=False))
    await scores.record_practice(an_answer(caller, ITEMS[1], correct=True))
    assert await scores.restart(caller, "11", ITEMS, 1) == 2

    first_time_right = await scores.record_practice(an_answer(caller, ITEMS[0], round=2))
    right_again = await scores.record_practice(an_answer(caller, ITEMS[1], round=2))

    assert (first_time_right.points, right_again.points, right_again.total) == (1, 0, 2)


async def test_a_question_right_beyond_the_cap_has_had_its_chance(scores: Scores, tenant: Tenant) -> None:
    caller = a_caller(tenant)
    for item in MANY:
        await scores.record_practice(an_answer(caller, item, items=MANY, quiz="1"))
    await scores.restart(caller, "1", MANY, 1)
    tomorrow = DAY + timedelta(days=1)

    again = await scores.record_practice(an_answer(caller, MANY[-1], items=MANY, quiz="1", round=2, day=tomorrow))

    assert again.points == 0


async def test_a_card_of_another_round_records_nothing(scores: Scores, tenant: Tenant) -> None:
    caller = a_caller(tenant)
    await scores.record_practice(an_answer(caller, ITEMS[0]))
    await scores.restart(caller, "11", ITEMS, 1)

    old = await scores.record_practice(an_answer(caller, ITEMS[1], round=1))
    future = await scores.record_practice(an_answer(caller, ITEMS[1], round=3))
    answered_then = await scores.record_practice(an_answer(caller, ITEMS[0], round=1))

    assert [(r.stale, r.first, r.option, r.answered) for r in (old, future)] == [(True, False, "", 0)] * 2
    assert (answered_then.stale, answered_then.option, answered_then.total) == (True, "a", 1)
    assert (await scores.progress(caller, "11", ITEMS)).choices == ()


async def test_progress_lists_the_answers_of_this_round(scores: Scores, tenant: Tenant) -> None:
    caller = a_caller(tenant)
    await scores.record_practice(an_answer(caller, ITEMS[2], option="b", correct=False))
    await scores.record_practice(an_answer(caller, ITEMS[0], option="a:1:x", correct=True))

    progress = await scores.progress(caller, "11", ITEMS)

    assert (1, ((ITEMS[0], "a:1:x", True), (ITEMS[2], "b", False))) == (progress.round, progress.choices)


async def test_repeating_a_restart_changes_nothing(scores: Scores, tenant: Tenant) -> None:
    caller = a_caller(tenant)
    await scores.record_practice(an_answer(caller))

    assert [await scores.restart(caller, "11", ITEMS, n) for n in (1, 1, 2)] == [2, 2, 2]


async def test_quizzes_have_rounds_of_their_own(scores: Scores, tenant: Tenant) -> None:
    caller = a_caller(tenant)
    await scores.record_practice(an_answer(caller))
    await scores.restart(caller, "11", ITEMS, 1)

    assert (await scores.progress(caller, "1", MANY)).round == 1


async def test_an_answer_counts_for_every_period_of_its_channel_and_of_the_workspace(
    scores: Scores, tenant: Tenant
) -> None:
    caller = a_caller(tenant, channel="c1")
    await scores.record_practice(an_answer(caller))

    for scope, members in (("c1", 1), ("t", 1), ("c2", 0)):
        for period in PERIODS.values():
            assert members == (await scores.board(caller, scope, period.label(DAY), 10)).members


async def test_the_same_points_share_a_rank(scores: Scores, tenant: Tenant) -> None:
    for user, points in (("a", 5), ("b", 3), ("c", 3), ("d", 1), ("e", 1), ("f", 0)):
        await earn(scores, tenant, user, points)

    page = await scores.board(a_caller(tenant, "f"), "c1", MONTH, 10)

    assert [(row.points, row.rank) for row in page.top] == [(5, 1), (3, 2), (3, 2), (1, 4), (1, 4), (0, 6)]
    assert Standing("f", "f", 0, 6) == page.mine


async def test_the_first_answer_puts_someone_on_the_board_even_without_points(scores: Scores, tenant: Tenant) -> None:
    caller = a_caller(tenant, name="Ada")
    await scores.record_practice(an_answer(caller, correct=False))

    assert (Standing(caller.user, "Ada", 0, 1),) == (await scores.board(caller, "t", MONTH, 10)).top


async def test_the_reader_sees_their_row_and_neighbours_outside_the_top(scores: Scores, tenant: Tenant) -> None:
    for n in range(9):
        await earn(scores, tenant, f"u{n}", 9 - n)

    page = await scores.board(a_caller(tenant, "u6"), "c1", MONTH, 3)

    assert (
        [row.user for row in page.top],
        [row.user for row in page.around],
        page.members,
    ) == (["u0", "u1", "u2"], ["u4", "u5", "u6", "u7", "u8"], 9)
    assert Standing("u6", "u6", 3, 7) == page.mine


@pytest.mark.parametrize(("reader", "around"), [("u0", "012"), ("u1", "0123"), ("u4", "234")])
async def test_neighbours_end_where_the_board_ends(scores: Scores, tenant: Tenant, reader: str, around: str) -> None:
    for n in range(5):
        await earn(scores, tenant, f"u{n}", 9 - n)

    page = await scores.board(a_caller(tenant, reader), "c1", MONTH, 0)

    assert ([f"u{n}" for n in around], reader) == ([row.user for row in page.around], page.mine and page.mine.user)
    assert page.top == ()


async def test_a_reader_without_answers_has_no_row(scores: Scores, tenant: Tenant) -> None:
    await earn(scores, tenant, "u1", 1)

    page = await scores.board(a_caller(tenant, "u2"), "c1", MONTH, 3)

    assert (page.mine, page.around, page.members) == (None, (), 1)


async def test_an_empty_board_is_empty(scores: Scores, tenant: Tenant) -> None:
    page = await scores.board(a_caller(tenant), "c1", MONTH, 10)

    assert (page.top, page.mine, page.around, page.members) == ((), None, (), 0)


async def test_tenants_do_not_see_each_other(scores: Scores, tenant: Tenant) -> None:
    await earn(scores, tenant, "u1", 2)
    other = a_caller(Tenant(tenant + "0"), "u1")

    assert (await scores.board(other, "c1", MONTH, 10)).members == 0
    assert (await scores.progress(other, "1", MANY)).choices == ()


async def test_the_newest_name_is_shown(scores: Scores, tenant: Tenant) -> None:
    for item, name in ((ITEMS[0], "Ada"), (ITEMS[1], "Countess")):
        await scores.record_practice(an_answer(a_caller(tenant, name=name), item))

    assert [row.name for row in (await scores.board(a_caller(tenant), "t", MONTH, 10)).top] == ["Countess"]


async def test_large_snowflakes_stay_intact(scores: Scores, tenant: Tenant) -> None:
    users = [str(2**63 - n) for n in range(1, 6)]
    for user in users:
        caller = a_caller(tenant, user, channel=SNOWFLAKE)
        await scores.record_practice(an_answer(caller, ItemId(SNOWFLAKE), items=(ItemId(SNOWFLAKE),)))

    page = await scores.board(a_caller(tenant, users[0]), SNOWFLAKE, MONTH, 10)

    assert sorted(users) == sorted(row.user for row in page.top)


@pytest.mark.parametrize(
    "name",
    [
        "@everyone",
        "<!channel>",
        "`*_~",
        "\u202eevil",
        "a\u0300" * 40,
        "\u200b",
        "\x00\r\n$5\r\n",
        "{q1}",
        "%7B",
        "🧠" * 100,
    ],
)
async def test_hostile_names_come_back_as_they_are(scores: Scores, tenant: Tenant, name: str) -> None:
    await scores.record_practice(an_answer(a_caller(tenant, name=name)))

    assert [name] == [row.name for row in (await scores.board(a_caller(tenant), "t", MONTH, 10)).top]


@pytest.mark.parametrize(
    ("name", "kept"), [("x" * 10_000, "x" * MAX_NAME), ("\ud800a", "?a"), ("", "1200000000000000123")]
)
async def test_names_that_cannot_be_kept_are_mended(scores: Scores, tenant: Tenant, name: str, kept: str) -> None:
    await scores.record_practice(an_answer(a_caller(tenant, name=name)))

    assert [kept] == [row.name for row in (await scores.board(a_caller(tenant), "t", MONTH, 10)).top]


async def test_of_many_clicks_at_once_one_counts_for_each_person(scores: Scores, tenant: Tenant) -> None:
    clicks = [
        an_answer(a_caller(tenant, f"u{user}"), option=option, correct=option == "a")
        for user, first in zip(range(300), cycle("abcd"), strict=False)
        for option in (first, *(o for o in "abcd" if o != first))
    ]
    replies = await asyncio.gather(*map(scores.record_practice, clicks))

    assert sum(reply.first for reply in replies) == 300
    page = await scores.board(a_caller(tenant, "u0"), "c1", MONTH, 300)
    right = sum(reply.correct for reply in replies if reply.first)
    assert (300, right) == (page.members, sum(row.points for row in page.top))
    for user in range(300):
        assert len({(reply.option, reply.points) for reply in replies[4 * user : 4 * user + 4]}) == 1
