"""`torchquiz bot` as an operator starts it: one clear line for whatever is wrong with its set-up."""

from __future__ import annotations

import signal
from collections.abc import Awaitable
from pathlib import Path

import aiohttp
import pytest
import yaml
from cryptography.fernet import Fernet

from tests.adapters.discord.fake_discord import (
    MANAGE_SERVER,
    TOKEN,
    FakeDiscord,
    Interaction,
    Message,
    Someone,
    discord,
)
from tests.adapters.slack.fake_slack import APP_TOKEN, BOT_TOKEN, SECRET, FakeSlack
from tests.e2e.processes import nobody_left, serving, torchquiz


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
    assert ("permissions=309237763072" in printed) == (status == 0)
    assert ("The application id is a number" in errors) == (status == 1)


# ---- on a Discord


def discord_settings(fake: FakeDiscord, token: str = TOKEN) -> dict[str, str]:
    """The environment of a bot that knows only this Discord."""
    nothing = dict.fromkeys(("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "DISCORD_PUBLIC_KEY"), "")
    urls = {"DISCORD_API_BASE": fake.api, "DISCORD_GATEWAY_URL": fake.gateway_url}
    return nothing | urls | {"DISCORD_TOKEN": token, "TORCHQUIZ_LOG": "warning"}


async def shown(fake: FakeDiscord, doing: Awaitable[Interaction]) -> Message:
    """What stands there in the end; on a busy machine a message may say for a moment that it is thinking."""
    made = await doing
    await fake.until(lambda: not made.message.loading, 30)
    return made.message


async def test_with_a_token_it_plays_and_posts_on_discord_and_stops_cleanly(tmp_path: Path) -> None:
    async with discord() as fake:
        ada = Someone(fake, permissions=MANAGE_SERVER)
        async with serving(tmp_path, ["bot"], r"discord  ready: (\S+)", discord_settings(fake)) as running:
            card = await shown(fake, ada.command("quiz", what="11"))
            assert "question 1 of 10" in card.text
            assert "1 answered" in (await shown(fake, ada.press(card, "A"))).text
            plan = await shown(fake, ada.command("setup", plan="9:30 Europe/Berlin daily"))
            assert "Saved" in (await shown(fake, ada.press(plan, "Save"))).text
            assert "It comes in a moment" in (await shown(fake, ada.command("daily", what="now"))).text
            await fake.until(lambda: any("0 answered" in each.text for each in fake.messages.values()), 60)
            question = next(each for each in fake.messages.values() if "0 answered" in each.text)
            told = await shown(fake, ada.press(question, "A"))
            assert told.to == ada.id
            assert "this month, rank 1" in told.text
            assert await running.stop(signal.SIGTERM) == 0
    assert await nobody_left(tmp_path) == []


async def test_a_wrong_token_is_one_clear_line(tmp_path: Path) -> None:
    async with discord() as fake:
        status, printed, errors = await torchquiz(tmp_path, "bot", extra=discord_settings(fake, "canary"))

    assert status == 1
    assert errors.count("Discord does not accept DISCORD_TOKEN") == 1
    assert "Traceback" not in errors
    assert "canary" not in printed + errors


async def test_a_range_of_shards_that_is_none_is_said(tmp_path: Path) -> None:
    async with discord() as fake:
        extra = discord_settings(fake) | {"DISCORD_SHARDS": "9/8"}
        status, _, errors = await torchquiz(tmp_path, "bot", extra=extra)

    assert status == 1
    assert "such as 0-3/8" in errors


# ---- on a Slack


def slack_settings(slack: FakeSlack, **more: str) -> dict[str, str]:
    """The environment of a bot that knows only this Slack."""
    nothing = dict.fromkeys(("DISCORD_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"), "")
    return nothing | {"SLACK_API_BASE": slack.api, "SLACK_PORT": "0", "TORCHQUIZ_LOG": "warning"} | more


async def test_with_two_tokens_it_plays_on_slack_and_stops_cleanly(tmp_path: Path) -> None:
    async with FakeSlack().running() as slack:
        extra = slack_settings(slack, SLACK_BOT_TOKEN=BOT_TOKEN, SLACK_APP_TOKEN=APP_TOKEN)
        async with serving(tmp_path, ["bot"], r"Slack: (@torchquiz) in Fake, by Socket Mode", extra) as running:
            await slack.command("/quiz", "11")
            card = await slack.see("question 1 of 10", to="U1")
            await slack.press(card, "A")
            await slack.see("1 answered", to="U1")
            assert await running.stop(signal.SIGTERM) == 0

    assert slack.violations == []
    assert await nobody_left(tmp_path) == []


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
async def test_workspaces_install_it_by_oauth_and_their_tokens_survive_a_restart_encrypted(tmp_path: Path) -> None:
    async with FakeSlack().running() as slack:
        slack.codes["code-2"] = "T2"
        key = Fernet.generate_key().decode()
        extra = slack_settings(
            slack,
            SLACK_SIGNING_SECRET=SECRET,
            SLACK_CLIENT_ID="C.1",
            SLACK_CLIENT_SECRET="client-canary",
            SLACK_INSTALLATION_KEYS=key,
        )
        ready = r"every workspace that installs it, at port (\d+)"
        async with serving(tmp_path, ["bot"], ready, extra) as running:
            assert await installed(f"http://127.0.0.1:{running.url}", "code-2") == 200
            assert await running.stop(signal.SIGTERM) == 0
        async with serving(tmp_path, ["bot"], ready, extra) as running:
            slack.bot_url = f"http://127.0.0.1:{running.url}/slack/events"
            await slack.deliver("slash_commands", slack.command_payload("/help", "") | {"team_id": "T2"})
            await slack.see("I teach PyTorch", to="U1")
            assert await running.stop(signal.SIGTERM) == 0
        kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        assert slack.installed["T2"].encode() not in kept

        wrong = extra | {"SLACK_INSTALLATION_KEYS": Fernet.generate_key().decode()}
        status, printed, errors = await torchquiz(tmp_path, "bot", extra=wrong)
        assert status == 1
        assert "SLACK_INSTALLATION_KEYS does not read what is stored" in errors
        assert "canary" not in printed + errors
    assert await nobody_left(tmp_path) == []


async def installed(root: str, code: str) -> int:
    """Install the app in a workspace, as its admin's browser does; returns the status of the last page."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{root}/slack/install", allow_redirects=False) as start:
            state = start.cookies["slack-app-oauth-state"].value
        cookie = {"Cookie": f"slack-app-oauth-state={state}"}
        back = f"{root}/slack/oauth_redirect?state={state}&code={code}"
        async with session.get(back, headers=cookie) as page:
            return page.status


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"SLACK_CLIENT_SECRET": "", "SLACK_INSTALLATION_KEYS": ""}, "SLACK_CLIENT_ID needs SLACK_CLIENT_SECRET"),
        ({"SLACK_INSTALLATION_KEYS": ""}, "SLACK_CLIENT_ID needs SLACK_INSTALLATION_KEYS"),
        ({"SLACK_INSTALLATION_KEYS": "canary"}, "SLACK_INSTALLATION_KEYS: key 1 is no key"),
        ({"SLACK_BOT_TOKEN": "xoxb-canary"}, "Set SLACK_BOT_TOKEN for one workspace, or SLACK_CLIENT_ID"),
    ],
)
async def test_what_is_missing_for_oauth_is_named(tmp_path: Path, given: dict[str, str], message: str) -> None:
    whole = {
        "DISCORD_TOKEN": "",
        "SLACK_BOT_TOKEN": "",
        "SLACK_SIGNING_SECRET": "canary",
        "SLACK_CLIENT_ID": "C.1",
        "SLACK_CLIENT_SECRET": "canary",
        "SLACK_INSTALLATION_KEYS": Fernet.generate_key().decode(),
    }

    status, printed, errors = await torchquiz(tmp_path, "bot", extra=whole | given)

    assert status == 1
    assert message in errors
    assert "canary" not in printed + errors


async def test_a_new_key_fits_its_setting_and_a_distributed_app_needs_an_address() -> None:
    _, key, _ = await torchquiz(Path("/nonexistent"), "slack-key")
    Fernet(key.strip())
    status, _, errors = await torchquiz(Path("/nonexistent"), "slack-manifest", "--distributed")
    _, manifest, _ = await torchquiz(
        Path("/nonexistent"), "slack-manifest", "--distributed", "--url", "https://bot.example"
    )

    assert status == 2
    assert "--distributed needs --url" in errors
    assert yaml.safe_load(manifest)["oauth_config"]["redirect_urls"] == ["https://bot.example/slack/oauth_redirect"]
