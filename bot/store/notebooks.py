"""The Notebooks port on Redis: read, change by a rule, write back if nobody was faster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.core.errors import BadInput
from bot.core.ids import ItemId, OptionId, Tenant, UserId
from bot.core.reviews import LoggedAnswer, LogPage, Notebook
from bot.core.schedule import PostId
from bot.ports import Clock
from bot.store import keys
from bot.store.notebook_wire import fields, notebook
from bot.store.scripts import call, script, translated

PAGE = 200
"""Entries of the log that are taken in together: some ten milliseconds of ours."""

Change = tuple[int, bytes, bytes, bytes]
"""Number of the key, field, what it held, what it holds now; empty for nothing."""


class RedisNotebooks:
    """Notebooks in Redis. An answer's time is that of its entry in the log; `clock` takes its place in a simulation."""

    def __init__(self, redis: Redis, clock: Clock | None = None) -> None:
        self._clock = clock
        self._redis = redis
        self._client: Any = redis  # execute_command carries no types
        self._script = script("notebook")

    async def read(self, tenant: Tenant, users: Sequence[UserId]) -> Mapping[UserId, Notebook]:
        """The notebooks of these people. One round trip. Raises Unavailable."""
        pipeline: Any = self._redis.pipeline(transaction=False)
        for user in users:
            pipeline.hgetall(keys.notebook(tenant, user))
        try:
            held = await pipeline.execute() if users else []
        except RedisError as error:
            raise translated(error) from error
        return {user: notebook(each) for user, each in zip(users, held, strict=True)}

    async def write(self, tenant: Tenant, user: UserId, before: Notebook, after: Notebook) -> bool:
        """Replace `before` by `after`; False when it has changed since. One round trip. Raises Unavailable, and
        BadInput for someone who is not to be recorded."""
        done = await self._change(tenant, [user], [keys.notebook(tenant, user)], _changes(1, before, after))
        if done < 0:
            raise BadInput("You asked me not to keep anything about you, so I can't remember ratings. See `/privacy`.")
        return done == 1

    async def page(self, tenant: Tenant) -> LogPage:
        """The next answers of the log to take in. Raises Unavailable."""
        try:
            since = (await self._client.hget(keys.taken_in(tenant), "at") or b"").decode()
            start = f"({since}" if since else "-"
            entries = await self._client.xrange(keys.log(tenant), start, "+", PAGE)
            now = self._clock.now() if self._clock else None
            answers = [answer for id, entry in entries if (answer := _answer(now or _time(id), entry))]
            silent = await self._silent(tenant, {answer.user for answer in answers})
        except RedisError as error:
            raise translated(error) from error
        until = entries[-1][0].decode() if entries else since
        heard = [answer for answer in answers if answer.user not in silent]
        return LogPage(tenant, since, until, heard, len(entries) == PAGE)

    async def take_in(self, page: LogPage, changed: Mapping[UserId, tuple[Notebook, Notebook]]) -> bool:
        """Write the notebooks that a page changes, and that it has been taken in. Raises Unavailable."""
        hashes = [keys.taken_in(page.tenant), *(keys.notebook(page.tenant, user) for user in changed)]
        changes: list[Change] = [(1, b"at", page.since.encode(), page.until.encode())]
        for number, (before, after) in enumerate(changed.values(), 2):
            changes.extend(_changes(number, before, after))
        return await self._change(page.tenant, list(changed), hashes, changes) == 1

    async def _change(
        self, tenant: Tenant, users: Sequence[UserId], hashes: Sequence[str], changes: Iterable[Change]
    ) -> int:
        cells = [cell for change in changes for cell in change]
        all_keys = (keys.opted_out(tenant), *hashes)
        return int(await call(self._redis, self._script, all_keys, (len(users), *users, *cells)))

    async def _silent(self, tenant: Tenant, users: Set[str]) -> Set[str]:
        """Those of these people who are not to be recorded."""
        order = sorted(users)
        marks = await self._client.smismember(keys.opted_out(tenant), order) if order else []
        return {user for user, mark in zip(order, marks, strict=True) if mark}


def _changes(key: int, before: Notebook, after: Notebook) -> Iterator[Change]:
    held, now = fields(before), fields(after)
    for field in held.keys() | now.keys():
        if (was := held.get(field, b"")) != (is_now := now.get(field, b"")):
            yield key, field, was, is_now


def _time(id: bytes) -> datetime:
    return datetime.fromtimestamp(int(id.partition(b"-")[0]) / 1000, UTC)


def _answer(at: datetime, entry: Mapping[bytes, bytes]) -> LoggedAnswer | None:
    """The answer of an entry of the log; None for an entry of another kind."""
    if entry.get(b"kind") not in (b"practice", b"daily") or not entry.get(b"user"):
        return None
    post = entry.get(b"post", b"").decode()
    return LoggedAnswer(
        user=entry[b"user"].decode(),
        item=ItemId(entry.get(b"item", b"").decode()),
        option=OptionId(entry.get(b"option", b"").decode()),
        at=at,
        correct=entry.get(b"correct") == b"1",
        round=int(entry.get(b"round", b"0")),
        post=PostId(post) if post else None,
    )
