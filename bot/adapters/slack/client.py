"""Serves Slack by slack-bolt: what belongs together, and the one door that acknowledges every event."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack import parse
from bot.adapters.slack.api import RefusedError
from bot.adapters.slack.cards import Cards
from bot.adapters.slack.chat import SlackChat
from bot.adapters.slack.conversation import MAX_EVENTS, Conversation
from bot.adapters.slack.endpoint import listening, routes
from bot.adapters.slack.pace import Pace
from bot.adapters.slack.people import People
from bot.adapters.slack.sockets import LONGEST_BACKOFF, connected
from bot.adapters.slack.web_api import REQUEST_SECONDS, Answer, SlackApi, sdk_logger
from bot.adapters.slack.workspaces import Distribution, OneWorkspace, Workspaces
from bot.app.desk import Desk
from bot.core.errors import ConfigError, Unavailable
from bot.core.ids import Tenant
from bot.ports import Chat, Log, Once, Rate
from bot.tasks import stop as stop_tasks

API = "https://slack.com/api/"
CLOSE_SECONDS = 5.0
RESTART_SECONDS = 5.0
BUSY = "Too much is going on at once. Please try again in a moment."
NOT_INSTALLED = "This workspace has not installed me, or no longer. Please install me again."
WRONG_BOT_TOKEN = "Slack refuses SLACK_BOT_TOKEN ({}). Copy it from OAuth & Permissions; it begins with xoxb-."  # noqa: S105


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
        stack.push_async_callback(stop_tasks, asyncio.create_task(conversation.deliver(), name="slack deliveries"))
        if isinstance(whose, Workspaces):
            stack.push_async_callback(stop_tasks, asyncio.create_task(_kept_up(whose.sweep, log, "slack.sweep_failed")))
        if posting:
            chat = SlackChat(api, desk.seal_for_all, pace, once, log)
            working = _kept_up(lambda: posting(chat), log, "slack.posting_failed")
            stack.push_async_callback(stop_tasks, asyncio.create_task(working))
        port = 0
        if not app_token or (distribution and http_port is not None):
            flow = whose.flow(client.logger) if isinstance(whose, Workspaces) else None
            port = await stack.enter_async_context(listening(routes(app, flow, not app_token), http_host, http_port))
        if app_token:
            await connected(app, app_token, client, log, stop, lambda: ready(f"Slack: {name}, by Socket Mode"))
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
