"""Slack's payloads to what a person did. Tolerant: whatever is missing reads as empty, nothing raises."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.adapters.slack.formatting import straightened, typed
from bot.adapters.slack.place import Place, usable_until
from bot.adapters.slack.render import FORM
from bot.app.commands import COMMANDS
from bot.app.run_cards import CODE_FIELD
from bot.core.actions import (
    FOR_ADMINS,
    VERBS,
    DeleteRun,
    RunAgain,
    RunProof,
    RunPuzzle,
    RunSample,
    SaveSchedule,
    SubmitRun,
)
from bot.core.ids import ChannelId, Platform, Tenant, UserId, tenant
from bot.core.text import snippet

UMBRELLA = "torch"
"""The command that takes every other as its first word, for workspaces where the short names are taken."""
SHORTCUT = "torchquiz-run"
"""The callback_id of the message shortcut."""
GROUP = "slack"

_VERB_OF = {kind: verb for verb, kind in VERBS.items()}
_RUNS = frozenset({_VERB_OF[RunAgain], _VERB_OF[SubmitRun]})
_FOR_ONE = frozenset(_VERB_OF[kind] for kind in (RunProof, RunSample, RunPuzzle))
_DELETE = _VERB_OF[DeleteRun]
_SAVE = _VERB_OF[SaveSchedule]
_FOR_ADMINS = frozenset(_VERB_OF[kind] for kind in FOR_ADMINS)


@dataclass(frozen=True, slots=True)
class Source:
    """Who did something, where, and Slack's own id of that event."""

    tenant: Tenant
    channel: ChannelId
    user: UserId
    name: str
    event: str
    place: Place
    trigger: str = ""
    """Opens a dialog for 3 s, once."""


@dataclass(frozen=True, slots=True)
class Said:
    """A command, however it was typed, as the desk reads it. What stands in a `file` belongs behind the line."""

    source: Source
    line: str
    file: str = ""
    """The address of a file on Slack."""


@dataclass(frozen=True, slots=True)
class Card:
    """The message whose button was pressed."""

    ts: str
    ephemeral: bool
    files: tuple[str, ...] = ()
    """Ids of the files that were shared with it."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button or a menu entry. `card` is None for those of the App Home."""

    source: Source
    wire: str
    card: Card | None = None
    at: str = ""
    """Slack's own id of the press."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A sent form. `errors` are sentences for boxes that must not be empty."""

    source: Source
    wire: str
    values: Mapping[str, str]
    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HomeOpened:
    """Someone looks at the App Home, or at the messages beside it."""

    source: Source
    on_home: bool = True


@dataclass(frozen=True, slots=True)
class Left:
    """A workspace took the app away, or its token was revoked."""

    source: Source


Event = Said | Pressed | Submitted | HomeOpened | Left


def event(payload: Mapping[str, Any], now: float, bot: str = "") -> Event | None:
    """What a payload says; None for what we do not listen to. `now` is in seconds since 1970, `bot` our user id."""
    if "command" in payload:
        return _command(payload, now)
    match payload.get("type"):
        case "block_actions":
            return _pressed(payload, now)
        case "view_submission":
            return _submitted(payload)
        case "message_action":
            return _shortcut(payload, now)
        case "event_callback":
            return _happened(payload, bot)
    return None


def line_of(text: str) -> str:
    """The command in words without its name before them: ``quiz 11`` is ``/quiz 11``; nothing is ``/help``."""
    name, space, rest = _first_word(text.strip().removeprefix("/"))
    return _line(name, space + rest) if name else "/help"


def starts_run(event: Said | Pressed | Submitted) -> bool:
    """Whether the answer will be a run, whose card needs a message before it is handed in. In a conversation with one
    person alone that holds for code of ours too; elsewhere that is whispered, and nobody can change a whisper."""
    if isinstance(event, Said):
        name, _, rest = _first_word(event.line)
        return name.lower() == "/run" and bool(event.file or snippet(rest).strip())
    verb = _verb(event.wire)
    return verb in _RUNS or (verb in _FOR_ONE and event.source.place.direct)


def for_admins(event: Said | Pressed | Submitted) -> bool:
    """Whether the answer depends on whether this person is an admin. `/daily` alone shows the question to anyone."""
    if isinstance(event, Said):
        name, _, rest = _first_word(event.line.removeprefix("/"))
        command = COMMANDS.get(name.lower())
        return command is not None and (command.admins or (command.name == "daily" and bool(rest.strip())))
    return _verb(event.wire) in _FOR_ADMINS


def plans(event: Pressed) -> bool:
    """Whether the button saves what is to be posted in this channel."""
    return _verb(event.wire) == _SAVE


def deletes(event: Pressed) -> bool:
    """Whether the button takes a result away, and with it the files that belong to it."""
    return _verb(event.wire) == _DELETE


def _verb(wire: str) -> str:
    return wire.partition(".")[2].partition(".")[0]


def _line(name: str, rest: str) -> str:
    return f"/{name}{straightened(rest) if name.lower() == 'run' else rest}"


def _first_word(text: str) -> tuple[str, str, str]:
    match = re.match(r"(\S*)(\s?)(.*)", text, re.DOTALL)
    return (match[1], match[2], match[3]) if match else ("", "", "")


def _command(payload: Mapping[str, Any], now: float) -> Said:
    channel, user = _text(payload, "channel_id"), UserId(_text(payload, "user_id"))
    source = Source(
        tenant=_tenant(_text(payload, "team_id") or _text(payload, "enterprise_id")),
        channel=ChannelId(channel),
        user=user,
        name=_text(payload, "user_name"),
        event=_text(payload, "trigger_id"),
        place=Place(channel, user, url=_text(payload, "response_url"), until=usable_until(now)),
        trigger=_text(payload, "trigger_id"),
    )
    name, text = _text(payload, "command").removeprefix("/"), typed(_text(payload, "text"))
    if name == UMBRELLA:
        return Said(source, line_of(text))
    return Said(source, _line(name, f" {text}" if text else ""))


def _pressed(payload: Mapping[str, Any], now: float) -> Pressed | None:
    actions = payload.get("actions")
    action = actions[0] if isinstance(actions, list) and actions else None
    wire = _text(action, "value") or _text(action, "selected_option", "value")
    if not wire:
        return None
    user, at = UserId(_text(payload, "user", "id")), _text(action, "action_ts")
    if _text(payload, "container", "type") == "view":
        channel = _text(_json(_text(payload, "view", "private_metadata")), "channel")
        place = Place(channel or user, user, direct=True)
        return Pressed(_source(payload, user, place, at), wire, None, at)
    channel = _text(payload, "channel", "id") or _text(payload, "container", "channel_id")
    ephemeral = _object(payload, "container").get("is_ephemeral") is True
    place = Place(
        channel,
        user,
        thread=_text(payload, "container", "thread_ts") or _text(payload, "message", "thread_ts"),
        direct=channel.startswith("D") and not ephemeral,
        url=_text(payload, "response_url"),
        until=usable_until(now),
    )
    card = Card(_text(payload, "container", "message_ts"), ephemeral, _files(payload))
    return Pressed(_source(payload, user, place, at), wire, card, at)


def _submitted(payload: Mapping[str, Any]) -> Submitted | None:
    if _text(payload, "view", "callback_id") != FORM:
        return None
    carried = _json(_text(payload, "view", "private_metadata"))
    user = UserId(_text(payload, "user", "id"))
    try:
        place = Place.decode(_text(carried, "place"))
    except (ValueError, TypeError):
        place = Place(user, user, direct=True)
    values, errors = _values(_object(payload, "view"))
    once = f"{_text(payload, 'view', 'id')}.{_text(payload, 'view', 'hash')}"
    return Submitted(_source(payload, user, place, once), _text(carried, "wire"), values, errors)


def _values(view: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What stands in the boxes, those of one field joined, and what is wrong with it."""
    state = _object(view, "state", "values")
    boxes: dict[str, list[tuple[int, str, str]]] = {}
    for block_id, elements in state.items():
        name, _, place = str(block_id).rpartition(".")
        number = place.removesuffix("n")
        if number.isascii() and number.isdecimal() and len(number) < 4:
            box: object = next(iter(elements.values()), None) if isinstance(elements, dict) else None
            boxes.setdefault(name, []).append((int(number), "\n" if place.endswith("n") else "", _text(box, "value")))
    values = {name: "".join(start + text for _, start, text in sorted(parts)) for name, parts in boxes.items()}
    if CODE_FIELD in values:
        values[CODE_FIELD] = straightened(values[CODE_FIELD])
    blocks = view.get("blocks")
    wanted = {
        _text(block, "block_id")
        for block in (blocks if isinstance(blocks, list) else [])
        if isinstance(block, dict) and block.get("type") == "input" and block.get("optional") is not True
    }
    empty = {name for name, value in values.items() if not value.strip()}
    errors = {f"{name}.0": "Write something here first." for name in empty if f"{name}.0" in wanted}
    return values, errors


def _shortcut(payload: Mapping[str, Any], now: float) -> Said | None:
    if _text(payload, "callback_id") != SHORTCUT:
        return None
    channel, user = _text(payload, "channel", "id"), UserId(_text(payload, "user", "id"))
    message = _object(payload, "message")
    place = Place(
        channel,
        user,
        thread=_text(message, "thread_ts") or _text(message, "ts"),
        url=_text(payload, "response_url"),
        until=usable_until(now),
    )
    source, text = _source(payload, user, place, ""), typed(_text(message, "text"))
    file = "" if "```" in text else _file(message)
    return Said(source, "/run" if file else _line("run", " " + text), file)


def _happened(payload: Mapping[str, Any], bot: str) -> Event | None:
    happened = _object(payload, "event")
    user, channel = UserId(_text(happened, "user")), _text(happened, "channel")
    kind = _text(happened, "type")
    alone = kind == "app_home_opened" or (kind == "message" and _text(happened, "channel_type") == "im")
    place = Place(channel, user, thread=_text(happened, "thread_ts"), direct=alone)
    source = Source(
        tenant=_tenant(_text(payload, "team_id") or _text(payload, "enterprise_id")),
        channel=ChannelId(channel),
        user=user,
        name="",
        event=_text(payload, "event_id"),
        place=place,
    )
    if kind == "app_home_opened":
        return HomeOpened(source, _text(happened, "tab") == "home")
    if kind == "message" and alone and user and not (happened.get("bot_id") or happened.get("subtype")):
        return Said(source, line_of(typed(_after_mention(_text(happened, "text"), bot))))
    if kind == "app_mention" and user and not happened.get("bot_id"):
        return Said(source, line_of(typed(_after_mention(_text(happened, "text"), bot))))
    if kind == "app_uninstalled" or (kind == "tokens_revoked" and _object(happened, "tokens").get("bot")):
        return Left(source)
    return None


def _after_mention(text: str, bot: str) -> str:
    mention = rf"<@{re.escape(bot)}(?:\|[^>]*)?>" if bot else r"<@[^>]*>"
    parts = re.split(mention + r"[:,]?", text, maxsplit=1)
    return parts[-1]


def _source(payload: Mapping[str, Any], user: UserId, place: Place, instead: str) -> Source:
    """The source of an interaction. Its trigger_id is its own id; `instead` stands in where there is none."""
    person, trigger = _object(payload, "user"), _text(payload, "trigger_id")
    team = _text(payload, "team", "id") or _text(person, "team_id") or _text(payload, "enterprise", "id")
    return Source(
        tenant=_tenant(_text(payload, "view", "app_installed_team_id") or team),
        channel=ChannelId(place.channel),
        user=user,
        name=_text(person, "username") or _text(person, "name"),
        event=trigger or instead,
        place=place,
        trigger=trigger,
    )


def _file(message: Mapping[str, Any]) -> str:
    """The address of the first file of a message: code that is long is sent as one."""
    files = message.get("files")
    return _text(files[0], "url_private") if isinstance(files, list) and files else ""


def _files(payload: Mapping[str, Any]) -> tuple[str, ...]:
    blocks = _object(payload, "message").get("blocks")
    for block in blocks if isinstance(blocks, list) else []:
        kind, *files = _text(block, "block_id").split(" ")
        if kind.startswith("buttons") and files:
            return tuple(files)
    return ()


def _tenant(team: str) -> Tenant:
    return tenant(Platform.SLACK, team)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {}


def _object(value: object, *path: str) -> Mapping[str, Any]:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _text(value: object, *path: str) -> str:
    """The text at `path`, without lone surrogates, which no wire can carry; empty where there is none."""
    found = _object(value, *path[:-1]).get(path[-1])
    if not isinstance(found, str):
        return ""
    return found if found.isascii() else found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
