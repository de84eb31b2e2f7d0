"""The commands as Discord registers them, from the one command table. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from bot.adapters.discord.parse import FILE_OPTION, RUN_THIS
from bot.app.commands import Argument, Command

MAX_COMMANDS = 100  # slash commands (interactions/application-commands), so is everything here
MAX_NAME = 32
MAX_DESCRIPTION = 100
MAX_CHOICES = 25
MAX_TOTAL = 8000  # characters of one command
MAX_OPTION_TEXT = 6000  # longest text that an option takes

_SLASH, _MESSAGE = 1, 3
_STRING, _ATTACHMENT = 3, 11
_MANAGE_GUILD = str(1 << 5)
"""Who sees the commands for admins, unless a server's own settings say otherwise."""
_EVERYWHERE = {"integration_types": [0, 1], "contexts": [0, 1, 2]}
"""Installed on a server or by a person; used on servers, in the bot's messages, in other private channels."""
_ON_SERVERS = {"integration_types": [0], "contexts": [0]}
"""Offered only on servers that the bot belongs to."""

Json = dict[str, Any]
Localise = Callable[[str], Mapping[str, str]]


def untranslated(_: str) -> Mapping[str, str]:
    """No translations."""
    return {}


def registered(
    commands: Mapping[str, Command], suggested: Collection[str] = (), localise: Localise = untranslated
) -> list[Json]:
    """All commands. `suggested` names the arguments with autocomplete, such as ``quiz.what``; `localise` gives the
    translations of a description by Discord's name of the language."""
    slash = [_slash(command, suggested, localise) for command in commands.values()]
    return [*slash, {"type": _MESSAGE, "name": RUN_THIS, **_EVERYWHERE}]


def _slash(command: Command, suggested: Collection[str], localise: Localise) -> Json:
    options = [_option(command.name, argument, suggested, localise) for argument in command.arguments]
    if command.name == "run":
        about = "A file of code"
        options.append({"type": _ATTACHMENT, "name": FILE_OPTION, "required": False, **_described(about, localise)})
    return {
        "type": _SLASH,
        "name": command.name,
        **_described(command.about, localise),
        "options": options,
        **(_ON_SERVERS if command.in_channels else _EVERYWHERE),
        **({"default_member_permissions": _MANAGE_GUILD} if command.admins else {}),
    }


def _option(command: str, argument: Argument, suggested: Collection[str], localise: Localise) -> Json:
    option: Json = {
        "type": _STRING,
        "name": argument.name,
        "required": False,
        **_described(argument.about, localise),
    }
    if argument.choices:
        option["choices"] = [{"name": choice, "value": choice} for choice in argument.choices[:MAX_CHOICES]]
    else:
        option["max_length"] = MAX_OPTION_TEXT
        if f"{command}.{argument.name}" in suggested:
            option["autocomplete"] = True
    return option


def _described(about: str, localise: Localise) -> Json:
    translations = {language: text[:MAX_DESCRIPTION] for language, text in localise(about).items()}
    described: Json = {"description": about[:MAX_DESCRIPTION]}
    return described | ({"description_localizations": translations} if translations else {})
