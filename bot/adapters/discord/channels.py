"""The requests behind messages of our own accord, in channels and their threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.adapters.discord.messages import Rest, message_body
from bot.adapters.discord.platform import Trouble, Why
from bot.adapters.discord.render import Card

PAGE = 100
"""Messages of one look into the history (resources/message)."""
_ONE = "/channels/{channel_id}/messages/{message_id}"
_MESSAGES = "/channels/{channel_id}/messages"
_HAS_THREAD = 160004
_ARCHIVE_MINUTES = 1440  # a day of silence


class RestChannels:
    """Messages in channels, by the token of the bot."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def post(self, channel: str, card: Card, nonce: str, *, reply_to: str = "") -> str:
        """A message in a channel; with the same nonce, only once within a few minutes. Returns its id."""
        if not channel:
            raise Trouble(Why.FORBIDDEN)
        body = {**message_body(card), "nonce": nonce, "enforce_nonce": True}
        if reply_to:
            body["message_reference"] = {"message_id": reply_to, "fail_if_not_exists": False}
        sent = await self._rest.request("POST", _MESSAGES, {"channel_id": channel}, body=body, uploads=card.uploads)
        return str(sent["id"])

    async def direct(self, user: str, card: Card, nonce: str) -> None:
        """A message to a person alone."""
        opened = await self._rest.request("POST", "/users/@me/channels", {}, body={"recipient_id": user})
        await self.post(str(opened["id"]), card, nonce)

    async def edit(self, channel: str, message: str, card: Card) -> None:
        """Replace a message of ours."""
        names = {"channel_id": channel, "message_id": message}
        await self._rest.request("PATCH", _ONE, names, body=message_body(card), uploads=card.uploads)

    async def delete(self, channel: str, message: str) -> None:
        """Take a message of ours away."""
        await self._rest.request("DELETE", _ONE, {"channel_id": channel, "message_id": message})

    async def open_thread(self, channel: str, message: str, name: str) -> str:
        """The thread of a message, which has at most one, with the id of the message itself."""
        names = {"channel_id": channel, "message_id": message}
        body = {"name": name, "auto_archive_duration": _ARCHIVE_MINUTES}
        try:
            await self._rest.request("POST", f"{_ONE}/threads", names, body=body)
        except Trouble as caught:
            if caught.code != _HAS_THREAD:
                raise
        return message

    async def history(self, channel: str, after: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        """The first page of messages after an id: ours, oldest first, and the id to go on from, empty at the end."""
        params = {"after": after, "limit": str(PAGE)}
        page = await self._rest.request("GET", _MESSAGES, {"channel_id": channel}, params=params)
        page = sorted(page, key=lambda each: int(each["id"]))
        ours = [each for each in page if each["author"]["id"] == self._rest.user]
        return ours, str(page[-1]["id"]) if len(page) == PAGE else ""
