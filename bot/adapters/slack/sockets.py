"""Socket Mode: two connections that Slack may renew or break at any time, opened with patience."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.adapters.slack.web_api import failure, sdk_logger
from bot.core.errors import ConfigError
from bot.ports import Log

CONNECTIONS = 2
"""Socket Mode connections: while Slack renews one, events come by the other. Slack allows 10."""
PING_SECONDS = 1.5
"""A dead connection is noticed after about this; the library's 10 s leave the bot deaf for as long."""
LONGEST_BACKOFF = 60.0
"""Between two tries to connect; Slack may allow as little as one apps.connections.open a minute."""
WRONG_TOKEN = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
        "missing_scope",
        "no_permission",
        "org_login_required",
    }
)
WRONG_APP_TOKEN = "Slack refuses SLACK_APP_TOKEN ({}). It begins with xapp- and needs connections:write."  # noqa: S105


class _Opener(AsyncWebClient):
    """Asks for the addresses of sockets, with growing pauses while Slack refuses; a wrong token ends it."""

    wrong: asyncio.Future[str]
    _pause = 0.0

    async def apps_connections_open(self, *, app_token: str, **kwargs: Any) -> AsyncSlackResponse:
        """A new address. Raises what the library raises."""
        await asyncio.sleep(self._pause)
        try:
            answer = await super().apps_connections_open(app_token=app_token, **kwargs)
        except Exception as error:
            code = failure(error).code if isinstance(error, SlackApiError) else ""
            if code in WRONG_TOKEN and not self.wrong.done():
                self.wrong.set_result(code)
            self._pause = min(max(1.0, self._pause * 2), LONGEST_BACKOFF)
            raise
        self._pause = 0.0
        return answer


async def connected(
    app: AsyncApp,
    app_token: str,
    client: AsyncWebClient,
    log: Log,
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    """Take events by sockets until `stop`; calls `ready` once they come. Raises ConfigError for a wrong app token."""
    opener = _Opener(base_url=client.base_url, session=client.session, retry_handlers=[], logger=sdk_logger(log))
    opener.wrong = asyncio.get_running_loop().create_future()
    handlers = [
        AsyncSocketModeHandler(
            app,
            app_token,
            logger=sdk_logger(log),
            web_client=opener,
            ping_interval=PING_SECONDS,
        )
        for _ in range(CONNECTIONS)
    ]
    clients: list[Any] = [handler.client for handler in handlers]  # whose methods have no annotations
    connecting = [asyncio.create_task(client.connect()) for client in clients]
    stopped = asyncio.create_task(stop.wait())
    ends: list[asyncio.Future[Any]] = [stopped, opener.wrong]
    try:
        await asyncio.wait([*connecting, *ends], return_when=asyncio.FIRST_COMPLETED)
        if any(task.done() for task in connecting):
            ready()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if opener.wrong.done():
            raise ConfigError(WRONG_APP_TOKEN.format(opener.wrong.result()))
    finally:
        opener.wrong.cancel()
        for task in (*connecting, stopped):
            task.cancel()
        await asyncio.gather(*connecting, stopped, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in clients), return_exceptions=True)
