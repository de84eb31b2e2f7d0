"""Slack's events in, by slack-bolt: Socket Mode or signed HTTP, and the one door that acknowledges them all."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.adapters.slack import manifest as manifests
from bot.adapters.slack import parse
from bot.adapters.slack.api import RefusedError
from bot.adapters.slack.cards import Cards
from bot.adapters.slack.chat import SlackChat
from bot.adapters.slack.conversation import MAX_EVENTS, Conversation, Desk
from bot.adapters.slack.pace import Pace
from bot.adapters.slack.people import People
from bot.adapters.slack.web_api import REQUEST_SECONDS, Answer, SlackApi, failure, sdk_logger
from bot.adapters.slack.workspaces import Distribution, OneWorkspace, Workspaces
from bot.core.errors import ConfigError, Unavailable
from bot.core.ids import Tenant
from bot.ports import Chat, Log, Once, Rate

API = "https://slack.com/api/"
CONNECTIONS = 2
"""Socket Mode connections: while Slack renews one, events come by the other. Slack allows 10."""
PING_SECONDS = 1.5
"""A dead connection is noticed after about this; the library's 10 s leave the bot deaf for as long."""
LONGEST_BACKOFF = 60.0
"""Between two tries to connect; Slack may allow as little as one apps.connections.open a minute."""
CLOSE_SECONDS = 5.0
RESTART_SECONDS = 5.0
BUSY = "Too much is going on at once. Please try again in a moment."
NOT_INSTALLED = "This workspace has not installed me, or no longer. Please install me again."
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
WRONG_BOT_TOKEN = "Slack refuses SLACK_BOT_TOKEN ({}). Copy it from OAuth & Permissions; it begins with xoxb-."  # noqa: S105
WRONG_APP_TOKEN = "Slack refuses SLACK_APP_TOKEN ({}). It begins with xapp- and needs connections:write."  # noqa: S105

PORT = 3000
_STAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")

manifest = manifests.manifest


class Door(AsyncMiddleware):
    """Where every event comes in: it is read, acknowledged at once and answered later. Standing before the listeners
    it spares their matching and argument injection, and no payload can fall through to an unanswered one."""

    def __init__(self, conversation: Conversation, log: Log, now: Callable[[], float]) -> None:
        self._conversation = conversation
        self._log = log
        self._now = now

    async def async_process(
        self, *, req: AsyncBoltRequest, resp: BoltResponse, next: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse:
        """Acknowledge. Never raises."""
        try:
            event = parse.event(req.body, self._now(), req.context.bot_user_id or "")
            return self._acknowledged(event)
        except Exception:  # the edge of the adapter
            self._log.exception("slack.unreadable")
            return BoltResponse(status=200)

    def _acknowledged(self, event: parse.Event | None) -> BoltResponse:
        if isinstance(event, parse.Submitted) and event.errors:
            return BoltResponse(status=200, body={"response_action": "errors", "errors": dict(event.errors)})
        if event is None or self._conversation.take(event):
            return BoltResponse(status=200)
        if isinstance(event, parse.Said) and event.source.trigger:
            return BoltResponse(status=200, body={"response_type": "ephemeral", "text": BUSY})
        return BoltResponse(status=503)  # Slack tries an event again, and shows a failed press as failed


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


async def serve(
    desk: Desk,
    *,
    bot_token: str,
    app_token: str | None,
    signing_secret: str | None,
    once: Once,
    rate: Rate,
    log: Log,
    api_base: str | None,
    http_port: int | None,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    distribution: Distribution | None = None,
    http_host: str = "0.0.0.0",  # noqa: S104 - Slack calls from outside; every request is signed
    now: Callable[[], float] = time.time,
    patience: float = CLOSE_SECONDS,
    max_events: int = MAX_EVENTS,
    posting: Callable[[Chat], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Answer a workspace until `stop`: by Socket Mode when there is an app token, else by HTTP. With a `distribution`
    it answers every workspace that installs it, and the pages to do so are served by HTTP. Calls `ready` with a
    sentence once events come in. `posting` works with a chat of ours until cancelled. Raises ConfigError with what to
    change."""
    if not app_token and not signing_secret:
        raise ConfigError("Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP.")
    base = api_base or API
    async with AsyncExitStack() as stack:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        client = AsyncWebClient(base_url=base, session=session, retry_handlers=[], logger=sdk_logger(log))
        whose: OneWorkspace | Workspaces
        if distribution:
            whose, name = Workspaces(distribution, client, once, log, now), "every workspace that installs it"
        else:
            who = await _until(stop, _identity(client, bot_token, log))
            if who is None:
                return
            whose, name = OneWorkspace(bot_token, who), f"@{who['user']} in {who['team']}"
        api, pace = SlackApi(client, whose.token, log), Pace(rate)
        cards = Cards(api, once, pace, log, now)
        left = whose.leave if isinstance(whose, Workspaces) else None
        conversation = Conversation(desk, cards, People(api, now), once, log, left=left, max_events=max_events)
        app = _app(client, whose, signing_secret if not app_token else None, Door(conversation, log, now), log)
        stack.push_async_callback(conversation.close, patience)
        stack.push_async_callback(_end, asyncio.create_task(conversation.deliver(), name="slack deliveries"))
        if isinstance(whose, Workspaces):
            stack.push_async_callback(_end, asyncio.create_task(_kept_up(whose.sweep, log, "slack.sweep_failed")))
        if posting:
            chat = SlackChat(api, desk.seal_for_all, pace, once, log)
            working = _kept_up(lambda: posting(chat), log, "slack.posting_failed")
            stack.push_async_callback(_end, asyncio.create_task(working))
        port = 0
        if not app_token or (distribution and http_port is not None):
            flow = whose.flow(client.logger) if isinstance(whose, Workspaces) else None
            port = await stack.enter_async_context(_listening(_routes(app, flow, not app_token), http_host, http_port))
        if app_token:
            await _sockets(app, app_token, client, log, stop, lambda: ready(f"Slack: {name}, by Socket Mode"))
        else:
            ready(f"Slack: {name}, at port {port}")
            await stop.wait()


def _app(
    client: AsyncWebClient, whose: OneWorkspace | Workspaces, signing_secret: str | None, door: Door, log: Log
) -> AsyncApp:
    """The Bolt application with our door in it. While it is built it also reads the environment, where what it finds
    is not for it to use; what it has to say about that would only mislead."""
    logger = sdk_logger(log)
    logger.setLevel(logging.CRITICAL)
    authorize: Any = whose  # annotated as a plain function only
    app = AsyncApp(
        client=client,
        authorize=authorize,
        user_facing_authorize_error_message=NOT_INSTALLED,
        signing_secret=signing_secret or "",
        process_before_response=True,
        request_verification_enabled=signing_secret is not None,
        logger=logger,
        name="torchquiz",
    )
    logger.setLevel(logging.WARNING)
    app.use(door)
    return app


async def _identity(client: AsyncWebClient, bot_token: str, log: Log) -> dict[str, str]:
    """Who we are. Slack may be away for a while; a wrong token is a ConfigError at once."""

    async def token(_: Tenant) -> str:
        return bot_token

    api, pause = SlackApi(client, token, log), 1.0
    while True:
        try:
            return await api.identity()
        except RefusedError as refused:
            raise ConfigError(WRONG_BOT_TOKEN.format(refused.code)) from None
        except Unavailable:
            log.warning("slack.away", seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_BACKOFF)


async def _sockets(
    app: AsyncApp,
    app_token: str,
    client: AsyncWebClient,
    log: Log,
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> None:
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


def _routes(app: AsyncApp, flow: AsyncOAuthFlow | None, events: bool) -> web.Application:
    """What is answered by HTTP: events unless they come by sockets, and the pages that install the app."""
    application = web.Application()
    if events:
        application.router.add_post(manifests.PATH, _only_signed(app))
    if flow:
        application.router.add_get(manifests.INSTALL_PATH, _page(flow.handle_installation))
        application.router.add_get(manifests.REDIRECT_PATH, _page(flow.handle_callback))
    return application


def _page(handle: Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]) -> Handler:
    async def page(request: web.Request) -> web.StreamResponse:
        return await to_aiohttp_response(await handle(await to_bolt_request(request)))

    return page


@asynccontextmanager
async def _listening(application: web.Application, host: str, port: int | None) -> AsyncIterator[int]:
    wanted = PORT if port is None else port
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, wanted).start()
        except OSError as error:
            raise ConfigError(f"Slack events cannot be taken at {host}:{wanted}: {error.strerror}.") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _only_signed(app: AsyncApp) -> Handler:
    """Hands requests to Bolt, which verifies them. What cannot be a signature is refused before: Bolt answers 500 to
    one that is no number or not ASCII."""

    async def events(request: web.Request) -> web.StreamResponse:
        headers = request.headers
        stamp, signature = headers.get("X-Slack-Request-Timestamp", ""), headers.get("X-Slack-Signature", "")
        if not _STAMP.fullmatch(stamp) or not _SIGNATURE.fullmatch(signature):
            return web.json_response({"error": "invalid request"}, status=401)
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    return events


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, Answer]) -> Answer | None:
    """What the work returns, or None when `stop` comes first."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, stopped):
            each.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


async def _kept_up(work: Callable[[], Coroutine[Any, Any, None]], log: Log, failed: str) -> None:
    """Do work that never ends by itself, again when it breaks, until cancelled."""
    while True:
        try:
            await work()
        except Exception:  # the edge of this task
            log.exception(failed)
        await asyncio.sleep(RESTART_SECONDS)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
