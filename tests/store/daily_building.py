"""Builders for questions of the day, and a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from bot.core.daily import Answered, NewPost, Post
from bot.core.ids import ChannelId, ItemId, OptionId, Tenant
from bot.core.schedule import EVERY_DAY, Mode, PostId, Schedule, ScheduleId, post_id
from bot.ports import Dailies
from tests.store.building import a_caller

FIRST = date(2031, 3, 3)
"""A Monday in the future, so that no board of a test has expired."""
ORDER = tuple(OptionId(letter) for letter in "cadb")


@dataclass
class HandClock:
    """A clock that is set by hand."""

    at: datetime = datetime(2031, 3, 3, 8, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    async def load(self) -> None:
        """It is known always."""

    async def forward(self, to: datetime) -> None:
        self.at = to


def a_schedule(tenant: Tenant, channel: str = "c1", id: str = "1", zone: str = "Europe/Berlin") -> Schedule:
    return Schedule(ScheduleId(id), tenant, ChannelId(channel), zone, time(9), time(9), EVERY_DAY)


def a_post(
    tenant: Tenant,
    day: int = 0,
    *,
    channel: str = "c1",
    schedule: str = "1",
    item: str = "",
    mode: Mode = Mode.INSTANT,
    topic: str = "autograd",
    round: int = 1,
    together: str = "",
) -> NewPost:
    """The question of the `day`-th day, whose right option is a."""
    date_ = FIRST + timedelta(days=day)
    opens = datetime.combine(date_, time(8), tzinfo=UTC)
    return NewPost(
        id=post_id(ChannelId(channel), date_, ScheduleId(schedule)),
        tenant=tenant,
        channel=ChannelId(channel),
        schedule=ScheduleId(schedule),
        item=ItemId(item or f"quiz-11-q{day:02}"),
        round=round,
        right=OptionId("a"),
        order=ORDER,
        topic=topic,
        mode=mode,
        zone="Europe/Berlin",
        day=date_,
        opens=opens,
        closes=opens + timedelta(days=1),
        together=together,
    )


async def sent(dailies: Dailies, new: NewPost) -> Post:
    """Record a post and confirm its message."""
    bag = await dailies.bag(new.tenant, new.channel, new.day, new.together)
    assert await dailies.record(new, bag)
    post = await dailies.post(new.tenant, new.id)
    assert post is not None
    assert await dailies.confirm(post, f"m-{new.id}") == f"m-{new.id}"
    return await again(dailies, post)


async def again(dailies: Dailies, post: Post) -> Post:
    """The post as it is by now."""
    found = await dailies.post(post.tenant, post.id)
    assert found is not None
    return found


async def answer(dailies: Dailies, post: Post, user: str, option: str = "a") -> Answered:
    return await dailies.answer(
        a_caller(post.tenant, user, post.channel, name=f"name of {user}"), PostId(post.id), OptionId(option)
    )
