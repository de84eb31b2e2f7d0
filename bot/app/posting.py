"""Posts, counts, closes and digests what is due. Any number of processes do this at once; each step may be their last.

Claim, pick, record, mark, post, confirm, done. Whoever finds an item marked as being sent looks for the message before
sending again. A message that turns out to be the second of its question is taken away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.app.cards import notice
from bot.app.corrections import Corrections
from bot.app.daily_pool import Pool
from bot.app.daily_views import digest, question, reveal
from bot.app.turns import Turns
from bot.core.daily import Claim, Later, Post, PostState, Task
from bot.core.errors import BadInput, Unavailable
from bot.core.ids import ChannelId, Platform, Tenant
from bot.core.schedule import Occurrence, Schedule, jitter, next_due, post_id, timed
from bot.core.schedule_words import content_text
from bot.core.views import View
from bot.ports import Chat, Dailies, Log, Lost, Rate, Refused, Schedules, SlowDown
from bot.tasks import stop

IN_FLIGHT = 160
"""Items that one process works on at once. At 40 a second, fifteen processes get through theirs within a lease."""
DOUBT = timedelta(seconds=30)
"""How long a platform's history may take to show what was just accepted."""
RECHECK = timedelta(minutes=5)
"""When a second message of a question that was in doubt is looked for: after every lease that could still send it."""
IDLE_SECONDS = 30.0
"""The longest sleep: settings may change meanwhile."""
BUSY_SECONDS = 0.2
"""The sleep where a shard had work just now and may have more."""
STEP_SECONDS = 20.0
"""With more than this between mark and sending, the lease may end too soon: leave it to the next."""
COUNTER_MARGIN = timedelta(seconds=15)
"""The counter is left alone this long before the close, so that no late edit hides the solution."""
US = "Torchquiz"
NOTHING = "There is no question to ask in {} any more: choose something wider by `/schedules`, Edit."


class Posting:
    """Works through what is due on the platforms it has a chat for."""

    def __init__(
        self,
        pool: Pool,
        schedules: Schedules,
        dailies: Dailies,
        chats: Mapping[Platform, Chat],
        rate: Rate,
        log: Log,
        *,
        per_second: float = 40.0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`per_second` is what all processes together may send on a platform."""
        self._pool = pool
        self._schedules = schedules
        self._dailies = dailies
        self._chats = chats
        self._log = log
        self._turns = {each: Turns(rate, f"post:{each.value}", per_second, pause) for each in chats}
        self._pause = pause
        corrections = Corrections(pool, schedules, dailies, chats)
        self._tasks: Mapping[Task, Callable[[Claim], Awaitable[None]]] = {
            Task.POST: self._post,
            Task.CLOSE: self._close,
            Task.COUNT: self._count,
            Task.CHECK: self._check,
            Task.REPORT: corrections.report,
            Task.AMEND: corrections.amend,
        }

    async def run(self) -> None:
        """Work until cancelled."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                wait = await self._take(running)
                if running:
                    _, running = await asyncio.wait(running, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await self._pause(wait)
        finally:
            await stop(*running)

    async def _take(self, running: set[asyncio.Task[None]]) -> float:
        """Begin what is due, as far as hands are free; returns the seconds until there may be more.

        The store is asked only when half of the hands are free, not after each item."""
        if len(running) > IN_FLIGHT // 2:
            return IDLE_SECONDS
        try:
            now, ahead = await self._ahead()
            for claim in await self._claimed(now, ahead, IN_FLIGHT - len(running)):
                running.add(asyncio.create_task(self.do(claim)))
        except Unavailable:
            self._log.warning("daily.store_unavailable")
            return IDLE_SECONDS / 10
        later = [at for _, at in ahead if at > now]
        if len(running) > IN_FLIGHT // 2:
            return IDLE_SECONDS
        soonest = min(later, default=now + timedelta(seconds=IDLE_SECONDS))
        rest = (soonest - now).total_seconds()
        return min(rest, IDLE_SECONDS) if len(later) == len(ahead) else min(rest, BUSY_SECONDS)

    async def tick(self) -> int:
        """Do once what is due now; returns how many items."""
        claims = await self.claims(IN_FLIGHT)
        await asyncio.gather(*(self.do(claim) for claim in claims))
        return len(claims)

    async def claims(self, most: int) -> Sequence[Claim]:
        """Take work that is due, at most so much. Raises Unavailable."""
        return await self._claimed(*await self._ahead(), most)

    async def _ahead(self) -> tuple[datetime, Sequence[tuple[str, datetime]]]:
        return await self._schedules.now(), await self._schedules.next_at(tuple(self._chats))

    async def _claimed(self, now: datetime, ahead: Sequence[tuple[str, datetime]], most: int) -> Sequence[Claim]:
        found: list[Claim] = []
        for shard, at in sorted(ahead, key=lambda each: each[1]):
            if at <= now and len(found) < most:
                found += await self._schedules.claim(shard, most - len(found))
        return found

    async def do(self, claim: Claim) -> None:
        """Do one item. What fails comes back by itself when its lease ends."""
        about = {"tenant": claim.tenant, "channel": claim.channel, "schedule": claim.schedule, "task": claim.task.name}
        try:
            await self._tasks[claim.task](claim)
        except SlowDown as slow:
            self._log.info("daily.slow_down", seconds=slow.seconds, **about)
            await self._give_back(claim, timedelta(seconds=slow.seconds))
        except Lost:
            self._log.warning("daily.no_answer", **about)
            await self._give_back(claim, DOUBT)
        except Refused as refusal:
            self._log.warning("daily.refused", reason=str(refusal), **about)
            await self._refused(claim, refusal)
        except Unavailable:
            self._log.warning("daily.store_unavailable", **about)
        except Exception:
            self._log.exception("daily.failed", **about)

    async def _give_back(self, claim: Claim, wait: timedelta, *, sent: bool | None = None) -> None:
        try:
            await self._schedules.later(claim, await self._schedules.now() + wait, sent=sent)
        except Unavailable:
            self._log.warning("daily.store_unavailable", task=claim.task.name)

    async def _refused(self, claim: Claim, refusal: Refused) -> None:
        """A post that cannot be sent pauses its schedule and says why; other work on that message is dropped."""
        try:
            if claim.task is not Task.POST or claim.settings is None:
                await self._schedules.done(claim, None, None)
                return
            await self._schedules.later(claim, claim.now + DOUBT, sent=False)
            paused = replace(claim.settings, paused=True, resumes=None)
            await self._schedules.save(paused, None, US, f"paused: {refusal}")
        except (BadInput, Unavailable):
            self._log.warning("daily.not_paused", tenant=claim.tenant, channel=claim.channel)
        else:
            await self._tell(paused, refusal)

    async def _tell(self, paused: Schedule, refusal: Refused) -> None:
        """Tell whoever planned it, once: only whoever paused it comes here."""
        if not paused.planner:
            return
        view = notice(f"{refusal} Until then the question of the day is paused there: `/daily resume` in that channel.")
        try:
            await self._chats[Platform(paused.tenant[0])].tell(paused.tenant, paused.planner, paused.channel, view)
        except (Lost, Refused, SlowDown) as error:
            self._log.warning("daily.nobody_told", tenant=paused.tenant, reason=str(error))

    # -- posting

    async def _post(self, claim: Claim) -> None:
        settings = claim.settings
        if claim.sending and claim.day:
            await self._doubtful(claim)
            return
        due = next_due(settings, claim.now, claim.last) if settings else None
        if settings is None or due is None:
            await self._schedules.later(claim, None)
            return
        if (at := moment_of(settings, due)) > claim.now:
            await self._schedules.later(claim, at)
            return
        post = await self._prepared(settings, due, claim)
        if post is None:
            raise Refused(NOTHING.format(content_text(settings.content)))
        await self._send(claim, post)

    async def _prepared(self, settings: Schedule, due: Occurrence, claim: Claim) -> Post | None:
        """The question of an occurrence, recorded; None when the content holds nothing to ask."""
        id = post_id(settings.channel, due.day, settings.id)
        together, post = self._pool.together(settings), None
        while post is None:  # or again, when another schedule of the channel picked meanwhile
            bag = await self._dailies.bag(settings.tenant, settings.channel, due.day, together)
            new = self._pool.pick(settings, due, bag, opens=claim.now)
            if new is None:
                return await self._dailies.post(settings.tenant, id)
            post = await self._dailies.record(new, bag)
        return post

    async def _send(self, claim: Claim, post: Post) -> None:
        """Mark and send. Exceptions of the chat leave the mark: in doubt, unless the platform said that it did
        nothing."""
        chat, item = self._chats[Platform(post.tenant[0])], self._pool.question(post.item)
        if item is None:
            raise LookupError(f"{post.item} is no longer in the bank")
        view = question(post, item)
        await self._turn(post)
        began = time.monotonic()
        if not await self._schedules.mark(claim, post.day) or time.monotonic() - began > STEP_SECONDS:
            return
        try:
            message = await chat.post(post.tenant, post.channel, view, post.id)
        except SlowDown as slow:
            doubted = claim.sending  # of an earlier attempt, about which this refusal says nothing
            await self._give_back(claim, timedelta(seconds=slow.seconds), sent=None if doubted else False)
            return
        await self._sent(claim, post, message, doubted=claim.sending)

    async def _turn(self, post: Post) -> None:
        """Wait for our turn under the platform's rate, which all processes share."""
        await self._turns[Platform(post.tenant[0])].take()

    async def _sent(self, claim: Claim, post: Post, message: str, *, doubted: bool) -> None:
        """A message is out: note it, take it away if it is not the one, and go on to the next date."""
        stands = await self._dailies.confirm(post, message)
        also: list[Later] = []
        if stands:
            also = [
                Later(Task.CLOSE, post.day, post.closes),
                _recheck(post, if_moved=not doubted and stands == message),
            ]
        if stands != message:
            self._log.warning("daily.duplicate", tenant=post.tenant, channel=post.channel, post=post.id)
            await self._delete(post, message)
        occurrence = timed(claim.settings, post.day) if claim.settings else None
        await self._finish(claim, claim.settings, occurrence or Occurrence(post.day, post.opens, post.closes), also)

    async def _finish(self, claim: Claim, settings: Schedule | None, due: Occurrence, also: Sequence[Later]) -> None:
        following = next_due(settings, claim.now, due.day) if settings else None
        at = moment_of(settings, following) if settings and following else None
        await self._schedules.done(claim, due.day, at, also)

    async def _doubtful(self, claim: Claim) -> None:
        """Someone was sending it: find out what became of that, then go on."""
        assert claim.day is not None
        post = await self._dailies.post(claim.tenant, post_id(claim.channel, claim.day, claim.schedule))
        if post is None:
            await self._give_back(claim, timedelta(0), sent=False)
            return
        if post.message:
            await self._sent(claim, post, post.message, doubted=True)
            return
        chat = self._chats[Platform(post.tenant[0])]
        found = await chat.find(post.tenant, post.channel, post.id, post.opens - RECHECK)
        if found:
            await self._sent(claim, post, found[0], doubted=True)
            for extra in found[1:]:
                await self._delete(post, extra)
        elif self._still_wanted(claim, post):
            await self._send(claim, post)
        elif claim.settings:
            await self._give_back(claim, timedelta(0), sent=False)
        else:
            await self._schedules.later(claim, None, sent=False)

    def _still_wanted(self, claim: Claim, post: Post) -> bool:
        due = timed(claim.settings, post.day) if claim.settings and not claim.settings.paused else None
        return due is not None and claim.now < due.latest

    async def _delete(self, post: Post, message: str) -> None:
        await self._chats[Platform(post.tenant[0])].delete(post.tenant, post.channel, message)

    # -- after posting

    async def _count(self, claim: Claim) -> None:
        """Bring the counter up to date. The item goes first, so that an answer from now on notes a new one."""
        await self._schedules.done(claim, None, None)
        post = await self._of(claim)
        if post and post.message and post.state is PostState.OPEN and claim.now < post.closes - COUNTER_MARGIN:
            item = self._pool.question(post.item)
            if item:
                await self._counted(post, question(post, item))

    async def _counted(self, post: Post, view: View) -> None:
        try:
            await self._chats[Platform(post.tenant[0])].edit(post.tenant, post.channel, post.message, view, post.id)
        except SlowDown as slow:
            again = Later(Task.COUNT, post.day, timedelta(seconds=slow.seconds))
            await self._schedules.add(post.tenant, post.channel, post.schedule, again)

    async def show(self, tenant: Tenant, channel: ChannelId) -> None:
        """Bring back the message of an open question, on a platform that forgets messages when it stops."""
        post = await self._dailies.newest(tenant, channel)
        item = self._pool.question(post.item) if post else None
        if post and item and post.state is PostState.OPEN:
            await self._chats[Platform(tenant[0])].edit(tenant, channel, post.message, question(post, item), post.id)

    async def _check(self, claim: Claim) -> None:
        """Take away a second message of the same question."""
        post = await self._of(claim)
        if post and post.message:
            chat = self._chats[Platform(post.tenant[0])]
            found = await chat.find(post.tenant, post.channel, post.id, post.opens - RECHECK)
            if post.digest:
                since = post.closes - RECHECK
                key = _digest_key(post)
                found = [*found, *await chat.find(post.tenant, post.channel, key, since, thread=post.message)]
            for each in found:
                if each not in (post.message, post.digest):
                    self._log.warning("daily.duplicate", tenant=post.tenant, channel=post.channel, post=post.id)
                    await self._delete(post, each)
        await self._schedules.done(claim, None, None)

    async def _close(self, claim: Claim) -> None:
        """Take no more answers, bring them to the boards, reveal, and send the digest once."""
        post = await self._of(claim)
        if post is None or post.state is PostState.UNSENT:
            await self._schedules.done(claim, None, None)
            return
        if claim.now < post.closes:
            await self._schedules.later(claim, post.closes)
            return
        await self._dailies.close(post)
        closed = await self._of(claim)
        item = self._pool.question(post.item)
        if closed and item and closed.message:
            await self._turn(closed)
            chat = self._chats[Platform(post.tenant[0])]
            await chat.edit(post.tenant, post.channel, closed.message, reveal(closed, item), post.id)
            if not closed.digest and closed.answered and not await self._digested(claim, closed):
                return
        await self._schedules.done(claim, None, None, [_recheck(post, if_moved=not claim.sending)])

    async def _digested(self, claim: Claim, post: Post) -> bool:
        """Send the digest, unless it is there. False when someone else is at it."""
        chat, key, item = self._chats[Platform(post.tenant[0])], _digest_key(post), self._pool.question(post.item)
        assert item is not None
        if claim.sending:
            found = await chat.find(post.tenant, post.channel, key, post.closes - RECHECK, thread=post.message)
            if found:
                await self._dailies.confirm(post, found[0], digest=True)
                for extra in found[1:]:
                    await self._delete(post, extra)
                return True
        view = digest(post, item, await self._dailies.milestones(post, 5))
        if not await self._schedules.mark(claim, post.day):
            return False
        message = await chat.reply(post.tenant, post.channel, post.message, view, key)
        if await self._dailies.confirm(post, message, digest=True) != message:
            await self._delete(post, message)
        return True

    async def _of(self, claim: Claim) -> Post | None:
        assert claim.day is not None
        return await self._dailies.post(claim.tenant, post_id(claim.channel, claim.day, claim.schedule))


def _recheck(post: Post, *, if_moved: bool) -> Later:
    """A look for second messages, after every lease that could still send one."""
    return Later(Task.CHECK, post.day, RECHECK, if_moved=if_moved)


def _digest_key(post: Post) -> str:
    return f"{post.id}-digest"


def moment_of(settings: Schedule, due: Occurrence) -> datetime:
    """When an occurrence is to be posted: its channel's place after the minute, or at once when that was asked for."""
    if settings.early == due.day:
        return settings.since
    return due.due + jitter(settings.channel)
