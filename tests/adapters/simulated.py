"""A town whose questions of the day come by a real adapter: time passes only when a test says so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from bot.app.daily_pool import Pool
from bot.app.posting import Posting
from bot.core.ids import Platform
from bot.ports import Chat
from tests.app.building import BANK
from tests.app.fake_chat import FakeRate
from tests.daily.building import Town

DEADLINE = 30.0


@dataclass
class Simulated:
    """Works on what falls due in a town, through the chat of the adapter that is served."""

    town: Town
    platform: Platform
    _chats: asyncio.Queue[Chat] = field(default_factory=asyncio.Queue)
    _posting: Posting | None = None

    async def posting(self, chat: Chat) -> None:
        """What the adapter runs while it is connected."""
        self._chats.put_nowait(chat)
        await asyncio.Event().wait()

    async def chat(self) -> Chat:
        """The chat of the adapter that was served last."""
        async with asyncio.timeout(DEADLINE):
            return await self._chats.get()

    async def connect(self) -> None:
        """Work through the adapter that has just been served."""
        town, chats = self.town, {self.platform: await self.chat()}
        self._posting = Posting(Pool(BANK), town.schedules, town.dailies, chats, FakeRate(), town.log)

    async def pass_time(self, length: timedelta) -> None:
        """Let time pass, and do what falls due on the way."""
        assert self._posting
        clock, end = self.town.clock, self.town.clock.at + length
        while clock.at < end:
            ahead = [at for _, at in await self.town.schedules.next_at([self.platform]) if at > clock.at]
            clock.at = min([*ahead, end])
            while await self._posting.tick():
                pass
