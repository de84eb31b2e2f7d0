"""`torchquiz status`: whether everything that the product stands on is there, and what to do where it is not.

It changes nothing that is stored, and starts a Redis of our own only where none is given and none runs. It needs no
platform, and ends with status 1 where something is wrong: also for a container's health check.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.bank.lint import counts
from bot.bank.load import FOLDER, examine
from bot.bootstrap import Store, SystemClock, open_store
from bot.cli.slack import is_set_up
from bot.config import Settings
from bot.core.errors import ConfigError, ContentError, Unavailable
from bot.core.ids import Platform
from bot.core.runs import Capability
from bot.core.text import plural
from bot.ports import Clock
from bot.store.connect import address

LATE = timedelta(minutes=5)
"""A question of the day that is due for longer has nobody to post it; Slack and Discord allow ten thousand in less."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    text: str
    fix: str = ""
    """What to do; empty where nothing need be done."""


async def findings(settings: Settings, clock: Clock | None = None) -> list[Finding]:
    """Everything, in the order in which it builds on each other."""
    found = [_bank(settings), _platforms(settings)]
    try:
        async with open_store(settings, lambda _: None) as store:
            found += [each async for each in _stored(settings, store, clock or SystemClock())]
    except ConfigError as error:
        found.append(Finding("store", False, str(error), "Correct the setting."))
    except Unavailable as error:
        found.append(Finding("store", False, str(error), "Start Redis, or leave REDIS_URL out to use our own."))
    return found


def told(found: Iterable[Finding]) -> str:
    """One line for each, and one for what to do."""
    return "".join(
        f"{'ok   ' if each.ok else 'WRONG'} {each.what:<10} {each.text}\n"
        + (f"{'':17}{each.fix}\n" if each.fix else "")
        for each in found
    )


def as_objects(found: Iterable[Finding]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [asdict(each) for each in found]


def _bank(settings: Settings) -> Finding:
    try:
        bank, wrong = examine(settings.content or FOLDER)
    except ContentError as error:
        return Finding("questions", False, str(error), "Correct TORCHQUIZ_CONTENT.")
    of = counts(bank.items.values())
    text = f"{len(bank.items)} items, {of['multiple_choice'] + of['true_false']} of them quiz questions"
    return Finding("questions", not wrong, text, "See what is wrong: torchquiz content check" if wrong else "")


def _platforms(settings: Settings) -> Finding:
    named = [
        name for name, there in (("Discord", bool(settings.discord_token)), ("Slack", is_set_up(settings))) if there
    ]
    if not named:
        return Finding(
            "platforms", True, "none is set up here", "For Discord set DISCORD_TOKEN, for Slack see the README."
        )
    return Finding("platforms", True, f"{' and '.join(named)} set up here; torchquiz bot tries the token")


async def _stored(settings: Settings, store: Store, clock: Clock) -> AsyncIterator[Finding]:
    own = "" if settings.redis_url else ", our own"
    yield Finding("store", True, f"Redis at {address(store.url)}{own}", " ".join(store.warnings))
    yield await _runs(store, Capability.CPU)
    if await store.workers(Capability.GPU):
        yield await _runs(store, Capability.GPU)
    yield await _daily(store, clock.now())


async def _runs(store: Store, on: Capability) -> Finding:
    what = "/run" if on is Capability.CPU else f"/run {on.value}"
    workers = await store.workers(on)
    able = [each for each in workers if not each.problem]
    if able:
        slots, versions = sum(each.slots for each in able), sorted({each.torch_version for each in able})
        text = f"{plural(len(able), 'worker')}, {plural(slots, 'run')} at once, torch {', '.join(versions)}"
        lame = [f"{each.name}: {each.problem} {each.fix}" for each in workers if each.problem]
        return Finding(what, True, text, " ".join(lame))
    if workers:
        return Finding(what, False, f"no worker can run code: {workers[0].problem}", workers[0].fix)
    return Finding(what, False, "no worker", "Start one: torchquiz worker, or torchquiz bot --with-worker.")


async def _daily(store: Store, now: datetime) -> Finding:
    due = await store.schedules().next_at((Platform.DISCORD, Platform.SLACK))
    if not due:
        return Finding("daily", True, "nothing is planned; /setup in a channel plans a question of the day")
    first = min(at for _, at in due)
    if now - first > LATE:
        late = int((now - first).total_seconds() // 60)
        return Finding(
            "daily",
            False,
            f"work is waiting for {plural(late, 'minute')}",
            "Nobody posts it: is torchquiz bot running?",
        )
    return Finding("daily", True, f"next work at {first:%Y-%m-%d %H:%M} UTC")
