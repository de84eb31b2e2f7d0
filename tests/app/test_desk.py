"""The desk never raises: every failure is one kind sentence, and ours are logged with the number we tell."""

from __future__ import annotations

import re

from bot.core.errors import Unavailable
from bot.core.ids import Caller
from bot.core.scoring import BoardPage
from bot.store.memory import MemoryScores
from tests.app.building import House, Person, words


class AwayScores(MemoryScores):
    """Scores whose store does not answer."""

    async def board(self, caller: Caller, scope: str, label: str, size: int) -> BoardPage:
        raise Unavailable("gone")


class BrokenScores(MemoryScores):
    """Scores with a mistake in them."""

    async def board(self, caller: Caller, scope: str, label: str, size: int) -> BoardPage:
        raise ZeroDivisionError("a secret detail")


async def test_a_store_that_is_away_is_answered_with_try_again() -> None:
    house = House(scores=AwayScores())

    assert "Please try again." in words(await Person(house).say("/leaderboard"))
    assert [event for event, _ in house.log.events] == ["store.unavailable"]


async def test_a_mistake_of_ours_is_logged_under_the_number_that_the_person_gets() -> None:
    house = House(scores=BrokenScores())

    answer = words(await Person(house).say("/leaderboard"))

    ((event, fields),) = house.log.events
    assert event == "desk.failed"
    assert re.search(r"error ([0-9a-f]{8})", answer)[1] == fields["ticket"]  # type: ignore[index]
    assert "secret" not in answer


async def test_help_names_every_command() -> None:
    shown = words(await Person(House()).say("/help"))

    assert [f"/{name}" in shown for name in ("quiz", "leaderboard", "run", "help")] == [True] * 4
