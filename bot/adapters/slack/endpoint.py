"""What is answered by HTTP: signed events, and the pages that install the app."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.response import BoltResponse

from bot.adapters.slack.manifest import INSTALL_PATH, PATH, REDIRECT_PATH
from bot.core.errors import ConfigError

PORT = 3000
_STAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


def routes(app: AsyncApp, flow: AsyncOAuthFlow | None, events: bool) -> web.Application:
    """What is answered by HTTP: events unless they come by sockets, and the pages that install the app."""
    application = web.Application()
    if events:
        application.router.add_post(PATH, _only_signed(app))
    if flow:
        application.router.add_get(INSTALL_PATH, _page(flow.handle_installation))
        application.router.add_get(REDIRECT_PATH, _page(flow.handle_callback))
    return application


def _page(handle: Callable[[AsyncBoltRequest], Awaitable[BoltResponse]]) -> Handler:
    async def page(request: web.Request) -> web.StreamResponse:
        return await to_aiohttp_response(await handle(await to_bolt_request(request)))

    return page


@asynccontextmanager
async def listening(application: web.Application, host: str, port: int | None) -> AsyncIterator[int]:
    """Serve until the end of the block; gives the port. Raises ConfigError when it is taken."""
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
