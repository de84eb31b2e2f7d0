"""The demo's days: they pass by themselves, and one goes by in a moment when somebody asks for the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from bot.app.answers import Answers, typed
from bot.app.posting import Posting
from bot.core.daily import Post, PostState
from bot.core.errors import Unavailable
from bot.core.ids import Caller, ChannelId, Platform, Tenant
from bot.core.schedule import upcoming
from bot.core.schedule_words import moment_text
from bot.core.text import line
from bot.core.views import Text, View
from bot.ports import Chat, Dailies, DemoClock, Log, Schedules

NEXT = "next"
"""The command that lets a day pass."""
DAY = timedelta(days=1)
LOOK_SECONDS = 1.0
"""How often the demo looks for what is due."""
RETRY_SECONDS = 3.0


class Days:
    """Posts what is due in one channel, now or on the way to a later day: in its order, at its time."""

    def __init__(
        self,
        tenant: Tenant,
        channel: ChannelId,
        clock: DemoClock,
        schedules: Schedules,
        dailies: Dailies,
        posting: Callable[[Chat], Posting],
        log: Log,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._tenant = tenant
        self._channel = channel
        self.clock = clock
        self._schedules = schedules
        self._dailies = dailies
        self._make = posting
        self._log = log
        self._pause = pause
        self._posting: Posting | None = None
        self._turn = asyncio.Lock()

    def answers(self) -> Answers:
        """Going on to the next day."""
        return Answers({NEXT: typed(self.next)})

    async def run(self, chat: Chat) -> None:
        """Show the open question again, then post what falls due, until cancelled."""
        posting = self._make(chat)
        shown = False
        try:
            while True:
                try:
                    async with self._turn:
                        await self.clock.load()
                        if not shown:
                            await posting.show(self._tenant, self._channel)
                        self._posting, shown = posting, True
                        await _all_due(posting)
                except Unavailable:
                    self._log.warning("demo.store_unavailable")
                    await self._pause(RETRY_SECONDS)
                except Exception:  # the edge of this task: tomorrow's question still wants to be posted
                    self._log.exception("demo.posting_failed")
                await self._pause(LOOK_SECONDS)
        finally:
            self._posting = None

    async def next(self, caller: Caller, _: str = "") -> View:
        """Let a day go by, with all that falls due in it. Raises Unavailable."""
        if self._posting is None:
            raise Unavailable("the channel is not open yet")
        async with self._turn:
            before = await self._dailies.newest(self._tenant, self._channel)
            await self._pass(self._posting)
            newest = await self._dailies.newest(self._tenant, self._channel)
        today = f"{self.clock.now():%a} {self.clock.now().day} {self.clock.now():%b}"
        told = f"It is **{today}** now. {await self._news(before, newest)}"
        return View((Text(line(told)),), f"It is {today} now.", private=False)

    async def _news(self, before: Post | None, newest: Post | None) -> str:
        closed = before and newest and before.state is PostState.OPEN and newest.state is not PostState.OPEN
        comes = newest and (before is None or newest.id != before.id)
        told = ["A new question of the day has come."] if comes else [await self._next_one()]
        if closed or (comes and before and before.state is PostState.OPEN):
            told.append("The one before has closed: it shows its solution, and a thread tells how it went.")
        return " ".join(told)

    async def _next_one(self) -> str:
        planned = await self._schedules.of_tenant(self._tenant)
        ahead = sorted((due.due, each.zone) for each in planned for due in upcoming(each, self.clock.now(), 1))
        if ahead:
            return f"No question came on this day; the next comes {moment_text(*ahead[0])}."
        if planned:
            return "No question is planned now: `/schedules`"
        return "Plan a question of the day with `/setup`, and the next day brings the first."

    async def _pass(self, posting: Posting) -> None:
        await self.clock.load()
        end = self.clock.now() + DAY
        while True:
            await _all_due(posting)
            now = self.clock.now()
            if now >= end:
                return
            ahead = [at for _, at in await self._schedules.next_at([Platform(self._tenant[0])]) if at > now]
            await self.clock.forward(min([*ahead, end]))


async def _all_due(posting: Posting) -> None:
    while await posting.tick():
        pass
