"""The same story told to memory and to Redis must read the same."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.core.ids import Caller, ChannelId, Tenant, UserId
from bot.core.periods import PERIODS
from bot.ports import Scores
from bot.store.memory import MemoryScores
from bot.store.scores import RedisScores
from tests.store.building import DAY, ITEMS, an_answer

QUIZZES = {"1": ITEMS[:4], "2": ITEMS[4:6]}  # few, so that stories come back to them

callers = st.builds(
    lambda user, channel, event: (user, channel, event),
    st.sampled_from(["9223372036854775807", "9223372036854775806", "zoë {x}%", "z"]),
    st.sampled_from(["c1", "c2"]),
    st.sampled_from(["", "e1", "e2", "e3"]),
)
quiz_items = st.sampled_from([(quiz, item) for quiz, items in QUIZZES.items() for item in items])
answers = st.tuples(
    st.just("answer"),
    callers,
    quiz_items,
    st.sampled_from("ab"),
    st.sampled_from([1, 1, 1, 1, 2, 3]),
    st.sampled_from([0, 0, 0, 1, 2, 3, 40]),
)
steps = st.one_of(
    answers,
    answers,
    answers,
    st.tuples(st.just("restart"), callers, st.sampled_from(sorted(QUIZZES)), st.integers(1, 2)),
    st.tuples(st.just("teams"), callers, st.sampled_from(sorted(PERIODS))),
    st.tuples(st.just("progress"), callers, st.sampled_from(sorted(QUIZZES))),
    st.tuples(
        st.just("board"),
        callers,
        st.sampled_from(["c1", "c2", "t", "topic:transformers"]),
        st.sampled_from(sorted(PERIODS)),
        st.integers(0, 4),
    ),
)


async def tell(scores: Scores, tenant: Tenant, step: Any) -> object:
    """One step of a story; returns what the store says."""
    user, channel, event = step[1]
    caller = Caller(tenant, ChannelId(channel), UserId(user), f"name of {user}", event)
    match step:
        case ("answer", _, (quiz, item), option, round_, later):
            day = DAY + timedelta(days=later)
            return await scores.record_practice(
                an_answer(caller, item, option, option == "a", round_, day, quiz, QUIZZES[quiz])
            )
        case ("restart", _, quiz, finished):
            return await scores.restart(caller, quiz, QUIZZES[quiz], finished)
        case ("progress", _, quiz):
            return await scores.progress(caller, quiz, QUIZZES[quiz])
        case ("teams", _, period):
            return sorted(await scores.teams(tenant, PERIODS[period].label(DAY)), key=lambda team: team.channel)
        case ("board", _, scope, period, size):
            return await scores.board(caller, scope, PERIODS[period].label(DAY), size)
    raise AssertionError(step)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(steps, min_size=20, max_size=80))
async def test_memory_and_redis_tell_the_same_story(redis: Redis, story: list[Any]) -> None:
    tenant = Tenant("d" + uuid.uuid4().hex)
    kept, remembered = RedisScores(redis), MemoryScores()

    for step in story:
        assert await tell(remembered, tenant, step) == await tell(kept, tenant, step), step
