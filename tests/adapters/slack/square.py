"""A channel on a fake Slack with a question of the day, under a simulated clock and over a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.core.ids import ChannelId, Platform, Tenant
from bot.core.schedule import PostId
from tests.adapters.simulated import Simulated
from tests.adapters.slack.fake_slack import FakeSlack, Shown
from tests.adapters.slack.serving import Bot, bot
from tests.daily.building import Town
from tests.redis_server import lonely, lonely_url
from tests.store.daily_building import HandClock

__all__ = ["lonely", "lonely_url", "square"]

CHANNEL, WORKSPACE = ChannelId("C1"), Tenant("sT1")


class TownTime:
    """A fake Slack's time, told by the clock of the town."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock

    @property
    def at(self) -> float:
        return self.clock.at.timestamp()

    def __call__(self) -> float:
        return self.at


@dataclass
class Square:
    """A workspace on a fake Slack, whose channel C1 has a question of the day."""

    slack: FakeSlack
    simulated: Simulated

    @property
    def town(self) -> Town:
        return self.simulated.town

    @asynccontextmanager
    async def served(self, **changes: Any) -> AsyncIterator[Bot]:
        async with bot(self.slack, house=self.town, posting=self.simulated.posting, **changes) as running:
            await self.simulated.connect()
            yield running

    async def planned(self, **values: str) -> None:
        """Ada, an admin, plans a question at 09:30 in Berlin by the form, half an hour after the story begins."""
        self.slack.admins.add("UADA")
        await self.slack.command("/setup", user="UADA")
        dialog = await self.slack.until(lambda: next(iter(self.slack.dialogs), ""), "the form")
        filled = {f"{name}.0": value for name, value in ({"at": "09:30", "days": "daily"} | values).items()}
        await self.slack.submit(dialog, filled, user="UADA")
        plan = await self.slack.see("is this right?", to="UADA")
        await self.slack.press(plan, "Save", user="UADA")
        await self.slack.see("Saved.", to="UADA")
        await self.slack.until(
            lambda: self.slack.called("conversations.history"), "a look whether we are in the channel"
        )

    async def letters(self, message: Shown) -> tuple[str, str]:
        """The letters of the right option and of a wrong one, found through the store as no player could."""
        post = await self.town.dailies.post(WORKSPACE, PostId(message.metadata["event_payload"]["key"]))
        assert post is not None
        right = post.order.index(post.right)
        return "ABCDEF"[right], "ABCDEF"[(right + 1) % len(post.order)]

    def posted(self) -> list[Shown]:
        return [each for each in self.slack.shown(channel=CHANNEL) if not each.thread]

    def threads(self) -> list[Shown]:
        return [each for each in self.slack.shown(channel=CHANNEL) if each.thread]


@pytest.fixture
def square(slack: FakeSlack, lonely: Redis) -> Square:
    town = Town(lonely, WORKSPACE)
    slack.clock = TownTime(town.clock)  # type: ignore[assignment]  # read as FakeTime is
    return Square(slack, Simulated(town, Platform.SLACK))
