"""The life of the bot on Discord: connect, register the commands, answer, deliver, and end in good order."""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.adapters.discord import client as library
from bot.adapters.discord.channels import RestChannels
from bot.adapters.discord.chat import DiscordChat
from bot.adapters.discord.client import ClientRest, Disconnected, Handlers, Shards, TokenRefused
from bot.adapters.discord.conversation import Conversation, Suggest
from bot.adapters.discord.messages import RestFirst, RestMessages
from bot.adapters.discord.parse import Event
from bot.adapters.discord.platform import Trouble, Why
from bot.adapters.discord.registry import Localise, registered, untranslated
from bot.adapters.discord.render import Json
from bot.adapters.discord.tuning import DEFAULT, Tuning
from bot.app.commands import COMMANDS
from bot.app.desk import Desk
from bot.core.errors import ConfigError, Unavailable
from bot.ports import Chat, Log, Once, Rate
from bot.tasks import stop as stop_tasks

Posting = Callable[[Chat], Coroutine[Any, Any, None]]
"""Posts of our own accord through the chat that it is given, until cancelled."""

INVITE = "https://discord.com/oauth2/authorize"
PERMISSIONS = 1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 35 | 1 << 38
"""View Channel, Send Messages, Embed Links, Attach Files, Read Message History (to find a post again after a crash),
Create Public Threads, Send Messages in Threads."""

_NOT_ACCEPTED = (
    "Discord does not accept DISCORD_TOKEN. Copy the token of your application anew: "
    "discord.com/developers/applications, Bot, Reset Token."
)
_SLOWEST_RECONNECT = 60.0
_POSTING_SECONDS = 5.0
"""Before posting is begun again after it broke."""
_HEALTHY_SECONDS = 60.0
_IDENTIFY_SECONDS = 5.5
"""Discord refuses two starts within 5 seconds (events/gateway)."""


def invite_url(application_id: str, *, one_person: bool = False) -> str:
    """The link that adds the bot to a server with the few permissions it needs; or its commands to one person, who then
    has them everywhere. Raises ConfigError."""
    if not application_id.isascii() or not application_id.isdigit():
        raise ConfigError("The application id is a number: discord.com/developers/applications, General Information.")
    if one_person:
        return f"{INVITE}?client_id={application_id}&scope=applications.commands&integration_type=1"
    return f"{INVITE}?client_id={application_id}&scope=bot+applications.commands&permissions={PERMISSIONS}"


def shard_range(text: str) -> tuple[Sequence[int], int]:
    """The shards of ``0-3/8`` or ``2/8``, and how many there are in all. Raises ConfigError."""
    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?/(\d{1,4})", text.strip())
    first, last, count = (int(match[1]), int(match[2] or match[1]), int(match[3])) if match else (0, -1, 0)
    if not first <= last < count:
        raise ConfigError("DISCORD_SHARDS is the part of this process, such as 0-3/8: the first four of eight shards.")
    return range(first, last + 1), count


async def serve(
    desk: Desk,
    *,
    token: str,
    once: Once,
    rate: Rate,
    log: Log,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    api_base: str | None = None,
    gateway_url: str | None = None,
    shard_ids: Sequence[int] | None = None,
    shard_count: int | None = None,
    suggest: Mapping[str, Suggest] | None = None,
    localise: Localise = untranslated,
    now: Callable[[], float] = time.time,
    tuning: Tuning = DEFAULT,
    posting: Posting | None = None,
) -> None:
    """Answer people on Discord until `stop`; calls `ready` with the bot's name once it is connected. `api_base` and
    `gateway_url` replace Discord's own addresses. With `shard_ids` this process serves those of `shard_count` shards.
    `posting` runs while we are connected, and is given what posts of our own accord.
    Raises ConfigError for a token that Discord does not accept."""
    if shard_ids and not shard_count:
        raise ConfigError("A range of shards needs their number as well: which of how many.")
    async with _talking(desk, once, rate, log, suggest or {}, now, tuning) as (conversation, rest):
        post = (lambda: posting(DiscordChat(RestChannels(rest), desk.seal_for_all, rate))) if posting else None
        session = Session(conversation, rest, token, api_base or library.API, log, tuning.silence, post)
        await session.stay(ready, stop, gateway_url, Shards(shard_ids, shard_count), _commands(suggest, localise))


async def serve_http(
    desk: Desk,
    *,
    token: str,
    public_key: str,
    host: str,
    port: int,
    once: Once,
    rate: Rate,
    log: Log,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    api_base: str | None = None,
    suggest: Mapping[str, Suggest] | None = None,
    localise: Localise = untranslated,
    now: Callable[[], float] = time.time,
    tuning: Tuning = DEFAULT,
    posting: Posting | None = None,
) -> None:
    """The same by HTTP without the gateway, for any number of replicas behind one address, which Discord must be told
    (General Information, Interactions Endpoint URL). `ready` is called with ours. Raises ConfigError, and Unavailable
    while Discord does not answer."""
    from bot.adapters.discord.endpoint import PATH, create_interactions_app  # the only user of `cryptography`

    async with _talking(desk, once, rate, log, suggest or {}, now, tuning) as (conversation, rest):
        app = create_interactions_app(
            lambda event: conversation.handle(event, RestFirst(rest, event.place)),
            public_key=public_key,
            log=log,
            now=now,
        )
        post = (lambda: posting(DiscordChat(RestChannels(rest), desk.seal_for_all, rate))) if posting else None
        session = Session(conversation, rest, token, api_base or library.API, log, tuning.silence, post)
        async with session.requests_only(_commands(suggest, localise)):
            runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
            await runner.setup()
            try:
                await web.TCPSite(runner, host, port).start()
                ready(f"http://{host}:{runner.addresses[0][1]}{PATH}")
                await stop.wait()
            except OSError as error:
                raise ConfigError(f"Port {port} cannot be used: {error.strerror}.") from error
            finally:
                await runner.cleanup()
                await conversation.close()


@dataclass
class Session:
    """Keeps this process connected."""

    conversation: Conversation
    rest: ClientRest
    token: str = field(repr=False)
    api_base: str
    log: Log
    silence: float
    posting: Callable[[], Coroutine[Any, Any, None]] | None = None
    _identified: bool = False

    async def stay(
        self,
        ready: Callable[[str], None],
        stop: asyncio.Event,
        gateway_url: str | None,
        shards: Shards,
        commands: list[Json],
    ) -> None:
        """Connect, and connect anew whenever the library gives up, until asked to stop."""
        announced = False

        def connected(name: str, count: int) -> None:
            nonlocal announced
            self._identified = True
            self.log.info("discord.connected", shards=count)
            if not announced:
                announced = True
                ready(name)

        handlers = self._handlers(connected)
        failures = 0
        while not stop.is_set():
            began, self._identified = time.monotonic(), False
            try:
                client, wait = await library.for_gateway(
                    self.token, handlers, self.api_base, self.silence, gateway_url, shards
                )
                try:
                    if wait:
                        self.log.warning("discord.no_starts_left", seconds=wait)
                        await _pause(wait, stop)
                    async with self._using(client, commands):
                        await library.stay(client, stop)
                finally:
                    await client.close()
            except TokenRefused:
                raise ConfigError(_NOT_ACCEPTED) from None
            except Disconnected as ended:
                self.log.warning("discord.disconnected", why=str(ended))
            except Exception:  # the edge of this connection: whatever broke in the library, the next one may hold
                self.log.exception("discord.connection_failed")
            lasted = time.monotonic() - began
            failures = 0 if lasted > _HEALTHY_SECONDS else failures + 1
            backoff = min(2.0**failures, _SLOWEST_RECONNECT) * random.uniform(0.5, 1.0)  # noqa: S311  spreads replicas
            await _pause(max(backoff, _IDENTIFY_SECONDS - lasted if self._identified else 0.0), stop)

    @asynccontextmanager
    async def requests_only(self, commands: list[Json]) -> AsyncIterator[None]:
        """Requests can be sent within the block. Raises ConfigError, or Unavailable while Discord is away."""
        handlers = self._handlers(lambda *_: None)
        try:
            client = await library.logged_in(self.token, handlers, self.api_base, self.silence)
        except TokenRefused:
            raise ConfigError(_NOT_ACCEPTED) from None
        except Disconnected as error:
            raise Unavailable(f"Discord does not answer: {error}") from error
        try:
            async with self._using(client, commands):
                yield
        finally:
            await client.close()

    @asynccontextmanager
    async def _using(self, client: library.Client, commands: list[Json]) -> AsyncIterator[None]:
        exempt = await library.logged_in(self.token, self._handlers(lambda *_: None), self.api_base, self.silence)
        self.rest.use(client, exempt)
        registering = asyncio.create_task(self._register(client, commands), name="commands")
        posting = asyncio.create_task(self._post(self.posting), name="posting") if self.posting else None
        try:
            yield
        finally:
            await stop_tasks(registering, posting)
            if not client.is_closed():
                await self.conversation.close()  # while there is still a way to answer
            await exempt.close()

    async def _register(self, client: library.Client, commands: list[Json]) -> None:
        """Register the commands; those of the last start stay until it works."""
        for failures in range(8):
            try:
                await library.register(client, commands)
            except Trouble as caught:
                self.log.warning("discord.commands_not_registered", why=caught.why.value, code=caught.code)
                if caught.why is not Why.AWAY:
                    return
            else:
                return
            await asyncio.sleep(2.0**failures)

    async def _post(self, posting: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Post what is due until cancelled, whatever breaks in between."""
        while True:
            try:
                await posting()
            except Exception:  # the edge of this task: whatever broke, the next question is still due
                self.log.exception("discord.posting_failed")
            await asyncio.sleep(_POSTING_SECONDS)

    def _handlers(self, connected: Callable[[str, int], None]) -> Handlers:
        def unreadable(id: str) -> None:
            self.log.exception("discord.unreadable", event_id=id)  # noqa: LOG004  called by the handler

        async def event(event: Event) -> None:
            await self.conversation.handle(event, RestFirst(self.rest, event.place))

        return Handlers(event, connected, unreadable)


@asynccontextmanager
async def _talking(
    desk: Desk,
    once: Once,
    rate: Rate,
    log: Log,
    suggest: Mapping[str, Suggest],
    now: Callable[[], float],
    tuning: Tuning,
) -> AsyncIterator[tuple[Conversation, ClientRest]]:
    """A conversation with its deliveries, and what sends its requests once it is given a client."""
    rest = ClientRest()
    conversation = Conversation(
        desk, RestMessages(rest), RestChannels(rest), once, rate, log, suggest=suggest, now=now, tuning=tuning
    )
    deliveries = asyncio.create_task(conversation.deliver(f"discord-{secrets.token_hex(6)}"), name="deliveries")
    try:
        yield conversation, rest
    finally:
        await stop_tasks(deliveries)
        await conversation.close()
        rest.use(None, None)


def _commands(suggest: Mapping[str, Suggest] | None, localise: Localise) -> list[Json]:
    return registered(COMMANDS, set(suggest or ()), localise)


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
