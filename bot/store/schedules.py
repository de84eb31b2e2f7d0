"""The Schedules port on Redis: schedules and due work live together in a shard, so that each change is one step."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from redis.exceptions import RedisError

from bot.core.daily import Claim, Entry, Later, Task
from bot.core.errors import BadInput
from bot.core.ids import ChannelId, Platform, Tenant
from bot.core.schedule import Schedule, ScheduleId
from bot.ports import Clock
from bot.store import keys
from bot.store.gathering import Commands
from bot.store.schedule_wire import SEPARATOR, compact, day_of, document, held, member, moment, ms, schedule_of
from bot.store.scripts import call, script, translated

LEASE = timedelta(seconds=60)
"""How long a claim holds; six times the deadline of a request to a platform."""
CHANGED = "Someone else has changed this schedule in the meantime. Type `/schedules` to see it as it is now."


class RedisSchedules:
    """Schedules in Redis. Its time is the server's; `clock` takes its place in a simulation."""

    def __init__(self, redis: Commands, clock: Clock | None = None, lease: timedelta = LEASE) -> None:
        self._redis = redis
        self._client = redis
        self._clock = clock
        self._lease = lease
        self._save = script("schedule_save")
        self._claim = script("schedule_claim")
        self._mark = script("schedule_mark")
        self._done = script("schedule_done")

    async def new_id(self, tenant: Tenant, channel: ChannelId) -> ScheduleId:
        """An id that this channel never had. Raises Unavailable."""
        number = await self._execute("HINCRBY", _key(tenant, "ids", keys.part(tenant)), keys.part(channel), 1)
        return ScheduleId(str(number))

    async def save(self, schedule: Schedule, due: datetime | None, who: str, what: str) -> Schedule:
        """Save over the version that `schedule` carries. Raises BadInput when it has changed since, and Unavailable."""
        await self._store(schedule, document(schedule), due, who, what)
        return replace(schedule, version=schedule.version + 1)

    async def remove(self, schedule: Schedule, who: str) -> None:
        """Take it away, on the same terms."""
        await self._store(schedule, "", None, who, "removed")

    async def _store(self, schedule: Schedule, text: str, due: datetime | None, who: str, what: str) -> None:
        tenant, channel, id = schedule.tenant, schedule.channel, schedule.id
        saved, _ = await call(
            self._redis,
            self._save,
            (
                _key(tenant, "sc", keys.part(tenant)),
                _key(tenant, "due"),
                _key(tenant, "out"),
                _key(tenant, "audit", keys.part(tenant)),
            ),
            (
                member(tenant, channel, id, Task.POST, None),
                channel + SEPARATOR + id,
                schedule.version,
                text,
                ms(due),
                self._given_now(),
                who,
                what,
                keys.AUDIT_LENGTH,
                channel,
                id,
            ),
        )
        if not saved:
            raise BadInput(CHANGED)

    async def of_tenant(self, tenant: Tenant) -> Sequence[Schedule]:
        """All schedules of a team, by channel and id. Raises Unavailable."""
        values = await self._execute("HVALS", _key(tenant, "sc", keys.part(tenant)))
        return sorted(map(held, values), key=lambda each: (each.channel, int(each.id)))

    async def last_day(self, schedule: Schedule) -> date | None:
        """The newest local date that was dealt with. Raises Unavailable."""
        name = member(schedule.tenant, schedule.channel, schedule.id, Task.POST, None)
        state: bytes | None = await self._execute("HGET", _key(schedule.tenant, "out"), name)
        return day_of(state.decode().rpartition(":")[2]) if state else None

    async def audit(self, tenant: Tenant, count: int) -> Sequence[Entry]:
        """The newest actions of admins, newest first. Raises Unavailable."""
        rows = await self._execute("XREVRANGE", _key(tenant, "audit", keys.part(tenant)), "+", "-", "COUNT", count)
        return [_entry(fields) for _, fields in rows]

    async def keep_draft(self, tenant: Tenant, schedule: Schedule) -> str:
        """Keep a schedule until it is confirmed. Raises Unavailable."""
        token = secrets.token_urlsafe(12)
        text = f"{schedule.version}{SEPARATOR}{document(schedule)}"
        await self._execute("SET", keys.draft(tenant, token), text, "EX", keys.DRAFT_SECONDS)
        return token

    async def draft(self, tenant: Tenant, token: str) -> Schedule | None:
        """The schedule that was kept. Raises Unavailable."""
        value: bytes | None = await self._execute("GET", keys.draft(tenant, token))
        if value is None:
            return None
        version, _, text = value.decode().partition(SEPARATOR)
        return schedule_of(text, int(version))

    async def now(self) -> datetime:
        """The time that decides. Raises Unavailable."""
        if self._clock:
            return self._clock.now()
        seconds, micros = await self._execute("TIME")
        return moment(int(seconds) * 1000 + int(micros) // 1000)

    async def next_at(self, platforms: Sequence[Platform]) -> Sequence[tuple[str, datetime]]:
        """For each shard of these platforms that has work, when its first item is due. Raises Unavailable."""
        shards = [shard for platform in platforms for shard in keys.shards(platform.value)]
        try:
            pipeline: Any = self._redis.pipeline(transaction=False)
            for shard in shards:
                pipeline.zrange(keys.in_shard(shard, "due"), 0, 0, withscores=True)
            rows = await pipeline.execute()
        except RedisError as error:
            raise translated(error) from error
        return [(shard, moment(row[0][1])) for shard, row in zip(shards, rows, strict=True) if row]

    async def claim(self, shard: str, most: int) -> Sequence[Claim]:
        """Take work that is due, for the length of a lease. Raises Unavailable."""
        now, *cells = await call(
            self._redis,
            self._claim,
            (keys.in_shard(shard, "due"), keys.in_shard(shard, "out")),
            (self._given_now(), _milliseconds(self._lease), most, keys.in_shard(shard, "sc", "")),
        )
        return list(_claims(shard, moment(now), cells))

    async def mark(self, claim: Claim, day: date) -> bool:
        """Say that the item is about to be sent, and renew the lease. Raises Unavailable."""
        return await self._step(claim, "s", compact(day), f"+{_milliseconds(self._lease)}")

    async def later(self, claim: Claim, at: datetime | None, *, sent: bool | None = None) -> bool:
        """Give an item back until `at`. Raises Unavailable."""
        return await self._step(claim, "i" if sent is False else "", "-" if sent is False else "", ms(at))

    async def _step(self, claim: Claim, state: str, day: str, at: str) -> bool:
        shard_keys = (keys.in_shard(claim.shard, "due"), keys.in_shard(claim.shard, "out"))
        return bool(
            await call(
                self._redis, self._mark, shard_keys, (claim.member, claim.fence, state, day, at, self._given_now())
            )
        )

    async def add(self, tenant: Tenant, channel: ChannelId, schedule: ScheduleId, item: Later) -> None:
        """Note work, unless it is noted already. Raises Unavailable."""
        name = member(tenant, channel, schedule, item.task, item.day)
        await self._execute(
            "ZADD",
            _key(tenant, "due"),
            "NX",
            ms(item.at if isinstance(item.at, datetime) else await self.now() + item.at),
            name,
        )

    async def done(self, claim: Claim, day: date | None, due: datetime | None, also: Sequence[Later] = ()) -> bool:
        """The occurrence of `day` has been posted, or the item is finished. Raises Unavailable."""
        items: list[str] = []
        for each in also:
            name = member(claim.tenant, claim.channel, claim.schedule, each.task, each.day)
            items += (name, _when(each.at), "moved" if each.if_moved else "always")
        args = (claim.member, claim.fence, compact(day) if day else "", ms(due), self._given_now(), *items)
        shard_keys = (keys.in_shard(claim.shard, "due"), keys.in_shard(claim.shard, "out"))
        return bool(await call(self._redis, self._done, shard_keys, args))

    def _given_now(self) -> str:
        return ms(self._clock.now()) if self._clock else "0"

    async def _execute(self, *command: object) -> Any:
        try:
            return await self._client.execute_command(*command)
        except RedisError as error:
            raise translated(error) from error


def _key(tenant: Tenant, *parts: str) -> str:
    return keys.in_shard(keys.shard_of(tenant), *parts)


def _when(at: datetime | timedelta) -> str:
    return f"+{_milliseconds(at)}" if isinstance(at, timedelta) else ms(at)


def _milliseconds(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def _claims(shard: str, now: datetime, cells: Sequence[bytes]) -> Iterator[Claim]:
    """Rows of three: member, state, schedule."""
    values = iter(cells)
    while row := tuple(islice(values, 3)):
        name, state, settings = row
        tenant, channel, schedule, task = name.decode().split(SEPARATOR)
        fence, doing, day, last = state.decode().split(":")
        yield Claim(
            member=name.decode(),
            shard=shard,
            task=Task(task[0]),
            tenant=Tenant(tenant),
            channel=ChannelId(channel),
            schedule=ScheduleId(schedule),
            day=day_of(task[1:]) or day_of(day),
            fence=int(fence),
            sending=doing == "s",
            last=day_of(last),
            settings=held(settings) if settings else None,
            now=now,
        )


def _entry(fields: Any) -> Entry:
    """An audit line from a stream's fields, which come as a flat list or as a mapping."""
    pairs = fields.items() if hasattr(fields, "items") else zip(fields[::2], fields[1::2], strict=True)
    read = {name.decode(): value.decode("utf-8", "replace") for name, value in pairs}
    return Entry(
        moment(read["at"]), read["who"], ChannelId(read["channel"]), ScheduleId(read["schedule"]), read["what"]
    )
