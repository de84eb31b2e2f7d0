"""Messages of our own accord: the Chat port on Slack.

Slack has no idempotent post: what a message is about stands in its metadata, where read-back finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from bot.adapters.slack import render
from bot.adapters.slack.api import Api, Json, NotDoneError, RefusedError
from bot.adapters.slack.pace import Pace
from bot.core.errors import Unavailable
from bot.core.ids import ChannelId, Tenant, UserId
from bot.core.views import View
from bot.ports import Log, Lost, Once, Refused, SlowDown

EVENT_TYPE = "torchquiz_post"
"""Names our metadata."""
MOST_WAIT = 5.0
"""Seconds that a message waits for its turn in the channel; one that would wait longer goes back to its schedule,
whose lease must not end meanwhile."""
LOCKED_OUT_SECONDS = 300.0
"""Until we try again where our token is refused: someone is renewing it, or installs us again."""
SAID_SECONDS = 86400.0
_GONE = frozenset({"message_not_found", "thread_not_found"})
_LOCKED_OUT = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_installed"}
)
_WHY = {
    "not_in_channel": "I am no longer in that channel. Someone there can let me in: type /invite and my name.",
    "channel_not_found": "That channel is gone, or I am no longer in it. Someone there can type /invite and my name.",
    "is_archived": "That channel is archived.",
    "restricted_action": "Only some people may post in that channel. A workspace admin can let me post there.",
}

SealFor = Callable[[Tenant], render.Seal]


class SlackChat:
    """Posts, replies, edits, finds and deletes. All methods raise Lost, Refused or SlowDown."""

    def __init__(self, api: Api, seal_for: SealFor, pace: Pace, once: Once, log: Log) -> None:
        """`seal_for` gives the function that writes buttons which anyone of that team may press."""
        self._api = api
        self._seal_for = seal_for
        self._pace = pace
        self._once = once
        self._log = log

    async def post(self, tenant: Tenant, channel: ChannelId, view: View, key: str) -> str:
        """Post a message; returns its ts."""
        return await self._send(tenant, channel, self._named(tenant, view, key), "")

    async def reply(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> str:
        """Post into the thread of a message; returns the ts."""
        return await self._send(tenant, channel, self._named(tenant, view, key), message)

    async def edit(self, tenant: Tenant, channel: ChannelId, message: str, view: View, key: str) -> None:
        """Replace a message of ours. One that is gone is no error."""
        body = self._named(tenant, view, key)
        await _wait(await self._pace.until_turn(tenant, channel))
        with _outcomes(_GONE):
            await self._api.update(tenant, channel, message, body)

    async def find(
        self, tenant: Tenant, channel: ChannelId, key: str, since: datetime, thread: str = ""
    ) -> Sequence[str]:
        """The messages of ours with that key since then, oldest first. Without the scopes to read them there are none:
        then a message may come twice where Slack left us in doubt."""
        found: Sequence[Json] = ()
        with _outcomes(_GONE):
            try:
                found = await self._api.history(tenant, channel, since.timestamp(), thread)
            except RefusedError as refused:
                if refused.code != "missing_scope":
                    raise
                await self._blind(tenant)
        return sorted((str(each["ts"]) for each in found if _key(each) == key), key=float)

    async def delete(self, tenant: Tenant, channel: ChannelId, message: str) -> None:
        """Take a message of ours away. One that is gone is no error."""
        with _outcomes(_GONE):
            await self._api.delete(tenant, channel, message)

    async def tell(self, tenant: Tenant, user: UserId, channel: ChannelId, view: View) -> None:
        """Say something about a channel to one person alone."""
        body = render.message(view, self._seal_for(tenant)).body
        await self._send(tenant, ChannelId(user), render.about(channel, body), "")

    def _named(self, tenant: Tenant, view: View, key: str) -> Json:
        body = render.message(view, self._seal_for(tenant)).body
        return {**body, "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": key}}}

    async def _send(self, tenant: Tenant, channel: ChannelId, body: Json, thread: str) -> str:
        await _wait(await self._pace.until_turn(tenant, channel))
        with _outcomes():
            _, ts = await self._api.post(tenant, channel, body, thread, patient=False)
        return ts

    async def _blind(self, tenant: Tenant) -> None:
        """We may not read what we wrote: say so once a day."""
        try:
            first = await self._once.first(f"slack:blind:{tenant}", SAID_SECONDS)
        except Unavailable:
            first = False
        if first:
            hint = "add channels:history and groups:history to the app, or a question may come twice after a failure"
            self._log.warning("slack.no_read_back", tenant=tenant, hint=hint)


async def _wait(seconds: float) -> None:
    """Wait for our turn, unless that takes too long."""
    if seconds > MOST_WAIT:
        raise SlowDown(seconds)
    await asyncio.sleep(seconds)


@contextmanager
def _outcomes(harmless: frozenset[str] = frozenset()) -> Iterator[None]:
    """Slack's failures as those of the port; the `harmless` ones are none."""
    try:
        yield
    except RefusedError as refused:
        if refused.code in harmless:
            return
        if refused.code in _LOCKED_OUT:
            raise SlowDown(LOCKED_OUT_SECONDS) from refused
        raise Refused(_WHY.get(refused.code, f"Slack does not take my messages there ({refused.code}).")) from refused
    except NotDoneError as undone:
        raise SlowDown(undone.seconds) from undone
    except Unavailable as unavailable:
        raise Lost(str(unavailable)) from unavailable


def _key(message: Json) -> str:
    metadata = message.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
        return ""
    payload = metadata.get("event_payload")
    return str(payload.get("key", "")) if isinstance(payload, dict) else ""
