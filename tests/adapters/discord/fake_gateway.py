"""The gateway of the small Discord: sessions that can be dropped, resumed, invalidated and silenced."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from tests.adapters.discord.fake_discord import FakeDiscord

PRIVILEGED = 1 << 1 | 1 << 8 | 1 << 15
Json = dict[str, Any]


@dataclass
class Connection:
    """One socket."""

    socket: web.WebSocketResponse
    request: web.Request
    squeeze: Any
    sent: deque[float] = field(default_factory=deque)

    async def send(self, payload: Json) -> None:
        text = json.dumps(payload)
        with suppress(ConnectionError, RuntimeError):
            if self.squeeze is None:
                await self.socket.send_str(text)
            else:
                data = self.squeeze.compress(text.encode()) + self.squeeze.flush(zlib.Z_SYNC_FLUSH)
                await self.socket.send_bytes(data)


@dataclass
class Session:
    """What survives a socket."""

    id: str
    shard: tuple[int, int]
    connection: Connection | None
    events: list[Json] = field(default_factory=list)


class Gateway:
    """All sessions. `muted`: heartbeats are not answered."""

    def __init__(self, fake: FakeDiscord, *, compress: bool) -> None:
        self._fake = fake
        self._compress = compress
        self.sessions: dict[str, Session] = {}
        self.identifies: list[float] = []
        self.resumes = 0
        self.connections = 0
        self.muted = False
        self.refusing = False
        self.beat_seconds = 41.25
        self._queues: set[asyncio.Task[None]] = set()

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """One socket from HELLO to its end."""
        if self.refusing:
            return web.Response(status=503)
        self.connections += 1
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        zlibbed = self._compress and request.query.get("compress") == "zlib-stream"
        connection = Connection(socket, request, zlib.compressobj() if zlibbed else None)
        await connection.send({"op": 10, "d": {"heartbeat_interval": int(self.beat_seconds * 1000)}})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._receive(connection, json.loads(message.data))
        for session in self.sessions.values():
            if session.connection is connection:
                session.connection = None
        self._fake.change()
        return socket

    async def _receive(self, connection: Connection, payload: Json) -> None:
        now = time.monotonic()
        connection.sent.append(now)
        while connection.sent[0] < now - 60:
            connection.sent.popleft()
        if len(connection.sent) > 120:
            self._fake.violations.append("more than 120 gateway events a minute")
        match payload["op"]:
            case 1:
                if not self.muted:
                    await connection.send({"op": 11})
            case 2:
                await self._identify(connection, payload["d"])
            case 6:
                await self._resume(connection, payload["d"])
            case other:
                self._fake.violations.append(f"gateway operation {other}")

    async def _identify(self, connection: Connection, asked: Json) -> None:
        from tests.adapters.discord.fake_discord import BOT, GUILD, TOKEN

        now = time.monotonic()
        if asked["token"] != TOKEN:
            await connection.socket.close(code=4004)
            return
        if asked["intents"] != 1:
            self._fake.violations.append(f"intents {asked['intents']}")
        if self.identifies and now - self.identifies[-1] < 4.9:
            self._fake.violations.append("two IDENTIFYs within 5 seconds")
        self.identifies.append(now)
        shard = tuple(asked.get("shard") or (0, 1))
        session = Session(secrets.token_hex(16), (shard[0], shard[1]), connection)
        self.sessions[session.id] = session
        mine = (int(GUILD) >> 22) % shard[1] == shard[0]
        ready = {
            "v": 10,
            "user": BOT,
            "guilds": [{"id": GUILD, "unavailable": True}] if mine else [],
            "session_id": session.id,
            "resume_gateway_url": self._fake.gateway_url,
            "application": {"id": BOT["id"], "flags": 0},
            "shard": list(shard),
        }
        await self._send(session, "READY", ready)
        if mine:
            await self._send(session, "GUILD_CREATE", guild())
        self._fake.change()

    async def _resume(self, connection: Connection, asked: Json) -> None:
        session = self.sessions.get(asked["session_id"])
        if session is None:
            await connection.send({"op": 9, "d": False})
            return
        self.resumes += 1
        session.connection = connection
        for event in session.events:
            if event["s"] > asked["seq"]:
                await connection.send(event)
        await self._send(session, "RESUMED", {})
        self._fake.change()

    async def _send(self, session: Session, kind: str, data: Json) -> None:
        event = {"op": 0, "t": kind, "s": len(session.events) + 1, "d": data}
        session.events.append(event)
        if session.connection is not None:
            await session.connection.send(event)

    def dispatch(self, kind: str, data: Json) -> None:
        """An event to the session whose shard has its server; kept for RESUME while the socket is down."""
        guild = int(data.get("guild_id") or 0) >> 22
        session = next(
            session for session in reversed(self.sessions.values()) if guild % session.shard[1] == session.shard[0]
        )
        task = asyncio.create_task(self._send(session, kind, data))
        self._queues.add(task)
        task.add_done_callback(self._queues.discard)

    async def everywhere(self, kind: str, data: Json) -> None:
        """An event to every session, as while an old and a new process overlap."""
        for session in self.sessions.values():
            await self._send(session, kind, data)

    def repeat(self) -> None:
        """Send the latest event of every session once more, as after a lost acknowledgement."""
        for session in self.sessions.values():
            if session.connection is not None:
                task = asyncio.create_task(session.connection.send(session.events[-1]))
                self._queues.add(task)
                task.add_done_callback(self._queues.discard)

    @property
    def connected(self) -> bool:
        return any(session.connection for session in self.sessions.values())

    def cut(self) -> None:
        """Every socket is reset."""
        for session in self.sessions.values():
            if session.connection and session.connection.request.transport:
                session.connection.request.transport.abort()
            session.connection = None

    async def end(self, code: int) -> None:
        """Every socket is closed with a code."""
        for session in list(self.sessions.values()):
            if session.connection:
                connection, session.connection = session.connection, None
                await connection.socket.close(code=code)

    async def ask_reconnect(self) -> None:
        """Operation 7."""
        for session in list(self.sessions.values()):
            if session.connection:
                await session.connection.send({"op": 7, "d": None})

    async def invalidate(self, *, resumable: bool) -> None:
        """Operation 9."""
        for session in list(self.sessions.values()):
            connection = session.connection
            if not resumable:
                del self.sessions[session.id]
            if connection:
                await connection.send({"op": 9, "d": resumable})

    async def close(self) -> None:
        """Let go of every socket."""
        self.cut()
        await asyncio.gather(*self._queues, return_exceptions=True)


def guild() -> Json:
    """The one server."""
    from tests.adapters.discord.fake_discord import APPLICATION, CHANNEL, GUILD

    return {
        "id": GUILD,
        "name": "Team",
        "owner_id": "1200000000000000002",
        "member_count": 3,
        "large": False,
        "unavailable": False,
        "roles": [
            {
                "id": GUILD,
                "name": "@everyone",
                "color": 0,
                "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
                "hoist": False,
                "position": 0,
                "permissions": "0",
                "managed": False,
                "mentionable": False,
                "flags": 0,
            }
        ],
        "channels": [{"id": CHANNEL, "type": 0, "name": "general", "position": 0, "permission_overwrites": []}],
        "members": [],
        "emojis": [],
        "features": [],
        "threads": [],
        "voice_states": [],
        "presences": [],
        "stickers": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "application_id": APPLICATION,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "premium_tier": 0,
        "nsfw_level": 0,
        "preferred_locale": "en-GB",
        "afk_timeout": 60,
        "system_channel_flags": 0,
    }
