"""Whose token it is: one workspace by its bot token, or every workspace that installed the app by OAuth."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from logging import Logger
from typing import Any, Protocol

from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.api import RefusedError
from bot.adapters.slack.manifest import INSTALL_PATH, REDIRECT_PATH, SCOPES
from bot.core.errors import Unavailable
from bot.core.ids import Platform, Tenant, tenant
from bot.ports import Log, Once

STATE_SECONDS = 600
CACHE_SECONDS = 60.0
"""How long a token is used without looking into the store: as long as another replica may take to hear of a change."""
MAX_CACHED = 10_000
SWEEP_SECONDS = 3600.0
RENEW_SECONDS = 2 * 3600
"""A rotating token lives for 12 hours and is renewed when it has less than this left."""
RENEWAL_SECONDS = 300.0
"""A refresh token works once, so one replica alone renews; another may try after this."""


class Installations(Protocol):
    """The workspaces that installed the app; records hold tokens and are encrypted where they rest. Raises
    Unavailable when the store does not answer."""

    async def save(self, tenant: Tenant, record: str) -> None:
        """Keep the record of a workspace."""
        ...

    async def renew(self, tenant: Tenant, record: str) -> None:
        """Replace the record of a workspace that is still here."""
        ...

    async def find(self, tenant: Tenant) -> str | None:
        """The record of a workspace."""
        ...

    async def delete(self, tenant: Tenant) -> None:
        """A workspace left: forget its tokens now, and everything else after a while."""
        ...

    async def erase_left(self) -> Sequence[Tenant]:
        """Remove everything of workspaces that left long ago; returns which."""
        ...


@dataclass(frozen=True, slots=True)
class Distribution:
    """What installing by OAuth needs. `state_key` signs the way there and back; at least 16 bytes."""

    client_id: str
    client_secret: str = field(repr=False)
    installations: Installations
    state_key: bytes = field(repr=False)


class OneWorkspace(AsyncAuthorize):
    """The workspace of a bot token. Bolt then asks Slack nothing of its own at the first event."""

    def __init__(self, token: str, who: dict[str, str]) -> None:
        self._token = token
        self._result = AuthorizeResult(
            enterprise_id=None, team_id=who["team_id"], bot_user_id=who["user_id"], bot_token=token
        )

    async def __call__(self, **_: Any) -> AuthorizeResult:
        """Who we are in every workspace: this one."""
        return self._result

    async def token(self, _: Tenant) -> str:
        """The token of every workspace: this one."""
        return self._token


@dataclass(frozen=True, slots=True)
class _Record:
    token: str
    bot_id: str
    bot_user_id: str
    team: str
    refresh: str = ""
    expires: int = 0


class Workspaces(AsyncAuthorize):
    """The workspaces of a distributed app. `now` gives seconds since 1970."""

    def __init__(
        self,
        distribution: Distribution,
        client: AsyncWebClient,
        once: Once,
        log: Log,
        now: Callable[[], float],
    ) -> None:
        self._settings = distribution
        self._store = distribution.installations
        self._client = client
        self._once = once
        self._log = log
        self._now = now
        self._cache: OrderedDict[Tenant, tuple[_Record, float]] = OrderedDict()
        self._unsaved: dict[Tenant, _Record] = {}
        """Renewed tokens that the store has not taken yet: Slack gives them once."""

    async def __call__(
        self, *, context: AsyncBoltContext, enterprise_id: str | None, team_id: str | None, **_: Any
    ) -> AuthorizeResult | None:
        """Who we are in a workspace; None where the app is not installed. While the store is away we go on without a
        name and a token: what needs one says so to whoever waits."""
        try:
            record = await self._record(tenant(Platform.SLACK, team_id or enterprise_id or ""))
        except Unavailable:
            return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)
        if record is None:
            return None
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=record.bot_user_id,
            bot_id=record.bot_id,
            bot_token=record.token,
        )

    async def token(self, workspace: Tenant) -> str:
        """The token of a workspace. Raises RefusedError where the app is not installed."""
        record = await self._record(workspace)
        if record is None:
            raise RefusedError("not_installed")
        return record.token

    async def leave(self, workspace: Tenant) -> None:
        """A workspace took the app away."""
        self._cache.pop(workspace, None)
        self._unsaved.pop(workspace, None)
        await self._store.delete(workspace)
        self._log.info("slack.uninstalled", tenant=workspace)

    async def sweep(self) -> None:
        """Remove what workspaces left behind, as its time comes, until cancelled."""
        while True:
            try:
                for workspace in await self._store.erase_left():
                    self._log.info("slack.erased", tenant=workspace)
            except Unavailable:
                self._log.warning("slack.not_erased")
            await asyncio.sleep(SWEEP_SECONDS)

    def flow(self, logger: Logger) -> AsyncOAuthFlow:
        """The pages that install the app."""
        settings = AsyncOAuthSettings(
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret,
            scopes=list(SCOPES),
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            install_page_rendering_enabled=False,
            installation_store=_Saver(self, logger),
            state_store=_States(self._settings.state_key, self._once, self._now, logger),
            state_expiration_seconds=STATE_SECONDS,
            logger=logger,
        )
        return AsyncOAuthFlow(settings=settings, client=self._client, logger=logger)

    async def save(self, workspace: Tenant, record: _Record) -> None:
        """Keep a workspace."""
        await self._store.save(workspace, json.dumps(asdict(record)))
        self._keep(workspace, record)

    async def _record(self, workspace: Tenant) -> _Record | None:
        if unsaved := self._unsaved.get(workspace):
            await self._save_renewed(workspace)
            return unsaved
        record, until = self._cache.get(workspace, (None, 0.0))
        if record is None or until < self._now():
            try:
                text = await self._store.find(workspace)
            except Unavailable:
                if record is None:
                    raise
                return record  # known from before: better than silence
            if text is None:
                self._cache.pop(workspace, None)
                return None
            record = _Record(**json.loads(text))
            if record.refresh and record.expires - self._now() < RENEW_SECONDS:
                record = await self._renewed(workspace, record)
            self._keep(workspace, record)
        return record

    async def _renewed(self, workspace: Tenant, record: _Record) -> _Record:
        """The record with a new token, or as it was while another replica renews it or Slack does not."""
        mark = sha256(record.refresh.encode()).hexdigest()[:16]
        if not await self._once.first(f"slack:renew:{workspace}:{mark}", RENEWAL_SECONDS):
            return record
        try:
            answer = await self._client.oauth_v2_access(
                client_id=self._settings.client_id,
                client_secret=self._settings.client_secret,
                grant_type="refresh_token",
                refresh_token=record.refresh,
            )
        except (SlackApiError, OSError) as error:
            self._log.warning("slack.token_not_renewed", tenant=workspace, reason=type(error).__name__)
            return record
        renewed = _Record(
            str(answer["access_token"]),
            record.bot_id,
            record.bot_user_id,
            record.team,
            str(answer["refresh_token"]),
            int(self._now()) + int(answer["expires_in"]),
        )
        self._unsaved[workspace] = renewed
        await self._save_renewed(workspace)
        return renewed

    async def _save_renewed(self, workspace: Tenant) -> None:
        """Keep a renewed token; one that the store does not take now is tried again at its next use."""
        try:
            await self._store.renew(workspace, json.dumps(asdict(self._unsaved[workspace])))
            self._unsaved.pop(workspace, None)
        except Unavailable:
            self._log.warning("slack.token_not_saved", tenant=workspace)

    def _keep(self, workspace: Tenant, record: _Record) -> None:
        self._cache[workspace] = (record, self._now() + CACHE_SECONDS)
        while len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)


class _Saver(AsyncInstallationStore):
    """Where Bolt leaves an installation."""

    def __init__(self, workspaces: Workspaces, logger: Logger) -> None:
        self._workspaces = workspaces
        self._logger = logger

    @property
    def logger(self) -> Logger:
        """The library's logger."""
        return self._logger

    async def async_save(self, installation: Installation) -> None:
        """Keep an installation. Raises BoltError, which Bolt shows as a page."""
        record = _Record(
            installation.bot_token or "",
            installation.bot_id or "",
            installation.bot_user_id or "",
            installation.team_name or "",
            installation.bot_refresh_token or "",
            installation.bot_token_expires_at or 0,
        )
        workspace = tenant(Platform.SLACK, installation.team_id or installation.enterprise_id or "")
        try:
            await self._workspaces.save(workspace, record)
        except Unavailable as error:
            raise BoltError("The store is away; please install again in a moment.") from error


class _States(AsyncOAuthStateStore):
    """Signed states that work once, in whichever replica they come back to."""

    def __init__(self, key: bytes, once: Once, now: Callable[[], float], logger: Logger) -> None:
        self._key = key
        self._once = once
        self._now = now
        self._logger = logger

    @property
    def logger(self) -> Logger:
        """The library's logger."""
        return self._logger

    async def async_issue(self, *args: Any, **kwargs: Any) -> str:
        """A new state."""
        body = f"{int(self._now()) + STATE_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{body}.{self._tag(body)}"

    async def async_consume(self, state: str) -> bool:
        """Whether a state is ours, in time, and comes back for the first time."""
        body, _, tag = state.rpartition(".")
        until, _, nonce = body.partition(".")
        if not hmac.compare_digest(tag.encode("utf-8", "replace"), self._tag(body).encode()):
            return False
        try:
            return int(until) >= self._now() and await self._once.first(f"slack:state:{nonce}", STATE_SECONDS)
        except Unavailable:
            return False

    def _tag(self, body: str) -> str:
        return hmac.new(self._key, f"slack state {body}".encode("utf-8", "replace"), sha256).hexdigest()
