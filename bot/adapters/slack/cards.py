"""Where each card appears: in the channel, in a whisper, in a dialog, in the App Home; and where else."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.adapters.slack import render
from bot.adapters.slack.api import Api, Json, RefusedError
from bot.adapters.slack.pace import Pace
from bot.adapters.slack.parse import Card, Source
from bot.adapters.slack.place import RESPONSE_URL_USES, Place
from bot.adapters.slack.progress import Progress
from bot.core.errors import BadInput, Unavailable
from bot.core.ids import Caller, Tenant, UserId
from bot.core.runs import MAX_SOURCE_BYTES, RunFile
from bot.core.views import Form, View
from bot.ports import Log, Once

LATE_PROGRESS_SECONDS = 1.2
"""Progress that another process was just sending has arrived after this; its requests end after 1 s."""
REMEMBERED = 2000
"""Followed runs and response_urls that this process keeps in mind."""
SHUT_OUT_SECONDS = 86400.0
SHUT_OUT = (
    "I can't post in this channel ({code}), so only you see what I answer here. Someone in the channel can let me in: "
    "type /invite and my name."
)

INVITE = (
    "I am not in this channel yet, so I can't post here. Type /invite and my name before the first question is due."
)
_OUTSIDE = frozenset({"not_in_channel", "channel_not_found"})

Seal = render.Seal


class Cards:
    """Shows cards. `now` gives seconds since 1970."""

    def __init__(self, api: Api, once: Once, pace: Pace, log: Log, now: Callable[[], float]) -> None:
        self._api = api
        self._once = once
        self._pace = pace
        self._log = log
        self._now = now
        self._followed: OrderedDict[str, Progress] = OrderedDict()
        self._uses: OrderedDict[str, int] = OrderedDict()

    def follow(self, tenant: Tenant, place: Place) -> Progress:
        """The progress of whatever is answered at `place`; nothing is sent until there is some."""

        async def send(message: Json) -> None:
            await self._api.update(tenant, place.channel, place.ts, message, patient=False)

        async def turn() -> None:
            await self._pace.update(tenant)
            await self._pace.turn(tenant, place.channel)

        progress = Progress(send, turn)
        if place.ts:
            self._followed[place.encode()] = progress
            while len(self._followed) > REMEMBERED:
                self._followed.popitem(last=False)
        return progress

    async def start(self, source: Source, message: Json) -> Place:
        """Post the message that a result will replace; returns the place with it. Raises RefusedError."""
        place = source.place
        await self._pace.turn(source.tenant, place.channel)
        channel, ts = await self._api.post(source.tenant, place.channel, message, place.thread)
        return replace(place, channel=channel, ts=ts)

    async def going(self, source: Source, place: Place, progress: Progress, view: View, seal: Seal) -> None:
        """Show how a run goes."""
        message = render.message(view, seal).body
        if place.ts and not _hidden(view, place):
            progress.offer(message)
        elif not progress.whispered:
            progress.whispered = True
            await self._whisper(source.tenant, place, source.user, message, keep=1)

    async def answer(self, source: Source, place: Place, view: View, seal: Seal, card: Card | None) -> None:
        """Show a reply: in place of the pressed card where the view says so, else as a message of its own. A reply for
        one reader never takes the place of a card that all can see."""
        tenant = source.tenant
        if place.ts:
            if not _hidden(view, place):
                await self._replace(tenant, place, view, seal)
                return
            await self._take_away(tenant, place)
        elif card and _may_replace(card, view, place) and await self._in_place(tenant, place, view, seal, card):
            return
        if _hidden(view, place):
            await self._private(tenant, place, source.user, view, seal, keep=1)
        else:
            await self._post(source, place, view, seal)

    async def result(self, caller: Caller, place: Place, view: View, seal: Seal) -> None:
        """Show the result of a run. Raises Unavailable when Slack should be asked again later."""
        if _hidden(view, place) or not place.ts:
            await self._private(caller.tenant, place, caller.user, view, seal, keep=0)
            return
        if progress := self._followed.get(place.encode()):
            await progress.close()
        else:
            await asyncio.sleep(LATE_PROGRESS_SECONDS)
        try:
            await self._replace(caller.tenant, place, view, seal)
        except RefusedError as refused:  # the message is gone: show it anew, where that is still allowed
            self._log.info("slack.card_gone", tenant=caller.tenant, reason=refused.code)
            await self._anew(caller, replace(place, ts=""), view, seal)

    async def dialog(self, source: Source, place: Place, form: Form, seal: Seal) -> None:
        """Open a form, or say that Slack did not let us."""
        if place.ts:
            await self._take_away(source.tenant, place)
        try:
            await self._api.open(source.tenant, source.trigger, render.modal(form, seal, replace(place, ts="")))
        except (RefusedError, Unavailable) as failed:
            self._log.info("slack.dialog_refused", tenant=source.tenant, reason=str(failed))
            await self.apologise(source, "Slack did not open the box in time. Please try once more.")

    async def publish(self, source: Source, cards: Sequence[tuple[View, Seal]]) -> None:
        """Show the App Home."""
        await self._api.publish(source.tenant, source.user, render.home(cards, source.place.channel))

    async def apologise(self, source: Source, sentence: str) -> None:
        """Whisper a sentence; when even that is refused there is nothing left to do."""
        try:
            await self._whisper(source.tenant, source.place, source.user, render.sentence(sentence), keep=1)
        except (RefusedError, Unavailable):
            self._log.warning("slack.speechless", tenant=source.tenant)

    async def shut_out(self, source: Source, code: str) -> None:
        """We may not post in a channel: say so once a day, in the log and to the person who can see why."""
        try:
            first = await self._once.first(f"slack:shut:{source.tenant}:{source.channel}", SHUT_OUT_SECONDS)
        except Unavailable:
            first = False
        if first:
            self._log.warning("slack.shut_out", tenant=source.tenant, channel=source.channel, reason=code)
            await self.apologise(source, SHUT_OUT.format(code=code))

    async def remind_of_invitation(self, source: Source) -> None:
        """Something is to be posted in a channel later: where we are not in it, say so now."""
        if source.place.direct:
            return
        try:
            await self._api.history(source.tenant, source.place.channel, self._now())
        except RefusedError as refused:
            if refused.code in _OUTSIDE:
                await self.apologise(source, INVITE)
        except Unavailable as failed:
            self._log.info("slack.not_looked", tenant=source.tenant, reason=str(failed))

    async def code(self, tenant: Tenant, file: str) -> str:
        """What stands in a file. Raises BadInput when it is too large, RefusedError and Unavailable."""
        content = await self._api.fetch(tenant, file, MAX_SOURCE_BYTES + 1)
        if len(content) > MAX_SOURCE_BYTES:
            raise BadInput(f"That file is too large: I run at most {MAX_SOURCE_BYTES // 1024} KiB of code.")
        return content.decode("utf-8", "replace")

    async def forget(self, tenant: Tenant, files: Sequence[str]) -> None:
        """Delete the files of a result that was taken away."""
        for file in files:
            try:
                await self._api.forget(tenant, file)
            except (RefusedError, Unavailable) as failed:
                self._log.warning("slack.file_kept", tenant=tenant, reason=str(failed))

    async def _in_place(self, tenant: Tenant, place: Place, view: View, seal: Seal, card: Card) -> bool:
        """Replace the pressed card; False when Slack does not let us, so that the reply becomes a new one."""
        try:
            if not card.ephemeral:
                await self._replace(tenant, replace(place, ts=card.ts), view, seal)
            elif url := self._spend(place, keep=0):
                message = render.message(view, seal)
                await self._api.respond(tenant, url, {**message.body, "replace_original": True})
                await self._send_files(tenant, place.user, message.files)
            else:
                return False
        except RefusedError as refused:
            self._log.info("slack.card_gone", tenant=tenant, reason=refused.code)
            return False
        return True

    async def _replace(self, tenant: Tenant, place: Place, view: View, seal: Seal) -> None:
        """Replace the message at `place.ts`, its files in the thread first so that its buttons know them."""
        message = render.message(view, seal)
        if message.files:
            shared, note = await self._share(tenant, place.channel, place.thread or place.ts, message.files)
            message = render.message(view, seal, shared=shared, note=note)
        await self._pace.turn(tenant, place.channel)
        await self._api.update(tenant, place.channel, place.ts, message.body)

    async def _post(self, source: Source, place: Place, view: View, seal: Seal) -> None:
        """A new message that all can see; where we may not post, a whisper."""
        try:
            posted = await self.start(replace(source, place=place), render.message(view, seal).body)
        except RefusedError as refused:
            await self.shut_out(source, refused.code)
            await self._private(source.tenant, place, source.user, view, seal, keep=1)
            return
        if render.message(view, seal).files:
            await self._replace(source.tenant, posted, view, seal)

    async def _anew(self, caller: Caller, place: Place, view: View, seal: Seal) -> None:
        source = Source(caller.tenant, caller.channel, caller.user, caller.name, caller.event, place)
        await self._post(source, place, view, seal)

    async def _private(self, tenant: Tenant, place: Place, user: UserId, view: View, seal: Seal, *, keep: int) -> None:
        """Show a card to one person alone; its files go to the conversation with them, for a whisper has none."""
        message = render.message(view, seal)
        if place.direct:
            await self._pace.turn(tenant, place.channel)
            await self._api.post(tenant, place.channel, message.body, place.thread)
        else:
            await self._whisper(tenant, place, user, message.body, keep=keep)
        await self._send_files(tenant, user, message.files)

    async def _whisper(self, tenant: Tenant, place: Place, user: UserId, message: Json, *, keep: int) -> None:
        """Show a message to one person: by the response_url while it works, else in the channel, else directly."""
        thread = {"thread_ts": place.thread} if place.thread else {}
        if url := self._spend(place, keep):
            try:
                body = {**message, **thread, "response_type": "ephemeral", "replace_original": False}
                await self._api.respond(tenant, url, body)
                return
            except RefusedError as refused:
                self._log.info("slack.response_url_refused", tenant=tenant, reason=refused.code)
        try:
            if not place.channel.startswith("D") and place.channel != user:
                await self._api.whisper(tenant, place.channel, user, message, place.thread)
                return
        except RefusedError as refused:
            self._log.info("slack.whisper_refused", tenant=tenant, reason=refused.code)
        await self._pace.turn(tenant, user)
        await self._api.post(tenant, user, message)

    async def _send_files(self, tenant: Tenant, user: UserId, files: Sequence[RunFile]) -> None:
        if not files:
            return
        await self._pace.turn(tenant, user)
        channel, ts = await self._api.post(
            tenant, user, render.sentence("The files that go with your card are in this thread.")
        )
        _, note = await self._share(tenant, channel, ts, files)
        if note:
            await self._api.update(tenant, channel, ts, render.sentence(note))

    async def _share(
        self, tenant: Tenant, channel: str, thread: str, files: Sequence[RunFile]
    ) -> tuple[Sequence[str], str]:
        """The ids of the files now in the thread, or a remark that says why they are not."""
        try:
            return await self._api.upload(tenant, channel, thread, files), ""
        except (RefusedError, Unavailable) as failed:
            self._log.warning("slack.upload_failed", tenant=tenant, reason=str(failed))
            return (), "Slack did not take the files that belong here."

    async def _take_away(self, tenant: Tenant, place: Place) -> None:
        try:
            await self._api.delete(tenant, place.channel, place.ts)
        except (RefusedError, Unavailable) as failed:
            self._log.warning("slack.message_kept", tenant=tenant, reason=str(failed))

    def _spend(self, place: Place, keep: int) -> str:
        """The response_url, if it may be used once more with `keep` uses left over."""
        url = place.open_url(self._now())
        if not url or self._uses.get(url, 0) + keep >= RESPONSE_URL_USES:
            return ""
        self._uses[url] = self._uses.get(url, 0) + 1
        while len(self._uses) > REMEMBERED:
            self._uses.popitem(last=False)
        return url


def _hidden(view: View, place: Place) -> bool:
    """Whether only the reader may see it where it goes."""
    return view.private and not place.direct


def _may_replace(card: Card, view: View, place: Place) -> bool:
    """Whether the view may take the card's place: not where others would then see what is for one reader."""
    return view.in_place and (card.ephemeral or not _hidden(view, place))
