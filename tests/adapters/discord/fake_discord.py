"""A small Discord: REST and gateway as documented, on a free port, with a clock of its own and faults on demand.

Whatever breaks a documented limit is noted in `violations`, which stays empty in every test.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import BodyPartReader, web

from tests.adapters.discord import rules
from tests.adapters.discord.fake_gateway import Gateway

EPOCH_MS = 1420070400000
TOKEN = "bot.token.of-the-tests"
APPLICATION = "1100000000000000001"
BOT = {
    "id": APPLICATION,
    "username": "Torchquiz",
    "discriminator": "0",
    "avatar": None,
    "bot": True,
    "global_name": None,
}
GUILD, CHANNEL = "1200000000000000001", "1200000000000000777"
VIEW, SEND, EMBED, ATTACH, HISTORY = 1 << 10, 1 << 11, 1 << 14, 1 << 15, 1 << 16
CREATE_THREADS, SEND_IN_THREADS = 1 << 35, 1 << 38
ALL_PERMISSIONS = VIEW | SEND | EMBED | ATTACH | HISTORY | CREATE_THREADS | SEND_IN_THREADS
MANAGE_SERVER, ADMINISTRATOR = 1 << 5, 1 << 3
NONCE_SECONDS = 120
"""Discord says "the past few minutes"; the shortest that can mean."""
Json = dict[str, Any]


@dataclass
class Message:
    """A message as people see it now; `versions` are all its forms, first to last."""

    id: str
    channel: str
    to: str = ""
    """The only person who sees it; empty for everyone."""
    versions: list[Json] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    deleted: bool = False
    loading: bool = False
    author: Mapping[str, Any] = field(default_factory=lambda: BOT)
    reply_to: str = ""

    @property
    def body(self) -> Json:
        return self.versions[-1]

    @property
    def text(self) -> str:
        """Its words, with escapes undone."""
        parts = [part["content"] for part in rules.walk(self.body["components"]) if part["type"] == 10]
        return "\n".join(parts).replace("\\", "")

    @property
    def buttons(self) -> dict[str, Mapping[str, Any]]:
        return {part["label"]: part for part in rules.walk(self.body["components"]) if part["type"] == 2}

    @property
    def options(self) -> dict[str, str]:
        selects = [part for part in rules.walk(self.body["components"]) if part["type"] == 3]
        return {option["label"]: option["value"] for select in selects for option in select["options"]}


@dataclass
class Interaction:
    """Something a person did, and how it was answered."""

    payload: Json
    created: float
    sent: float
    user: str
    pressed: Message | None = None
    kind: int = 0
    """The type of the callback; 0 while unanswered."""
    data: Json = field(default_factory=dict)
    original: Message | None = None
    follow_ups: list[Message] = field(default_factory=list)
    acknowledged: float = 0.0
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def message(self) -> Message:
        """What stands under this interaction."""
        assert self.original is not None
        return self.original


@dataclass
class Fault:
    """What happens to the next requests of a route instead of an answer."""

    status: int = 0
    retry_after: float = 0.0
    everywhere: bool = False
    shared: bool = False
    delay: float = 0.0
    code: int = 0
    drop: bool = False
    after: bool = False
    """The request takes effect, and its answer is lost."""


class FakeDiscord:
    """One application, its people and channels."""

    def __init__(self, *, shards: int = 1, compress: bool = True, strict: bool = True) -> None:
        self.violations: list[str] = []
        self.interactions: dict[str, Interaction] = {}
        self.messages: dict[str, Message] = {}
        self.commands: list[Json] = []
        self.requests: list[tuple[float, str, str]] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.permissions: dict[str, int] = defaultdict(lambda: ALL_PERMISSIONS)
        self.closed_dms: set[str] = set()
        self.bucket: tuple[int, float] | None = None
        self.files: dict[str, bytes] = {}
        self.offset = 0.0
        self.shards = shards
        self.starts_left = 1000
        self.strict = strict
        """Whether messages must be as ours are; the bare bots of the benchmark write plain ones."""
        self.gateway = Gateway(self, compress=compress)
        self._buckets: dict[str, list[float]] = defaultdict(list)
        self._blocked: dict[str, float] = {}
        self._second: deque[float] = deque()
        self._nonces: dict[str, tuple[float, Message]] = {}
        self.threads: dict[str, tuple[str, str]] = {}
        """Thread -> the channel it hangs in, and its name."""
        self.gone: set[str] = set()
        """Channels that were deleted."""
        self._dms: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._ids = 0
        self.base = ""

    # --- the server

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**25)
        app.add_routes(
            [
                web.get("/gateway", self.gateway.connect),
                web.get("/cdn/{name}", self._route("cdn", self._cdn)),
                web.get("/api/v10/users/@me", self._route("me", self._me)),
                web.get("/api/v10/oauth2/applications/@me", self._route("application", self._application)),
                web.get("/api/v10/gateway/bot", self._route("gateway", self._gateway_bot)),
                web.put("/api/v10/applications/{app}/commands", self._route("commands", self._commands)),
                web.post("/api/v10/interactions/{id}/{token}/callback", self._route("callback", self._callback)),
                web.post("/api/v10/webhooks/{app}/{token}", self._route("follow_up", self._follow_up)),
                web.patch("/api/v10/webhooks/{app}/{token}/messages/{id}", self._route("edit", self._edit)),
                web.delete("/api/v10/webhooks/{app}/{token}/messages/{id}", self._route("delete", self._delete)),
                web.post("/api/v10/users/@me/channels", self._route("open", self._open)),
                web.post("/api/v10/channels/{id}/messages", self._route("post", self._post)),
                web.get("/api/v10/channels/{id}/messages", self._route("history", self._history)),
                web.patch("/api/v10/channels/{id}/messages/{message}", self._route("change", self._change)),
                web.delete("/api/v10/channels/{id}/messages/{message}", self._route("remove", self._remove)),
                web.post("/api/v10/channels/{id}/messages/{message}/threads", self._route("thread", self._thread)),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base = f"http://127.0.0.1:{port}"
        self.api = f"{self.base}/api/v10"
        self.gateway_url = f"ws://127.0.0.1:{port}/gateway"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.close()
        await self._runner.cleanup()

    def _route(self, name: str, handler: Callable[[web.Request], Awaitable[web.Response]]) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.requests.append((time.monotonic(), name, request.path))
            try:
                return await answer_or_fail(request)
            finally:
                self.change()

        async def answer_or_fail(request: web.Request) -> web.StreamResponse:
            authorised = request.headers.get("Authorization") == f"Bot {TOKEN}"
            if name not in ("callback", "follow_up", "edit", "delete", "cdn"):
                if not authorised:
                    return refusal(401, 0)
                self._count_global()
            major = f"{name}:{request.match_info.get('token') or request.match_info.get('id', '')}"
            if (limited := self._limited(name, major)) is not None:
                return limited
            fault = self.faults[name].popleft() if self.faults[name] else None
            if fault is not None:
                if fault.delay:
                    await asyncio.sleep(fault.delay)
                if fault.after:
                    await handler(request)
                if fault.drop:
                    assert request.transport is not None
                    request.transport.abort()
                    return web.Response()
                if fault.status == 429:
                    return self._too_many(fault, "global" if fault.everywhere else major)
                if fault.status:
                    return refusal(fault.status, fault.code)
            response = await handler(request)
            if self.bucket and name in ("post", "edit"):
                self._bucket_headers(response, name, major)
            return response

        return answer

    def fail(self, route: str, *faults: Fault) -> None:
        """The next requests of a route meet these faults, one each."""
        self.faults[route].extend(faults)

    def _count_global(self) -> None:
        now = time.monotonic()
        self._second.append(now)
        while self._second[0] < now - 1:
            self._second.popleft()
        if len(self._second) > 50:
            self.violations.append("more than 50 requests a second")

    def _too_many(self, fault: Fault, key: str) -> web.Response:
        self._blocked[key] = self.now() + fault.retry_after - 0.01
        return self._429(fault.retry_after, everywhere=fault.everywhere, shared=fault.shared)

    def _429(self, retry_after: float, *, everywhere: bool = False, shared: bool = False) -> web.Response:
        scope = "global" if everywhere else "shared" if shared else "user"
        headers = {"Via": "1.1 google", "X-RateLimit-Scope": scope, "Retry-After": str(int(retry_after) + 1)}
        body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": everywhere}
        return answered(body, 429, headers)

    def _limited(self, name: str, major: str) -> web.Response | None:
        now = time.monotonic()
        exempt = name in ("callback", "follow_up", "edit", "delete", "cdn")
        for key in (major,) if exempt else (major, "global"):
            if (wait := self._blocked.get(key, 0) - self.now()) > 0:
                self.violations.append(f"{key} called before its limit was over")
                return self._429(wait)
        if self.bucket and name in ("post", "edit"):
            limit, seconds = self.bucket
            recent = self._buckets[major] = [at for at in self._buckets[major] if at > now - seconds]
            if len(recent) >= limit:
                self.violations.append(f"bucket of {major} exceeded")
                return self._429(recent[0] + seconds - now)
            recent.append(now)
        return None

    def _bucket_headers(self, response: web.Response, name: str, major: str) -> None:
        assert self.bucket
        limit, seconds = self.bucket
        recent = self._buckets[major]
        response.headers["X-RateLimit-Bucket"] = name
        response.headers["X-RateLimit-Limit"] = str(limit)
        response.headers["X-RateLimit-Remaining"] = str(limit - len(recent))
        response.headers["X-RateLimit-Reset-After"] = f"{max(recent[0] + seconds - time.monotonic(), 0):.3f}"
        response.headers["X-RateLimit-Reset"] = f"{time.time() + seconds:.3f}"

    # --- time and waiting

    def now(self) -> float:
        """Seconds since 1970 by this Discord's clock."""
        return time.time() + self.offset

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self.offset += seconds

    def snowflake(self) -> str:
        self._ids += 1
        return str((int(self.now() * 1000) - EPOCH_MS << 22) + self._ids % 4096)

    def change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(seconds):
            while not condition():
                await self._changed.wait()

    # --- REST

    async def _me(self, _: web.Request) -> web.Response:
        return answered(BOT)

    async def _application(self, _: web.Request) -> web.Response:
        return answered(
            {
                "id": APPLICATION,
                "name": "Torchquiz",
                "icon": None,
                "description": "",
                "rpc_origins": [],
                "bot_public": True,
                "bot_require_code_grant": False,
                "owner": BOT,
                "verify_key": "0" * 64,
                "team": None,
                "flags": 0,
                "summary": "",
            }
        )

    async def _gateway_bot(self, _: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": self.starts_left, "reset_after": 1000, "max_concurrency": 1}
        return answered({"url": self.gateway_url, "shards": self.shards, "session_start_limit": limit})

    async def _commands(self, request: web.Request) -> web.Response:
        self.commands = json.loads(await request.read())
        self.violations.extend(rules.commands_problems(self.commands))
        self.change()
        return answered([])

    async def _cdn(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["name"]])

    async def _open(self, request: web.Request) -> web.Response:
        user = str(json.loads(await request.read())["recipient_id"])
        self._dms.setdefault(user, self.snowflake())
        return answered({"id": self._dms[user], "type": 1, "recipients": [], "last_message_id": None})

    async def _post(self, request: web.Request) -> web.Response:
        channel = request.match_info["id"]
        body, files = await read(request)
        to = next((user for user, dm in self._dms.items() if dm == channel), "")
        if to in self.closed_dms:
            return refusal(403, 50007)
        if refused := self._forbidden(channel, SEND_IN_THREADS if channel in self.threads else SEND, files):
            return refused
        if problem := self._problems(body, files):
            return problem
        nonce = str(body.get("nonce", ""))
        if len(nonce) > 25:
            self.violations.append("a nonce of more than 25 characters")
        at, known = self._nonces.get(nonce, (0.0, None))
        if body.get("enforce_nonce") and known and self.now() - at < NONCE_SECONDS:
            return answered(self._shown(known))
        reply_to = str((body.get("message_reference") or {}).get("message_id") or "")
        if reply_to and not self._may(channel, HISTORY):
            return refusal(400, 160002)
        message = self._new(channel, to, body, files)
        message.reply_to = reply_to
        self._nonces[nonce] = (self.now(), message)
        return answered(self._shown(message))

    async def _history(self, request: web.Request) -> web.Response:
        channel, after = request.match_info["id"], int(request.query["after"])
        limit = int(request.query["limit"])
        if not 1 <= limit <= 100:
            self.violations.append(f"a page of {limit} messages")
        if refused := self._forbidden(channel, VIEW):
            return refused
        here = [each for each in self.messages.values() if each.channel == channel and not each.to and not each.deleted]
        page = sorted((each for each in here if int(each.id) > after), key=lambda each: int(each.id))[:limit]
        return answered([self._shown(each) for each in reversed(page)] if self._may(channel, HISTORY) else [])

    async def _change(self, request: web.Request) -> web.Response:
        body, files = await read(request)
        message = self._mine(request)
        if isinstance(message, web.Response):
            return message
        if files and (refused := self._forbidden(message.channel, ATTACH)):
            return refused
        if problem := self._problems(body, files):
            return problem
        self._replace(message, body, files)
        return answered(self._shown(message))

    async def _remove(self, request: web.Request) -> web.Response:
        message = self._mine(request)
        if isinstance(message, web.Response):
            return message
        message.deleted = True
        return web.Response(status=204)

    async def _thread(self, request: web.Request) -> web.Response:
        body, _ = await read(request)
        channel, id = request.match_info["id"], request.match_info["message"]
        if refused := self._forbidden(channel, CREATE_THREADS):
            return refused
        if channel in self.threads:
            return refusal(400, 50024)
        message = self.messages.get(id)
        if message is None or message.deleted:
            return refusal(404, 10008)
        if id in self.threads:
            return refusal(400, 160004)
        self.violations.extend(rules.thread_problems(body))
        self.threads[id] = (channel, body["name"])
        return answered({"id": id, "type": 11, "name": body["name"], "parent_id": channel}, 201)

    def _mine(self, request: web.Request) -> Message | web.Response:
        """The message of ours that a request names."""
        if refused := self._forbidden(request.match_info["id"], VIEW):
            return refused
        message = self.messages.get(request.match_info["message"])
        if message is None or message.deleted or message.channel != request.match_info["id"]:
            return refusal(404, 10008)
        return message if message.author == BOT else refusal(403, 50005)

    def _may(self, channel: str, permission: int) -> bool:
        parent, _ = self.threads.get(channel, (channel, ""))
        return bool(self.permissions[parent] & permission)

    def _forbidden(
        self, channel: str, permission: int, files: Mapping[str, bytes] | None = None
    ) -> web.Response | None:
        if channel in self.gone or (channel in self.messages and channel not in self.threads):
            return refusal(404, 10003)  # a thread has the id of its message, once there is one
        if not self._may(channel, VIEW):
            return refusal(403, 50001)
        allowed = self._may(channel, permission) and (not files or self._may(channel, ATTACH))
        return None if allowed else refusal(403, 50013)

    async def _callback(self, request: web.Request) -> web.Response:
        interaction = self.interactions.get(request.match_info["token"])
        body, files = await read(request)
        if interaction is None or self.now() - interaction.created > 3:
            return refusal(404, 10062)
        if interaction.kind:
            return refusal(400, 40060)
        kind, data = int(body["type"]), body.get("data") or {}
        if files and not self.permissions[interaction.payload["channel_id"]] & ATTACH:
            return refusal(403, 50013)
        if problem := self._callback_problem(interaction, kind, data, files):
            self.violations.append(problem)
            return refusal(400, 50035)
        interaction.kind, interaction.data = kind, data
        interaction.acknowledged = time.perf_counter()
        interaction.answered.set()
        channel = interaction.payload["channel_id"]
        private = interaction.user if int(data.get("flags") or 0) & rules.EPHEMERAL else ""
        if kind == 4:
            interaction.original = self._new(channel, private, data, files)
        elif kind == 5:
            interaction.original = self._new(channel, private, {"components": []}, {})
            interaction.original.loading = True
        elif kind in (6, 7):
            interaction.original = interaction.pressed
            if kind == 7 and interaction.pressed is not None:
                self._replace(interaction.pressed, data, files)
        self.change()
        if request.query.get("with_response") not in ("1", "true"):
            return web.Response(status=204)
        resource: Json = {"type": kind}
        if kind in (4, 7) and interaction.original:
            resource["message"] = self._shown(interaction.original)
        about = {"id": interaction.payload["id"], "type": interaction.payload["type"]}
        return answered({"interaction": about, "resource": resource})

    def _callback_problem(self, interaction: Interaction, kind: int, data: Json, files: dict[str, bytes]) -> str:
        asked = interaction.payload["type"]
        allowed = {2: (4, 5, 9), 3: (4, 5, 6, 7, 9), 4: (8,), 5: (4, 5, 6, 7)}[asked]
        if kind not in allowed or (kind in (6, 7) and interaction.pressed is None):
            return f"callback {kind} to an interaction of type {asked}"
        problems: list[str] = []
        if kind in (4, 7) and self.strict:
            problems = list(rules.message_problems(data, {name: len(content) for name, content in files.items()}))
        elif kind == 5 and data.get("flags") not in (None, rules.EPHEMERAL):
            problems = [f"flags {data['flags']} of a deferral"]
        elif kind == 8 and len(data["choices"]) > 25:
            problems = ["too many choices"]
        elif kind == 9:
            problems = list(rules.modal_problems(data))
        return "; ".join(problems)

    async def _follow_up(self, request: web.Request) -> web.Response:
        found = self._open_interaction(request)
        if isinstance(found, web.Response):
            return found
        body, files = await read(request)
        if problem := self._problems(body, files):
            return problem
        private = found.user if int(body.get("flags") or 0) & rules.EPHEMERAL else ""
        if found.original and found.original.loading:  # the first follow-up takes the place of what was announced
            self._replace(found.original, body, files)
            return answered(self._shown(found.original))
        message = self._new(found.payload["channel_id"], private, body, files)
        found.follow_ups.append(message)
        self.change()
        return answered(self._shown(message))

    async def _edit(self, request: web.Request) -> web.Response:
        found = self._open_interaction(request)
        if isinstance(found, web.Response):
            return found
        id = request.match_info["id"]
        message = found.original if id == "@original" else self.messages.get(id)
        body, files = await read(request)
        if files and not self.permissions[found.payload["channel_id"]] & ATTACH:
            return refusal(403, 50013)
        if message is None or message.deleted:
            return refusal(404, 10008)
        if problem := self._problems(body, files):
            return problem
        self._replace(message, body, files)
        return answered(self._shown(message))

    async def _delete(self, request: web.Request) -> web.Response:
        found = self._open_interaction(request)
        if isinstance(found, web.Response):
            return found
        if found.original is None or found.original.deleted:
            return refusal(404, 10008)
        found.original.deleted, found.original.loading = True, False
        self.change()
        return web.Response(status=204)

    def _open_interaction(self, request: web.Request) -> Interaction | web.Response:
        interaction = self.interactions.get(request.match_info["token"])
        if interaction is None or not interaction.kind:
            return refusal(404, 10015)
        if self.now() - interaction.created > 900:
            return refusal(401, 50027)
        return interaction

    def _problems(self, body: Json, files: Mapping[str, bytes]) -> web.Response | None:
        problems = list(rules.message_problems(body, {name: len(content) for name, content in files.items()}))
        self.violations.extend(problems)
        return refusal(400, 50035) if problems else None

    def _new(self, channel: str, to: str, body: Json, files: Mapping[str, bytes]) -> Message:
        message = Message(self.snowflake(), channel, to, [body], dict(files))
        self.messages[message.id] = message
        self.change()
        return message

    def _replace(self, message: Message, body: Json, files: Mapping[str, bytes]) -> None:
        message.versions.append(body)
        message.files = dict(files)
        message.loading = False
        self.change()

    def _shown(self, message: Message) -> Json:
        shown = []
        for number, (name, content) in enumerate(message.files.items()):
            url = f"{self.base}/cdn/{name}"
            shown.append({"id": str(number), "filename": name, "size": len(content), "url": url, "proxy_url": url})
        return {
            "id": message.id,
            "channel_id": message.channel,
            "author": message.author,
            "content": message.body.get("content") or "",
            "timestamp": "2026-01-01T00:00:00+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": shown,
            "embeds": [],
            "pinned": False,
            "type": 0,
            "flags": int(message.body.get("flags") or 0) | (rules.EPHEMERAL if message.to else 0),
            "components": _resolved(message.body.get("components") or []),
        }

    # --- people

    def chatter(self, channel: str, count: int) -> None:
        """People talk. Without the Message Content intent their words and components are not shown to us."""
        someone = {**BOT, "id": "1200000000000000009", "username": "Eve", "bot": False}
        for _ in range(count):
            message = Message(self.snowflake(), channel, versions=[{"components": []}], author=someone)
            self.messages[message.id] = message

    def interaction(
        self, user: Someone, kind: int, data: Json, *, pressed: Message | None = None, created: float | None = None
    ) -> Interaction:
        """What Discord sends when a person does something."""
        token = "aW50ZXJhY3Rpb246" + secrets.token_urlsafe(40)
        person = {
            "id": user.id,
            "username": user.name[:32],
            "global_name": user.name,
            "discriminator": "0",
            "avatar": None,
        }
        payload: Json = {
            "id": self.snowflake(),
            "application_id": APPLICATION,
            "type": kind,
            "token": token,
            "version": 1,
            "data": data,
            "channel_id": user.channel,
            "channel": {
                "id": user.channel,
                "type": 0 if user.guild else 1,
                "permissions": "0",
                "name": "general",
                "position": 0,
                "permission_overwrites": [],
            },
            "app_permissions": str(self.permissions[user.channel]),
            "attachment_size_limit": 10 * 2**20,
            "authorizing_integration_owners": {"0": user.guild or "0"} if user.installed else {"1": user.id},
            "entitlements": [],
            "locale": "en-GB",
            "context": 0 if user.guild else 1,
        }
        if user.guild:
            payload["guild_id"] = user.guild
            payload["guild"] = {"id": user.guild, "features": [], "locale": "en-GB"}
            payload["member"] = {
                "user": person,
                "nick": None,
                "roles": [],
                "joined_at": "2026-01-01T00:00:00+00:00",
                "deaf": False,
                "mute": False,
                "flags": 0,
                "permissions": str(user.permissions),
            }
        else:
            payload["user"] = person
            payload["channel"]["recipients"] = [person]
        if pressed is not None:
            payload["message"] = self._shown(pressed)
        made = Interaction(payload, self.now() if created is None else created, time.perf_counter(), user.id, pressed)
        self.interactions[token] = made
        return made


@dataclass
class Someone:
    """A person in a channel. Each method returns once Discord has an answer to what they did."""

    fake: FakeDiscord
    name: str = "Ada"
    id: str = "1200000000000000002"
    channel: str = CHANNEL
    guild: str = GUILD
    permissions: int = 0
    """What they may do in the channel."""
    installed: bool = True
    """Whether the bot belongs to the server; otherwise this person alone has installed it."""

    async def does(self, kind: int, data: Json, pressed: Message | None = None) -> Interaction:
        """Anything, with the answer awaited."""
        made = self.begins(kind, data, pressed)
        await self.fake.until(lambda: made.kind)
        return made

    def begins(self, kind: int, data: Json, pressed: Message | None = None) -> Interaction:
        """Anything, without waiting."""
        made = self.fake.interaction(self, kind, data, pressed=pressed)
        self.fake.gateway.dispatch("INTERACTION_CREATE", made.payload)
        return made

    async def command(self, name: str, **options: str) -> Interaction:
        return await self.does(2, command_data(name, **options))

    async def attach(self, name: str, content: bytes) -> Interaction:
        self.fake.files[name] = content
        data = command_data("run") | {
            "options": [{"name": "file", "type": 11, "value": "5"}],
            "resolved": {"attachments": {"5": self._attachment(name)}},
        }
        return await self.does(2, data)

    async def run_this(self, content: str, file: str = "") -> Interaction:
        message = {"id": "9", "content": content, "attachments": [self._attachment(file)] if file else []}
        data = {
            "id": "3",
            "name": "Run this code",
            "type": 3,
            "target_id": "9",
            "resolved": {"messages": {"9": message}},
        }
        return await self.does(2, data)

    async def press(self, message: Message, label: str) -> Interaction:
        return await self.click(message, message.buttons[label]["custom_id"])

    async def click(self, message: Message, custom_id: str) -> Interaction:
        return await self.does(3, {"component_type": 2, "custom_id": custom_id, "id": 1}, message)

    async def choose(self, message: Message, label: str) -> Interaction:
        data = {"component_type": 3, "custom_id": "menu0", "values": [message.options[label]], "id": 1}
        return await self.does(3, data, message)

    async def submit(self, dialog: Interaction, **values: str) -> Interaction:
        return await self.does(5, modal_data(dialog.data["custom_id"], **values), dialog.pressed)

    async def types(self, command: str, argument: str, text: str) -> list[str]:
        data = command_data(command) | {"options": [{"name": argument, "type": 3, "value": text, "focused": True}]}
        return [choice["value"] for choice in (await self.does(4, data)).data["choices"]]

    def _attachment(self, name: str) -> Json:
        content = self.fake.files[name]
        url = f"{self.fake.base}/cdn/{name}"
        return {"id": "5", "filename": name, "size": len(content), "url": url, "proxy_url": url}


def command_data(name: str, **options: str) -> Json:
    given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
    return {"id": "1", "name": name, "type": 1, "options": given}


def modal_data(custom_id: str, **values: str) -> Json:
    boxes = [
        {"type": 18, "id": n, "component": {"type": 4, "id": n + 50, "custom_id": key, "value": value}}
        for n, (key, value) in enumerate(values.items())
    ]
    return {"custom_id": custom_id, "components": boxes}


async def read(request: web.Request) -> tuple[Json, dict[str, bytes]]:
    """The body and the files of a request, whichever way it comes."""
    if not request.content_type.startswith("multipart/"):
        return json.loads(await request.read()), {}
    body: Json = {}
    contents: dict[int, bytes] = {}
    names: dict[int, str] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "payload_json":
            body = json.loads(await part.read())
        else:
            number = int(str(part.name).removeprefix("files[").removesuffix("]"))
            names[number], contents[number] = str(part.filename), bytes(await part.read())
    return body, {names[number]: contents[number] for number in sorted(names)}


def answered(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON with the exact content type that the library compares with."""
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers, content_type="application/json")


def refusal(status: int, code: int) -> web.Response:
    return answered({"message": f"error {code}", "code": code}, status)


def _resolved(components: Sequence[Json]) -> list[Json]:
    """Components as Discord sends them back: numbered where they have no id, with media that were uploaded."""
    taken = {part["id"] for part in rules.walk(components) if part.get("id")}
    free = (number for number in itertools.count(1) if number not in taken)

    def one(part: Json) -> Json:
        shown = {**part, "id": part.get("id") or next(free)}
        if part["type"] == 3:
            shown |= {"min_values": 1, "max_values": 1}
        if "components" in part:
            shown["components"] = [one(inner) for inner in part["components"]]
        if "items" in part:
            shown["items"] = [{**item, "media": _media(item["media"]), "spoiler": False} for item in part["items"]]
        if "file" in part:
            shown |= {"file": _media(part["file"]), "name": "file", "size": 1, "spoiler": False}
        return shown

    return [one(part) for part in components]


def _media(media: Json) -> Json:
    url = media["url"].replace("attachment://", "https://cdn.example/")
    return {"url": url, "proxy_url": url, "width": 1, "height": 1, "content_type": "image/png", "loading_state": 2}


@asynccontextmanager
async def discord(**options: Any) -> AsyncIterator[FakeDiscord]:
    """A Discord whose limits nobody broke."""
    async with FakeDiscord(**options) as fake:
        yield fake
    assert fake.violations == [], fake.violations[:5]
