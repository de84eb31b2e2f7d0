"""People's notebooks, kept up to date with what they answer.

An answer in a quiz is recorded and replied to without a thought for the notebook. It is taken in from the tenant's log
afterwards: by whoever looks at a notebook next, and in between now and then. A page of the log and everything that it
changes are written in one step, so no answer is lost or taken in twice, whoever crashes when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.app.decks import Deck
from bot.app.local_days import LocalDays
from bot.app.recent import Recent
from bot.core.bank import Bank
from bot.core.daily import RESERVED_DAYS, Post, PostState
from bot.core.errors import Unavailable
from bot.core.ids import Caller, Tenant, UserId
from bot.core.reviews import (
    Locked,
    LoggedAnswer,
    LogPage,
    Moment,
    Notebook,
    Subject,
    answered,
    answered_daily,
    locked,
    unlocked,
)
from bot.core.schedule import Mode, PostId
from bot.ports import Dailies, Log, Notebooks, Spacing

TRIES = 20
"""How often a change is begun again because someone else changed the notebook meanwhile."""
MOST_PAGES = 100
"""Pages of the log that a look at a notebook takes in at most; the rest waits for the next look."""
FOLLOW_EVERY = timedelta(minutes=1)
FOLLOW_PAGES = 5
_TENANTS = 10_000

Rule = Callable[[Notebook], Notebook]


class Memory:
    """Reads and changes notebooks. Every method that reads or writes raises Unavailable."""

    def __init__(
        self,
        bank: Bank,
        notebooks: Notebooks,
        spacing: Spacing,
        days: LocalDays,
        log: Log,
        dailies: Dailies | None = None,
        recent: Recent | None = None,
    ) -> None:
        """Without `dailies` and `recent` there are no questions of the day to learn from."""
        self._bank = bank
        self._notebooks = notebooks
        self._spacing = spacing
        self._days = days
        self._log = log
        self._dailies = dailies
        self._recent = recent
        self._followed: dict[Tenant, datetime] = {}

    async def moment(self, caller: Caller) -> Moment:
        """Now, in the zone of the caller's team."""
        return Moment(self._days.clock.now(), await self._days.team_zone(caller.tenant))

    async def latest(self, caller: Caller) -> Notebook:
        """The caller's notebook with everything that they have answered so far."""
        await self._take_in(caller.tenant, MOST_PAGES)
        book = await self.read(caller)
        if self._dailies is None or not book.locked:
            return book
        moment = await self.moment(caller)
        posts = {id: await self._dailies.post(caller.tenant, id) for id in book.locked}
        closed = {id: post for id, post in posts.items() if _is_closed(post, moment.now)}
        return await self.change(caller, lambda held: self._unlocked(held, closed, moment)) if closed else book

    async def open_to(self, caller: Caller, book: Notebook, deck: Deck) -> Deck:
        """What of a deck the caller may be asked now. A review gives no question of the day away: those of the last ten
        days are kept back from whoever has not met their fact since."""
        if self._recent is None:
            return deck
        since = self._days.clock.now() - timedelta(days=RESERVED_DAYS)
        reserved = await self._recent.items(caller)
        return deck.without(reserved, lambda fact: book.card(fact).met_since(since))

    async def read(self, caller: Caller) -> Notebook:
        """The caller's notebook as it stands."""
        return (await self._notebooks.read(caller.tenant, [caller.user]))[caller.user]

    async def change(self, caller: Caller, rule: Rule) -> Notebook:
        """Change the caller's notebook by a rule and return what stands then. The rule may be asked several times."""
        for _ in range(TRIES):
            before = await self.read(caller)
            after = rule(before)
            if after == before or await self._notebooks.write(caller.tenant, caller.user, before, after):
                return after
        raise Unavailable("That notebook is being written to all the time. Try again in a moment.")

    async def follow(self, tenant: Tenant) -> None:
        """Take in what was answered, a while after the first answer: called after each one has been replied to. Raises
        nothing."""
        now, since = self._days.clock.now(), self._followed.get(tenant)
        if since and now - since < FOLLOW_EVERY:
            return
        if len(self._followed) >= _TENANTS:
            self._followed.clear()
        self._followed[tenant] = now
        if since is None:
            return
        try:
            await self._take_in(tenant, FOLLOW_PAGES)
        except Unavailable:
            self._log.warning("notebooks.behind", tenant=tenant)  # the log keeps it
        except Exception:  # the edge: the answer has been replied to, and nothing may come after that
            self._log.exception("notebooks.failed", tenant=tenant)

    async def _take_in(self, tenant: Tenant, most: int) -> None:
        for _ in range(most):
            page = await self._notebooks.page(tenant)
            if page.until == page.since:
                return
            users = list(dict.fromkeys(UserId(answer.user) for answer in page.answers))
            before = await self._notebooks.read(tenant, users)
            after = dict(before)
            posts, zone = await self._posts(page), await self._days.team_zone(tenant)
            for answer in page.answers:
                after[UserId(answer.user)] = self._taken(after[UserId(answer.user)], answer, posts, zone)
            changed = {user: (before[user], after[user]) for user in users if before[user] != after[user]}
            if await self._notebooks.take_in(page, changed) and not page.more:
                return

    async def _posts(self, page: LogPage) -> Mapping[PostId, Post | None]:
        if self._dailies is None:
            return {}
        ids = dict.fromkeys(answer.post for answer in page.answers if answer.post)
        return {id: await self._dailies.post(page.tenant, id) for id in ids}

    def _taken(
        self, book: Notebook, answer: LoggedAnswer, posts: Mapping[PostId, Post | None], zone: ZoneInfo
    ) -> Notebook:
        item = self._bank.items.get(answer.item)
        if item is None:
            return book
        subject, moment = Subject(item.fact, item.topic), Moment(answer.at, zone)
        if answer.post is None:
            first = answer.round == 1
            return answered(book, subject, answer.correct, moment, self._spacing, first_try=first)
        post = posts.get(answer.post)
        if post is None:
            return book
        if post.mode is Mode.SEALED:
            return locked(book, post.id, Locked(answer.option, answer.at), zone)
        correct = None if post.void else answer.option == post.right
        return answered_daily(book, subject, correct, moment, self._spacing)

    def _unlocked(self, book: Notebook, closed: Mapping[PostId, Post | None], moment: Moment) -> Notebook:
        for id, post in closed.items():
            answer, item = book.locked.get(id), self._bank.items.get(post.item) if post else None
            if answer is None:
                continue
            if post is None or item is None:
                book = replace(book, locked={each: held for each, held in book.locked.items() if each != id})
                continue
            correct = None if post.void else answer.option == post.right
            subject = Subject(item.fact, item.topic)
            book = unlocked(book, id, subject, correct, moment, self._spacing)
        return book


def _is_closed(post: Post | None, now: datetime) -> bool:
    return post is None or post.state is not PostState.OPEN or post.closes <= now
