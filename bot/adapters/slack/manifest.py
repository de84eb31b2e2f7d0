"""The app manifest, written from the command table so that the two cannot drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from bot.adapters.slack.parse import SHORTCUT, UMBRELLA
from bot.app.commands import Command
from bot.core.text import clip

SCOPES = (
    "app_mentions:read",
    "channels:history",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "im:history",
    "users:read",
)
"""The least that works: hear mentions and what is said to us alone; post, slash commands and the shortcut, also on code
that was sent as a file; share figures and long output; see who is an admin before a question of the day is planned.
And, after a failure, look whether it was posted already, in public and private channels we are in: without those two,
it may come twice."""
EVENTS = ("app_home_opened", "app_mention", "message.im")
LEAVING = ("app_uninstalled", "tokens_revoked")
MAX_DESCRIPTION = 100  # characters of a description or a usage hint; the documented most is 2000 and 1000
PATH = "/slack/events"
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"


def manifest(commands: Mapping[str, Command], url: str = "", *, distributed: bool = False) -> str:
    """The manifest as YAML. With the public `url` of the bot it is for HTTP, otherwise for Socket Mode. An app that is
    `distributed` to other workspaces (which needs a `url`) has rotating tokens and hears of uninstallation."""
    request: dict[str, Any] = {"url": url.rstrip("/") + PATH} if url else {}
    events: dict[str, Any] = {"request_url": request["url"]} if url else {}
    interactivity: dict[str, Any] = {"request_url": request["url"]} if url else {}
    redirect: dict[str, Any] = {"redirect_urls": [url.rstrip("/") + REDIRECT_PATH]} if distributed else {}
    document = {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": "Torchquiz",
            "description": "PyTorch questions, a leaderboard and code you can run",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "torchquiz", "always_online": True},
            "shortcuts": [
                {
                    "name": "Run this code",
                    "type": "message",
                    "callback_id": SHORTCUT,
                    "description": "Run the code in this message",
                }
            ],
            "slash_commands": [_command(f"/{UMBRELLA}", "Every command, by its name", "quiz 11", request)]
            + [_command(f"/{each.name}", _about(each), _hint(each), request) for each in commands.values()],
        },
        "oauth_config": {**redirect, "scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {**events, "bot_events": [*EVENTS, *(LEAVING if distributed else ())]},
            "interactivity": {"is_enabled": True, **interactivity},
            "org_deploy_enabled": False,
            "socket_mode_enabled": not url,
            "token_rotation_enabled": distributed,
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _about(command: Command) -> str:
    return f"{command.about} (admins)" if command.admins else command.about


def _hint(command: Command) -> str:
    return command.example.removeprefix(f"/{command.name}").strip()


def _command(name: str, about: str, hint: str, request: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"command": name, **request, "description": clip(about, MAX_DESCRIPTION)}
    if hint:
        entry["usage_hint"] = clip(hint, MAX_DESCRIPTION)
    return {**entry, "should_escape": False}
