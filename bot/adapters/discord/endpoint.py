"""Interactions by HTTP instead of the gateway, for replicas behind a load balancer. Each is verified, then answered the
same way as one from the gateway; Discord is told at once that the answer comes by REST."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.adapters.discord import parse
from bot.adapters.discord.parse import Event
from bot.core.errors import ConfigError
from bot.ports import Log

PATH = "/discord/interactions"
MAX_BODY_BYTES = 1024 * 1024
"""An interaction is a few KiB; a message command carries one message of at most 4000 characters."""
MAX_AGE_SECONDS = 60.0
"""An event whose three seconds are long over is somebody playing back an old one."""
_PONG = b'{"type":1}'


class Verifier:
    """Tells what Discord signed from everything else."""

    def __init__(self, public_key: str, now: Callable[[], float] = time.time) -> None:
        try:
            self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        except ValueError:
            raise ConfigError(
                "DISCORD_PUBLIC_KEY is the 64 hexadecimal digits under General Information of your application."
            ) from None
        self._now = now

    def genuine(self, signature: str, timestamp: str, body: bytes) -> bool:
        """Whether Discord signed this body lately."""
        try:
            self._key.verify(bytes.fromhex(signature), timestamp.encode() + body)
            return abs(self._now() - int(timestamp)) <= MAX_AGE_SECONDS
        except (InvalidSignature, ValueError):
            return False


def create_interactions_app(
    handle: Callable[[Event], Awaitable[None]], *, public_key: str, log: Log, now: Callable[[], float] = time.time
) -> web.Application:
    """The endpoint as an aiohttp application; `handle` answers an event in a task of its own. Raises ConfigError for a
    key that is none."""
    verifier = Verifier(public_key, now)
    tasks: set[asyncio.Task[None]] = set()

    async def interactions(request: web.Request) -> web.Response:
        body = await request.read()
        signature = request.headers.get("X-Signature-Ed25519", "")
        if not verifier.genuine(signature, request.headers.get("X-Signature-Timestamp", ""), body):
            return web.Response(status=401, text="The signature is not Discord's.")
        try:
            payload = json.loads(body)
            if parse.is_ping(payload):
                return web.Response(body=_PONG, content_type="application/json")
            event = parse.from_payload(payload)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError):
            log.warning("discord.unreadable")
            return web.Response(status=400, text="That is no interaction.")
        task: asyncio.Task[None] = asyncio.create_task(_run(handle, event), name=f"event {event.caller.event}")
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return web.Response(status=202)

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes([web.post(PATH, interactions), web.get("/healthz", health)])
    return app


async def _run(handle: Callable[[Event], Awaitable[None]], event: Event) -> None:
    await handle(event)
