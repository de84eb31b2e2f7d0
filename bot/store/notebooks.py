"""The Notebooks port on Redis: read, change by a rule, write back if nobody was faster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from redis.asyncio import Redis

from bot.core.errors import BadInput
from bot.core.ids import ItemId, OptionId, Tenant, UserId
from bot.core.reviews import LoggedAnswer, LogPage, Notebook
from bot.core.schedule import PostId
from bot.ports import Clock
from bot.store import keys
from bot.store.notebook_wire import changed_fields, notebook, pairs
from bot.store.scripts import call, script

Change = tuple[int, bytes, bytes, bytes]
"""Number of the hash, field, what it held, what it holds now; empty for nothing."""
PAGE = 100
"""Entries of the log that are taken in together: some ten milliseconds of ours."""
_SEPARATOR = "\x1f"


class RedisNotebooks:
    """Notebooks in Redis. An answer's time is that of its entry in the log; in a simulation, with a `clock`, it is noon
    of the day that the entry names."""

    def __init__(self, redis: Redis, clock: Clock | None = None) -> None:
        self._redis = redis
        self._clock = clock
        self._read = script("notebook_read")
        self._write = script("notebook_write")
        self._page = script("notebook_page")

    async def read(self, tenant: Tenant, users: Sequence[UserId]) -> Mapping[UserId, Notebook]:
        """The notebooks of these people. One round trip. Raises Unavailable."""
        hashes = [keys.notebook(tenant, user) for user in users]
        held = await call(self._redis, self._read, hashes, ()) if users else []
        return {user: notebook(dict(pairs(each))) for user, each in zip(users, held, strict=True)}

    async def write(self, tenant: Tenant, user: UserId, before: Notebook, after: Notebook) -> bool:
        """Replace `before` by `after`; False when it has changed since. One round trip. Raises Unavailable, and
        BadInput for someone who is not to be recorded."""
        done = await self._change(tenant, [user], [keys.notebook(tenant, user)], _numbered(1, before, after))
        if done < 0:
            raise BadInput("You asked me not to keep anything about you, so I can't remember ratings. See `/privacy`.")
        return done == 1

    async def page(self, tenant: Tenant) -> LogPage:
        """The next answers of the log to take in. One round trip. Raises Unavailable."""
        place = (keys.taken_in(tenant), keys.log(tenant), keys.opted_out(tenant))
        since, until, count, *rows = await call(self._redis, self._page, place, (PAGE,))
        now = self._clock.now() if self._clock else None
        answers = [answer for row in rows if (answer := _answer(row.decode("utf-8", "replace"), now))]
        return LogPage(tenant, since.decode(), until.decode(), answers, count == PAGE)

    async def take_in(self, page: LogPage, changed: Mapping[UserId, tuple[Notebook, Notebook]]) -> bool:
        """Write the notebooks that a page changes, and that it has been taken in. Raises Unavailable."""
        hashes = [keys.taken_in(page.tenant), *(keys.notebook(page.tenant, user) for user in changed)]
        changes: list[Change] = [(1, b"at", page.since.encode(), page.until.encode())]
        for number, (before, after) in enumerate(changed.values(), 2):
            changes.extend(_numbered(number, before, after))
        return await self._change(page.tenant, list(changed), hashes, changes) == 1

    async def _change(
        self, tenant: Tenant, users: Sequence[UserId], hashes: Sequence[str], changes: Iterable[Change]
    ) -> int:
        cells = [cell for change in changes for cell in change]
        all_keys = (keys.opted_out(tenant), *hashes)
        return int(await call(self._redis, self._write, all_keys, (len(users), *users, *cells)))


def _numbered(key: int, before: Notebook, after: Notebook) -> Iterator[Change]:
    return ((key, *change) for change in changed_fields(before, after))


def _noon(day: str) -> datetime:
    """Noon in UTC of a day such as 20310314: almost everywhere it is that day then."""
    return datetime.strptime(day + "12", "%Y%m%d%H").replace(tzinfo=UTC)


def _answer(row: str, now: datetime | None) -> LoggedAnswer | None:
    """The answer of a row; None for one that was not written by us."""
    try:
        id, user, item, option, correct, round_, day, post = row.split(_SEPARATOR)
        at = datetime.fromtimestamp(int(id.partition("-")[0]) / 1000, UTC)
        if now:
            at = min(now, _noon(day or post.rsplit("-", 2)[1]))
        return LoggedAnswer(
            user=user,
            item=ItemId(item),
            option=OptionId(option),
            at=at,
            correct=correct == "1",
            round=int(round_ or 0),
            post=PostId(post) if post else None,
        )
    except (ValueError, IndexError):
        return None
