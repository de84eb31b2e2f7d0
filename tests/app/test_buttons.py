"""Buttons that are forged, foreign, stale or replayed are answered kindly, and do nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.actions import ShowBoard
from bot.core.ids import Tenant
from bot.core.views import View
from tests.app.building import House, Person, right_letter, words


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize(
    "wire", ["", "x", "r1", "r1.a.quiz-11-q01.a.1.pzzzz.AAAAAAAAAAAA", "../../etc", "\ud800", "r1" * 300]
)
async def test_a_forged_button_is_refused(house: House, wire: str) -> None:
    answer = await Person(house).click(wire)

    assert words(answer) == "That button is not yours to press. Type the command to get your own."
    assert isinstance(answer, View)
    assert answer.private


async def test_a_button_of_an_older_version_is_stale(house: House) -> None:
    assert "too old" in words(await Person(house).click("r0.a.quiz-11-q01.a"))


async def test_a_private_button_is_refused_for_everyone_else(house: House) -> None:
    ada, bob = Person(house), Person(house, "Bob")
    card = await ada.say("/quiz 11")

    assert "not yours to press" in words(await bob.click(ada.wire(card, "A")))
    assert "question 1 of 10" in words(await ada.say("/quiz 11"))


async def test_a_button_of_another_server_is_refused(house: House) -> None:
    ada, elsewhere = Person(house), Person(house, tenant=Tenant("dother"))
    card = await ada.say("/leaderboard")

    assert "not yours to press" in words(await elsewhere.click(ada.wire(card, "Week")))


async def test_anyone_may_press_what_was_posted_for_all(house: House) -> None:
    ada, bob, elsewhere = Person(house), Person(house, "Bob"), Person(house, tenant=Tenant("dother"))
    wire = house.desk.seal_for_all(ada.tenant)(ShowBoard("week", "channel"))

    for someone in (ada, bob):
        assert "Leaderboard" in words(await someone.click(wire))
    assert "not yours to press" in words(await elsewhere.click(wire))


async def test_a_button_is_stale_after_thirty_days(house: House) -> None:
    ada = Person(house)
    wire = ada.wire(await ada.say("/quiz 11"), "A")
    house.clock.at += timedelta(days=31)

    assert "too old" in words(await ada.click(wire))


async def test_a_replayed_button_counts_once(house: House) -> None:
    ada = Person(house)
    card = await ada.say("/quiz 11")
    wire = ada.wire(card, right_letter(card))

    for _ in range(5):
        await ada.click(wire)

    assert "1. Ada 1 me" in words(await ada.say("/leaderboard"))
