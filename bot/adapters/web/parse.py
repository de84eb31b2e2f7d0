"""JSON from the page to what a player did. Every refusal is a kind sentence for the person at the keyboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.demo import demo_user
from bot.core.errors import BadInput
from bot.core.ids import UserId
from bot.core.text import MAX_NAME, display_name

MAX_BODY_BYTES = 512 * 1024
"""Largest request: a snippet that is far too long still reaches the desk, which says so in its own words."""
MAX_FIELDS = 10


@dataclass(frozen=True, slots=True)
class Player:
    """Someone at the page: a name anybody may choose, and the id that name always has."""

    user: UserId
    name: str


@dataclass(frozen=True, slots=True)
class Said:
    """A typed line."""

    player: Player
    line: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """A pressed button of the card in `message`."""

    player: Player
    wire: str
    message: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A sent form."""

    player: Player
    wire: str
    values: Mapping[str, str]


def said(body: bytes) -> Said:
    """The line of ``{player, text}``. Raises BadInput."""
    payload = _object(body)
    line = _text(payload, "text").strip()
    if not line:
        raise BadInput("Type something first, for example `/quiz 11`.")
    return Said(player(payload.get("player")), line)


def pressed(body: bytes) -> Pressed:
    """The button of ``{player, wire, message}``. Raises BadInput."""
    payload = _object(body)
    return Pressed(player(payload.get("player")), _text(payload, "wire"), _text(payload, "message"))


def submitted(body: bytes) -> Submitted:
    """The form of ``{player, wire, values}``. Raises BadInput."""
    payload = _object(body)
    values = payload.get("values")
    if not isinstance(values, dict) or len(values) > MAX_FIELDS:
        raise BadInput(f"A form has between 0 and {MAX_FIELDS} boxes. Open it again and send it once more.")
    return Submitted(player(payload.get("player")), _text(payload, "wire"), {key: _text(values, key) for key in values})


def player(name: object) -> Player:
    """The player of that name, as everyone will read it. Raises BadInput when nothing of it can be read."""
    shown = display_name(name, fallback="") if isinstance(name, str) and len(name) <= MAX_NAME else ""
    if not shown:
        raise BadInput(f"Choose a name of 1 to {MAX_NAME} characters.")
    return Player(demo_user(shown), shown)


def _object(body: bytes) -> dict[str, object]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("That request was not JSON. Reload the page and try again.") from None
    if not isinstance(payload, dict):
        raise BadInput("That request was not a JSON object. Reload the page and try again.")
    return payload


def _text(payload: Mapping[str, object], key: str) -> str:
    """The text under `key`; lone surrogates, which no wire can carry, become the replacement character."""
    value = payload.get(key)
    if not isinstance(value, str):
        raise BadInput(f"That request has no text called {key[:40]!r}. Reload the page and try again.")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
