"""Messages of our own accord: said once, found again, taken away, and every refusal in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.adapters.discord.channels import RestChannels
from bot.adapters.discord.chat import DiscordChat
from bot.adapters.discord.pace import POST_BURST, POSTS_PER_SECOND
from bot.core.actions import DailyAnswer
from bot.core.ids import ChannelId, OptionId, Tenant, UserId
from bot.core.runs import RunFile
from bot.core.schedule import PostId
from bot.core.views import Button, Files, Heading, View
from bot.ports import Chat, Lost, Refused, SlowDown
from tests.adapters.discord.fake_discord import (
    ALL_PERMISSIONS,
    ATTACH,
    CHANNEL,
    CREATE_THREADS,
    GUILD,
    HISTORY,
    SEND,
    SEND_IN_THREADS,
    VIEW,
    FakeDiscord,
    Fault,
    Message,
    Someone,
    discord,
)
from tests.adapters.discord.living import MemoryRate, Parts, running
from tests.adapters.views import PNG

TENANT, HERE = Tenant(f"d{GUILD}"), ChannelId(CHANNEL)
KEY = f"{CHANNEL}-20261122-1"


def a_view(words: str = "What is 1 + 1?") -> View:
    return View((Heading(words),), words, (Button("A", DailyAnswer(PostId(KEY), OptionId("a"))),), private=False)


@dataclass
class Channel:
    """A channel in which the bot posts."""

    fake: FakeDiscord
    chat: Chat

    async def post(self, key: str = KEY, view: View | None = None) -> str:
        return await self.chat.post(TENANT, HERE, view or a_view(), key)

    async def reply(self, message: str, key: str = f"{KEY}-digest") -> str:
        return await self.chat.reply(TENANT, HERE, message, a_view("How it went: 1 of 2 right"), key)

    async def edit(self, message: str, words: str = "It is A") -> None:
        await self.chat.edit(TENANT, HERE, message, a_view(words), KEY)

    async def find(self, key: str = KEY, thread: str = "", *, ago: float = 300.0) -> list[str]:
        since = datetime.fromtimestamp(self.fake.now() - ago, UTC)
        return list(await self.chat.find(TENANT, HERE, key, since, thread))

    async def delete(self, message: str) -> None:
        await self.chat.delete(TENANT, HERE, message)

    def standing(self) -> list[Message]:
        return [each for each in self.fake.messages.values() if not each.deleted and each.author["bot"]]


@asynccontextmanager
async def a_channel(parts: Parts | None = None, **options: Any) -> AsyncIterator[Channel]:
    async with discord(**options) as fake:
        given: asyncio.Future[Chat] = asyncio.get_running_loop().create_future()

        async def posting(chat: Chat) -> None:
            given.set_result(chat)
            await asyncio.Event().wait()

        async with running(fake, parts, posting=posting):
            yield Channel(fake, await given)


async def test_a_posted_question_can_be_answered_by_anyone() -> None:
    async with a_channel() as channel:
        id = await channel.post()

        answer = await Someone(channel.fake).press(channel.fake.messages[id], "A")
        assert "not yours" not in answer.message.text  # its seal holds; these tests have no question of the day
        assert channel.fake.messages[id].body["allowed_mentions"] == {"parse": []}


async def test_a_key_is_not_said_twice() -> None:
    async with a_channel() as channel:
        assert await channel.post() == await channel.post()
        assert await channel.post("another") not in await channel.find()
        assert len(channel.standing()) == 2


async def test_a_message_is_found_by_its_key_among_hundreds_even_after_an_edit() -> None:
    async with a_channel() as channel:
        channel.fake.chatter(CHANNEL, 130)
        first = await channel.post()
        await channel.post("another")
        await channel.edit(first)
        channel.fake.chatter(CHANNEL, 130)
        channel.fake.skip(130)  # Discord has forgotten the nonce
        second = await channel.post()

        assert await channel.find() == [first, second]
        assert await channel.find(ago=60) == [second]
        assert await channel.find("unsaid") == []


async def test_what_others_write_is_never_taken_for_ours() -> None:
    async with a_channel() as channel:
        mine = await channel.post()
        channel.fake.chatter(CHANNEL, 1)
        copied = list(channel.fake.messages.values())[-1]
        copied.versions = channel.fake.messages[mine].versions

        assert await channel.find() == [mine]


async def test_a_reply_stands_in_the_thread_of_its_message() -> None:
    async with a_channel() as channel:
        question = await channel.post()
        digest = await channel.reply(question)

        assert digest.startswith(f"{question}/")
        (shown,) = [each for each in channel.standing() if each.channel == question]
        assert "How it went" in shown.text
        assert channel.fake.threads[question] == (CHANNEL, "How it went: 1 of 2 right")


async def test_a_thread_that_is_there_already_is_used() -> None:
    async with a_channel() as channel:
        question = await channel.post()
        first = await channel.reply(question)
        again = await channel.reply(question)
        other = await channel.reply(question, "other")

        assert first == again != other
        assert len(channel.fake.threads) == 1


@pytest.mark.parametrize("lacking", [CREATE_THREADS, SEND_IN_THREADS])
async def test_without_threads_the_reply_stands_below_its_message(lacking: int) -> None:
    async with a_channel() as channel:
        question = await channel.post()
        channel.fake.permissions[CHANNEL] &= ~lacking
        digest = await channel.reply(question)

        assert channel.fake.messages[digest].reply_to == question
        assert await channel.find(f"{KEY}-digest", question) == [digest]
        assert await channel.find() == [question]


async def test_a_reply_is_found_in_its_thread_and_taken_away_there() -> None:
    async with a_channel() as channel:
        question = await channel.post()
        assert await channel.find(f"{KEY}-digest", question) == []
        digest = await channel.reply(question)
        assert await channel.find(f"{KEY}-digest", question) == [digest]

        await channel.delete(digest)
        await channel.delete(digest)
        assert await channel.find(f"{KEY}-digest", question) == []
        assert await channel.find(f"{KEY}-digest") == []


async def test_one_person_is_told_alone_and_once_and_can_find_the_channel() -> None:
    async with a_channel() as channel:
        ada = Someone(channel.fake)
        view = View((Heading("It is paused"),), "It is paused")
        for _ in range(2):
            await channel.chat.tell(TENANT, UserId(ada.id), HERE, view)
        (told,) = channel.standing()

        assert told.to == ada.id
        assert told.text == f"-# About <#{CHANNEL}>\n### It is paused"
        channel.fake.closed_dms.add(ada.id)
        with pytest.raises(Refused, match="takes no messages"):
            await channel.chat.tell(TENANT, UserId(ada.id), HERE, a_view())


async def test_what_is_gone_needs_neither_edit_nor_deletion() -> None:
    async with a_channel() as channel:
        question = await channel.post()
        channel.fake.messages[question].deleted = True
        await channel.edit(question)
        await channel.delete(question)

        with pytest.raises(Refused, match="deleted"):
            await channel.reply(question)


async def test_a_message_is_edited_at_most_once_a_second() -> None:
    async with a_channel() as channel:
        question = await channel.post()
        await asyncio.gather(*(channel.edit(question, f"{number} answered") for number in range(3)))

        edits = [at for at, route, _ in channel.fake.requests if route == "change"]
        assert len(edits) == 3
        assert edits[-1] - edits[0] > 1.5  # on the wire each may be a little late


async def test_files_that_are_forbidden_are_left_out_and_named() -> None:
    async with a_channel() as channel:
        channel.fake.permissions[CHANNEL] &= ~ATTACH
        view = replace(a_view(), blocks=(Heading("Look"), Files((RunFile("a.png", PNG, "falling"),))))
        id = await channel.post(view=view)

        assert "I lack the permission Attach Files" in channel.fake.messages[id].text
        assert await channel.find() == [id]


# --- refusals and faults


@pytest.mark.parametrize(("allowed", "named"), [(0, "View Channel and Send Messages"), (VIEW, "Send Messages")])
async def test_a_missing_permission_is_named_with_who_can_grant_it(allowed: int, named: str) -> None:
    async with a_channel() as channel:
        channel.fake.permissions[CHANNEL] = allowed

        with pytest.raises(Refused) as refused:
            await channel.post()
        assert str(refused.value) == (
            f"I lack the permission {named} in this channel. "
            "Whoever may manage its permissions can grant it: Edit Channel, Permissions, Torchquiz."
        )


async def test_a_deleted_channel_is_a_refusal() -> None:
    async with a_channel() as channel:
        channel.fake.gone.add(CHANNEL)

        for attempt in (channel.post(), channel.find()):
            with pytest.raises(Refused, match="has been deleted"):
                await attempt


async def test_a_history_that_may_not_be_read_shows_nothing() -> None:
    async with a_channel() as channel:
        await channel.post()
        channel.fake.permissions[CHANNEL] = ALL_PERMISSIONS & ~HISTORY

        assert await channel.find() == []


Act = Callable[[Channel, str], Awaitable[object]]
ACTS: Mapping[str, Act] = {
    "post": lambda channel, _: channel.post("new"),
    "change": lambda channel, question: channel.edit(question),
    "remove": lambda channel, question: channel.delete(question),
    "thread": lambda channel, question: channel.reply(question),
    "history": lambda channel, _: channel.find(),
}


@pytest.mark.parametrize("fault", [Fault(500), Fault(502), Fault(429, retry_after=0.3)], ids=str)
@pytest.mark.parametrize("route", ACTS)
async def test_a_passing_fault_is_waited_out(route: str, fault: Fault) -> None:
    async with a_channel() as channel:
        question = await channel.post()
        channel.fake.fail(route, replace(fault))

        await ACTS[route](channel, question)
        assert len([1 for _, name, _ in channel.fake.requests if name == route]) >= 2


@pytest.mark.parametrize("fault", [Fault(503), Fault(drop=True), Fault(drop=True, after=True)], ids=str)
@pytest.mark.parametrize("route", ACTS)
async def test_no_answer_is_told_as_such_and_repeating_does_no_harm(route: str, fault: Fault) -> None:
    async with a_channel() as channel:
        question = await channel.post()
        tries = 2 if fault.drop and route in ("remove", "history") else 1  # aiohttp repeats these once by itself
        channel.fake.fail(route, *(replace(fault) for _ in range(tries)))

        with pytest.raises(Lost):
            await ACTS[route](channel, question)
        await ACTS[route](channel, question)
        assert len(channel.standing()) == {"post": 2, "remove": 0, "thread": 2}.get(route, 1)


@pytest.mark.parametrize("route", ACTS)
async def test_a_long_limit_is_handed_on_and_nothing_was_done(route: str) -> None:
    async with a_channel() as channel:
        question = await channel.post()
        channel.fake.fail(route, Fault(429, retry_after=60.0))

        with pytest.raises(SlowDown) as slow:
            await ACTS[route](channel, question)
        assert slow.value.seconds == 60.0
        assert [each.id for each in channel.standing()] == [question]


async def test_a_global_limit_that_nobody_waits_out_holds_nobody_back() -> None:
    async with a_channel() as channel:
        channel.fake.fail("post", Fault(429, retry_after=1.0, everywhere=True))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await channel.post()
        await asyncio.sleep(0.6)  # the limit passes

        async with asyncio.timeout(5):
            await channel.post()


class HalfRate(MemoryRate):
    """Half as fast as asked for: a busy machine that bunches requests still stays below the limit."""

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        return await super().take(bucket, per_second / 2, burst)


async def test_many_channels_at_once_meet_no_limit() -> None:
    async with a_channel(Parts(rate=HalfRate())) as channel:
        channel.fake.bucket = (5, 5.0)
        places = [ChannelId(str(13 * 10**17 + number)) for number in range(60)]

        await asyncio.gather(*(channel.chat.post(TENANT, place, a_view(), f"{place}-1") for place in places))

        assert {each.channel for each in channel.standing()} == set(places)
        posted = sorted(at for at, route, _ in channel.fake.requests if route == "post")
        assert posted[-1] - posted[0] > (60 - POST_BURST) / (POSTS_PER_SECOND / 2) * 0.7


class Queue:
    """A rate with a long line."""

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        return 60.0


async def test_whoever_would_wait_long_for_a_turn_is_asked_to_come_back() -> None:
    async with a_channel() as channel:
        rest: Any = None
        chat = DiscordChat(RestChannels(rest), lambda _: str, Queue())

        with pytest.raises(SlowDown) as slow:
            await chat.delete(TENANT, HERE, "1")
        assert slow.value.seconds == 60.0
        assert channel.standing() == []


async def test_while_nobody_is_connected_nothing_is_lost() -> None:
    async with discord() as fake:
        chats: list[Chat] = []

        async def posting(chat: Chat) -> None:
            chats.append(chat)
            await asyncio.Event().wait()

        async with running(fake, posting=posting):
            await fake.until(lambda: chats)
        with pytest.raises(SlowDown):
            await chats[0].post(TENANT, HERE, a_view(), KEY)


async def test_posting_that_breaks_is_begun_again() -> None:
    async with discord() as fake:
        begun: list[Chat] = []

        async def posting(chat: Chat) -> None:
            begun.append(chat)
            if len(begun) == 1:
                raise ZeroDivisionError
            fake.change()
            await asyncio.Event().wait()

        async with running(fake, posting=posting) as bot:
            await fake.until(lambda: len(begun) == 2, timedelta(seconds=30).total_seconds())
            assert len(bot.logged("discord.posting_failed")) == 1
            assert (await Someone(fake).command("help")).kind == 4


async def test_only_sending_needs_the_permission_to_send() -> None:
    async with a_channel() as channel:
        question = await channel.post()
        channel.fake.permissions[CHANNEL] &= ~SEND

        await channel.edit(question)
        assert await channel.find() == [question]
        await channel.delete(question)
