"""The Dailies port on Redis: questions of the day, one atomic step for each answer, and what corrects them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from redis.exceptions import RedisError

from bot.core.daily import ANSWERS_PER_MINUTE, RESERVED_DAYS, Answered, Bag, NewPost, Person, Post, PostState, Status
from bot.core.errors import Unavailable
from bot.core.ids import Caller, ChannelId, ItemId, OptionId, Tenant, UserId
from bot.core.periods import PERIODS, buckets
from bot.core.picking import Asked
from bot.core.schedule import Mode, PostId, ScheduleId
from bot.core.streaks import FREEZE_DAYS, MILESTONES, Streak, current
from bot.ports import Clock
from bot.store import keys
from bot.store.gathering import Commands
from bot.store.schedule_wire import SEPARATOR, compact, moment, ms
from bot.store.scores import clipped
from bot.store.scripts import call, script, translated

BUCKET_ANSWERS = 100
"""Answers a hash should hold: Redis packs up to 128 small ones tightly by default, at about a fifth of the memory."""
SETTLE_BATCH = 100
"""Answers settled in one step: some ten milliseconds of the server."""
AT_ONCE = 24
"""Answers on their way at once: fewer than there are connections, so that a rush waits here and not for one of them."""
QUEUE_SECONDS = 120.0
"""How long an answer may wait for its turn; a click has been acknowledged by then, and a late reply beats none."""
MOST_MISSED = 60
"""Days without an answer after which a streak has ended, whatever the holes among them."""
_FIELDS = (
    "what", "when", "where", "state", "message", "digest", "n", "void", "right", "ca", "cb", "cc", "cd", "ce", "cf",
)  # fmt: skip
"""Fields of a post, in the order in which the scripts tell them."""
_LIFETIME = int(keys.POST_LIFETIME.total_seconds())
_MONTH = list(PERIODS).index("month") + 1


class RedisDailies:
    """Questions of the day in Redis. Its time is the server's; `clock` takes its place in a simulation."""

    def __init__(self, redis: Commands, clock: Clock | None = None) -> None:
        self._redis = redis
        self._client = redis
        self._clock = clock
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._answer = script("daily_answer")
        self._record = script("daily_record")
        self._confirm = script("daily_confirm")
        self._close = script("daily_close")
        self._settle = script("daily_settle")

    async def bag(self, tenant: Tenant, channel: ChannelId, day: date, together: str) -> Bag:
        """What picking needs to know. Raises Unavailable."""
        try:
            version, asked, today = await asyncio.gather(
                # the version first: a change after it is noticed when recording
                self._client.execute_command("HGET", keys.channel(tenant, channel), "asked"),
                self._client.execute_command("HGETALL", keys.bag(tenant, channel)),
                self._client.execute_command("HGETALL", keys.today(tenant, day)),
            )
        except RedisError as error:
            raise translated(error) from error
        shared = today.get(f"={together}".encode()) if together else None
        return Bag(
            version=int(version or 0),
            asked={ItemId(item.decode()): _asked(value) for item, value in asked.items()},
            elsewhere=frozenset(ItemId(item.decode()) for item in today if not item.startswith(b"=")),
            shared=ItemId(shared.decode()) if shared else None,
        )

    async def record(self, post: NewPost, bag: Bag) -> Post | None:
        """Write a question before it is sent. None when the bag has changed since. Raises Unavailable."""
        reply: bytes = await call(self._redis, self._record, *_record_request(post, bag.version))
        if reply == b"changed":
            return None
        return await self.post(post.tenant, post.id) if reply == b"stands" else _recorded(post, int(reply))

    async def post(self, tenant: Tenant, post: PostId) -> Post | None:
        """A question of the day. Raises Unavailable."""
        try:
            values = await self._client.execute_command("HMGET", keys.post(tenant, post), *_FIELDS)
        except RedisError as error:
            raise translated(error) from error
        return _post(tenant, post, values)

    async def newest(self, tenant: Tenant, channel: ChannelId) -> Post | None:
        """The newest question that went out in a channel. Raises Unavailable."""
        beginning = f"{channel}-".encode()
        try:
            ids = await self._client.execute_command("ZREVRANGE", keys.posts(tenant), 0, 999)
        except RedisError as error:
            raise translated(error) from error
        for id in ids:
            if id.startswith(beginning):
                found = await self.post(tenant, PostId(id.decode()))
                if found and found.channel == channel and found.message:
                    return found
        return None

    async def confirm(self, post: Post, message: str, *, digest: bool = False) -> str:
        """Note the message of a question or of its digest; the first one noted stands. Raises Unavailable."""
        field = "digest" if digest else "message"
        post_key = keys.post(post.tenant, post.id)
        stands: bytes = await call(self._redis, self._confirm, (post_key,), (field, message))
        return stands.decode()

    async def answer(self, caller: Caller, post: PostId, option: OptionId) -> Answered:
        """Record an answer, or return what stands. One round trip. Raises Unavailable."""
        try:
            async with asyncio.timeout(QUEUE_SECONDS), self._gate:
                reply = await call(self._redis, self._answer, *answer_request(caller, post, option, self._clock))
        except TimeoutError as error:
            raise Unavailable("There are too many answers at once. Try again in a moment.") from error
        status, held, right, points, total, rank, streak, saved, *fields = reply
        return Answered(
            status=Status(status.decode()),
            post=_post(caller.tenant, post, fields),
            option=OptionId(held.decode()) if held else None,
            correct=right == 1,
            points=points,
            total=int(total),
            rank=rank,
            streak=_streak(streak),
            saved=saved == 1,
        )

    async def close(self, post: Post) -> None:
        """Take no more answers, and bring every answer to the boards. Raises Unavailable."""
        await call(self._redis, self._close, self._post_keys(post), ("close", ""))
        await self._settle_all(post, unsettled=True)

    async def void(self, post: Post, reason: str) -> None:
        """Make a question count as a try only; an empty reason takes that back. Raises Unavailable."""
        await call(self._redis, self._close, self._post_keys(post), ("void", reason))
        await self._settle_all(post, unsettled=False)

    async def rekey(self, post: Post, right: OptionId) -> None:
        """Give a question another key, on every board. Raises Unavailable."""
        await call(self._redis, self._close, self._post_keys(post), ("right", right))
        await self._settle_all(post, unsettled=False)

    async def _settle_all(self, post: Post, *, unsettled: bool) -> None:
        try:
            when: bytes | None = await self._client.execute_command("HGET", keys.post(post.tenant, post.id), "when")
        except RedisError as error:
            raise translated(error) from error
        count = int(when.rpartition(SEPARATOR.encode())[2]) if when else 1
        base = (keys.post(post.tenant, post.id), keys.answers(post.tenant, post.id))
        prefix = keys.of(post.tenant, "")
        for bucket in range(count):
            cursor = b"0"
            while True:
                args = (prefix, bucket, cursor, SETTLE_BATCH, int(unsettled))
                cursor, _ = await call(self._redis, self._settle, base, args)
                if cursor == b"0":
                    break
                await asyncio.sleep(0)  # between batches others have their turn

    async def milestones(self, post: Post, count: int) -> Sequence[tuple[str, UserId, int]]:
        """The longest streaks that reached a milestone with this question. Raises Unavailable."""
        try:
            rows = await self._client.execute_command(
                "ZREVRANGE", keys.milestones(post.tenant, post.id), 0, count - 1, "WITHSCORES"
            )
            flat = _flat(rows)
            users = [user.decode() for user, _ in flat]
            names = await self._named(post.tenant, users)
        except RedisError as error:
            raise translated(error) from error
        return [(name, UserId(user), int(length)) for user, name, (_, length) in zip(users, names, flat, strict=True)]

    async def _named(self, tenant: Tenant, users: Sequence[str]) -> Sequence[str]:
        """The names of these people, empty where someone does not want to be named."""
        if not users:
            return []
        pipeline: Any = self._redis.pipeline(transaction=False)
        pipeline.hmget(keys.names(tenant), users)
        pipeline.smismember(keys.anonymous(tenant), users)
        names, nameless = await pipeline.execute()
        return [
            "" if hidden else name.decode("utf-8", "replace") if name else user
            for user, name, hidden in zip(users, names, nameless, strict=True)
        ]

    async def report(self, caller: Caller, post: PostId, text: str) -> bool:
        """Keep what the caller says is wrong with a question. Raises Unavailable."""
        if await self.post(caller.tenant, post) is None:
            return False
        field = f"{post} {keys.part(caller.user)}"
        try:
            await self._client.execute_command(
                "HSET", keys.reports(caller.tenant), field, text.encode("utf-8", "replace")
            )
        except RedisError as error:
            raise translated(error) from error
        return True

    async def reports(self, tenant: Tenant) -> Mapping[PostId, Sequence[str]]:
        """What was reported and not judged yet, by question. Raises Unavailable."""
        found: dict[PostId, list[str]] = {}
        try:
            held = await self._client.execute_command("HGETALL", keys.reports(tenant))
        except RedisError as error:
            raise translated(error) from error
        for field, text in sorted(held.items()):
            found.setdefault(PostId(field.decode().partition(" ")[0]), []).append(text.decode("utf-8", "replace"))
        return found

    async def settle_reports(self, tenant: Tenant, post: PostId) -> None:
        """The reports of a question have been judged. Raises Unavailable."""
        try:
            fields = [
                field
                for field in await self._client.execute_command("HKEYS", keys.reports(tenant))
                if field.startswith(f"{post} ".encode())
            ]
            if fields:
                await self._client.execute_command("HDEL", keys.reports(tenant), *fields)
        except RedisError as error:
            raise translated(error) from error

    async def person(self, caller: Caller) -> Person:
        """What is kept of the caller's answers. Raises Unavailable."""
        try:
            held: Mapping[bytes, bytes] = await self._client.execute_command(
                "HGETALL", keys.person(caller.tenant, caller.user)
            )
        except RedisError as error:
            raise translated(error) from error
        fields = {name.decode(): value.decode() for name, value in held.items()}
        streaks = {
            ChannelId(name[2:]): _streak(value.encode()) for name, value in fields.items() if name.startswith("s:")
        }
        return Person(
            answered=int(fields.get("n", 0)),
            right=int(fields.get("r", 0)),
            points=int(fields.get("p", 0)),
            topics={name[2:]: _of(value) for name, value in fields.items() if name.startswith("t:")},
            streaks=streaks,
            running=await self._running(caller.tenant, streaks),
        )

    async def _running(self, tenant: Tenant, streaks: Mapping[ChannelId, Streak]) -> Mapping[ChannelId, int]:
        """How long each streak is today. One round trip: a streak that ended long ago need not be counted out."""
        if not streaks:
            return {}
        pipeline: Any = self._redis.pipeline(transaction=False)
        for channel, streak in streaks.items():
            ahead = (f"h:{ordinal}" for ordinal in range(streak.last + 1, streak.last + MOST_MISSED + 1))
            pipeline.hmget(keys.channel(tenant, channel), "seq", *ahead)
        try:
            rows = await pipeline.execute()
        except RedisError as error:
            raise translated(error) from error
        running = {}
        for (channel, streak), (newest, *holes) in zip(streaks.items(), rows, strict=True):
            ordinal = int(newest or 0)
            missing = [streak.last + 1 + place for place, hole in enumerate(holes) if hole]
            running[channel] = current(streak, ordinal, missing) if ordinal - streak.last <= MOST_MISSED else 0
        return running

    async def recent_items(self, tenant: Tenant, today: date) -> Mapping[ItemId, datetime]:
        """The questions of the last ten days, and of tomorrow where it has begun. Raises Unavailable."""
        pipeline: Any = self._redis.pipeline(transaction=False)
        for back in range(-1, RESERVED_DAYS):
            pipeline.hgetall(keys.today(tenant, today - timedelta(days=back)))
        try:
            days = await pipeline.execute()
        except RedisError as error:
            raise translated(error) from error
        found: dict[ItemId, datetime] = {}
        for item, closes in (pair for day in days for pair in day.items() if not pair[0].startswith(b"=")):
            known, at = ItemId(item.decode()), moment(closes)
            found[known] = max(found.get(known, at), at)
        return found

    def _post_keys(self, post: Post) -> tuple[str, str]:
        return keys.post(post.tenant, post.id), keys.channel(post.tenant, post.channel)


def answer_request(
    caller: Caller, post: PostId, option: OptionId, clock: Clock | None
) -> tuple[tuple[str, ...], tuple[object, ...]]:
    """The keys and arguments of ``daily_answer.lua`` for an answer."""
    tenant = caller.tenant
    channel = ChannelId(post.rsplit("-", 2)[0])
    return (
        (
            keys.post(tenant, post),
            keys.answers(tenant, post),
            keys.person(tenant, caller.user),
            keys.names(tenant),
            keys.log(tenant),
            keys.channel(tenant, channel),
            keys.opted_out(tenant),
            keys.milestones(tenant, post),
        ),
        (
            caller.user,
            clipped(caller.name),
            option,
            ms(clock.now()) if clock else "0",
            keys.of(tenant, ""),
            keys.LOG_LIFETIME_MS,
            _MONTH,
            ANSWERS_PER_MINUTE,
            post,
            _MILESTONES,
            FREEZE_DAYS,
            _LIFETIME,
        ),
    )


_MILESTONES = " ".join(map(str, MILESTONES))


def _record_request(post: NewPost, version: int) -> tuple[tuple[str, ...], tuple[object, ...]]:
    tenant = post.tenant
    if post.channel == keys.TENANT_SCOPE:
        raise ValueError(f"{post.channel!r} names the whole tenant's boards and cannot be a channel")
    labels, ends = _boards(post.day)
    what = (post.item, "".join(post.order), post.right, post.mode.value, str(post.round), post.topic)
    when = (ms(post.opens), ms(post.closes), str(post.day.toordinal()))
    return (
        (
            keys.post(tenant, post.id),
            keys.channel(tenant, post.channel),
            keys.bag(tenant, post.channel),
            keys.today(tenant, post.day),
            keys.posts(tenant),
        ),
        (
            keys.of(tenant, ""),
            post.id,
            post.schedule,
            version,
            post.item,
            post.round,
            compact(post.day),
            ms(post.opens),
            post.together,
            _LIFETIME,
            int(keys.TODAY_LIFETIME.total_seconds()),
            BUCKET_ANSWERS,
            ms(post.closes),
            SEPARATOR.join(what),
            SEPARATOR.join(when),
            SEPARATOR.join((post.zone, post.channel, post.schedule)),
            labels,
            ends,
        ),
    )


@lru_cache(maxsize=64)
def _boards(day: date) -> tuple[str, str]:
    """The labels that answers to a question count for, and when their boards end; each short enough (64 bytes) for
    Redis to pack the post tightly."""
    counted = buckets(day)
    ends = (str(int(bucket.expires.timestamp())) if bucket.expires else "0" for bucket in counted)
    return " ".join(bucket.label for bucket in counted), " ".join(ends)


def _post(tenant: Tenant, id: PostId, values: Sequence[bytes | None]) -> Post | None:
    read = {name: (value or b"").decode() for name, value in zip(_FIELDS, values, strict=True)}
    if not read["what"]:
        return None
    item, order, right, mode, _, topic = read["what"].split(SEPARATOR)
    opens, closes, day, ordinal, _ = read["when"].split(SEPARATOR)
    zone, channel, schedule = read["where"].split(SEPARATOR)
    return Post(
        id=id,
        tenant=tenant,
        channel=ChannelId(channel),
        schedule=ScheduleId(schedule),
        item=ItemId(item),
        right=OptionId(read["right"] or right),
        order=tuple(OptionId(option) for option in order),
        topic=topic,
        mode=Mode(mode),
        zone=zone,
        day=date.fromordinal(int(day)),
        opens=moment(opens),
        closes=moment(closes),
        state=PostState(read["state"]),
        ordinal=int(ordinal),
        message=read["message"],
        digest=read["digest"],
        answered=int(read["n"] or 0),
        chosen={OptionId(option): int(read[f"c{option}"] or 0) for option in order},
        void=read["void"],
    )


def _recorded(new: NewPost, ordinal: int) -> Post:
    return Post(
        id=new.id,
        tenant=new.tenant,
        channel=new.channel,
        schedule=new.schedule,
        item=new.item,
        right=new.right,
        order=new.order,
        topic=new.topic,
        mode=new.mode,
        zone=new.zone,
        day=new.day,
        opens=new.opens,
        closes=new.closes,
        state=PostState.OPEN,
        ordinal=ordinal,
        message="",
        digest="",
        answered=0,
        chosen=dict.fromkeys(new.order, 0),
        void="",
    )


def _asked(value: bytes) -> Asked:
    round, _, number = value.decode().partition(":")
    return Asked(int(round), int(number))


def _streak(value: bytes) -> Streak:
    return Streak(*map(int, value.split(b":"))) if value else Streak()


def _of(value: str) -> tuple[int, int]:
    right, _, asked = value.partition("/")
    return int(right), int(asked)


def _flat(rows: Sequence[Any]) -> list[tuple[bytes, float]]:
    """Members with scores, however the client groups them."""
    if rows and isinstance(rows[0], (tuple, list)):
        return [(user, float(score)) for user, score in rows]
    return [(user, float(score)) for user, score in zip(rows[::2], rows[1::2], strict=True)]
