"""The question of the day for whoever is asked: today's question, the answer, and what was learned."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.app.answers import Answers, pressed
from bot.app.cards import notice
from bot.app.daily_pool import Pool
from bot.app.daily_views import question, reveal, verdict
from bot.core.actions import DailyAnswer, ShowDaily
from bot.core.daily import COUNTER_SECONDS, Later, Post, PostState, Status, Task
from bot.core.errors import BadInput, StaleButton
from bot.core.ids import Caller
from bot.core.schedule import PostId, upcoming
from bot.core.schedule_words import moment_text
from bot.core.views import View
from bot.ports import Clock, Dailies, Schedules

_NOTED = 4096
_LOOKED_AT = 5
"""Channels in which the caller answers, of those that are looked at for a question that is open."""


class Daily:
    """Shows today's question in private and takes answers."""

    def __init__(self, pool: Pool, schedules: Schedules, dailies: Dailies, clock: Clock) -> None:
        self._pool = pool
        self._schedules = schedules
        self._dailies = dailies
        self._clock = clock
        self._noted: dict[PostId, datetime] = {}

    def answers(self) -> Answers:
        """Answering today's question."""
        return Answers(actions={DailyAnswer: pressed(self.answer), ShowDaily: pressed(self.show)})

    async def show(self, caller: Caller, _: ShowDaily | None = None) -> View:
        """The newest question of this channel, or when the next one comes. Where none was asked, as in a conversation
        with us alone: the open one of a channel in which the caller answers."""
        now = await self._schedules.now()
        post = await self._dailies.newest(caller.tenant, caller.channel) or await self._elsewhere(caller, now)
        if post is None or (item := self._pool.question(post.item)) is None:
            return notice(await self._next(caller, now))
        if post.state is PostState.OPEN and now < post.closes:
            return question(post, item, private=True)
        return _private(reveal(post, item))

    async def answer(self, caller: Caller, action: DailyAnswer) -> View:
        """Record an answer and tell what it is worth, or that it is locked in. A late one gets a kind word."""
        answered = await self._dailies.answer(caller, action.post, action.option)
        post = answered.post
        match answered.status:
            case Status.REFUSED:
                raise BadInput("You asked me not to keep anything about you, so I can't count answers. See `/privacy`.")
            case Status.COOLING:
                raise BadInput("That is a lot of answers in one minute. Take a breath and try again in the next.")
            case Status.UNKNOWN:
                raise StaleButton("That question is no longer there. Type `/daily` for today's.")
        item = self._pool.question(post.item) if post else None
        if post is None or item is None:
            raise StaleButton("That question is no longer there. Type `/daily` for today's.")
        if answered.status is Status.RECORDED:
            await self._note(post)
        return verdict(answered, post, item, action.option)

    async def _note(self, post: Post) -> None:
        """See to it that the counter under the question moves soon; noted at most once in the time that it waits."""
        now, wait = self._clock.now(), timedelta(seconds=COUNTER_SECONDS)
        last = self._noted.get(post.id)
        if last is not None and now - last < wait:
            return
        if len(self._noted) >= _NOTED:
            self._noted.clear()
        self._noted[post.id] = now
        await self._schedules.add(post.tenant, post.channel, post.schedule, Later(Task.COUNT, post.day, wait))

    async def _elsewhere(self, caller: Caller, now: datetime) -> Post | None:
        person = await self._dailies.person(caller)
        there = [await self._dailies.newest(caller.tenant, channel) for channel in list(person.streaks)[:_LOOKED_AT]]
        still_open = [post for post in there if post and post.state is PostState.OPEN and now < post.closes]
        return max(still_open, key=lambda post: post.opens, default=None)

    async def _next(self, caller: Caller, now: datetime) -> str:
        everywhere = await self._schedules.of_tenant(caller.tenant)
        mine = [each for each in everywhere if each.channel == caller.channel]
        ahead = sorted((due.due, each.zone) for each in mine for due in upcoming(each, now, 1))
        if not mine and everywhere:
            return (
                "No question of the day is planned here. Answer one in a channel that has one, and it comes here too."
            )
        if not ahead:
            return "No question of the day is planned in this channel. An admin can plan one with `/setup`."
        return f"There has been no question here yet. The first comes {moment_text(*ahead[0])}."


def _private(view: View) -> View:
    return View(view.blocks, view.fallback, view.buttons)
