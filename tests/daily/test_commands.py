"""Everything that is offered is answered, by one use case each."""

from __future__ import annotations

from dataclasses import fields

import pytest
from redis.asyncio import Redis

from bot.app.answers import Answers, typed
from bot.app.cards import notice
from bot.app.commands import COMMANDS, Commands
from bot.core.actions import VERBS
from bot.core.errors import StaleButton
from bot.core.ids import Caller, Tenant
from bot.core.views import View
from tests.daily.building import Town


class Greeting:
    """A use case that greets."""

    def answers(self) -> Answers:
        async def greet(caller: Caller, _: str) -> View:
            return notice(f"Hello {caller.name}")

        return Answers({"greet": typed(greet)})


async def test_every_command_and_every_button_has_a_use_case(redis: Redis, tenant: Tenant) -> None:
    commands = Town(redis, tenant, demo=True).commands
    caller = Town(redis, tenant).caller("Ada")

    for name in (*COMMANDS, "next"):
        commands.say(caller, f"/{name}")
    for kind in VERBS.values():
        commands.act(caller, kind(*("1" for _ in fields(kind))), {})  # type: ignore[arg-type]


async def test_a_surface_without_a_use_case_calls_its_buttons_stale(redis: Redis, tenant: Tenant) -> None:
    caller = Town(redis, tenant).caller("Ada")

    for kind in VERBS.values():
        with pytest.raises(StaleButton):
            Commands(Greeting()).act(caller, kind(*("1" for _ in fields(kind))), {})  # type: ignore[arg-type]


def test_no_two_use_cases_answer_the_same() -> None:
    with pytest.raises(ValueError, match="greet"):
        Commands(Greeting(), Greeting())
