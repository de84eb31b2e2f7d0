"""Boards: who leads, where I am, and how to ask for another one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.ids import ChannelId
from bot.core.scoring import RULE
from tests.app.building import House, Person, labels, right_letter, words, wrong_letter


@pytest.fixture
def house() -> House:
    return House()


async def earn(person: Person, points: int) -> None:
    card = await person.say("/quiz 11")
    for _ in range(points):
        card = await person.press(await person.press(card, right_letter(card)), "Next question")
    if not points:
        await person.press(card, wrong_letter(card))


async def test_an_empty_board_says_how_to_get_on_it(house: House) -> None:
    assert "Nobody is here yet." in words(await Person(house).say("/leaderboard"))


async def test_equal_points_share_a_rank(house: House) -> None:
    for name, points in (("Ada", 3), ("Bob", 2), ("Cleo", 2), ("Dan", 1)):
        await earn(Person(house, name), points)

    board = words(await Person(house, "Dan").say("/leaderboard"))

    assert "1. Ada 3\n" in board
    assert "2. Bob 2\n" in board
    assert "2. Cleo 2\n" in board
    assert "4. Dan 1 me" in board


async def test_whoever_has_answered_is_on_the_board_even_without_a_point(house: House) -> None:
    await earn(Person(house), 0)

    assert "1. Ada 0 me" in words(await Person(house).say("/leaderboard"))


async def test_my_own_row_is_there_although_others_fill_the_top(house: House) -> None:
    for number in range(12):
        await earn(Person(house, f"P{number:02}"), 2)
    await earn(Person(house), 1)

    board = words(await Person(house).say("/leaderboard"))

    assert "13. Ada 1 me" in board
    assert "You are number 13 of 13." in board


async def test_someone_who_has_not_played_is_told_how_to_join(house: House) -> None:
    await earn(Person(house), 1)

    assert "You are not on this board yet" in words(await Person(house, "Bob").say("/leaderboard"))


async def test_a_channel_has_its_own_board_and_the_workspace_counts_all(house: House) -> None:
    await earn(Person(house), 1)
    elsewhere = Person(house, "Bob", channel=ChannelId("random"))
    await earn(elsewhere, 2)

    assert "Ada" not in words(await elsewhere.say("/leaderboard"))
    assert "2. Ada 1" in words(await elsewhere.say("/leaderboard workspace"))


async def test_a_new_day_empties_the_board_of_the_day_only(house: House) -> None:
    ada = Person(house)
    await earn(ada, 2)
    house.clock.at += timedelta(days=1)

    assert "Nobody is here yet." in words(await ada.say("/leaderboard day"))
    assert "1. Ada 2 me" in words(await ada.say("/leaderboard"))


async def test_words_of_a_board_come_in_any_order_and_buttons_lead_to_the_others(house: House) -> None:
    await earn(Person(house), 1)

    board = await Person(house).say("/leaderboard workspace week")

    assert words(board).startswith("Leaderboard · this week · the whole workspace")
    assert labels(board) == ["Day", "Week", "Month", "Season", "All", "This channel", "Channels as teams"]
    assert words(await Person(house).press(board, "This channel")).startswith("Leaderboard · this week · this channel")


async def test_an_unknown_word_is_answered_with_the_known_ones(house: House) -> None:
    assert words(await Person(house).say("/leaderboard yaer")).startswith(
        "I don't know yaer here. Use day, week, month, season, all"
    )


async def test_the_rule_stands_under_every_board(house: House) -> None:
    assert words(await Person(house).say("/leaderboard")).endswith(RULE)


async def test_a_hostile_name_is_shown_without_its_tricks(house: House) -> None:
    await earn(Person(house, "\u202e@everyone\n\u200b<!channel>"), 1)

    assert "1. @everyone <!channel> 1" in words(await Person(house, "Bob").say("/leaderboard"))
