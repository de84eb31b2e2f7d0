"""What is kept of one person in a tenant: shown whole, or removed for good.

Both walk over all keys of the tenant: what belongs to the person alone is known by its name (`keys.of_person`), and in
what people share it is the fields, members and entries that name them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.core.ids import Tenant, UserId
from bot.store import keys
from bot.store.erase import BATCH, tenant_keys
from bot.store.scripts import call, script, translated

_FORGOTTEN = "someone who left"
"""Stands in the admins' log in place of a person who was removed."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one key holds of a person. `names` are the fields, members or entries; none for a key of their own."""

    key: str
    kind: str
    names: tuple[bytes, ...]
    value: object


class RedisPersonalData:
    """The PersonalData port. All methods raise Unavailable when the store does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._client: Any = redis  # scans and execute_command carry no types
        self._forget = script("forget_admin")
        self._left = script("board_leave")

    async def is_anonymous(self, tenant: Tenant, user: UserId) -> bool:
        """Whether others see no name on this person's rows."""
        try:
            return bool(await self._client.sismember(keys.anonymous(tenant), user))
        except RedisError as error:
            raise translated(error) from error

    async def set_anonymous(self, tenant: Tenant, user: UserId, on: bool) -> None:
        """Hide the name of a person from others, or show it."""
        change = self._client.sadd if on else self._client.srem
        try:
            await change(keys.anonymous(tenant), user)
        except RedisError as error:
            raise translated(error) from error

    async def export(self, tenant: Tenant, user: UserId) -> str:
        """Everything that names the person, as JSON: for each key, what it holds of them."""
        found: dict[str, object] = {}
        prefix = keys.of(tenant, "")
        try:
            async for part in self._parts(tenant, user):
                found[part.key.removeprefix(prefix)] = part.value
        except RedisError as error:
            raise translated(error) from error
        whole = {"format": "torchquiz personal data 1", "workspace": tenant, "person": user, "kept": found}
        return json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True)

    async def erase(self, tenant: Tenant, user: UserId) -> None:
        """Remove everything that names the person. Interrupted, it goes on where it stopped when it is asked again."""
        try:
            async for part in self._parts(tenant, user):
                await self._remove(part, user)
            await self._forget_admin(tenant, user)
        except RedisError as error:
            raise translated(error) from error

    async def _parts(self, tenant: Tenant, user: UserId) -> AsyncIterator[_Part]:
        own = set(keys.of_person(tenant, user))
        async for batch in tenant_keys(self._redis, tenant):
            pipeline = self._client.pipeline(transaction=False)
            for key in batch:
                pipeline.type(key)
            kinds: Sequence[bytes] = await pipeline.execute()
            for name, kind in zip((raw.decode() for raw in batch), kinds, strict=True):
                found = await (self._own(name, kind) if name in own else self._shared(tenant, name, kind, user))
                if found is not None:
                    yield found

    async def _own(self, key: str, kind: bytes) -> _Part:
        read = {b"hash": self._client.hgetall, b"string": self._client.get}[kind]
        return _Part(key, kind.decode(), (), _readable(await read(key)))

    async def _shared(self, tenant: Tenant, key: str, kind: bytes, user: UserId) -> _Part | None:
        match kind:
            case b"zset":
                score = await self._client.zscore(key, user)
                return None if score is None else _Part(key, "zset", (user.encode(),), score)
            case b"set":
                return _Part(key, "set", (user.encode(),), True) if await self._client.sismember(key, user) else None
            case b"hash":
                return await self._fields(key, user, several=key == keys.reports(tenant))
            case b"stream":
                return await self._entries(key, user)
            case b"string":
                value = await self._client.get(key) or b""
                return _Part(key, "string", (), _readable(value)) if _planned_by(user).encode() in value else None
        return None

    async def _fields(self, key: str, user: UserId, *, several: bool) -> _Part | None:
        """The field named by the person; with `several`, those whose name ends with the person."""
        if several:
            mine = (" " + keys.part(user)).encode()
            held = await self._client.hgetall(key)
            found = {field: value for field, value in held.items() if field.endswith(mine)}
        else:
            value = await self._client.hget(key, user)
            found = {} if value is None else {user.encode(): value}
        return _Part(key, "hash", tuple(found), _readable(found)) if found else None

    async def _entries(self, key: str, user: UserId) -> _Part | None:
        found: dict[bytes, object] = {}
        after = "-"
        while rows := await self._client.xrange(key, min=after, count=BATCH):
            found |= {id: fields for id, fields in rows if fields.get(b"user") == user.encode()}
            after = "(" + rows[-1][0].decode()
        return _Part(key, "stream", tuple(found), _readable(found)) if found else None

    async def _remove(self, part: _Part, user: UserId) -> None:
        match part.kind:
            case _ if not part.names:
                await self._client.unlink(part.key)
            case "zset":
                await self._leave(part.key, user)
            case "set":
                await self._client.srem(part.key, user)
            case "hash":
                await self._client.hdel(part.key, *part.names)
            case "stream":
                for first in range(0, len(part.names), BATCH):
                    await self._client.xdel(part.key, *part.names[first : first + BATCH])

    async def _leave(self, key: str, user: UserId) -> None:
        """Leave a board, and take one's points out of what the channel earned."""
        start, _, board = key.partition(":lb:")
        scope, _, label = board.rpartition(":")
        totals = f"{start}:tm:{label}"
        await call(self._redis, self._left, (key, totals), (user, keys.whole(scope)))

    async def _forget_admin(self, tenant: Tenant, user: UserId) -> None:
        """Schedules and the admins' log stay, without the person."""
        shard = keys.shard_of(tenant)
        own = [keys.in_shard(shard, name, keys.part(tenant)) for name in ("sc", "audit")]
        await call(self._redis, self._forget, own, (f"({user})", _planned_by(user), _FORGOTTEN))


def _planned_by(user: UserId) -> str:
    """How a schedule names whoever planned it last."""
    return f'"planner":{json.dumps(user)}'


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {str(_readable(name)): _readable(held) for name, held in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_readable(each) for each in value]
    return value
