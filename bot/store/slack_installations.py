"""Workspaces that installed the Slack app. Their records hold tokens, and rest encrypted by a key from the environment.

A workspace that leaves loses its record at once. What its people did is kept for `keys.LEFT_LIFETIME`, in case the app
is installed again, and is then removed for good; a removal that was interrupted goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.core.errors import ConfigError, Unavailable
from bot.core.ids import Tenant
from bot.ports import Clock
from bot.store import keys
from bot.store.erase import erase_tenant
from bot.store.scripts import call, script, translated

SETTING = "SLACK_INSTALLATION_KEYS"
PAGE = 200
_CHECK = ""
"""The field that holds no workspace, but a text by which a wrong key is noticed."""
_WRONG = (
    f"{SETTING} does not read what is stored about Slack workspaces. Add the key that wrote it, after the new one "
    "and a comma; it can go once this has started."
)


class RedisInstallations:
    """Encrypted records in one hash. All methods raise Unavailable when the store does not answer."""

    def __init__(self, redis: Redis, secrets: Sequence[str], clock: Clock) -> None:
        """The first of the `secrets` encrypts, all of them decrypt: Fernet keys. Raises ConfigError."""
        self._redis: Any = redis  # hash commands are typed as sync or async at once
        self._cipher = _cipher(secrets)
        self._newest = Fernet(secrets[0])
        self._clock = clock
        self._swap = script("installation_swap")

    async def save(self, tenant: Tenant, record: str) -> None:
        """Keep the record of a workspace, which is here again if it had left."""
        try:
            async with self._redis.pipeline(transaction=True) as step:
                step.hset(keys.INSTALLATIONS, tenant, self._sealed(tenant, record))
                step.zrem(keys.LEFT, tenant)
                await step.execute()
        except RedisError as error:
            raise translated(error) from error

    async def renew(self, tenant: Tenant, record: str) -> None:
        """Replace the record of a workspace that is still here; one that left meanwhile stays away."""
        await call(self._redis, self._swap, [keys.INSTALLATIONS], [tenant, "", self._sealed(tenant, record)])

    async def find(self, tenant: Tenant) -> str | None:
        """The record of a workspace."""
        try:
            held = await self._redis.hget(keys.INSTALLATIONS, tenant)
        except RedisError as error:
            raise translated(error) from error
        if held is None:
            return None
        try:
            return self._opened(tenant, held)
        except InvalidToken:
            raise Unavailable(_WRONG) from None

    async def delete(self, tenant: Tenant) -> None:
        """A workspace left: forget its tokens now, and all else after a while. Repeating it changes nothing."""
        until = (self._clock.now() + keys.LEFT_LIFETIME).timestamp()
        try:
            async with self._redis.pipeline(transaction=True) as step:
                step.hdel(keys.INSTALLATIONS, tenant)
                step.zadd(keys.LEFT, {tenant: until}, nx=True)
                await step.execute()
        except RedisError as error:
            raise translated(error) from error

    async def erase_left(self) -> Sequence[Tenant]:
        """Remove everything of workspaces that left long ago; returns which. One that is back is left alone."""
        erased = []
        for tenant in await self._overdue(self._clock.now()):
            if await erase_tenant(self._redis, tenant, partial(self._gone, tenant)):
                await self._forget(tenant)
                erased.append(tenant)
        return erased

    async def check(self) -> None:
        """Make sure that every record can be read, and put those under an older key under the newest. Raises
        ConfigError when one cannot."""
        try:
            await self._redis.hsetnx(keys.INSTALLATIONS, _CHECK, self._sealed(Tenant(_CHECK), ""))
            async for field, held in self._redis.hscan_iter(keys.INSTALLATIONS, count=PAGE):
                await self._renewed(Tenant(field.decode()), held)
        except RedisError as error:
            raise translated(error) from error

    async def _renewed(self, tenant: Tenant, held: bytes) -> None:
        try:
            record = self._opened(tenant, held)
        except InvalidToken:
            raise ConfigError(_WRONG) from None
        try:
            self._newest.decrypt(held)
        except InvalidToken:
            await call(self._redis, self._swap, [keys.INSTALLATIONS], [tenant, held, self._sealed(tenant, record)])

    async def _overdue(self, now: datetime) -> Sequence[Tenant]:
        try:
            found = await self._redis.zrange(keys.LEFT, "-inf", now.timestamp(), byscore=True)
        except RedisError as error:
            raise translated(error) from error
        return [Tenant(each.decode()) for each in found]

    async def _gone(self, tenant: Tenant) -> bool:
        return await self._redis.zscore(keys.LEFT, tenant) is not None

    async def _forget(self, tenant: Tenant) -> None:
        try:
            await self._redis.zrem(keys.LEFT, tenant)
        except RedisError as error:
            raise translated(error) from error

    def _sealed(self, tenant: Tenant, record: str) -> bytes:
        """The record with its workspace inside, so that none can be put in another's place."""
        return self._cipher.encrypt(f"{tenant}\0{record}".encode())

    def _opened(self, tenant: Tenant, held: bytes) -> str:
        whose, _, record = self._cipher.decrypt(held).decode().partition("\0")
        if whose != tenant:
            raise InvalidToken
        return record


def _cipher(secrets: Sequence[str]) -> MultiFernet:
    fernets = []
    for number, secret in enumerate(secrets, 1):
        try:
            fernets.append(Fernet(secret))
        except ValueError:
            raise ConfigError(f"{SETTING}: key {number} is no key. Make one with: torchquiz slack-key") from None
    if not fernets:
        raise ConfigError(f"{SETTING} is empty. Make a key with: torchquiz slack-key")
    return MultiFernet(fernets)
