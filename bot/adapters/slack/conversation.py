"""From what a person did on Slack to what Slack shows: each event is answered by one owned, bounded task."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable

from bot.adapters.slack import render
from bot.adapters.slack.api import RefusedError
from bot.adapters.slack.cards import Cards
from bot.adapters.slack.parse import (
    GROUP,
    Event,
    HomeOpened,
    Left,
    Pressed,
    Said,
    Source,
    Submitted,
    deletes,
    for_admins,
    plans,
    starts_run,
)
from bot.adapters.slack.people import People
from bot.adapters.slack.place import Place
from bot.adapters.slack.progress import Progress
from bot.app.cards import trouble
from bot.app.commands import COMMANDS
from bot.app.desk import Desk
from bot.app.welcome import WELCOME
from bot.core.actions import Action
from bot.core.address import Address
from bot.core.errors import BadInput, Unavailable
from bot.core.ids import Caller, Tenant, UserId
from bot.core.views import Form, Note, Reply, View
from bot.ports import Log, Once
from bot.tasks import stop

MAX_EVENTS = 512
"""Events answered at once; while so many are, Slack is told to try again."""
REPLY_SECONDS = 900.0
"""No reply takes longer; a run waits in line and then runs well within it."""
REMEMBER_SECONDS = 3600.0
"""Slack delivers an event again at once, after 1 and after 5 minutes."""
DOUBLE_TAP_SECONDS = 1.0
"""The same press of the same person on the same card within this time is one press."""
MAX_NAMES = 10_000
WELCOME_SECONDS = 10 * 365 * 86400.0
"""Whoever was greeted is not greeted again."""
HOME_SECONDS = 2.0
"""Looking at the App Home more often than this does not draw it again."""
RETRY_SECONDS = 2.0
DELIVERIES = 4
"""Results that are being shown at once: one slow channel holds up no other."""
HOME = ("stats", "daily", "leaderboard month workspace", "quiz", "privacy", "schedules", "help")
"""What the App Home shows, in this order: those lines whose command exists and is for this person. Progress, streak and
due cards stand in ``stats``; settings in ``privacy`` and ``schedules``."""
NO_SCOPE = (
    "I can't see whether you are an admin of this workspace. Whoever installed me can let me: under OAuth & "
    "Permissions, add the scope users:read, and install me again."
)
NO_FILES = (
    "I can't read that file. Whoever installed me can let me: under OAuth & Permissions, add the scope files:read, and "
    "install me again. Or paste the code between three backticks."
)
NO_FILE = "I could not get that file from Slack. Please send it again."
NO_ROLE = "Slack did not tell me whether you are an admin of this workspace. Please try again in a moment."
STARTING = View((Note("Starting…"),), fallback="Starting…", private=False, final=False)


class Conversation:
    """Hands events to the desk and its replies to Slack."""

    def __init__(
        self,
        desk: Desk,
        cards: Cards,
        people: People,
        once: Once,
        log: Log,
        *,
        left: Callable[[Tenant], Awaitable[None]] | None = None,
        max_events: int = MAX_EVENTS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._desk = desk
        self._cards = cards
        self._people = people
        self._once = once
        self._log = log
        self._left = left
        self._max_events = max_events
        self._retry_seconds = retry_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._names: OrderedDict[tuple[Tenant, UserId], str] = OrderedDict()

    def take(self, event: Event) -> bool:
        """Answer an event in a task of its own; False when too many are being answered already."""
        if len(self._tasks) >= self._max_events:
            self._log.warning("slack.too_busy", tenant=event.source.tenant)
            return False
        self._remember(event.source)
        task = asyncio.create_task(self._guarded(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def deliver(self) -> None:
        """Show finished runs as they come, until cancelled. While the queue is away it is asked again."""
        async with asyncio.TaskGroup() as group:
            for _ in range(DELIVERIES):
                group.create_task(self._deliver(f"{GROUP}-{secrets.token_hex(6)}"))

    async def close(self, patience: float) -> None:
        """Let answers that are under way end for at most `patience` seconds, then stop the rest and wait for them."""
        if tasks := list(self._tasks):
            await asyncio.wait(tasks, timeout=patience)
        await stop(*tasks)

    async def show(self, address: Address, view: View) -> None:
        """Put the result of a run where it belongs. Raises Unavailable when Slack should be asked again later."""
        try:
            place = Place.decode(address.place)
        except (ValueError, TypeError):
            self._log.warning("slack.address_unreadable", tenant=address.tenant)
            return
        caller = address.caller()
        await self._cards.result(caller, place, view, self._desk.seal(caller, view))

    async def _deliver(self, consumer: str) -> None:
        while True:
            try:
                await self._desk.deliver(GROUP, consumer, self.show)
            except Unavailable:
                self._log.warning("slack.deliveries_unavailable")
            except Exception:  # the edge of this task: whatever broke, the next result still wants to be shown
                self._log.exception("slack.deliveries_failed")
            await asyncio.sleep(self._retry_seconds)

    async def _guarded(self, event: Event) -> None:
        source = event.source
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                if await self._first(event):
                    await self._answer(event)
        except TimeoutError:
            self._log.warning("slack.reply_timed_out", tenant=source.tenant)
        except RefusedError as refused:
            self._log.warning("slack.refused", tenant=source.tenant, reason=refused.code)
            await self._cards.apologise(source, f"Slack did not take my answer ({refused.code}).")
        except Unavailable:
            self._log.warning("slack.unavailable", tenant=source.tenant)
            await self._cards.apologise(source, "Slack did not take my answer. Please try again in a moment.")
        except Exception:  # the edge of this task
            ticket = secrets.token_hex(4)
            self._log.exception("slack.failed", ticket=ticket, tenant=source.tenant)
            await self._cards.apologise(source, f"Something went wrong on our side. Please report error {ticket}.")

    async def _first(self, event: Event) -> bool:
        """Whether this is the first delivery of the event, and no second tap of the same finger."""
        source = event.source
        keys = [(f"slack:{source.tenant}:{source.event}", REMEMBER_SECONDS)] if source.event else []
        if isinstance(event, Pressed):
            on = event.card.ts if event.card else "home"
            keys.append((f"slack:{source.tenant}:{source.user}:{on}:{event.wire}", DOUBLE_TAP_SECONDS))
        if isinstance(event, HomeOpened):
            keys.append((f"slack:{source.tenant}:{source.user}:home", HOME_SECONDS))
        try:
            return all([await self._once.first(key, seconds) for key, seconds in keys])
        except Unavailable:
            return True  # the store that remembers deliveries is the one that keeps scores: the desk says "try again"

    async def _answer(self, event: Event) -> None:
        match event:
            case Said(source, line, file):
                await self._reply(event, lambda caller: self._said(caller, source, line, file))
            case Pressed(_, wire):
                await self._reply(event, lambda caller: self._desk.press(caller, wire))
                if plans(event):
                    await self._cards.remind_of_invitation(event.source)
                if event.card is None:
                    await self._home(event.source)
            case Submitted(_, wire, values):
                await self._reply(event, lambda caller: self._desk.submit(caller, wire, values))
            case HomeOpened(source, on_home):
                await self._welcome(source)
                if on_home:
                    await self._home(source)
            case Left(source):
                if self._left:
                    await self._left(source.tenant)

    async def _said(self, caller: Caller, source: Source, line: str, file: str) -> AsyncIterator[Reply]:
        if file:
            try:
                line = f"{line}\n{await self._cards.code(source.tenant, file)}"
            except BadInput as error:
                yield trouble(str(error))
                return
            except (RefusedError, Unavailable) as failed:
                self._log.warning("slack.file_not_read", tenant=source.tenant, reason=str(failed))
                blind = isinstance(failed, RefusedError) and failed.code == "missing_scope"
                yield trouble(NO_FILES if blind else NO_FILE)
                return
        async for reply in self._desk.say(caller, line):
            yield reply

    async def _reply(self, event: Said | Pressed | Submitted, ask: Callable[[Caller], AsyncIterator[Reply]]) -> None:
        source = event.source
        place = source.place
        admin = for_admins(event) and await self._admin(source)
        if admin is None:
            return
        if starts_run(event):
            place = await self._placeholder(source)
        caller = self._caller(source, place, admin)
        progress = self._cards.follow(source.tenant, place)
        try:
            async for reply in ask(caller):
                seal = self._desk.seal(caller, reply)
                if isinstance(reply, Form):
                    await self._cards.dialog(source, place, reply, seal)
                else:
                    await self._view(event, place, progress, reply, seal)
        finally:
            await progress.close()

    async def _view(
        self,
        event: Said | Pressed | Submitted,
        place: Place,
        progress: Progress,
        view: View,
        seal: Callable[[Action], str],
    ) -> None:
        if not view.final:
            await self._cards.going(event.source, place, progress, view, seal)
            return
        card = event.card if isinstance(event, Pressed) else None
        await self._cards.answer(event.source, place, view, seal, card)
        if isinstance(event, Pressed) and view.in_place and card and card.files and deletes(event):
            await self._cards.forget(event.source.tenant, card.files)

    async def _admin(self, source: Source) -> bool | None:
        """Whether this is an admin; None when Slack does not say, and the person has been told why."""
        try:
            return await self._people.is_admin(source.tenant, source.user)
        except (RefusedError, Unavailable) as failed:
            self._log.warning("slack.admin_unknown", tenant=source.tenant, reason=str(failed))
            blind = isinstance(failed, RefusedError) and failed.code == "missing_scope"
            await self._cards.apologise(source, NO_SCOPE if blind else NO_ROLE)
            return None

    async def _known_admin(self, source: Source) -> bool:
        """The same where nobody waits to be told."""
        try:
            return await self._people.is_admin(source.tenant, source.user)
        except (RefusedError, Unavailable):
            return False

    async def _placeholder(self, source: Source) -> Place:
        """The place with a message in it that the result will replace, whichever process shows it. Where we may not
        post, the place stays without one, and the result is whispered."""
        try:
            return await self._cards.start(source, render.message(STARTING, str).body)
        except RefusedError as refused:
            await self._cards.shut_out(source, refused.code)
            return source.place

    async def _welcome(self, source: Source) -> None:
        """Greet whoever opens the conversation for the first time; over all replicas once."""
        try:
            new = await self._once.first(f"slack:welcome:{source.tenant}:{source.user}", WELCOME_SECONDS)
        except Unavailable:
            return
        if new:
            seal = self._desk.seal(self._caller(source, source.place), WELCOME)
            await self._cards.answer(source, source.place, WELCOME, seal, None)

    async def _home(self, source: Source) -> None:
        shown = []
        caller = self._caller(source, source.place, await self._known_admin(source))
        for line in HOME:
            command = COMMANDS.get(line.split()[0])
            if command and (caller.is_admin or not command.admins):
                replies = [reply async for reply in self._desk.say(caller, "/" + line)]
                shown += [(view, self._desk.seal(caller, view)) for view in replies if isinstance(view, View)][-1:]
        await self._cards.publish(source, shown)

    def _remember(self, source: Source) -> None:
        """Keep the name of someone who did something: events such as mentions carry none, and asking Slack for it
        would need a scope more."""
        if source.name:
            self._names[source.tenant, source.user] = source.name
            self._names.move_to_end((source.tenant, source.user))
            if len(self._names) > MAX_NAMES:
                self._names.popitem(last=False)

    def _caller(self, source: Source, place: Place, admin: bool = False) -> Caller:
        return Caller(
            source.tenant,
            source.channel,
            source.user,
            source.name or self._names.get((source.tenant, source.user), ""),
            event=source.event or secrets.token_hex(12),
            is_admin=admin,
            group=GROUP,
            place=place.encode(),
        )
