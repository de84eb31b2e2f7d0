"""What the bot says of its own accord in the room."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from bot.adapters.web.chat import RoomChat
from bot.adapters.web.client import create_app
from bot.adapters.web.room import Kind, Room
from bot.core.demo import DEMO_CHANNEL, DEMO_TENANT
from bot.core.ids import UserId
from bot.ports import Chat
from tests.adapters.web.fakes import FakeDesk, FakeLog, notice, question
from tests.adapters.web.visiting import Feed, Page

WHERE = (DEMO_TENANT, DEMO_CHANNEL)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def a_chat(room: Room) -> RoomChat:
    return RoomChat(FakeDesk(), room, lambda file: file.name, lambda: 1000.0)


def bodies(room: Room) -> list[Any]:
    return [each.body for each in room.since(0, UserId("anyone"))]


async def test_a_post_is_for_everyone_and_is_not_said_twice() -> None:
    room = Room("s")
    chat = a_chat(room)
    first = await chat.post(*WHERE, question(), "k")

    assert await chat.post(*WHERE, question(), "k") == first
    assert await chat.find(*WHERE, "k", LONG_AGO) == [first]
    assert await chat.find(*WHERE, "other", LONG_AGO) == []
    assert await chat.find(*WHERE, "k", datetime.now(UTC)) == []
    (body,) = bodies(room)
    assert [button["label"] for button in body["buttons"]] == ["A", "B", "C", "D"]


async def test_a_reply_stands_below_its_message_and_is_found_there_alone() -> None:
    room = Room("s")
    chat = a_chat(room)
    root = await chat.post(*WHERE, question(), "k")
    reply = await chat.reply(*WHERE, root, notice("How it went"), "k-digest")

    assert [each.thread for each in room.since(0, UserId("anyone"))] == ["", root]
    assert await chat.find(*WHERE, "k-digest", LONG_AGO, thread=root) == [reply]
    assert await chat.find(*WHERE, "k-digest", LONG_AGO) == []


async def test_an_edit_keeps_place_and_time_and_brings_back_what_an_earlier_server_had() -> None:
    room = Room("s")
    chat = a_chat(room)
    id = await chat.post(*WHERE, question(), "k")
    await chat.edit(*WHERE, id, notice("closed"), "k")
    await chat.edit(*WHERE, "old-7", notice("again"), "k")

    assert [body["fallback"] for body in bodies(room)] == ["closed", "again"]
    assert {each.at for each in room.since(0, UserId("anyone"))} == {1000.0}


async def test_what_is_deleted_is_found_no_more_and_the_page_hears_of_it() -> None:
    room = Room("s")
    chat = a_chat(room)
    id = await chat.post(*WHERE, question(), "k")
    await chat.delete(*WHERE, id)
    await chat.delete(*WHERE, "unknown")

    assert await chat.find(*WHERE, "k", LONG_AGO) == []
    assert [each.kind for each in room.since(0, UserId("anyone"))] == [Kind.GONE]


async def test_the_page_owns_what_posts_and_every_player_sees_it() -> None:
    ended = asyncio.Event()

    async def posting(chat: Chat) -> None:
        try:
            root = await chat.post(*WHERE, question(), "k")
            await chat.reply(*WHERE, root, notice("How it went"), "k-digest")
            await asyncio.Event().wait()
        finally:
            ended.set()

    desk = FakeDesk()
    app = create_app(desk, host="127.0.0.1", log=FakeLog(), heartbeat=0.1, now=lambda: 5000.0, posting=posting)
    async with TestClient(TestServer(app)) as client:
        assert re.search("Next day", await (await client.get("/")).text())
        async with Feed(client, "Ada") as ada, Feed(client, "Bo") as bo:
            for feed in (ada, bo):
                root = await feed.message("", "question 1 of 10")
                reply = await feed.message("", "How it went")
                assert (reply["thread"], feed.hello["at"]) == (root["id"], 5000.0)
                assert not root["private"]
    assert ended.is_set()


async def test_players_of_the_demo_are_its_admins(page: Page, desk: FakeDesk) -> None:
    async with Feed(page.client, "Ada") as feed:
        await feed.message(await page.say("Ada", "/quiz"), "Quizzes")

    assert desk.callers[0].is_admin
