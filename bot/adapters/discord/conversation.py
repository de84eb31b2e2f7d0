"""From an event to what people see: each is answered in time, by one owned, bounded task, and never raises."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from hashlib import blake2b

from bot.adapters.discord import render
from bot.adapters.discord.pace import Pace
from bot.adapters.discord.parse import ONCE_VERBS, Asked, Event, Odd, Pressed, Sent, Typed
from bot.adapters.discord.places import Place
from bot.adapters.discord.platform import Channels, First, Messages, Trouble, Why, missing
from bot.adapters.discord.reply import ReplyInHand
from bot.adapters.discord.tuning import DEFAULT, Tuning
from bot.app.cards import notice, trouble
from bot.app.desk import Desk
from bot.core.address import Address
from bot.core.errors import Unavailable
from bot.core.runs import MAX_SOURCE_BYTES
from bot.core.views import Reply, View
from bot.ports import Log, Once, Rate
from bot.tasks import stop

Suggest = Callable[[str], Sequence[str]]


_SEEN = 8192  # events remembered; Discord repeats at most what one connection missed
_BUSY = "I am answering a great many people right now. Please try again in a moment."
_LOST = "I could not show that here. Please try again."


class Conversation:
    """Hands events to the desk and shows its replies. `now` gives seconds since 1970."""

    def __init__(
        self,
        desk: Desk,
        messages: Messages,
        channels: Channels,
        once: Once,
        rate: Rate,
        log: Log,
        *,
        suggest: Mapping[str, Suggest] | None = None,
        now: Callable[[], float] = time.time,
        tuning: Tuning = DEFAULT,
    ) -> None:
        self._desk = desk
        self._messages = messages
        self._channels = channels
        self._once = once
        self._pace = Pace(rate)
        self._log = log
        self._suggest = suggest or {}
        self._now = now
        self._tuning = tuning
        self._tasks: set[asyncio.Task[object]] = set()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._in_hand: dict[str, ReplyInHand] = {}
        self._closed = False

    async def handle(self, event: Event, first: First) -> None:
        """Answer an event. Called in a task of its own, which is ours until it ends."""
        if self._closed or self._repeated(event.caller.event):
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._handle(event, first)
        except Trouble as caught:
            self._log.warning("discord.unanswered", why=caught.why.value, code=caught.code, event_id=event.caller.event)
        except TimeoutError:
            self._log.warning("discord.reply_timed_out", event_id=event.caller.event)
        except Exception:  # the edge of this event: whatever broke, the next one still wants its answer
            self._log.exception("discord.failed", event_id=event.caller.event)
        finally:
            self._tasks.discard(task)

    async def deliver(self, consumer: str) -> None:
        """Show finished runs as they come, until cancelled, whatever happens to the queue in between."""
        lanes = [self._deliver(f"{consumer}-{lane}") for lane in range(self._tuning.deliveries)]
        await asyncio.gather(*lanes)

    async def show(self, address: Address, view: View) -> None:
        """Put the result of a run where it belongs: in place of its card, or, where that can no longer be edited, below
        in the channel. Raises Unavailable to be asked again."""
        place = Place.decode(address.place)
        if in_hand := self._in_hand.get(address.place):
            await self._ended(in_hand)
        else:
            await asyncio.sleep(self._tuning.elsewhere)
        card = render.card(view, self._desk.seal(address.caller(), view))
        try:
            async with asyncio.timeout(self._tuning.delivery):
                await self._show(address, place, card)
        except TimeoutError:
            raise Unavailable("Discord did not answer in time") from None
        except Trouble as caught:
            if caught.why is Why.AWAY:
                raise Unavailable("Discord is away") from caught
            self._log.warning("discord.result_lost", why=caught.why.value, code=caught.code, event_id=place.id)

    async def close(self) -> None:
        """Take no more events, give those in hand a moment, and wait until every task has ended."""
        self._closed = True
        tasks = set(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=self._tuning.close)
        await stop(*tasks)

    @property
    def in_hand(self) -> int:
        """How many events are being answered."""
        return len(self._tasks)

    async def _ended(self, in_hand: ReplyInHand) -> None:
        try:
            async with asyncio.timeout(self._tuning.delivery):
                await in_hand.ended.wait()
        except TimeoutError:
            raise Unavailable("its card is still being shown") from None

    def _repeated(self, id: str) -> bool:
        if id in self._seen:
            return True
        self._seen[id] = None
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return False

    async def _handle(self, event: Event, first: First) -> None:
        did = event.did
        if isinstance(did, Asked):
            await first.choices(self._offered(did))
        elif isinstance(did, Odd):
            await first.message(render.card(notice(did.words), str), private=True)
        elif len(self._tasks) > self._tuning.most:
            self._log.warning("discord.busy", in_hand=len(self._tasks))
            await first.message(render.sentence(_BUSY), private=True)
        elif isinstance(did, Pressed) and did.verb in ONCE_VERBS and not await self._first_tap(event, did):
            await first.wait_in_place()
        else:
            await self._answer(event, first)

    async def _answer(self, event: Event, first: First) -> None:
        in_hand = ReplyInHand(
            event, first, self._messages, self._desk.seal, self._pace, self._log, self._tuning, len(self._tasks)
        )
        self._in_hand[event.caller.place] = in_hand
        try:
            async with asyncio.timeout(self._tuning.reply), aclosing(self._replies(event)) as replies:
                async for reply in replies:
                    await in_hand.show(reply)
        finally:
            try:
                await in_hand.end()
            finally:
                self._in_hand.pop(event.caller.place, None)

    async def _replies(self, event: Event) -> AsyncGenerator[Reply, None]:
        match event.did:
            case Typed(line, file):
                if file:
                    try:
                        async with asyncio.timeout(self._tuning.edit):
                            content = await self._messages.fetch(file.url, MAX_SOURCE_BYTES)
                    except (Trouble, TimeoutError):
                        yield trouble("I could not get that file from Discord. Please send it again.")
                        return
                    code = content.decode("utf-8", "replace")
                    line = f"{line}\n{code}"
                replies = self._desk.say(event.caller, line)
            case Pressed(wire):
                replies = self._desk.press(event.caller, wire)
            case Sent(wire, values):
                replies = self._desk.submit(event.caller, wire, values)
            case _:
                return
        async for reply in replies:
            yield reply

    def _offered(self, asked: Asked) -> list[render.Json]:
        suggest = self._suggest.get(f"{asked.command}.{asked.argument}")
        return render.choices(suggest(asked.typed)) if suggest else []

    async def _first_tap(self, event: Event, pressed: Pressed) -> bool:
        key = f"discord.tap:{event.caller.user}:{event.message}:{pressed.wire}"
        try:
            async with asyncio.timeout(0.5):
                return await self._once.first(key, self._tuning.double_tap)
        except (Unavailable, TimeoutError):
            return True

    async def _deliver(self, consumer: str) -> None:
        while True:
            try:
                await self._desk.deliver("discord", consumer, self.show)
            except Unavailable:
                self._log.warning("discord.deliveries_unavailable")
            except Exception:  # the edge of this task: whatever broke, the next result still wants to be shown
                self._log.exception("discord.deliveries_failed")
            await asyncio.sleep(self._tuning.retry)

    async def _show(self, address: Address, place: Place, card: render.Card) -> None:
        if place.open(self._now()):
            if not address.private:
                await self._pace.edit(place.channel)
            try:
                await _with_fewer_files(lambda each: self._messages.edit(place, each), card, place)
            except Trouble as caught:
                if caught.why is Why.DELETED:
                    return  # somebody took it away: they do not want to see the result below
                if caught.why is not Why.LATE:
                    raise
            else:
                return
        await self._show_late(address, place, card)

    async def _show_late(self, address: Address, place: Place, card: render.Card) -> None:
        nonce = blake2b(address.place.encode(), digest_size=12).hexdigest()
        if not address.private:
            try:
                await self._pace.post()
                await self._pace.edit(place.channel)
                await _with_fewer_files(
                    lambda each: self._channels.post(place.channel, each, nonce), card, place, posting=True
                )
            except Trouble as caught:
                if caught.why not in (Why.FORBIDDEN, Why.DELETED):
                    raise
                card = card.bare(missing(place.permissions, files=bool(card.uploads), posting=True))
            else:
                return
        await self._pace.post()
        with suppress(Trouble):  # closed to messages from strangers: then there is no way left
            await self._channels.direct(address.user, card, nonce)


async def _with_fewer_files(
    send: Callable[[render.Card], Awaitable[object]], card: render.Card, place: Place, *, posting: bool = False
) -> None:
    """Send a card; where files are forbidden, send it without them and say which permission is missing. A card that
    Discord refuses is replaced by a sentence."""
    try:
        await send(card)
    except Trouble as caught:
        if caught.why is Why.FORBIDDEN and card.uploads:
            await send(card.bare(missing(place.permissions, files=True, posting=posting)))
        elif caught.why is Why.REFUSED:
            await send(render.sentence(_LOST))
        else:
            raise
