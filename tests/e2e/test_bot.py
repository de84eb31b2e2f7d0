"""`torchquiz bot` as an operator starts it: one clear line for whatever is wrong with its set-up."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.e2e.processes import nobody_left, torchquiz


async def test_without_a_token_it_says_which_to_set(tmp_path: Path) -> None:
    status, _, errors = await torchquiz(tmp_path, "bot", extra={"DISCORD_TOKEN": "", "SLACK_BOT_TOKEN": ""})

    assert status == 1
    assert "Set DISCORD_TOKEN for Discord, or SLACK_BOT_TOKEN and SLACK_APP_TOKEN for Slack." in errors


async def test_slack_without_a_transport_is_named(tmp_path: Path) -> None:
    extra = {"DISCORD_TOKEN": "", "SLACK_BOT_TOKEN": "xoxb-canary", "SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": ""}

    status, printed, errors = await torchquiz(tmp_path, "bot", extra=extra)

    assert status == 1
    assert "Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP." in errors
    assert "canary" not in printed + errors
    assert await nobody_left(tmp_path) == []


async def test_the_manifest_is_yaml_with_every_command() -> None:
    status, printed, _ = await torchquiz(Path("/nonexistent"), "slack-manifest")

    commands = {command["command"] for command in yaml.safe_load(printed)["features"]["slash_commands"]}
    assert status == 0
    assert {"/quiz", "/run", "/leaderboard", "/torch"} <= commands


@pytest.mark.parametrize(("application", "status"), [("1200000000000000123", 0), ("my-app", 1)])
async def test_the_invitation_asks_for_few_permissions(application: str, status: int) -> None:
    ended, printed, errors = await torchquiz(Path("/nonexistent"), "discord-invite", application)

    assert ended == status
    assert ("permissions=52224" in printed) == (status == 0)
    assert ("The application id is a number" in errors) == (status == 1)
