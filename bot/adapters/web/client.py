"""The demo page's server: the only file that knows aiohttp.web."""

from __future__ import annotations

import asyncio
import errno
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from importlib import resources
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.adapters.web import parse
from bot.adapters.web.attachments import ROOT, Attachments
from bot.adapters.web.chat import RoomChat
from bot.adapters.web.conversation import RETRY_SECONDS, Conversation, TooBusyError
from bot.adapters.web.guard import HEADERS, Guard
from bot.adapters.web.render import PNG
from bot.adapters.web.room import Message, Room, event
from bot.app.commands import COMMANDS, NEXT_DAY
from bot.app.desk import Desk
from bot.core.errors import BadInput, ConfigError
from bot.ports import Chat, Log
from bot.tasks import stop as stop_tasks

Posting = Callable[[Chat], Coroutine[Any, Any, None]]
"""Posts through a chat of its own accord, until cancelled."""

HEARTBEAT_SECONDS = 15.0
MAX_FEEDS = 64
"""Open feeds at once: one for each window."""
_SCRIPTS = ("page.js", "cards.js", "composer.js", "dialog.js")
_STATIC = {"page.css": "text/css"} | dict.fromkeys(_SCRIPTS, "text/javascript")


STARTERS = ("/quiz 11", "/setup", "/leaderboard", "/run", "/help")
"""What the page invites a newcomer to try."""


def suggestions() -> Sequence[Mapping[str, str]]:
    """The lines that the composer offers, each with what it does: the starters first, then every command's example."""
    about = {line: COMMANDS[line[1:].partition(" ")[0]].about for line in STARTERS}
    about |= {
        command.example: command.about for command in (*COMMANDS.values(), NEXT_DAY) if command.example not in about
    }
    return [{"line": line, "about": text} for line, text in about.items()]


class Page:
    """The handlers. Each POST is answered at once with the id of a message; what it says arrives on the feed."""

    def __init__(
        self,
        conversation: Conversation,
        room: Room,
        attachments: Attachments,
        guard: Guard,
        heartbeat: float,
        now: Callable[[], float],
    ) -> None:
        self._conversation = conversation
        self._room = room
        self._attachments = attachments
        self._guard = guard
        self._heartbeat = heartbeat
        self._now = now
        self._feeds = 0

    async def index(self, request: web.Request) -> web.Response:
        """The page, with the token and the name of this start in it."""
        html = _asset("index.html").replace("{{token}}", self._guard.token).replace("{{start}}", self._room.start)
        return _compressed(web.Response(text=html, content_type="text/html"))

    async def static(self, request: web.Request) -> web.Response:
        """The style and the script."""
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        return _compressed(web.Response(text=_asset(name), content_type=_STATIC[name]))

    async def health(self, request: web.Request) -> web.Response:
        """Says that the server is up."""
        return web.json_response({"status": "ok"})

    async def say(self, request: web.Request) -> web.Response:
        """A typed line."""
        return _accepted(self._conversation.say(parse.said(await request.read())))

    async def press(self, request: web.Request) -> web.Response:
        """A pressed button."""
        return _accepted(self._conversation.press(parse.pressed(await request.read())))

    async def submit(self, request: web.Request) -> web.Response:
        """A sent form."""
        return _accepted(self._conversation.submit(parse.submitted(await request.read())))

    async def file(self, request: web.Request) -> web.Response:
        """A file that a run left. Its bytes are a stranger's: only a PNG is shown, all else is saved."""
        file = self._attachments.get(request.match_info["address"])
        if file is None:
            raise web.HTTPNotFound
        headers = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, max-age=3600"}
        if file.content.startswith(PNG):
            return web.Response(body=file.content, content_type="image/png", headers=headers)
        headers["Content-Disposition"] = "attachment"
        return web.Response(body=file.content, content_type="application/octet-stream", headers=headers)

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """The messages that one player sees, as server-sent events; a broken feed goes on after `Last-Event-ID`."""
        player = parse.player(request.query.get("player"))
        if self._feeds >= MAX_FEEDS:
            raise TooBusyError
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        self._feeds += 1
        try:
            await response.prepare(request)
            async for chunk in self._chunks(player, request.headers.get("Last-Event-ID", "")):
                await response.write(chunk)
        except ConnectionResetError:
            pass  # the window was closed
        finally:
            self._feeds -= 1
        return response

    async def _chunks(self, player: parse.Player, last: str) -> AsyncIterator[bytes]:
        start, _, number = last.rpartition(".")
        resumes = start == self._room.start and number.isascii() and number.isdecimal() and len(number) < 16
        seen = int(number) if resumes else 0
        hello = {
            "start": self._room.start,
            "resumed": resumes,
            "at": self._now(),
            "suggestions": suggestions(),
        }
        yield f"retry: 1000\nevent: hello\ndata: {json.dumps(hello)}\n\n".encode()
        first = not resumes
        while not self._room.closed:
            latest = self._room.changes
            for message in self._room.since(seen, player.user, forms=not first):
                yield self._event(message)
            if first:
                yield f"id: {self._room.start}.{latest}\nevent: ready\ndata: {{}}\n\n".encode()
            seen, first = max(seen, latest), False
            if not await self._room.wait(seen, self._heartbeat):
                yield b": beat\n\n"

    def _event(self, message: Message) -> bytes:
        return f"id: {self._room.start}.{message.change}\ndata: {json.dumps(event(message))}\n\n".encode()


def create_app(
    desk: Desk,
    *,
    host: str,
    log: Log,
    now: Callable[[], float] = time.time,
    heartbeat: float = HEARTBEAT_SECONDS,
    retry_seconds: float = RETRY_SECONDS,
    posting: Posting | None = None,
) -> web.Application:
    """The page as an aiohttp application for a server bound to `host`. Its tasks live between start-up and clean-up;
    `posting` is one of them."""
    room = Room(secrets.token_hex(4))
    attachments = Attachments()
    conversation = Conversation(desk, room, attachments, log, now)
    guard = Guard(host, secrets.token_urlsafe(24))
    page = Page(conversation, room, attachments, guard, heartbeat, now)

    async def owned_tasks(_: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(conversation.deliver(retry_seconds), name="deliveries")]
        if posting:
            chat = RoomChat(desk, room, attachments.link, now)
            tasks.append(asyncio.create_task(posting(chat), name="posting"))
        yield
        await stop_tasks(*tasks)
        await conversation.close()

    async def end_feeds(_: web.Application) -> None:
        room.close()

    app = web.Application(middlewares=[_guarded(guard)], client_max_size=parse.MAX_BODY_BYTES)
    app.on_response_prepare.append(_protect)
    app.on_shutdown.append(end_feeds)
    app.cleanup_ctx.append(owned_tasks)
    app.add_routes(
        [
            web.get("/", page.index),
            web.get("/static/{name}", page.static),
            web.get("/healthz", page.health),
            web.get("/feed", page.feed),
            web.get(ROOT + "{address}", page.file),
            web.post("/say", page.say),
            web.post("/press", page.press),
            web.post("/submit", page.submit),
        ]
    )
    return app


async def serve(
    desk: Desk,
    *,
    host: str,
    port: int,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    log: Log,
    now: Callable[[], float] = time.time,
    posting: Posting | None = None,
) -> None:
    """Serve the page until `stop`; calls `ready` with its address once it can be opened. `port` 0 takes a free one.
    Raises ConfigError when the port cannot be had."""
    app = create_app(desk, host=host, log=log, now=now, posting=posting)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(_why_not(host, port, error)) from error
        ready(_address(host, runner.addresses[0][1]))
        await stop.wait()
    finally:
        await runner.cleanup()


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken. Choose another: PORT={port + 1 if port < 65535 else 8000} make demo"
    if error.errno == errno.EACCES:
        return f"Port {port} is not open to you. Choose one above 1023: PORT=8000 make demo"
    return f"The page cannot be served at {host}:{port}: {error.strerror}. Choose another host or port."


def _address(host: str, port: int) -> str:
    name = "localhost" if host in {"127.0.0.1", "::1", "0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"http://{name}:{port}/"


def _guarded(guard: Guard) -> Middleware:
    """The middleware that lets only our own page in and turns refusals into JSON the page can show."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        site = None if request.path == "/" else headers.get("Sec-Fetch-Site")  # anyone may link to the page itself
        if refused := guard.refusal(request.host, headers.get("Origin"), site):
            return _refused(403, refused)
        if request.method not in {"GET", "HEAD"} and not guard.knows(headers.get("X-Torchquiz-Token")):
            return _refused(403, "The demo was started again since this page was opened. Reload the page.")
        try:
            return await handler(request)
        except BadInput as error:
            return _refused(400, str(error))
        except TooBusyError:
            return _refused(503, "Too much is going on at once. Try again in a moment.")
        except web.HTTPRequestEntityTooLarge:
            return _refused(413, f"That is too long: a message holds at most {parse.MAX_BODY_BYTES // 1024} kB.")
        except web.HTTPException as error:
            return _refused(error.status, error.reason)

    return middleware


async def _protect(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    with suppress(KeyError):
        del response.headers["Server"]


def _accepted(message: str) -> web.Response:
    return web.json_response({"id": message}, status=202)


def _refused(status: int, why: str) -> web.Response:
    body: Mapping[str, str] = {"error": why}
    return web.json_response(body, status=status)


def _asset(name: str) -> str:
    return resources.files("bot.adapters.web").joinpath("static", name).read_text("utf-8")


def _compressed(response: web.Response) -> web.Response:
    response.enable_compression()
    return response
