"""One event being answered: its first answer within three seconds, and every later form of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.adapters.discord import render
from bot.adapters.discord.pace import Pace
from bot.adapters.discord.parse import Event, Expect
from bot.adapters.discord.platform import First, Messages, Trouble, Why, missing
from bot.adapters.discord.tuning import Tuning
from bot.app.cards import notice, trouble
from bot.core.actions import Action
from bot.core.ids import Caller
from bot.core.views import Form, Reply, View
from bot.ports import Log
from bot.tasks import stop

_PAUSES = (0.1, 0.3, 0.6, 1.0)
"""Seconds between attempts at the first answer while Discord is away, within the three it waits."""
_TOO_LONG = "This code is longer than the 4000 characters of a box on Discord. Send it as a file: `/run` has `file`."
_TOO_LATE = "That took me too long to open. Please press the button again."
_REFUSED = "Discord did not take my answer. That is our mistake; please try something else meanwhile."


class ReplyInHand:
    """Shows the replies of one event, first to last. Methods raise Trouble when there is no way left to show it."""

    def __init__(
        self,
        event: Event,
        first: First,
        messages: Messages,
        seal: Callable[[Caller, Reply], Callable[[Action], str]],
        pace: Pace,
        log: Log,
        tuning: Tuning,
        in_hand: int,
    ) -> None:
        self._event = event
        self._first = first
        self._messages = messages
        self._seal = seal
        self._pace = pace
        self._log = log
        self._tuning = tuning
        self.ended = asyncio.Event()
        """Set once nothing of this reply will be shown any more."""
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + tuning.answer
        self._answered = False
        self._message = "@original"
        self._announcing: asyncio.Task[None] | None = None
        self._latest: View | None = None
        self._progress: asyncio.Task[None] | None = None
        self._editing = asyncio.Lock()
        patience = tuning.busy_patience if in_hand > tuning.busy else tuning.patience
        if event.expect is Expect.FORM:
            patience = tuning.form_patience
        self._timer = self._loop.call_later(patience, self._announce)

    async def show(self, reply: Reply) -> None:
        """Show the next form of the reply. Progress is shown in its time; everything else at once."""
        if not self._answered:
            self._answered = True
            self._timer.cancel()
            if self._announcing is None:
                await self._answer(reply)
            else:
                await self._announcing
                await self._settle(reply)
        elif isinstance(reply, View) and not reply.final:
            self._latest = reply
            if self._progress is None:
                self._progress = asyncio.create_task(self._show_progress(), name=f"progress {self._event.caller.event}")
        elif isinstance(reply, View):
            await self._stop_progress()
            await self._edit(reply)

    async def end(self) -> None:
        """No more replies: whatever was not shown yet never will be."""
        self._timer.cancel()
        try:
            if self._announcing is not None and not self._answered:
                self._announcing.cancel()
                await asyncio.gather(self._announcing, return_exceptions=True)
            await self._stop_progress()
        finally:
            self.ended.set()

    def _announce(self) -> None:
        self._announcing = asyncio.create_task(self._wait(), name=f"announce {self._event.caller.event}")

    async def _wait(self) -> None:
        expect = self._event.expect
        if expect is Expect.IN_PLACE and self._event.message:
            await self._within_deadline(self._first.wait_in_place)
        else:
            await self._within_deadline(lambda: self._first.wait(private=expect is not Expect.PUBLIC))

    async def _answer(self, reply: Reply) -> None:
        if isinstance(reply, Form):
            modal = render.modal(reply, self._seal(self._event.caller, reply))
            if modal is not None:
                await self._within_deadline(lambda: self._first.form(modal))
                return
            reply = trouble(_TOO_LONG)
        card = self._card(reply)
        try:
            await self._within_deadline(lambda: self._send_first(reply, card))
        except Trouble as caught:
            if caught.why is Why.FORBIDDEN and card.uploads:
                card = card.bare(missing(self._event.place.permissions, files=True, posting=False))
            elif caught.why is Why.REFUSED:
                self._log.warning("discord.card_refused", code=caught.code, event_id=self._event.caller.event)
                card = render.sentence(_REFUSED)
            else:
                raise
            await self._within_deadline(lambda: self._send_first(reply, card))

    async def _send_first(self, view: View, card: render.Card) -> None:
        if self._in_place(view):
            await self._first.update(card)
        else:
            await self._first.message(card, private=view.private)

    async def _settle(self, reply: Reply) -> None:
        """Show the first reply after it was announced. What was announced has fixed who sees it."""
        view = trouble(_TOO_LATE) if isinstance(reply, Form) else reply
        card = self._card(view)
        place = self._event.place
        if self._event.expect is Expect.IN_PLACE and self._event.message:
            if self._in_place(view):
                await self._later(lambda: self._messages.edit(place, card))
            else:
                await self._follow_up(view, card)
        elif view.private == (self._event.expect is not Expect.PUBLIC):
            await self._later(lambda: self._messages.edit(place, card))
        elif view.private:
            await self._later(lambda: self._messages.delete(place))
            await self._follow_up(view, card)
        else:
            done = render.card(notice("Done: see below."), str)
            await self._later(lambda: self._messages.edit(place, done))
            await self._follow_up(view, card)

    async def _follow_up(self, view: View, card: render.Card) -> None:
        try:
            async with asyncio.timeout(self._tuning.edit):  # once: a second one would stand beside the first
                self._message = await self._messages.follow_up(self._event.place, card, private=view.private)
        except TimeoutError:
            raise Trouble(Why.AWAY) from None

    async def _edit(self, view: View) -> None:
        card = self._card(view)
        if not view.private:
            await self._pace.edit(self._event.place.channel)
        await self._later(lambda: self._messages.edit(self._event.place, card, self._message))

    async def _show_progress(self) -> None:
        """Edit at most once a second, always to the latest form."""
        while True:
            await asyncio.sleep(self._tuning.between_edits)
            if self._latest is None:
                continue
            if not self._latest.private:
                await self._pace.edit(self._event.place.channel)
            async with self._editing:
                if not await self._edit_to(self._taken()):
                    return

    def _taken(self) -> View | None:
        view, self._latest = self._latest, None
        return view

    async def _edit_to(self, view: View | None) -> bool:
        """Show progress; False when there is no point in trying again."""
        if view is None:
            return True
        try:
            async with asyncio.timeout(self._tuning.edit):
                await self._messages.edit(self._event.place, self._card(view), self._message)
        except (Trouble, TimeoutError) as caught:
            self._log.warning("discord.progress_not_shown", why=str(caught), event_id=self._event.caller.event)
            return not isinstance(caught, Trouble) or caught.why is Why.AWAY
        return True

    async def _stop_progress(self) -> None:
        """After this no edit of progress is on its way or will ever be sent."""
        self._latest = None
        if self._progress is not None:
            async with self._editing:
                self._progress.cancel()
            await stop(self._progress)

    def _card(self, view: View) -> render.Card:
        return render.card(view, self._seal(self._event.caller, view))

    def _in_place(self, view: View) -> bool:
        """A reply for one reader never takes the place of a message that all can see."""
        return view.in_place and bool(self._event.message) and (self._event.message_private or not view.private)

    async def _later(self, call: Callable[[], Awaitable[None]]) -> None:
        """Do what may be done twice, again while Discord is away."""
        try:
            async with asyncio.timeout(self._tuning.edit):
                for pause in _PAUSES:
                    try:
                        await call()
                    except Trouble as caught:
                        if caught.why is not Why.AWAY:
                            raise
                        await asyncio.sleep(pause)
                    else:
                        return
                await call()
        except TimeoutError:
            raise Trouble(Why.AWAY) from None

    async def _within_deadline(self, call: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again while Discord is away, until its three seconds are over."""
        for pause in (*_PAUSES, None):
            try:
                async with asyncio.timeout_at(self._deadline):
                    await call()
            except Trouble as caught:
                if caught.why is Why.TAKEN and pause != _PAUSES[0]:
                    return  # the attempt before had arrived after all
                if caught.why is not Why.AWAY or pause is None:
                    raise
                await asyncio.sleep(pause)
            except TimeoutError:
                raise Trouble(Why.AWAY) from None
            else:
                return
