"""Channels are compared by what each person in them earned, never by how many they are."""

from __future__ import annotations

import pytest

from bot.core.ids import ChannelId
from bot.core.scoring import Team, ranked_teams
from bot.core.views import Board, Reply, View
from tests.app.building import House, Person, labels, right_letter, words, wrong_letter


def team(channel: str, points: int, people: int) -> Team:
    return Team(ChannelId(channel), points, people)


def test_teams_rank_by_their_mean_and_share_a_rank() -> None:
    ranking = ranked_teams([team("big", 30, 10), team("a", 12, 3), team("b", 16, 4), team("small", 3, 3)])

    assert [(rank, each.channel) for rank, each in ranking] == [(1, "a"), (1, "b"), (3, "big"), (4, "small")]


def test_fewer_than_three_people_are_no_team() -> None:
    assert ranked_teams([team("two", 100, 2)]) == []


async def play(house: House, channel: str, name: str, *, right: bool = True) -> None:
    person = Person(house, name, channel=ChannelId(channel))
    card = await person.say("/quiz 11")
    await person.press(card, right_letter(card) if right else wrong_letter(card))


def rows(reply: Reply) -> list[str]:
    assert isinstance(reply, View)
    return [
        f"{row.rank} {row.name} {row.points} {row.detail}{' me' if row.me else ''}"
        for block in reply.blocks
        if isinstance(block, Board)
        for row in block.rows
    ]


async def test_the_team_board_tells_the_mean_of_each_channel_and_marks_ones_own() -> None:
    house = House()
    for name in ("Ada", "Bob", "Cleo"):
        await play(house, "small", name)
    for number in range(6):
        await play(house, "large", f"P{number}", right=number < 3)
    await play(house, "lonely", "Zoe")

    shown = await Person(house, "Ada", channel=ChannelId("small")).say("/leaderboard teams week")
    assert rows(shown) == ["1 #small 1.0 3 people me", "2 #large 0.5 6 people"]
    assert labels(shown) == ["Day", "Week", "Month", "Season", "All", "This channel", "The whole workspace"]


async def test_a_channel_that_is_no_team_yet_is_told_what_makes_one() -> None:
    house = House()
    for name in ("Ada", "Bob"):
        await play(house, "small", name)

    small = words(await Person(house, "Ada", channel=ChannelId("small")).say("/leaderboard teams"))
    none = words(await Person(house, "Zoe", channel=ChannelId("none")).say("/leaderboard teams"))
    assert "This channel is no team yet: 1 more person must answer" in small
    assert "3 more people must answer" in none


@pytest.mark.parametrize("line", ["transformers", "topic:transformers", "topic transformers day", "all transformers"])
async def test_a_topic_has_its_own_boards(line: str) -> None:
    house = House()
    await play(house, "c", "Ada")
    await play(house, "c", "Bob", right=False)

    shown = words(await Person(house, "Ada", channel=ChannelId("elsewhere")).say(f"/leaderboard {line}"))
    assert "Transformers" in shown.splitlines()[0]
    assert "1. Ada 1 me\n2. Bob 0" in shown
    other = words(await Person(house, "Ada").say("/leaderboard autograd"))
    assert "Nobody is here yet" in other


async def test_a_period_is_pressed_within_a_topic_and_a_place_leads_out_of_it() -> None:
    house = House()
    await play(house, "general", "Ada")
    ada = Person(house)
    shown = await ada.press(await ada.say("/leaderboard transformers"), "Week")

    assert words(shown).startswith("Leaderboard · this week · Transformers")
    assert words(await ada.press(shown, "Channels as teams")).startswith("Leaderboard · this week · channels as teams")


async def test_a_word_that_is_no_board_is_answered_with_what_is() -> None:
    shown = words(await Person(House()).say("/leaderboard yesterday"))

    assert "day, week, month, season, all, channel, workspace, teams or a topic" in shown.replace("`", "")


async def test_more_than_sixty_answers_a_minute_earn_nothing_until_the_next() -> None:
    house = House()
    ada = Person(house)
    last = ""
    for quiz in range(1, 8):
        for _ in range(10):
            card = await ada.say(f"/quiz {quiz}")
            last = words(await ada.press(card, wrong_letter(card) if quiz < 7 else right_letter(card)))
        if quiz == 6:
            assert "no points until the next" not in last

    assert last.startswith("Right.\n")
    assert "more than 60 answers in a minute: no points until the next" in last
