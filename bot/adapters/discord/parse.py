"""From an interaction of Discord to who did what. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.adapters.discord.places import Place
from bot.adapters.discord.platform import may_post, missing
from bot.app.commands import COMMANDS
from bot.core.actions import VERBS, VERSION
from bot.core.ids import Caller, ChannelId, Platform, UserId, tenant
from bot.core.runs import MAX_SOURCE_BYTES
from bot.core.text import snippet

GROUP = "discord"
"""The reply group: every process of ours on Discord can show a result with what stands in its place."""
RUN_THIS = "Run this code"
"""The command in the menu of every message."""
FILE_OPTION = "file"
"""The option of `/run` that takes a file of code."""

_PING, _COMMAND, _COMPONENT, _AUTOCOMPLETE, _MODAL = 1, 2, 3, 4, 5
_MESSAGE_COMMAND = 3
_EPHEMERAL = 1 << 6
_ADMINISTRATOR, _MANAGE_GUILD = 1 << 3, 1 << 5
_GUILD_INSTALL = "0"
_REPEAT = re.compile(r"#\d{1,2}\Z")


class Expect(StrEnum):
    """The answer that usually follows: Discord fixes who sees it when the wait is announced."""

    PRIVATE = "private"
    PUBLIC = "public"
    IN_PLACE = "in place"
    FORM = "form"


EXPECTED: Mapping[str, Expect] = {
    **dict.fromkeys(("a", "w", "b", "rd", "ss", "sc", "fj", "ks", "kr", "ka", "ku", "pa", "pe", "za"), Expect.IN_PLACE),
    **dict.fromkeys(("sh", "rs", "ra"), Expect.PUBLIC),
    **dict.fromkeys(("ro", "so", "fo"), Expect.FORM),
    **dict.fromkeys(("q", "qr", "n", "p", "c", "i", "ni", "rc", "d", "sd", "su", "fs"), Expect.PRIVATE),
    **dict.fromkeys(("ko", "kn", "kt", "px", "zo", "zr"), Expect.PRIVATE),
}
"""By verb; a wrong guess costs one more message, but a form that was announced can no longer be shown."""

ONCE_VERBS = frozenset({"sh", "ra", "p", "c", "px", "zr"})
"""Verbs that post something new: a second tap of a hasty finger does nothing."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of code that comes with a command; `size` in bytes."""

    url: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Typed:
    """A command, as the line that would be typed; the text of `file` follows it."""

    line: str
    file: Attached | None = None


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button or a menu entry."""

    wire: str

    @property
    def verb(self) -> str:
        """What it says it does, before anybody has checked it."""
        return verb(self.wire)


@dataclass(frozen=True, slots=True)
class Sent:
    """A form."""

    wire: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What someone has typed so far of an argument of a command."""

    command: str
    argument: str
    typed: str


@dataclass(frozen=True, slots=True)
class Odd:
    """Nothing we can work with, and the sentence that says so."""

    words: str


Did = Typed | Pressed | Sent | Asked | Odd


@dataclass(frozen=True, slots=True)
class Event:
    """An interaction. `message_private` tells whether only the caller sees the message that was pressed."""

    caller: Caller
    place: Place
    did: Did
    expect: Expect = Expect.PRIVATE
    message: str = ""
    message_private: bool = False


def event(
    *,
    id: int | str,
    token: str,
    kind: int,
    guild: int | str | None,
    channel: int | str | None,
    user: int | str,
    name: str,
    permissions: int = 0,
    app_permissions: int = 0,
    installed: bool = True,
    data: Mapping[str, Any],
    message: int | str | None = None,
    message_flags: int = 0,
) -> Event:
    """An event from the parts of an interaction. `installed`: we are a member of the server, not only with its
    author. Raises KeyError, TypeError or ValueError for what is not one."""
    place = Place(str(id), token, str(channel or ""), app_permissions)
    caller = Caller(
        tenant=tenant(Platform.DISCORD, str(guild) if guild else f"c{channel or user}"),
        channel=ChannelId(str(channel or guild or user)),
        user=UserId(str(user)),
        name=name,
        event=str(id),
        is_admin=bool(permissions & (_ADMINISTRATOR | _MANAGE_GUILD)),
        group=GROUP,
        place=place.encode(),
    )
    did = _sensible(_did(kind, data), guild is not None and installed, app_permissions)
    return Event(caller, place, did, _expected(did), str(message or ""), bool(message_flags & _EPHEMERAL))


def from_payload(payload: Mapping[str, Any]) -> Event:
    """An event from an interaction as Discord posts it. Raises KeyError, TypeError or ValueError."""
    member = payload.get("member") or {}
    user = member.get("user") or payload["user"]
    channel = payload.get("channel_id") or (payload.get("channel") or {}).get("id")
    message = payload.get("message") or {}
    return event(
        id=payload["id"],
        token=payload["token"],
        kind=payload["type"],
        guild=payload.get("guild_id"),
        channel=channel,
        user=user["id"],
        name=member.get("nick") or user.get("global_name") or user["username"],
        permissions=int(member.get("permissions") or 0),
        app_permissions=int(payload.get("app_permissions") or 0),
        installed=_installed(payload),
        data=payload.get("data") or {},
        message=message.get("id"),
        message_flags=int(message.get("flags") or 0),
    )


def is_ping(payload: Mapping[str, Any]) -> bool:
    """Whether Discord only asks if we are there."""
    return payload.get("type") == _PING


def verb(wire: str) -> str:
    """The verb a wire form claims; empty when it is none of ours."""
    version, _, rest = wire.partition(".")
    word = rest.partition(".")[0]
    return word if version == VERSION and word in VERBS else ""


def _did(kind: int, data: Mapping[str, Any]) -> Did:
    if kind == _COMMAND:
        return _message_command(data) if data.get("type", 1) == _MESSAGE_COMMAND else _command(data)
    if kind == _COMPONENT:
        values = data.get("values") or ()
        return Pressed(_wire(str(values[0] if values else data["custom_id"])))
    if kind == _MODAL:
        return Sent(str(data["custom_id"]), dict(_boxes(data.get("components") or ())))
    if kind == _AUTOCOMPLETE:
        for option in data.get("options") or ():
            if option.get("focused"):
                return Asked(str(data["name"]), str(option["name"]), str(option.get("value") or ""))
        return Asked(str(data["name"]), "", "")
    return Odd("I don't know that kind of event yet.")


def _installed(payload: Mapping[str, Any]) -> bool:
    owners = payload.get("authorizing_integration_owners")
    return owners is None or _GUILD_INSTALL in owners


def _sensible(did: Did, in_server: bool, permissions: int) -> Did:
    """What was done, or a sentence where it would come to nothing."""
    command = COMMANDS.get(did.line[1:].partition(" ")[0]) if isinstance(did, Typed) else None
    if command is None or not command.in_channels:
        return did
    if not in_server:
        return Odd(
            f"`/{command.name}` is about a channel of a server that I belong to. Type it there; "
            "whoever may manage the server can add me."
        )
    if command.name == "setup" and not may_post(permissions):
        return Odd(missing(permissions, files=False, posting=True))
    return did


def _command(data: Mapping[str, Any]) -> Did:
    name = str(data["name"])
    given = {str(option["name"]): option.get("value") for option in data.get("options") or ()}
    command = COMMANDS.get(name)
    order = [argument.name for argument in command.arguments] if command else []
    words = [str(given[each]) for each in order if given.get(each) not in (None, "")]
    file = None
    if FILE_OPTION in given and FILE_OPTION not in order:
        file = _attached((data.get("resolved") or {}).get("attachments", {})[str(given[FILE_OPTION])])
    return _code_file(_line(name, " ".join(words)), file)


def _message_command(data: Mapping[str, Any]) -> Did:
    message = (data.get("resolved") or {}).get("messages", {})[str(data["target_id"])]
    content = str(message.get("content") or "")
    if (code := snippet(content)).strip() and (code != content.strip() and code != content.strip("\n")):
        return Typed(_line("run", content))
    for attachment in message.get("attachments") or ():
        file = _attached(attachment)
        if file.name.endswith((".py", ".txt")):
            return _code_file("/run", file)
    return Odd("There is no code in that message: I look for a block between ``` or a `.py` file.")


def _code_file(line: str, file: Attached | None) -> Did:
    if file and file.size > MAX_SOURCE_BYTES:
        limit = MAX_SOURCE_BYTES // 1024
        return Odd(f"That file has {file.size / 1024:,.0f} KiB; I run at most {limit} KiB.")
    return Typed(line, file)


def _line(name: str, text: str) -> str:
    if not text:
        return f"/{name}"
    gap = "\n" if "\n" in text or text[0].isspace() else " "  # indentation of the first line is part of code
    return f"/{name}{gap}{text}"


def _attached(attachment: Mapping[str, Any]) -> Attached:
    return Attached(str(attachment["url"]), str(attachment["filename"]), int(attachment["size"]))


def _boxes(components: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    for component in components:
        inner = component.get("components") or ([component["component"]] if "component" in component else ())
        yield from _boxes(inner)
        if "custom_id" in component and isinstance(component.get("value"), str):
            yield str(component["custom_id"]), component["value"]


def _wire(custom_id: str) -> str:
    return _REPEAT.sub("", custom_id)


def _expected(did: Did) -> Expect:
    match did:
        case Pressed(wire) | Sent(wire):
            return EXPECTED.get(verb(wire), Expect.PRIVATE)
        case Typed(line) if line.startswith("/run"):
            return Expect.PUBLIC if len(line) > len("/run") or did.file else Expect.FORM
        case Typed("/setup"):
            return Expect.FORM
        case _:
            return Expect.PRIVATE
