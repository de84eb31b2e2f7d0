"""`torchquiz bot`: the product on Discord and Slack, in one process or in many."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
from pydantic import SecretStr

from bot.app.decks import CARDS
from bot.app.desk import Desk
from bot.app.setup import VERBS
from bot.app.study import SHELVES
from bot.bank.load import FOLDER, load
from bot.bootstrap import Store, build_desk, open_store, post_questions
from bot.cli.slack import distribution, is_set_up
from bot.cli.worker_process import queue_with_worker
from bot.config import Settings
from bot.core.bank import Bank
from bot.core.errors import ConfigError
from bot.core.ids import Platform
from bot.core.text import clip
from bot.ports import Chat

MOST_SUGGESTIONS = 25
_NOTHING = (
    "No platform is set up. Set DISCORD_TOKEN for Discord, or SLACK_BOT_TOKEN and SLACK_APP_TOKEN for Slack. "
    "For a look without any token: torchquiz demo"
)

Serving = Coroutine[Any, Any, None]
Posts = Callable[[Chat], Coroutine[Any, Any, None]]


async def run_bot(settings: Settings, say: Callable[[str], None], *, with_worker: bool = False) -> None:
    """Serve every platform whose token is set until Ctrl-C. Raises ConfigError with what to do."""
    if not (settings.discord_token or is_set_up(settings)):
        raise ConfigError(_NOTHING)
    bank = load(settings.content or FOLDER)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings, lambda line: say(f"store    {line}")))
        for warning in store.warnings:
            say(f"store    note: {warning}")
        queue = await stack.enter_async_context(queue_with_worker(store, say)) if with_worker else store.queue
        desk = build_desk(settings, store, structlog.get_logger(), queue, bank)
        gc.collect()
        gc.freeze()  # the bank lives as long as we do: no collection need look at it again
        await _together(list(_platforms(settings, store, desk, bank, stop, say)), stop)
        say("stopped; nothing is lost")


def _platforms(
    settings: Settings, store: Store, desk: Desk, bank: Bank, stop: asyncio.Event, say: Callable[[str], None]
) -> Iterator[Serving]:
    if settings.discord_token:
        yield _discord(settings, settings.discord_token, store, desk, bank, stop, say)
    if is_set_up(settings):
        yield _slack(settings, store, desk, bank, stop, say)


def _posts(store: Store, bank: Bank, platform: Platform) -> Posts:
    """Posts questions of the day through a chat, until cancelled."""
    return lambda chat: post_questions(store, structlog.get_logger(), bank, platform, chat)


async def _together(serving: Sequence[Serving], stop: asyncio.Event) -> None:
    """Run all; when one fails, stop the others and raise what failed."""
    tasks = [asyncio.create_task(each) for each in serving]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, BaseException):
            raise error


async def _discord(
    settings: Settings,
    token: SecretStr,
    store: Store,
    desk: Desk,
    bank: Bank,
    stop: asyncio.Event,
    say: Callable[[str], None],
) -> None:
    _needs("discord", "discord.py")
    from bot.adapters.discord.serving import serve, serve_http, shard_range

    shared: dict[str, Any] = {
        "token": token.get_secret_value(),
        "once": store.once(),
        "rate": store.rate(),
        "log": structlog.get_logger(),
        "ready": lambda name: say(f"discord  ready: {name}"),
        "stop": stop,
        "api_base": settings.discord_api_base,
        "suggest": suggestions(bank),
        "posting": _posts(store, bank, Platform.DISCORD),
    }
    if settings.discord_public_key:
        key, host, port = settings.discord_public_key, settings.host, settings.port
        await serve_http(desk, public_key=key, host=host, port=port, **shared)
    else:
        ids, count = shard_range(settings.discord_shards) if settings.discord_shards else (None, None)
        await serve(desk, gateway_url=settings.discord_gateway_url, shard_ids=ids, shard_count=count, **shared)


async def _slack(
    settings: Settings, store: Store, desk: Desk, bank: Bank, stop: asyncio.Event, say: Callable[[str], None]
) -> None:
    _needs("slack_bolt", "slack-bolt")
    from bot.adapters.slack.client import serve

    await serve(
        desk,
        bot_token=_revealed(settings.slack_bot_token) or "",
        app_token=_revealed(settings.slack_app_token),
        signing_secret=_revealed(settings.slack_signing_secret),
        once=store.once(),
        rate=store.rate(),
        log=structlog.get_logger(),
        api_base=settings.slack_api_base,
        http_port=settings.slack_port,
        stop=stop,
        ready=lambda line: say(f"slack    {line}"),
        posting=_posts(store, bank, Platform.SLACK),
        distribution=await distribution(settings, store),
    )


def suggestions(bank: Bank) -> dict[str, Callable[[str], list[str]]]:
    """What to offer while someone types an argument, by ``command.argument``."""
    quizzes = [clip(f"{quiz.number} · {quiz.title}", 100) for quiz in bank.quizzes.values()]
    topics = [clip(f"{topic.id} · {topic.title}", 100) for topic in bank.topics]
    offers = {"quiz.what": quizzes, "leaderboard.topic": topics, "daily.what": list(VERBS)}
    for name, kinds in {"flashcards": (CARDS,), **{name: shelf.kinds for name, shelf in SHELVES.items()}}.items():
        items = [item for section in bank.sections_of(*kinds) for item in section.items]
        offers[f"{name}.what"] = list(dict.fromkeys(item.topic for item in items))
    return {name: _holding(lines) for name, lines in offers.items()}


def _holding(lines: Sequence[str]) -> Callable[[str], list[str]]:
    return lambda typed: [line for line in lines if typed.strip().lower() in line.lower()][:MOST_SUGGESTIONS]


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _needs(module: str, package: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        extra = module.partition("_")[0]
        raise ConfigError(f"{package} is not installed. Install it with: pip install 'torchquiz[{extra}]'")
