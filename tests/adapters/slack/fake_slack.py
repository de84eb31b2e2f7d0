"""An in-process Slack: Web API, Socket Mode, signed HTTP events, response_urls, dialogs, uploads and faults.

It keeps what it shows, so that tests read the channel as a person does, and it writes down every violation of a
documented limit in `violations`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

from bot.adapters.slack.manifest import SCOPES
from tests.adapters.slack.limits import message_violations, metadata_violations, view_violations

BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-fake", "xapp-fake", "signing secret"
TEAM, BOT = "T1", "UBOT"
DEADLINE = 30.0
Json = dict[str, Any]


@dataclass
class Shown:
    """A message as people see it."""

    channel: str
    ts: str
    body: Json
    to: str = ""
    """The only person who sees it; empty for everyone in the channel."""
    thread: str = ""
    deleted: bool = False
    metadata: Json = field(default_factory=dict)
    versions: list[Json] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All the words of its blocks."""
        return words(self.body.get("blocks", []))


@dataclass
class Url:
    """A response_url."""

    channel: str
    user: str
    issued: float
    original: Shown | None = None
    uses: int = 0


@dataclass
class Fault:
    """How a call fails: `accept` does what was asked before it fails."""

    status: int = 200
    error: str = ""
    retry_after: int | None = None
    delay: float = 0.0
    drop: bool = False
    accept: bool = False


@dataclass
class Ack:
    """How an event was acknowledged."""

    status: int
    payload: Any
    seconds: float


class FakeTime:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.at = time.time()

    def __call__(self) -> float:
        return self.at


class FakeSlack:
    """One workspace with one app in it."""

    def __init__(self) -> None:
        self.clock = FakeTime()
        self.team = TEAM
        self.violations: list[str] = []
        self.messages: dict[tuple[str, str], Shown] = {}
        self.dialogs: dict[str, Json] = {}
        self.homes: dict[str, Json] = {}
        self.files: dict[str, Json] = {}
        self.shared: dict[str, bytes] = {}
        """Files that people shared."""
        self.calls: list[tuple[str, Json]] = []
        self.times: list[tuple[str, str, float]] = []
        """The method, channel and monotonic time of every call."""
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.closed: dict[str, str] = {}
        """Channels where the app may not post, each with the error that says so."""
        self.sockets: list[web.WebSocketResponse] = []
        self.sockets_opened = 0
        self.mute = False
        """Accept sockets but answer no ping."""
        self.bot_token, self.app_token = BOT_TOKEN, APP_TOKEN
        self.installed: dict[str, str] = {}
        """The bot token of every other workspace, by its id."""
        self.codes: dict[str, str] = {}
        """OAuth codes and refresh tokens that still work, each with its workspace."""
        self.token_seconds = 12 * 3600
        self.scopes = {*SCOPES}
        self.admins: set[str] = set()
        self.names: dict[str, str] = {}
        """What people are called, by their id; others by their id in small letters."""
        self.private: set[str] = set()
        """Channels that only their members know of."""
        self.page = 100
        """The most messages that history gives at once."""
        self.used: list[tuple[str, str]] = []
        """The method and token of every call."""
        self.url = ""
        self.bot_url = ""
        """Where events go by HTTP; empty for Socket Mode."""
        self._urls: dict[str, Url] = {}
        self._triggers: dict[str, tuple[float, bool]] = {}
        self._not_before: dict[str, float] = {}
        self._acks: dict[str, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._changed = asyncio.Event()
        self._next_socket = itertools.count()

    # ---- what people do

    async def command(self, name: str, text: str = "", *, user: str = "U1", channel: str = "C1") -> Ack:
        """Type a slash command."""
        return await self.deliver("slash_commands", self.command_payload(name, text, user=user, channel=channel))

    def command_payload(self, name: str, text: str, *, user: str = "U1", channel: str = "C1") -> Json:
        """The payload of a slash command."""
        return {
            "command": name,
            "text": text,
            "team_id": self.team,
            "channel_id": channel,
            "user_id": user,
            "user_name": self._name(user),
            "trigger_id": self._trigger(),
            "response_url": self._response_url(channel, user),
            "api_app_id": "A1",
        }

    async def mention(self, text: str, *, user: str = "U1", channel: str = "C1") -> Ack:
        """Say something to the bot in a channel."""
        happened = {"type": "app_mention", "user": user, "channel": channel, "text": text, "ts": self._ts()}
        return await self.deliver("events_api", self.event_payload(happened))

    async def say_alone(self, text: str, *, user: str = "U1", **more: str) -> Ack:
        """Say something in the conversation with the bot alone."""
        channel = f"D{user}"
        happened = {"type": "message", "channel_type": "im", "user": user, "channel": channel, "text": text} | more
        return await self.deliver("events_api", self.event_payload(happened | {"ts": self._ts()}))

    async def open_home(self, *, user: str = "U1", tab: str = "home") -> Ack:
        """Look at the App Home."""
        happened = {"type": "app_home_opened", "user": user, "channel": f"D{user}", "tab": tab}
        return await self.deliver("events_api", self.event_payload(happened))

    def event_payload(self, happened: Json) -> Json:
        """The payload of an event."""
        return {
            "type": "event_callback",
            "team_id": self.team,
            "api_app_id": "A1",
            "event_id": f"Ev{next(self._ids)}",
            "event": happened,
            "authorizations": [{"team_id": self.team, "user_id": BOT, "is_bot": True, "is_enterprise_install": False}],
        }

    async def press(self, shown: Shown, label: str, *, user: str = "U1") -> Ack:
        """Press a button or choose a menu entry of a message."""
        return await self.deliver("interactive", self.press_payload(shown, label, user=user))

    def press_payload(self, shown: Shown, label: str, *, user: str = "U1") -> Json:
        """The payload of a press on a message."""
        container: Json = {
            "type": "message",
            "message_ts": shown.ts,
            "channel_id": shown.channel,
            "is_ephemeral": bool(shown.to),
        }
        if shown.thread:
            container["thread_ts"] = shown.thread
        payload = self._interaction("block_actions", user) | {
            "container": container,
            "channel": {"id": shown.channel, "name": "general"},
            "response_url": self._response_url(shown.channel, user, shown),
            "actions": [_action(shown.body["blocks"], label, self._ts())],
        }
        return payload if shown.to else payload | {"message": {"ts": shown.ts, **shown.body}}

    async def press_home(self, label: str, *, user: str = "U1") -> Ack:
        """Press a button of one's App Home."""
        home = self.homes[user]
        payload = self._interaction("block_actions", user) | {
            "container": {"type": "view", "view_id": "VHOME"},
            "view": {"id": "VHOME", "type": "home", "private_metadata": home["private_metadata"]},
            "actions": [_action(home["blocks"], label, self._ts())],
        }
        return await self.deliver("interactive", payload)

    async def submit(self, dialog: str, values: Mapping[str, str | None], *, user: str = "U1") -> Ack:
        """Send a dialog; `values` by block id, the rest as it was prefilled."""
        return await self.deliver("interactive", self.submit_payload(dialog, values, user=user))

    def submit_payload(self, dialog: str, values: Mapping[str, str | None], *, user: str = "U1") -> Json:
        """The payload of a sent dialog."""
        view = self.dialogs[dialog]
        filled = {
            block["block_id"]: values.get(block["block_id"], block["element"].get("initial_value"))
            for block in view["blocks"]
        }
        state = {name: {"value": {"type": "plain_text_input", "value": value}} for name, value in filled.items()}
        return self._interaction("view_submission", user) | {
            "view": {**view, "id": dialog, "hash": "h1", "state": {"values": state}}
        }

    async def shortcut(
        self, text: str, *, callback: str, user: str = "U1", channel: str = "C1", ts: str = "77.7", file: str = ""
    ) -> Ack:
        """Use the message shortcut on a message; `file` is the address of one that was sent with it."""
        payload = self._interaction("message_action", user) | {
            "callback_id": callback,
            "channel": {"id": channel},
            "message": {"ts": ts, "text": text, "user": "U9"}
            | ({"files": [{"id": "F1", "url_private": file}]} if file else {}),
            "response_url": self._response_url(channel, user),
        }
        return await self.deliver("interactive", payload)

    async def deliver(self, kind: str, payload: Json, *, retry: int = 0) -> Ack:
        """Send a payload to the bot, as often as a test likes; returns how it was acknowledged."""
        if self.bot_url:
            return await self.send_http(kind, payload, retry=retry)
        envelope = f"E{next(self._ids)}"
        message: Json = {"envelope_id": envelope, "type": kind, "payload": payload, "accepts_response_payload": True}
        if retry:
            message |= {"retry_attempt": retry, "retry_reason": "timeout"}
        answer = self._acks[envelope] = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        async with asyncio.timeout(DEADLINE):
            await (await self.socket()).send_str(json.dumps(message))
            reply = await answer
        return Ack(200, reply, time.perf_counter() - begun)

    async def send_http(
        self, kind: str, payload: Json, *, retry: int = 0, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> Ack:
        """Post a signed event; `headers` and `body` stand in for the right ones."""
        if not body and kind == "events_api":
            body, content = json.dumps(payload), "application/json"
        else:
            form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
            body, content = body or urlencode(form), "application/x-www-form-urlencoded"
        stamp = str(int(time.time()))
        sent = {"Content-Type": content, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": sign(body, stamp)}
        if retry:
            sent |= {"x-slack-retry-num": str(retry), "x-slack-retry-reason": "http_timeout"}
        sent |= headers or {}
        begun = time.perf_counter()
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE)) as session,
            session.post(self.bot_url, data=body.encode(), headers={k: v for k, v in sent.items() if v}) as answer,
        ):
            text = await answer.text()
        return Ack(answer.status, json.loads(text) if text.startswith("{") else text, time.perf_counter() - begun)

    # ---- what people see

    def shown(self, *, to: str = "", channel: str = "") -> list[Shown]:
        """The messages that are there, oldest first: those for everyone, or those for one person alone."""
        return [
            each
            for each in self.messages.values()
            if not each.deleted and each.to == to and channel in {"", each.channel}
        ]

    async def until(self, holds: Callable[[], Any], what: str = "") -> Any:
        """Wait until something holds; returns it."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not (found := holds()):
                    with suppress(TimeoutError):  # what is waited for may be seen elsewhere than on Slack
                        await asyncio.wait_for(self._changed.wait(), 0.05)
                return found
        except TimeoutError:
            seen = "\n".join(f"{m.channel} to {m.to or 'all'}: {m.text[:200]!r}" for m in self.messages.values())
            raise AssertionError(f"never: {what}\n{seen}\n{[method for method, _ in self.calls]}") from None

    async def see(self, part: str, *, to: str = "", channel: str = "") -> Shown:
        """Wait until a message has these words; returns the latest that has."""

        def found() -> Shown | None:
            return next((each for each in reversed(self.shown(to=to, channel=channel)) if part in each.text), None)

        shown = await self.until(found, f"a message with {part!r} to {to or 'all'}")
        assert isinstance(shown, Shown)
        return shown

    def called(self, method: str) -> list[Json]:
        """The bodies of all calls of a method."""
        return [body for name, body in self.calls if name == method]

    # ---- sockets

    async def socket(self) -> web.WebSocketResponse:
        """One of the open sockets, each in its turn."""
        alive = await self.until(lambda: [each for each in self.sockets if _alive(each)], "an open socket")
        found: web.WebSocketResponse = alive[next(self._next_socket) % len(alive)]
        return found

    async def refresh(self, socket: web.WebSocketResponse) -> None:
        """Ask the bot to renew a connection."""
        await socket.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}})

    @staticmethod
    def cut(socket: web.WebSocketResponse) -> None:
        """Break a connection without a word."""
        transport = socket._req.transport if socket._req else None
        if transport:
            transport.abort()

    # ---- the server

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeSlack]:
        """Serve on a free port."""
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes(
            [
                web.route("*", "/api/{method}", self._api),
                web.post("/response/{id}", self._respond),
                web.post("/upload/{id}", self._upload),
                web.get("/link/{id}", self._link),
                web.get("/files/{name}", self._file),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            for socket in self.sockets:
                self.cut(socket)
            await runner.cleanup()

    @property
    def api(self) -> str:
        """The base of the Web API."""
        return f"{self.url}/api/"

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        body = await _body(request)
        self.calls.append((method, body))
        self.times.append((method, str(body.get("channel", "")), time.monotonic()))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        literal = {"chat.postMessage", "chat.postEphemeral", "chat.update"}
        if method in literal and (body.get("parse"), body.get("link_names")) != ("none", False):
            self.violations.append(f"{method} lets Slack look for names and links")
        if self._not_before.get(method, 0.0) > time.monotonic():
            self.violations.append(f"{method} called before its Retry-After was over")
        fault = self.faults[method].pop(0) if self.faults[method] else Fault()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        failed = fault.status != 200 or fault.error or fault.drop
        answer: Json | None = None
        if not failed or fault.accept:
            bots = {self.bot_token, *self.installed.values()}
            wanted = {self.app_token} if method == "apps.connections.open" else bots
            self.used.append((method, token))
            handler = getattr(self, "_do_" + method.replace(".", "_"), None)
            if token not in wanted and method != "oauth.v2.access":
                answer = {"ok": False, "error": "invalid_auth"}
            elif handler is None:
                answer = {"ok": False, "error": "unknown_method"}
                self.violations.append(f"unknown method {method}")
            else:
                answer = handler(body)
        self._wake()
        if fault.drop:
            if request.transport:
                request.transport.abort()
            return web.Response()
        if failed:
            headers = {}
            if fault.retry_after is not None:
                self._not_before[method] = time.monotonic() + fault.retry_after - 0.01
                headers["Retry-After"] = str(fault.retry_after)
            if fault.status >= 500:
                return web.Response(status=fault.status, text="<html>oops</html>", content_type="text/html")
            return web.json_response({"ok": False, "error": fault.error}, status=fault.status, headers=headers)
        return web.json_response(answer)

    def _do_auth_test(self, _: Json) -> Json:
        return {"ok": True, "team": "Fake", "team_id": self.team, "user": "torchquiz", "user_id": BOT, "bot_id": "B1", "url": "https://fake.slack.com/"}  # fmt: skip  # noqa: E501

    def _do_oauth_v2_access(self, body: Json) -> Json:
        team = self.codes.pop(body.get("code") or body.get("refresh_token") or "", "")
        if not team:
            return {"ok": False, "error": "invalid_code"}
        token, refresh = f"xoxe.xoxb-{team}-{next(self._ids)}", f"xoxe-1-{next(self._ids)}"
        self.installed[team] = token
        self.codes[refresh] = team
        rotating = {"refresh_token": refresh, "expires_in": self.token_seconds} if self.token_seconds else {}
        return {
            "ok": True,
            "access_token": token,
            "token_type": "bot",
            "scope": "commands",
            "bot_user_id": f"UBOT{team}",
            "app_id": "A1",
            "team": {"id": team, "name": f"Team {team}"},
            "authed_user": {"id": "U1"},
            **rotating,
        }

    def _do_apps_connections_open(self, _: Json) -> Json:
        return {"ok": True, "url": f"{self.url.replace('http', 'ws')}/link/{next(self._ids)}"}

    def _do_chat_postMessage(self, body: Json) -> Json:  # noqa: N802
        channel = body["channel"]
        channel = f"D{channel}" if channel.startswith("U") else channel
        if error := self.closed.get(channel):
            return {"ok": False, "error": error}
        for option in ("unfurl_links", "unfurl_media"):
            if body.get(option) is not False:
                self.violations.append(f"{option} is not off")
        shown = self._put(channel, body)
        return {"ok": True, "channel": channel, "ts": shown.ts, "message": {}}

    def _do_chat_postEphemeral(self, body: Json) -> Json:  # noqa: N802
        if error := self.closed.get(body["channel"]):
            return {"ok": False, "error": error}
        shown = self._put(body["channel"], body, to=body["user"])
        return {"ok": True, "message_ts": shown.ts}

    def _do_chat_update(self, body: Json) -> Json:
        shown = self.messages.get((body["channel"], body["ts"]))
        if error := self.closed.get(body["channel"]):
            return {"ok": False, "error": error}
        if shown is None or shown.deleted or shown.to:
            return {"ok": False, "error": "message_not_found"}
        self._edit(shown, body)
        return {"ok": True, "channel": shown.channel, "ts": shown.ts}

    def _do_chat_delete(self, body: Json) -> Json:
        shown = self.messages.get((body["channel"], body["ts"]))
        if shown is None or shown.deleted:
            return {"ok": False, "error": "message_not_found"}
        shown.deleted = True
        return {"ok": True}

    def _do_conversations_history(self, body: Json) -> Json:
        return self._read(body, [each for each in self.shown(channel=body["channel"]) if not each.thread])

    def _do_conversations_replies(self, body: Json) -> Json:
        there = self.shown(channel=body["channel"])
        if not any(each.ts == body["ts"] for each in there):
            return {"ok": False, "error": "thread_not_found"}
        return self._read(body, [each for each in there if body["ts"] in (each.ts, each.thread)], newest_first=False)

    def _read(self, body: Json, messages: list[Shown], *, newest_first: bool = True) -> Json:
        scope = "groups:history" if body["channel"] in self.private else "channels:history"
        if scope not in self.scopes:
            return {"ok": False, "error": "missing_scope", "needed": scope}
        if error := self.closed.get(body["channel"]):
            return {"ok": False, "error": error}
        if not 1 <= int(body.get("limit", 100)) <= 999:
            self.violations.append(f"limit of {body['limit']}")
        found = sorted((each for each in messages if float(each.ts) > float(body.get("oldest") or 0)), key=_moment)
        found = found[::-1] if newest_first else found
        start, size = int(body.get("cursor") or 0), min(int(body.get("limit", 100)), self.page)
        more = start + size < len(found)
        with_metadata = body.get("include_all_metadata") == "true"
        return {
            "ok": True,
            "messages": [_as_history(each, with_metadata) for each in found[start : start + size]],
            "has_more": more,
            "response_metadata": {"next_cursor": str(start + size) if more else ""},
        }

    def _do_users_info(self, body: Json) -> Json:
        if "users:read" not in self.scopes:
            return {"ok": False, "error": "missing_scope", "needed": "users:read"}
        admin = body["user"] in self.admins
        return {"ok": True, "user": {"id": body["user"], "is_admin": admin, "is_owner": False, "is_bot": False}}

    def _do_views_open(self, body: Json) -> Json:
        issued, used = self._triggers.get(body["trigger_id"], (0.0, False))
        if used or self.clock.at - issued > 3.0:
            return {"ok": False, "error": "expired_trigger_id"}
        self._triggers[body["trigger_id"]] = (issued, True)
        self.violations += view_violations(body["view"])
        dialog = f"V{next(self._ids)}"
        self.dialogs[dialog] = body["view"]
        return {"ok": True, "view": {"id": dialog}}

    def _do_views_publish(self, body: Json) -> Json:
        self.violations += view_violations(body["view"])
        self.homes[body["user_id"]] = body["view"]
        return {"ok": True, "view": {"id": "VHOME"}}

    def _do_files_getUploadURLExternal(self, body: Json) -> Json:  # noqa: N802
        file = f"F{next(self._ids):010}"
        if not body.get("alt_txt"):
            self.violations.append(f"a file without alt text: {body.get('filename')}")
        self.files[file] = {"name": body["filename"], "length": int(body["length"]), "alt": body.get("alt_txt", "")}
        return {"ok": True, "upload_url": f"{self.url}/upload/{file}", "file_id": file}

    def _do_files_completeUploadExternal(self, body: Json) -> Json:  # noqa: N802
        files = body["files"] if isinstance(body["files"], list) else json.loads(body["files"])
        if error := self.closed.get(body["channel_id"]):
            return {"ok": False, "error": error}
        for each in files:
            self.files[each["id"]] |= {"channel": body["channel_id"], "thread": body.get("thread_ts", "")}
        return {"ok": True, "files": [{"id": each["id"], "title": each.get("title")} for each in files]}

    def _do_files_delete(self, body: Json) -> Json:
        return {"ok": True} if self.files.pop(body["file"], None) else {"ok": False, "error": "file_not_found"}

    async def _upload(self, request: web.Request) -> web.Response:
        content = await request.read()
        file = self.files[request.match_info["id"]]
        if len(content) != file["length"]:
            self.violations.append(f"{len(content)} bytes uploaded, {file['length']} announced")
        file["content"] = content
        return web.Response(text=f"OK - {len(content)}")

    def share(self, name: str, content: bytes) -> str:
        """Somebody shared a file; returns its address."""
        self.shared[name] = content
        return f"{self.url}/files/{name}"

    async def _file(self, request: web.Request) -> web.Response:
        """What stands in a shared file, for whoever may read files; a page to sign in for others."""
        fault = self.faults["files"].pop(0) if self.faults["files"] else Fault()
        if fault.status != 200:
            return web.Response(status=fault.status)
        if request.headers.get("Authorization") != f"Bearer {self.bot_token}" or "files:read" not in self.scopes:
            return web.Response(text="<html>Sign in</html>", content_type="text/html")
        return web.Response(body=self.shared[request.match_info["name"]], content_type="text/plain")

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        url = self._urls[request.match_info["id"]]
        self.calls.append(("response_url", body))
        fault = self.faults["response_url"].pop(0) if self.faults["response_url"] else Fault()
        if fault.status != 200:
            headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
            self._wake()
            return web.Response(status=fault.status, text=fault.error, headers=headers)
        url.uses += 1
        if self.clock.at - url.issued > 1800:
            self.violations.append("response_url used after 30 minutes")
        if url.uses > 5:
            self.violations.append("response_url used more than 5 times")
        if self.clock.at - url.issued > 1800 or url.uses > 5:
            return web.Response(status=404, text="used_url")
        if body.get("replace_original"):
            if url.original is None:
                self.violations.append("nothing to replace")
            else:
                self._edit(url.original, body)
        else:
            self._put(url.channel, body, to="" if body.get("response_type") == "in_channel" else url.user)
        self._wake()
        return web.Response(text="ok")

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=not self.mute)
        await socket.prepare(request)
        self.sockets.append(socket)
        self.sockets_opened += 1
        await socket.send_json({"type": "hello", "num_connections": len(self.sockets), "connection_info": {}})
        self._wake()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                ack = json.loads(message.data)
                waiting = self._acks.get(ack.get("envelope_id", ""))
                if waiting is None or waiting.done():
                    self.violations.append("an acknowledgement of nothing")
                else:
                    waiting.set_result(ack.get("payload"))
        self.sockets.remove(socket)
        self._wake()
        return socket

    # ---- inside

    def _put(self, channel: str, body: Json, *, to: str = "") -> Shown:
        self.violations += message_violations(body)
        self.violations += metadata_violations(body)
        shown = Shown(channel, self._ts(), _content(body), to, body.get("thread_ts", ""))
        shown.metadata = body.get("metadata", {})
        self.messages[channel, shown.ts] = shown
        self._wake()
        return shown

    def _edit(self, shown: Shown, body: Json) -> None:
        self.violations += message_violations(body)
        shown.versions.append(shown.body)
        shown.body = _content(body)
        shown.metadata = body.get("metadata", {})
        self._wake()

    def _interaction(self, kind: str, user: str) -> Json:
        return {
            "type": kind,
            "team": {"id": self.team, "domain": "fake"},
            "user": {"id": user, "username": self._name(user), "name": self._name(user), "team_id": self.team},
            "api_app_id": "A1",
            "trigger_id": self._trigger(),
        }

    def _name(self, user: str) -> str:
        return self.names.get(user, user.lower())

    def _trigger(self) -> str:
        trigger = f"{next(self._ids)}.tr"
        self._triggers[trigger] = (self.clock.at, False)
        return trigger

    def _response_url(self, channel: str, user: str, original: Shown | None = None) -> str:
        id = str(next(self._ids))
        self._urls[id] = Url(channel, user, self.clock.at, original)
        return f"{self.url}/response/{id}"

    def _ts(self) -> str:
        return f"{int(self.clock.at)}.{next(self._ids):06}"

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _transport(socket: web.WebSocketResponse) -> asyncio.Transport | None:
    request = getattr(socket, "_req", None)  # aiohttp shows it nowhere else
    return request.transport if request else None


def _alive(socket: web.WebSocketResponse) -> bool:
    transport = _transport(socket)
    return not socket.closed and transport is not None and not transport.is_closing()


def sign(body: str, stamp: str, secret: str = SECRET) -> str:
    """Slack's signature of a request."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()


def words(part: Any) -> str:
    """All the words of blocks, a line for each stretch that stands alone."""
    if isinstance(part, list):
        return "\n".join(filter(None, map(words, part)))
    if not isinstance(part, dict):
        return ""
    if isinstance(part.get("text"), str):
        return str(part["text"])
    if part.get("type") == "date":
        return str(part["fallback"])
    if part.get("type") == "channel":
        return f"#{part['channel_id']}"
    if part.get("type") in {"rich_text_section", "rich_text_preformatted"}:
        return "".join(map(words, part["elements"]))
    return "\n".join(filter(None, (words(value) for value in part.values() if isinstance(value, dict | list))))


def labels(blocks: list[Json]) -> list[str]:
    """The labels of the buttons."""
    return [
        element["text"]["text"]
        for block in blocks
        if block["type"] == "actions"
        for element in block["elements"]
        if element["type"] == "button"
    ]


def _action(blocks: list[Json], label: str, at: str) -> Json:
    for block in blocks:
        for element in block["elements"] if block["type"] == "actions" else ():
            found = {"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"]}
            if element["type"] == "button" and element["text"]["text"] == label:
                return found | {"value": element["value"], "action_ts": at}
            for option in element.get("options", ()):
                if option["text"]["text"] == label:
                    return found | {"selected_option": option, "action_ts": at}
    raise AssertionError(f"no {label!r} in {words(blocks)}")


def _moment(shown: Shown) -> float:
    return float(shown.ts)


def _as_history(shown: Shown, with_metadata: bool) -> Json:
    message = {"type": "message", "user": BOT, "bot_id": "B1", "ts": shown.ts, **shown.body}
    return {**message, "metadata": shown.metadata} if with_metadata and shown.metadata else message


def _content(body: Json) -> Json:
    return {"text": body.get("text", ""), "blocks": body.get("blocks", [])}


async def _body(request: web.Request) -> Json:
    if request.content_type == "application/json":
        found = await request.json()
        return found if isinstance(found, dict) else {}
    return {**request.query, **await request.post()}
