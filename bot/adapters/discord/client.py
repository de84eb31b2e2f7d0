"""discord.py: the only file that knows the library. Clients, requests, and what its errors mean."""

from __future__ import annotations

import asyncio
import io
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.adapters.discord import parse
from bot.adapters.discord.fitting import Upload
from bot.adapters.discord.platform import Trouble, Why
from bot.adapters.discord.render import Json

Client = discord.Client
API = "https://discord.com/api/v10"

_WHY = {
    40060: Why.TAKEN,
    10062: Why.LATE,  # unknown interaction: its three seconds are over
    10015: Why.LATE,  # unknown webhook: it was never answered
    50027: Why.LATE,  # its quarter of an hour is over
    10008: Why.DELETED,
    10003: Why.DELETED,
}
_WRONG_TOKEN_CLOSE = 4004
_LANES = 1024
_RECONNECT_SECONDS = 5.0
_AWAY = (aiohttp.ClientError, OSError, discord.DiscordException)


class TokenRefused(Exception):
    """Discord does not accept the token."""


class Disconnected(Exception):
    """The connection is over, and another one may hold."""


@dataclass(frozen=True, slots=True)
class Shards:
    """Which part of the work this process does: all of it by default."""

    ids: Sequence[int] | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Handlers:
    """What happens on a connection."""

    event: Callable[[parse.Event], Awaitable[None]]
    connected: Callable[[str, int], None]
    """Called with the bot's name and the number of shards, each time one begins."""
    unreadable: Callable[[str], None]
    """Called with the id of an interaction that we cannot read, where the error is handled."""


async def logged_in(token: str, handlers: Handlers, api_base: str, silence: float, **options: Any) -> discord.Client:
    """A client that can send requests. Raises TokenRefused or Disconnected."""
    Route.BASE = api_base.rstrip("/")
    client = _new(discord.AutoShardedClient if options else discord.Client, handlers, silence, **options)
    try:
        await client.login(token)
    except BaseException as error:
        await client.close()
        if isinstance(error, discord.LoginFailure):
            raise TokenRefused from None
        if isinstance(error, _AWAY):
            raise Disconnected(type(error).__name__) from error
        raise
    return client


async def for_gateway(
    token: str, handlers: Handlers, api_base: str, silence: float, gateway_url: str | None, shards: Shards
) -> tuple[discord.Client, float]:
    """A client ready for `stay`: for one shard the plain one, which resumes even after an outage. Also the seconds to
    wait first, because one start more would make Discord reset the token. Raises TokenRefused or Disconnected."""
    client = await logged_in(token, handlers, api_base, silence)
    try:
        wanted, url, starts = await client.http.get_bot_gateway()
    except BaseException as error:
        await client.close()
        if isinstance(error, _AWAY):
            raise Disconnected(type(error).__name__) from error
        raise
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url or url).with_query(None)
    wait = starts["reset_after"] / 1000 if starts["remaining"] < 1 else 0.0
    count = shards.count or wanted
    if count <= 1 and not shards.ids:
        return client, wait
    await client.close()
    mine = {"shard_ids": list(shards.ids)} if shards.ids else {}
    return await logged_in(token, handlers, api_base, silence, shard_count=count, **mine), wait


async def stay(client: discord.Client, until: asyncio.Event) -> None:
    """Stay on the gateway until asked to leave; the library resumes by itself. Raises TokenRefused or Disconnected, or
    whatever broke inside the library. The client can send requests until it is closed."""
    connection = asyncio.create_task(client.connect(), name="gateway")
    leaving = asyncio.create_task(until.wait(), name="leave")
    try:
        await asyncio.wait({connection, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if connection.done():
            connection.result()
            raise Disconnected("closed")
    except discord.ConnectionClosed as closed:
        if closed.code == _WRONG_TOKEN_CLOSE:
            raise TokenRefused from None
        raise Disconnected(f"close code {closed.code}") from closed
    except _AWAY as error:
        raise Disconnected(type(error).__name__) from error
    finally:
        leaving.cancel()
        if not until.is_set():
            await client.close()
            connection.cancel()
        with suppress(asyncio.CancelledError):
            await leaving


async def register(client: discord.Client, commands: list[Json]) -> None:
    """Make these the commands of the application. Raises Trouble."""
    assert client.application_id is not None
    with _translated():
        await client.http.bulk_upsert_global_commands(client.application_id, commands)


def _new(kind: type[discord.Client], handlers: Handlers, silence: float, **options: Any) -> discord.Client:
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # we do not speak
    client = kind(
        intents=discord.Intents(guilds=True),
        allowed_mentions=discord.AllowedMentions.none(),
        member_cache_flags=discord.MemberCacheFlags.none(),
        chunk_guilds_at_startup=False,
        max_messages=None,
        max_ratelimit_timeout=30.0,
        heartbeat_timeout=silence,
        **options,
    )

    @client.event
    async def on_connect() -> None:
        handlers.connected(str(client.user), client.shard_count or 1)

    @client.event
    async def on_interaction(interaction: discord.Interaction) -> None:
        try:
            event = _event(interaction)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            handlers.unreadable(str(interaction.id))
            return
        await handlers.event(event)

    return client


class ClientRest:
    """Requests through the library's limiter. Answers to interactions do not count towards a bot's global limit: they
    have a client of their own, so that they never wait for what does."""

    def __init__(self) -> None:
        self._counted: discord.Client | None = None
        self._exempt: discord.Client | None = None
        self._lanes: deque[int] = deque(range(_LANES))

    def use(self, counted: discord.Client | None, exempt: discord.Client | None) -> None:
        """Send by these clients from now on."""
        self._counted, self._exempt = counted, exempt

    @property
    def application(self) -> str:
        """The id of our application. Raises Trouble while nobody is logged in."""
        return str(_connected(self._exempt).application_id)

    @property
    def user(self) -> str:
        """The id of the user that we are. Raises Trouble while nobody is logged in."""
        user = _connected(self._counted).user
        return str(user.id) if user else ""

    async def callback(self, id: str, token: str, body: Json, uploads: Sequence[Upload] = ()) -> None:
        """The first answer of an interaction. Raises Trouble. The library keeps a bucket for each webhook for five
        minutes and looks through all of them for each new one; lanes keep their number small."""
        lane = self._lanes.popleft() if self._lanes else 0
        try:
            names = {"interaction_id": id, "interaction_token": token, "webhook_id": str(lane)}
            route = Route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", **names)
            await _request(_connected(self._exempt), route, body, uploads, {})
        finally:
            if lane:
                self._lanes.append(lane)

    async def request(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        *,
        body: Json | None = None,
        uploads: Sequence[Upload] = (),
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """Any other request; `names` fill the path. Raises Trouble."""
        client = _connected(self._exempt if path.startswith("/webhooks/") else self._counted)
        return await _request(client, Route(method, path, **names), body, uploads, params or {})

    async def fetch(self, url: str) -> bytes:
        """What Discord keeps at an address of its own. Raises Trouble."""
        client = _connected(self._exempt)
        with _translated():
            return await client.http.get_from_cdn(url)


def _connected(client: discord.Client | None) -> discord.Client:
    if client is None or client.is_closed() or client.application_id is None:
        raise Trouble(Why.AWAY, retry_after=_RECONNECT_SECONDS)
    return client


async def _request(
    client: discord.Client, route: Route, body: Json | None, uploads: Sequence[Upload], params: Mapping[str, str]
) -> Any:
    more: dict[str, Any] = {"params": params} if params else {}
    with _translated(), _gate_left_open(client):
        if body is None:
            return await client.http.request(route, **more)
        if not uploads:
            return await client.http.request(route, json=body, **more)
        files = [
            discord.File(io.BytesIO(upload.content), filename=upload.name, description=upload.alt, spoiler=False)
            for upload in uploads
        ]
        form: list[dict[str, Any]] = [{"name": "payload_json", "value": json.dumps(body)}]
        for number, file in enumerate(files):
            about = {"filename": file.filename, "content_type": "application/octet-stream"}
            form.append({"name": f"files[{number}]", "value": file.fp, **about})
        return await client.http.request(route, files=files, form=form, **more)


def _event(interaction: discord.Interaction) -> parse.Event:
    message = interaction.message
    return parse.event(
        id=interaction.id,
        token=interaction.token,
        kind=interaction.type.value,
        guild=interaction.guild_id,
        channel=interaction.channel_id,
        user=interaction.user.id,
        name=interaction.user.display_name,
        permissions=interaction.permissions.value,
        app_permissions=interaction.app_permissions.value,
        installed=interaction.is_guild_integration(),
        data=interaction.data or {},
        message=message.id if message else None,
        message_flags=message.flags.value if message else 0,
    )


@contextmanager
def _gate_left_open(client: discord.Client) -> Iterator[None]:
    """The library holds back all requests while one of them waits out a global limit. Were that one cancelled, they
    would wait for ever."""
    try:
        yield
    except asyncio.CancelledError:
        client.http._global_over.set()
        raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except discord.HTTPException as error:
        raise Trouble(_why(error), error.code) from error
    except discord.RateLimited as error:
        raise Trouble(Why.AWAY, retry_after=error.retry_after) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Trouble(Why.AWAY) from error


def _why(error: discord.HTTPException) -> Why:
    if error.code in _WHY:
        return _WHY[error.code]
    if error.status == 429 or error.status >= 500:
        return Why.AWAY
    if error.status in (401, 404):
        return Why.LATE
    return Why.FORBIDDEN if error.status == 403 else Why.REFUSED
