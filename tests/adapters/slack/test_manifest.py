"""The manifest is written from the command table."""

from __future__ import annotations

import yaml

from bot.adapters.slack.manifest import manifest
from bot.adapters.slack.parse import SHORTCUT
from bot.app.commands import COMMANDS


def test_every_command_and_the_umbrella_are_registered() -> None:
    commands = yaml.safe_load(manifest(COMMANDS))["features"]["slash_commands"]

    assert ["/torch", *(f"/{name}" for name in COMMANDS)] == [each["command"] for each in commands]
    assert all(each["description"] and not each["should_escape"] and "url" not in each for each in commands)
    assert len(commands) <= 50


def test_it_asks_for_no_more_than_it_needs() -> None:
    document = yaml.safe_load(manifest(COMMANDS))

    assert {
        "app_mentions:read",
        "channels:history",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "im:history",
        "users:read",
    } == set(document["oauth_config"]["scopes"]["bot"])
    assert document["settings"]["event_subscriptions"]["bot_events"] == ["app_home_opened", "app_mention", "message.im"]


def test_it_stands_for_socket_mode_with_home_and_shortcut() -> None:
    document = yaml.safe_load(manifest(COMMANDS))

    assert document["settings"]["socket_mode_enabled"]
    assert document["features"]["app_home"]["home_tab_enabled"]
    assert [each["callback_id"] for each in document["features"]["shortcuts"]] == [SHORTCUT]


def test_for_http_every_entry_names_the_address() -> None:
    document = yaml.safe_load(manifest(COMMANDS, "https://bot.example/"))

    url = "https://bot.example/slack/events"
    assert not document["settings"]["socket_mode_enabled"]
    assert {url} == {each["url"] for each in document["features"]["slash_commands"]}
    assert url == document["settings"]["event_subscriptions"]["request_url"]
    assert url == document["settings"]["interactivity"]["request_url"]


def test_a_distributed_app_rotates_its_tokens_and_hears_of_leaving() -> None:
    document = yaml.safe_load(manifest(COMMANDS, "https://bot.example", distributed=True))

    assert document["settings"]["token_rotation_enabled"]
    assert {"app_uninstalled", "tokens_revoked"} < set(document["settings"]["event_subscriptions"]["bot_events"])
    assert document["oauth_config"]["redirect_urls"] == ["https://bot.example/slack/oauth_redirect"]
