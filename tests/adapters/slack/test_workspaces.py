"""Many workspaces: installing by OAuth, tokens that rotate, and leaving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.client import NOT_INSTALLED
from bot.adapters.slack.workspaces import Distribution, Workspaces
from bot.core.errors import Unavailable
from bot.core.ids import Tenant
from tests.adapters.slack.fake_slack import FakeSlack
from tests.adapters.slack.serving import Bot, MemoryOnce, bot
from tests.app.fakes import FakeLog

pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
"""slack_sdk 3.47 sends the client's credentials in a way that aiohttp 3.14 wants spelled otherwise."""


@dataclass
class MemoryInstallations:
    """The Installations port in memory."""

    records: dict[Tenant, str] = field(default_factory=dict)
    away: bool = False
    full: bool = False
    """It answers, but takes nothing new."""

    async def save(self, tenant: Tenant, record: str) -> None:
        if self.away or self.full:
            raise Unavailable
        self.records[tenant] = record

    async def renew(self, tenant: Tenant, record: str) -> None:
        if tenant in self.records:
            await self.save(tenant, record)

    async def find(self, tenant: Tenant) -> str | None:
        if self.away:
            raise Unavailable
        return self.records.get(tenant)

    async def delete(self, tenant: Tenant) -> None:
        self.records.pop(tenant, None)

    async def erase_left(self) -> Sequence[Tenant]:
        return ()


def distribution(store: MemoryInstallations) -> Distribution:
    return Distribution("C.1", "client secret", store, b"0123456789abcdef")


@dataclass
class Browser:
    """Someone's browser at the pages that install the app."""

    root: str
    session: aiohttp.ClientSession

    async def begin(self) -> str:
        """Go to the start; returns the state with which Slack will send one back."""
        async with self.session.get(f"{self.root}/slack/install", allow_redirects=False) as answer:
            assert answer.status == 302
            cookie = answer.cookies["slack-app-oauth-state"].value
            state = parse_qs(urlsplit(answer.headers["Location"]).query)["state"][0]
        assert cookie == state
        return state

    async def back(self, state: str, code: str) -> int:
        """Come back from Slack."""
        async with self.session.get(
            f"{self.root}/slack/oauth_redirect",
            params={"state": state, "code": code},
            headers={"Cookie": f"slack-app-oauth-state={state}"},
        ) as answer:
            return answer.status


@asynccontextmanager
async def installing(slack: FakeSlack, store: MemoryInstallations) -> AsyncIterator[tuple[Bot, Browser]]:
    async with (
        bot(slack, http=True, bot_token="", distribution=distribution(store)) as running,
        aiohttp.ClientSession() as session,
    ):
        yield running, Browser(slack.bot_url.removesuffix("/slack/events"), session)


async def test_a_workspace_installs_the_app_and_plays_with_its_own_token(slack: FakeSlack) -> None:
    store = MemoryInstallations()
    slack.codes["code-2"] = "T2"
    async with installing(slack, store) as (_, browser):
        assert await browser.back(await browser.begin(), "code-2") == 200
        await slack.deliver("slash_commands", slack.command_payload("/run", "1") | {"team_id": "T2"})
        await slack.see("torch 2.13.0", channel="C1")

    assert list(store.records) == ["sT2"]
    posted = {token for method, token in slack.used if method.startswith("chat.")}
    assert posted == {slack.installed["T2"]}


async def test_a_workspace_without_the_app_is_told_to_install_it(slack: FakeSlack) -> None:
    async with installing(slack, MemoryInstallations()):
        ack = await slack.command("/help")
        await slack.until(lambda: slack.called("response_url"), "an answer")

    assert ack.status == 200
    assert slack.called("response_url")[0]["text"] == NOT_INSTALLED


@pytest.mark.parametrize("line", ["/help", "/run", "/setup"])
async def test_while_the_store_is_away_people_are_told_to_try_again(slack: FakeSlack, line: str) -> None:
    async with installing(slack, MemoryInstallations(away=True)) as (running, _):
        ack = await slack.command(line, "1" if line == "/run" else "")
        await slack.until(lambda: slack.shown(to="U1"), "an answer")

    assert ack.status == 200
    assert not running.events("slack.failed")


async def test_a_state_works_once_in_time_and_only_if_it_is_ours(slack: FakeSlack) -> None:
    store = MemoryInstallations()
    async with installing(slack, store) as (_, browser):
        state = await browser.begin()
        slack.codes |= {"a": "T2", "b": "T3", "c": "T4", "d": "T5"}
        forged = await browser.back(state[:-1] + ("0" if state[-1] != "0" else "1"), "a")
        first, again = await browser.back(state, "b"), await browser.back(state, "c")
        late = await browser.begin()
        slack.clock.at += 601
        too_late = await browser.back(late, "d")

    assert (forged, first, again, too_late) == (401, 200, 401, 401)
    assert list(store.records) == ["sT3"]


async def test_a_wrong_code_and_a_store_that_is_away_are_pages_and_not_crashes(slack: FakeSlack) -> None:
    store = MemoryInstallations(away=True)
    slack.codes["good"] = "T2"
    async with installing(slack, store) as (running, browser):
        wrong = await browser.back(await browser.begin(), "wrong-code")
        away = await browser.back(await browser.begin(), "good")

    assert (wrong, away) == (401, 500)
    assert "wrong-code" not in repr(running.house.log.events)


async def test_a_workspace_that_leaves_is_forgotten(slack: FakeSlack) -> None:
    store = MemoryInstallations()
    slack.codes["code"] = "T1"
    async with installing(slack, store) as (_, browser):
        await browser.back(await browser.begin(), "code")
        await slack.deliver("events_api", slack.event_payload({"type": "app_uninstalled"}))
        await slack.until(lambda: not store.records, "the record to go")


async def test_replicas_renew_a_token_once_before_it_ends(slack: FakeSlack) -> None:
    store, once, log = MemoryInstallations(), MemoryOnce(slack), FakeLog()
    slack.codes["code"] = "T2"
    async with installing(slack, store) as (_, browser):
        await browser.back(await browser.begin(), "code")
    before = slack.installed["T2"]
    client = AsyncWebClient(base_url=slack.api)
    slack.clock.at += 11 * 3600
    replicas = [Workspaces(distribution(store), client, once, log, slack.clock) for _ in range(4)]

    await asyncio.gather(*(replica.token(Tenant("sT2")) for replica in replicas))
    slack.clock.at += 120
    tokens = {await replica.token(Tenant("sT2")) for replica in replicas}

    assert tokens == {slack.installed["T2"]} != {before}
    assert len(slack.called("oauth.v2.access")) == 2


async def test_a_token_that_is_known_is_used_while_the_store_is_away(slack: FakeSlack) -> None:
    store = MemoryInstallations()
    slack.codes["code"] = "T2"
    async with installing(slack, store) as (_, browser):
        await browser.back(await browser.begin(), "code")
    workspaces = Workspaces(
        distribution(store), AsyncWebClient(base_url=slack.api), MemoryOnce(slack), FakeLog(), slack.clock
    )
    known = await workspaces.token(Tenant("sT2"))
    slack.clock.at += 300
    store.away = True

    assert await workspaces.token(Tenant("sT2")) == known
    with pytest.raises(Unavailable):
        await workspaces.token(Tenant("sT3"))


async def test_a_renewed_token_that_the_store_did_not_take_is_used_and_saved_later(slack: FakeSlack) -> None:
    store, log = MemoryInstallations(), FakeLog()
    slack.codes["code"] = "T2"
    async with installing(slack, store) as (_, browser):
        await browser.back(await browser.begin(), "code")
    slack.clock.at += 11 * 3600
    client = AsyncWebClient(base_url=slack.api)
    workspaces = Workspaces(distribution(store), client, MemoryOnce(slack), log, slack.clock)
    store.full = True

    renewed = await workspaces.token(Tenant("sT2"))
    assert renewed == slack.installed["T2"]
    assert renewed not in store.records[Tenant("sT2")]
    store.full = False
    assert await workspaces.token(Tenant("sT2")) == renewed
    assert renewed in store.records[Tenant("sT2")]
    assert [event for event, _ in log.events] == ["slack.token_not_saved"]
    assert len(slack.called("oauth.v2.access")) == 2


async def test_a_token_that_slack_does_not_renew_is_used_to_its_end(slack: FakeSlack) -> None:
    store, log = MemoryInstallations(), FakeLog()
    slack.codes["code"] = "T2"
    async with installing(slack, store) as (_, browser):
        await browser.back(await browser.begin(), "code")
    slack.codes.clear()
    slack.clock.at += 11 * 3600

    workspaces = Workspaces(
        distribution(store), AsyncWebClient(base_url=slack.api), MemoryOnce(slack), log, slack.clock
    )

    assert await workspaces.token(Tenant("sT2")) == slack.installed["T2"]
    assert [event for event, _ in log.events] == ["slack.token_not_renewed"]


async def test_pages_and_sockets_can_be_served_together(slack: FakeSlack) -> None:
    store = MemoryInstallations()
    async with bot(slack, bot_token="", distribution=distribution(store), http_port=0) as running:
        await slack.until(lambda: slack.sockets, "a socket")

    assert running.said == ["Slack: every workspace that installs it, by Socket Mode"]


async def test_what_bolt_finds_in_the_environment_changes_nothing(
    slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"):
        monkeypatch.setenv(name, "from the environment")
    async with bot(slack) as running:
        await slack.command("/help")
        await slack.see("I teach PyTorch", to="U1")

    assert not running.events("slack.library")


def test_secrets_do_not_show_in_a_distribution() -> None:
    assert "client secret" not in repr(distribution(MemoryInstallations()))
