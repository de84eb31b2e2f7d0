"""From what a player did to what the room shows: each event is answered by one owned, bounded task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from bot.adapters.web import render
from bot.adapters.web.attachments import Attachments
from bot.adapters.web.parse import Player, Pressed, Said, Submitted
from bot.adapters.web.room import Kind, Message, Room
from bot.app.desk import Desk
from bot.core.address import Address
from bot.core.demo import DEMO_CHANNEL, DEMO_TENANT
from bot.core.errors import Unavailable
from bot.core.ids import Caller
from bot.core.views import Form, Reply, View
from bot.ports import Log
from bot.tasks import stop

BOT = "Torchquiz"
MAX_REPLIES = 64
"""Events answered at once; more are refused until one is done."""
REPLY_SECONDS = 900.0
"""No reply takes longer; a run waits in line and then runs well within it."""
RETRY_SECONDS = 2.0


class TooBusyError(Exception):
    """More events than we answer at once."""


@dataclass(frozen=True, slots=True)
class _Event:
    """An event being answered: who caused it, and which button of which card was pressed."""

    caller: Caller
    message: str = ""
    wire: str = ""


class Conversation:
    """Hands events to the desk and puts its replies into the room. `now` gives seconds since 1970."""

    def __init__(self, desk: Desk, room: Room, attachments: Attachments, log: Log, now: Callable[[], float]) -> None:
        self._desk = desk
        self._room = room
        self._attachments = attachments
        self._log = log
        self._now = now
        self._group = f"web-{room.start}"
        self._tasks: set[asyncio.Task[None]] = set()

    def say(self, said: Said) -> str:
        """Show the line and answer it; returns the id of the message that will hold the answer. A command is between
        its player and the bot, anything else is said to all. Raises TooBusyError."""
        self._refuse_when_busy()
        private = said.player.user if said.line.startswith("/") else None
        self._room.put(
            Message(self._room.next_id(), said.player.name, Kind.TEXT, said.line, to=private, at=self._now())
        )
        event = _Event(self._caller(said.player))
        return self._answer(event, self._desk.say(event.caller, said.line))

    def press(self, pressed: Pressed) -> str:
        """Answer a button; returns the id of the answer, which may take the card's place. Raises TooBusyError."""
        self._refuse_when_busy()
        event = _Event(self._caller(pressed.player), pressed.message, pressed.wire)
        return self._answer(event, self._desk.press(event.caller, pressed.wire))

    def submit(self, submitted: Submitted) -> str:
        """Answer a form; returns the id of the answer. Raises TooBusyError."""
        self._refuse_when_busy()
        event = _Event(self._caller(submitted.player))
        return self._answer(event, self._desk.submit(event.caller, submitted.wire, submitted.values))

    async def deliver(self, retry_seconds: float = RETRY_SECONDS) -> None:
        """Show finished runs as they come, until cancelled. Runs cannot be shown while the queue is away; it is asked
        again, for as long as the page is up."""
        while True:
            try:
                await self._desk.deliver(self._group, self._group, self.show)
            except Unavailable:
                self._log.warning("web.deliveries_unavailable")
            except Exception:  # the edge of this task: whatever broke, the next result still wants to be shown
                self._log.exception("web.deliveries_failed")
            await asyncio.sleep(retry_seconds)

    async def show(self, address: Address, view: View) -> None:
        """Put the result of a run where it belongs; below the others when its message has gone."""
        self._put(address.caller(), address.place, view, answers=address.place)

    async def close(self) -> None:
        """Stop answering and wait until every task has ended."""
        await stop(*self._tasks)

    def _refuse_when_busy(self) -> None:
        if len(self._tasks) >= MAX_REPLIES:
            raise TooBusyError

    def _caller(self, player: Player) -> Caller:
        event = self._room.next_id()
        return Caller(
            DEMO_TENANT, DEMO_CHANNEL, player.user, player.name, event, is_admin=True, group=self._group, place=event
        )

    def _answer(self, event: _Event, replies: AsyncIterator[Reply]) -> str:
        task = asyncio.create_task(self._show_all(event, replies), name=f"reply {event.caller.event}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return event.caller.event

    async def _show_all(self, event: _Event, replies: AsyncIterator[Reply]) -> None:
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                async for reply in replies:
                    if isinstance(reply, Form):
                        self._put_form(event.caller, reply)
                    else:
                        self._put(event.caller, self._place(event, reply), reply, answers=event.caller.event)
        except TimeoutError:
            self._log.warning("web.reply_timed_out", event_id=event.caller.event)

    def _place(self, event: _Event, view: View) -> str:
        """The pressed card for a reply that takes its place, else a message of its own. A reply for one reader never
        takes the place of a card that all can see, nor any reply that of a card which lacks the pressed button."""
        card = self._room.get(event.message)
        if not view.in_place or card is None or event.wire not in card.wires:
            return event.caller.place
        ours = card.to == event.caller.user or (card.to is None and not view.private)
        return card.id if ours else event.caller.place

    def _put(self, caller: Caller, place: str, view: View, answers: str) -> None:
        old = self._room.get(place)
        private = view.private if old is None or not view.in_place else old.to is not None
        seal = self._desk.seal(caller, view)
        self._room.put(
            Message(
                id=place,
                author=BOT,
                kind=Kind.CARD,
                body=render.card(view, seal, self._attachments.link),
                to=caller.user if private else None,
                asked_by=caller.name,
                answers=answers,
                wires=render.wires(view, seal),
                final=view.final,
                at=self._now(),
            )
        )

    def _put_form(self, caller: Caller, form: Form) -> None:
        body = render.form(form, self._desk.seal(caller, form))
        self._room.put(
            Message(caller.place, BOT, Kind.FORM, body, to=caller.user, answers=caller.event, at=self._now())
        )
