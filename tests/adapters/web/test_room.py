"""The room keeps what was said, for those who may see it, and not for ever."""

from __future__ import annotations

import asyncio

from bot.adapters.web.attachments import Attachments
from bot.adapters.web.room import Kind, Message, Room
from bot.core.ids import UserId
from bot.core.runs import RunFile

ADA, BO = UserId("ada"), UserId("bo")


def message(id: str, text: str = "hello", to: UserId | None = None, *, final: bool = True) -> Message:
    return Message(id, "Ada", Kind.TEXT, text, to=to, final=final)


def seen(room: Room, user: UserId, since: int = 0) -> list[object]:
    return [each.body for each in room.since(since, user)]


def test_a_private_message_reaches_its_player_alone() -> None:
    room = Room("s")
    room.put(message("1", "for all"))
    room.put(message("2", "for Ada", to=ADA))

    assert seen(room, ADA) == ["for all", "for Ada"]
    assert seen(room, BO) == ["for all"]


def test_a_replaced_message_keeps_its_place_and_is_news_again() -> None:
    room = Room("s")
    room.put(message("1", "first"))
    room.put(message("2", "second"))
    before = room.changes
    room.put(message("1", "first, edited"))

    (news,) = room.since(before, ADA)
    second = room.get("2")
    assert news.body == "first, edited"
    assert second is not None
    assert news.position < second.position


def test_progress_never_replaces_a_result() -> None:
    room = Room("s")
    room.put(message("1", "running", final=False))
    room.put(message("1", "done"))
    room.put(message("1", "running", final=False))

    assert seen(room, ADA) == ["done"]


def test_the_oldest_messages_go_first() -> None:
    room = Room("s", limit=3)
    for number in range(5):
        room.put(message(str(number), str(number)))
    room.put(message("2", "2 again"))

    assert seen(room, ADA) == ["3", "4", "2 again"]


def test_a_first_look_opens_no_dialog() -> None:
    room = Room("s")
    room.put(Message("1", "Torchquiz", Kind.FORM, {}, to=ADA))

    assert room.since(0, ADA, forms=False) == []
    assert len(room.since(0, ADA)) == 1


def test_ids_of_two_starts_differ() -> None:
    assert Room("a").next_id() != Room("b").next_id()


async def test_waiting_ends_with_the_next_change_or_the_deadline() -> None:
    room = Room("s")
    waiting = asyncio.create_task(room.wait(room.changes, 5))
    await asyncio.sleep(0)
    room.put(message("1"))

    assert await waiting is True
    assert await room.wait(room.changes, 0.01) is False


async def test_closing_ends_every_wait() -> None:
    room = Room("s")
    waiting = asyncio.create_task(room.wait(0, 5))
    await asyncio.sleep(0)
    room.close()

    assert await waiting is True
    assert room.closed


def test_the_same_file_has_the_same_address_that_nobody_can_guess() -> None:
    attachments, others = Attachments(), Attachments()
    file = RunFile("loss.png", b"bytes")

    assert attachments.link(file) == attachments.link(file)
    assert attachments.link(file) != others.link(file)
    assert attachments.link(file) != attachments.link(RunFile("other.png", b"bytes"))


def test_files_are_kept_up_to_a_weight_and_the_oldest_go_first() -> None:
    attachments = Attachments(max_bytes=10)
    old, new = (attachments.link(RunFile(name, b"123456")).rpartition("/")[2] for name in ("old", "new"))

    assert attachments.get(old) is None
    assert attachments.get(new) is not None
