"""A server with a question of the day: the real library, a real Redis, a clock by hand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from redis.asyncio import Redis

from bot.adapters.discord.serving import serve_http
from bot.app.daily_pool import Pool
from bot.app.posting import Posting
from bot.core.daily import Post
from bot.core.ids import ChannelId, Platform, Tenant
from bot.ports import Chat
from tests.adapters.discord.fake_discord import (
    MANAGE_SERVER,
    TOKEN,
    FakeDiscord,
    Interaction,
    Message,
    Someone,
    discord,
)
from tests.adapters.discord.living import Bot, Parts, running
from tests.adapters.discord.test_endpoint import PUBLIC
from tests.app.building import BANK
from tests.app.fake_chat import FakeRate
from tests.daily.building import Town
from tests.store.daily_building import HandClock

_SERVERS = itertools.count(int(datetime.now(UTC).timestamp() * 1000) << 22, 1 << 22)
HOUR = timedelta(hours=1)


@dataclass
class Server:
    """A server in which a question of the day is planned. Time passes for Discord and for us together."""

    fake: FakeDiscord
    redis: Redis
    guild: str = field(default_factory=lambda: str(next(_SERVERS)))

    def __post_init__(self) -> None:
        self.channel = str(int(self.guild) + 7)
        clock = HandClock(datetime.fromtimestamp(self.fake.now(), UTC))
        self.town = Town(self.redis, Tenant(f"d{self.guild}"), clock)
        self.parts = Parts()
        self.parts.house = cast("Any", self.town)
        self.posting: Posting | None = None

    @asynccontextmanager
    async def bot(self, **options: Any) -> AsyncIterator[Bot]:
        """A bot process, which ends with the block."""
        given = asyncio.Event()
        self.fake.gateway.identifies.clear()  # minutes have passed since the process before
        async with running(self.fake, self.parts, posting=self._posting(given), **options) as bot:
            await given.wait()
            yield bot

    @asynccontextmanager
    async def http(self) -> AsyncIterator[None]:
        """A process without the gateway, which ends with the block."""
        given, stop = asyncio.Event(), asyncio.Event()
        serving = serve_http(
            self.town.desk,
            token=TOKEN,
            public_key=PUBLIC,
            host="127.0.0.1",
            port=0,
            once=self.parts.once,
            rate=self.parts.rate,
            log=self.town.log,
            ready=lambda _: None,
            stop=stop,
            api_base=self.fake.api,
            posting=self._posting(given),
        )
        task = asyncio.create_task(serving)
        try:
            await asyncio.wait_for(given.wait(), 15)
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 15)

    def _posting(self, given: asyncio.Event) -> Callable[[Chat], Coroutine[Any, Any, None]]:
        async def posting(chat: Chat) -> None:
            town = self.town
            chats = {Platform.DISCORD: chat}
            self.posting = Posting(Pool(BANK), town.schedules, town.dailies, chats, FakeRate(), town.log)
            given.set()
            await asyncio.Event().wait()

        return posting

    def someone(self, name: str = "Bob", number: int = 3, permissions: int = 0) -> Someone:
        return Someone(self.fake, name, str(12 * 10**17 + number), self.channel, self.guild, permissions)

    def admin(self) -> Someone:
        return self.someone("Ada", 2, MANAGE_SERVER)

    async def plan(self, mode: str = "instant") -> Interaction:
        """Plan a question an hour from now, by the form."""
        ada = self.admin()
        at = self.town.clock.at + HOUR
        values = {"at": f"{at:%H:%M}", "zone": "UTC", "days": "daily", "content": "quiz 11", "mode": mode}
        card = await ada.submit(await ada.command("setup"), **values)
        return await ada.press(card.message, "Save")

    async def passes(self, length: timedelta) -> None:
        """Let time pass, and do what falls due on the way."""
        end = self.town.clock.at + length
        while self.town.clock.at < end:
            ahead = [at for _, at in await self.town.schedules.next_at([Platform.DISCORD]) if at > self.town.clock.at]
            self.fake.skip((min([*ahead, end]) - self.town.clock.at).total_seconds())
            self.town.clock.at = min([*ahead, end])
            await self.work()

    async def work(self) -> None:
        """Do what is due now."""
        assert self.posting
        while await self.posting.tick():
            pass

    def questions(self) -> Sequence[Message]:
        """Questions that stand in the channel."""
        return [each for each in self._here(self.channel) if "Question of the day ·" in each.text]

    def threads(self) -> Sequence[Message]:
        """What stands below the messages of the channel."""
        below = [thread for thread, (parent, _) in self.fake.threads.items() if parent == self.channel]
        return [each for thread in below for each in self._here(thread)]

    def digests(self) -> Sequence[Message]:
        """Digests that stand in the channel or below its messages."""
        return [each for each in (*self._here(self.channel), *self.threads()) if "How it went" in each.text]

    async def post(self) -> Post:
        """The newest question as the store holds it."""
        post = await self.town.dailies.newest(self.town.tenant, ChannelId(self.channel))
        assert post
        return post

    async def letters(self) -> tuple[str, str]:
        """The letter of the right option and one of a wrong one."""
        post = await self.post()
        right = post.order.index(post.right)
        return "ABCDEF"[right], "ABCDEF"[(right + 1) % len(post.order)]

    def _here(self, channel: str) -> Sequence[Message]:
        everywhere = self.fake.messages.values()
        return [each for each in everywhere if each.channel == channel and not each.to and not each.deleted]


@asynccontextmanager
async def server(redis: Redis) -> AsyncIterator[Server]:
    """A server at the end of which nothing was broken."""
    async with discord() as fake:
        place = Server(fake, redis)
        yield place
        for event, fields in place.town.log.events:
            assert event not in ("discord.failed", "desk.failed", "daily.failed", "discord.posting_failed"), fields
