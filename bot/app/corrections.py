"""What a reported mistake leads to in the channel: its planner hears of it, and everyone of what was taken out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from bot.app.daily_pool import Pool
from bot.app.daily_views import reported, reveal, taken_out
from bot.core.daily import Claim, Later, Post, PostState, Task
from bot.core.ids import Platform
from bot.core.schedule import post_id
from bot.ports import Chat, Dailies, Lost, Schedules, SlowDown

PATIENCE = timedelta(seconds=30)
"""How long a report waits for others, and for a platform that gave no answer."""


class Corrections:
    """Work on questions that someone found a mistake in. All methods raise what the ports raise."""

    def __init__(self, pool: Pool, schedules: Schedules, dailies: Dailies, chats: Mapping[Platform, Chat]) -> None:
        self._pool = pool
        self._schedules = schedules
        self._dailies = dailies
        self._chats = chats

    async def report(self, claim: Claim) -> None:
        """Tell the planner what was reported. The item goes first, so that a report from now on notes a new one."""
        await self._schedules.done(claim, None, None)
        post = await self._of(claim)
        planner = claim.settings.planner if claim.settings else None
        said = (await self._dailies.reports(claim.tenant)).get(post.id, ()) if post else ()
        if not (post and planner and said):
            return
        try:
            await self._chat(claim).tell(claim.tenant, planner, claim.channel, reported(post, said))
        except (SlowDown, Lost) as error:
            wait = timedelta(seconds=error.seconds) if isinstance(error, SlowDown) else PATIENCE
            await self._schedules.add(claim.tenant, claim.channel, claim.schedule, Later(Task.REPORT, post.day, wait))

    async def amend(self, claim: Claim) -> None:
        """Show on a closed question that it was taken out, and say so once in its thread. An open one says so in its
        digest."""
        post = await self._of(claim)
        item = self._pool.question(post.item) if post else None
        if post and item and post.message and post.void and post.state is PostState.CLOSED:
            await self._chat(claim).edit(post.tenant, post.channel, post.message, reveal(post, item), post.id)
            if post.answered and not await self._announced(claim, post):
                return
        await self._schedules.done(claim, None, None)

    async def _announced(self, claim: Claim, post: Post) -> bool:
        """Say it in the thread, unless it is there. False when someone else is at it."""
        chat, key = self._chat(claim), f"{post.id}-void"
        where = (post.tenant, post.channel)
        if claim.sending and await chat.find(*where, key, post.closes, thread=post.message):
            return True
        if not await self._schedules.mark(claim, post.day):
            return False
        await chat.reply(*where, post.message, taken_out(post), key)
        return True

    def _chat(self, claim: Claim) -> Chat:
        return self._chats[Platform(claim.tenant[0])]

    async def _of(self, claim: Claim) -> Post | None:
        assert claim.day is not None
        return await self._dailies.post(claim.tenant, post_id(claim.channel, claim.day, claim.schedule))
