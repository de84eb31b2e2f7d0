"""The Scores port on Redis: one atomic step and one round trip for each call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.core.daily import ANSWERS_PER_MINUTE
from bot.core.ids import Caller, ChannelId, ItemId, Tenant
from bot.core.periods import PERIODS, buckets
from bot.core.scoring import PRACTICE_DAY_CAP, PRACTICE_RIGHT, BoardPage, Progress, Recorded, Standing, Team
from bot.ports import PracticeAnswer
from bot.store import keys
from bot.store.scripts import call, script, translated

NEIGHBOURS = 2
"""Rows above and below the reader's own."""
MAX_NAME = 100
"""Longest display name kept, in characters; the longest that a platform allows is 80."""

_MONTH = list(PERIODS).index("month")
_RECORD = re.compile(rb"(\d+):(.*):([01]):\d+:[0-9a-f]+", re.DOTALL)


class RedisScores:
    """Answers, points and boards in Redis."""

    def __init__(self, redis: Redis) -> None:
        """`redis` answers in bytes (``decode_responses=False``) and may retry: every step is safe to repeat."""
        self._redis = redis
        self._practice = script("practice")
        self._restart = script("restart")
        self._board = script("board")
        self._teams = script("teams")

    async def record_practice(self, answer: PracticeAnswer) -> Recorded:
        """Record a first answer of this round, or return what stands. One round trip. Raises Unavailable."""
        reply = await call(self._redis, self._practice, *practice_request(answer))
        status, option, correct, points, total, rank, today, marks, cooling = reply
        return Recorded(
            status == 1, option.decode(), correct == b"1", int(points), int(total), rank,
            answered=len(marks) - marks.count(b"-"),
            right=marks.count(b"1"),
            stale=status == -1,
            practice_today=today,
            cooling=cooling == 1,
        )  # fmt: skip

    async def progress(self, caller: Caller, quiz: str, items: Sequence[ItemId]) -> Progress:
        """How far the caller is in a quiz. One round trip. Raises Unavailable."""
        key = keys.practice(caller.tenant, caller.user)
        client: Any = self._redis  # execute_command carries no types
        try:
            current, *answers = await client.execute_command("HMGET", key, f"n:{quiz}", *(f"a:{i}" for i in items))
        except RedisError as error:
            raise translated(error) from error
        return Progress(int(current or 1), tuple(_choices(items, answers, current or b"1")))

    async def restart(self, caller: Caller, quiz: str, items: Sequence[ItemId], finished_round: int) -> int:
        """Begin the round after `finished_round`; a round without an answer is not left. Raises Unavailable."""
        key = keys.practice(caller.tenant, caller.user)
        args = (quiz, finished_round, finished_round + 1, *items)
        return int(await call(self._redis, self._restart, (key,), args))

    async def board(self, caller: Caller, scope: str, label: str, size: int) -> BoardPage:
        """The top `size` of a board, and the caller's row with its neighbours. One round trip. Raises Unavailable."""
        tenant = caller.tenant
        board_keys = (keys.board(tenant, scope, label), keys.names(tenant), keys.anonymous(tenant))
        members, position, top_rows, *cells = await call(
            self._redis, self._board, board_keys, (caller.user, size, NEIGHBOURS)
        )
        rows = tuple(_standings(cells))
        top, around = rows[:top_rows], rows[top_rows:]
        mine = around[min(position, NEIGHBOURS)] if around else None
        return BoardPage(top=top, mine=mine, around=around, members=members)

    async def teams(self, tenant: Tenant, label: str) -> Sequence[Team]:
        """What the channels of a tenant earned. One round trip. Raises Unavailable."""
        args = (keys.of(tenant, "lb", ""), keys.part(label))
        cells = iter(await call(self._redis, self._teams, (keys.totals(tenant, label),), args))
        return [Team(ChannelId(name.decode()), int(next(cells)), next(cells)) for name in cells]


def practice_request(answer: PracticeAnswer) -> tuple[tuple[str, ...], tuple[object, ...]]:
    """The keys and arguments of ``practice.lua`` for an answer."""
    caller = answer.caller
    shared_keys, expiries, day = _shared(caller.tenant, caller.channel, answer.topic, answer.day)
    return (
        (keys.practice(caller.tenant, caller.user), *shared_keys),
        (
            caller.user,
            clipped(caller.name),
            caller.event.encode("utf-8", "replace"),
            caller.channel,
            answer.quiz,
            answer.round,
            answer.item,
            answer.option,
            int(answer.correct),
            day,
            PRACTICE_RIGHT if answer.counts else 0,
            PRACTICE_DAY_CAP,
            keys.LOG_LIFETIME_MS,
            _MONTH + 1,
            ANSWERS_PER_MINUTE,
            len(expiries),
            *expiries,
            *answer.items,
        ),
    )


def clipped(name: str) -> str:
    """A display name as it is kept: not longer than `MAX_NAME`, and encodable."""
    if name.isascii():
        return name[:MAX_NAME]
    return name[:MAX_NAME].encode("utf-8", "replace").decode()


@lru_cache(maxsize=4096)
def _shared(tenant: str, channel: str, topic: str, day: date) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    """What all answers about a topic in a channel on a day share: keys with the channel's boards first, their expiries,
    the day.

    Expiries are Unix seconds, 0 for never.
    """
    if channel == keys.TENANT_SCOPE:
        raise ValueError(f"{channel!r} names the whole tenant's boards and cannot be a channel")
    scopes = (channel, keys.TENANT_SCOPE, keys.topic_scope(topic))
    counted = [(scope, bucket) for scope in scopes for bucket in buckets(day)]
    boards = (keys.board(tenant, scope, bucket.label) for scope, bucket in counted)
    totals = (keys.totals(tenant, bucket.label) for bucket in buckets(day))
    expiries = (int(bucket.expires.timestamp()) if bucket.expires else 0 for _, bucket in counted)
    return (keys.names(tenant), keys.log(tenant), *boards, *totals), tuple(expiries), f"{day:%Y%m%d}"


def _choices(
    items: Sequence[ItemId], answers: Sequence[bytes | None], current: bytes
) -> Iterator[tuple[str, str, bool]]:
    for item, answer in zip(items, answers, strict=True):
        if answer and (found := _RECORD.fullmatch(answer)) and found[1] == current:
            yield item, found[2].decode(), found[3] == b"1"


def _standings(cells: Sequence[bytes | int]) -> Iterator[Standing]:
    """Rows of five: user, name, points, rank, 1 for someone without a name."""
    values = iter(cells)
    while row := tuple(islice(values, 5)):
        user, name, points, rank, nameless = cast("tuple[bytes, bytes, bytes, int, int]", row)
        shown = name.decode("utf-8", "replace") or ("" if nameless else user.decode())
        yield Standing(user.decode(), shown, int(points), rank, nameless == 1)
