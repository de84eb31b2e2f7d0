"""The requests behind messages: which route, which body. Knows no library; `Rest` sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bot.adapters.discord.fitting import Upload
from bot.adapters.discord.places import Place
from bot.adapters.discord.platform import Trouble, Why
from bot.adapters.discord.render import Card, Json

_V2, _EPHEMERAL = 1 << 15, 1 << 6
_NEW, _WAIT, _WAIT_IN_PLACE, _UPDATE, _CHOICES, _MODAL = 4, 5, 6, 7, 8, 9  # interaction callback types
_MESSAGE = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"


class Rest(Protocol):
    """Sends requests, keeping to Discord's rate limits. All methods raise Trouble."""

    @property
    def application(self) -> str:
        """The id of our application."""
        ...

    @property
    def user(self) -> str:
        """The id of the user that we are."""
        ...

    async def callback(self, id: str, token: str, body: Json, uploads: Sequence[Upload] = ()) -> None:
        """The first answer of an interaction."""
        ...

    async def request(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        *,
        body: Json | None = None,
        uploads: Sequence[Upload] = (),
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """Any other request; `names` fill the path."""
        ...

    async def fetch(self, url: str) -> bytes:
        """What Discord keeps at an address of its own."""
        ...


def message_body(card: Card, *, private: bool = False) -> Json:
    """A card as the body of a request. What it does not upload, the message no longer has."""
    attachments = [{"id": n, "filename": each.name, "description": each.alt} for n, each in enumerate(card.uploads)]
    return {
        "flags": _V2 | (_EPHEMERAL if private else 0),
        "components": list(card.components),
        "allowed_mentions": {"parse": []},
        "attachments": attachments,
    }


class RestMessages:
    """Everything after the first answer."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def edit(self, place: Place, card: Card, message: str = "@original") -> None:
        """Replace a message of this event."""
        names = {**self._webhook(place), "message_id": message}
        await self._rest.request("PATCH", _MESSAGE, names, body=message_body(card), uploads=card.uploads)

    async def follow_up(self, place: Place, card: Card, *, private: bool) -> str:
        """One more message to this event; returns its id."""
        sent = await self._rest.request(
            "POST",
            "/webhooks/{webhook_id}/{webhook_token}",
            self._webhook(place),
            body=message_body(card, private=private),
            uploads=card.uploads,
            params={"wait": "1"},
        )
        return str(sent["id"])

    async def delete(self, place: Place, message: str = "@original") -> None:
        """Take a message of this event away."""
        await self._rest.request("DELETE", _MESSAGE, {**self._webhook(place), "message_id": message})

    async def fetch(self, url: str, limit: int) -> bytes:
        """An attachment of at most `limit` bytes; Discord says its size in the event, and we look again."""
        content = await self._rest.fetch(url)
        if len(content) > limit:
            raise Trouble(Why.REFUSED)
        return content

    def _webhook(self, place: Place) -> dict[str, str]:
        return {"webhook_id": self._rest.application, "webhook_token": place.token}


class RestFirst:
    """The first answer of an interaction."""

    def __init__(self, rest: Rest, place: Place) -> None:
        self._rest = rest
        self._place = place

    async def message(self, card: Card, *, private: bool) -> None:
        """A new message."""
        await self._answer(_NEW, message_body(card, private=private), card.uploads)

    async def update(self, card: Card) -> None:
        """The card in place of the pressed message."""
        await self._answer(_UPDATE, message_body(card), card.uploads)

    async def wait(self, *, private: bool) -> None:
        """A new message is on its way."""
        await self._answer(_WAIT, {"flags": _EPHEMERAL} if private else {})

    async def wait_in_place(self) -> None:
        """The pressed message stays for now."""
        await self._answer(_WAIT_IN_PLACE, {})

    async def form(self, modal: Mapping[str, Any]) -> None:
        """A dialog."""
        await self._answer(_MODAL, dict(modal))

    async def choices(self, offered: Sequence[Mapping[str, Any]]) -> None:
        """What autocomplete offers."""
        await self._answer(_CHOICES, {"choices": list(offered)})

    async def _answer(self, kind: int, data: Json, uploads: Sequence[Upload] = ()) -> None:
        await self._rest.callback(self._place.id, self._place.token, {"type": kind, "data": data}, uploads)
