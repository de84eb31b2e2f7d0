"""The question of the day on Discord, from `/setup` to its digest: the real library, a real Redis, a clock by hand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from bot.adapters.discord.serving import serve_http
from bot.app.daily_pool import Pool
from bot.app.posting import Posting
from bot.core.daily import Post
from bot.core.ids import ChannelId, Platform, Tenant
from bot.ports import Chat
from tests.adapters.discord.fake_discord import (
    ADMINISTRATOR,
    CREATE_THREADS,
    MANAGE_SERVER,
    SEND,
    TOKEN,
    VIEW,
    FakeDiscord,
    Fault,
    Interaction,
    Message,
    Someone,
    discord,
)
from tests.adapters.discord.living import Bot, Parts, bot_on_discord, running
from tests.adapters.discord.test_endpoint import PUBLIC
from tests.app.building import BANK
from tests.app.fake_chat import FakeRate
from tests.daily.building import Town
from tests.redis_server import redis, redis_url
from tests.store.daily_building import HandClock

__all__ = ["redis", "redis_url"]

_SERVERS = itertools.count(int(datetime.now(UTC).timestamp() * 1000) << 22, 1 << 22)
HOUR, DAY, SECONDS = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)


@dataclass
class Server:
    """A server in which a question of the day is planned. Time passes for Discord and for us together."""

    fake: FakeDiscord
    redis: Redis
    guild: str = field(default_factory=lambda: str(next(_SERVERS)))

    def __post_init__(self) -> None:
        self.channel = str(int(self.guild) + 7)
        clock = HandClock(datetime.fromtimestamp(self.fake.now(), UTC))
        self.town = Town(self.redis, Tenant(f"d{self.guild}"), clock)
        self.parts = Parts()
        self.parts.house = cast("Any", self.town)
        self.posting: Posting | None = None

    @asynccontextmanager
    async def bot(self, **options: Any) -> AsyncIterator[Bot]:
        """A bot process, which ends with the block."""
        given = asyncio.Event()
        self.fake.gateway.identifies.clear()  # minutes have passed since the process before
        async with running(self.fake, self.parts, posting=self._posting(given), **options) as bot:
            await given.wait()
            yield bot

    @asynccontextmanager
    async def http(self) -> AsyncIterator[None]:
        """A process without the gateway, which ends with the block."""
        given, stop = asyncio.Event(), asyncio.Event()
        serving = serve_http(
            self.town.desk,
            token=TOKEN,
            public_key=PUBLIC,
            host="127.0.0.1",
            port=0,
            once=self.parts.once,
            rate=self.parts.rate,
            log=self.town.log,
            ready=lambda _: None,
            stop=stop,
            api_base=self.fake.api,
            posting=self._posting(given),
        )
        task = asyncio.create_task(serving)
        try:
            await asyncio.wait_for(given.wait(), 15)
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 15)

    def _posting(self, given: asyncio.Event) -> Callable[[Chat], Coroutine[Any, Any, None]]:
        async def posting(chat: Chat) -> None:
            town = self.town
            chats = {Platform.DISCORD: chat}
            self.posting = Posting(Pool(BANK), town.schedules, town.dailies, chats, FakeRate(), town.log)
            given.set()
            await asyncio.Event().wait()

        return posting

    def someone(self, name: str = "Bob", number: int = 3, permissions: int = 0) -> Someone:
        return Someone(self.fake, name, str(12 * 10**17 + number), self.channel, self.guild, permissions)

    def admin(self) -> Someone:
        return self.someone("Ada", 2, MANAGE_SERVER)

    async def plan(self, mode: str = "instant") -> Interaction:
        """Plan a question an hour from now, by the form."""
        ada = self.admin()
        at = self.town.clock.at + HOUR
        values = {"at": f"{at:%H:%M}", "zone": "UTC", "days": "daily", "content": "quiz 11", "mode": mode}
        card = await ada.submit(await ada.command("setup"), **values)
        return await ada.press(card.message, "Save")

    async def passes(self, length: timedelta) -> None:
        """Let time pass, and do what falls due on the way."""
        end = self.town.clock.at + length
        while self.town.clock.at < end:
            ahead = [at for _, at in await self.town.schedules.next_at([Platform.DISCORD]) if at > self.town.clock.at]
            self.fake.skip((min([*ahead, end]) - self.town.clock.at).total_seconds())
            self.town.clock.at = min([*ahead, end])
            await self.work()

    async def work(self) -> None:
        """Do what is due now."""
        assert self.posting
        while await self.posting.tick():
            pass

    def questions(self) -> Sequence[Message]:
        """Questions that stand in the channel."""
        return [each for each in self._here(self.channel) if "Question of the day ·" in each.text]

    def digests(self) -> Sequence[Message]:
        """Digests that stand in the channel or below its messages."""
        below = [thread for thread, (parent, _) in self.fake.threads.items() if parent == self.channel]
        return [each for place in (self.channel, *below) for each in self._here(place) if "How it went" in each.text]

    async def post(self) -> Post:
        """The newest question as the store holds it."""
        post = await self.town.dailies.newest(self.town.tenant, ChannelId(self.channel))
        assert post
        return post

    async def letters(self) -> tuple[str, str]:
        """The letter of the right option and one of a wrong one."""
        post = await self.post()
        right = post.order.index(post.right)
        return "ABCDEF"[right], "ABCDEF"[(right + 1) % len(post.order)]

    def _here(self, channel: str) -> Sequence[Message]:
        everywhere = self.fake.messages.values()
        return [each for each in everywhere if each.channel == channel and not each.to and not each.deleted]


@asynccontextmanager
async def server(redis: Redis) -> AsyncIterator[Server]:
    """A server at the end of which nothing was broken."""
    async with discord() as fake:
        place = Server(fake, redis)
        yield place
        for event, fields in place.town.log.events:
            assert event not in ("discord.failed", "desk.failed", "daily.failed", "discord.posting_failed"), fields


async def test_a_day_from_the_form_to_the_digest_with_twenty_people(redis: Redis) -> None:
    async with server(redis) as here, here.bot():
        saved = await here.plan()
        assert "Saved. The next question comes" in saved.message.text
        await here.passes(HOUR + 2 * timedelta(minutes=1))
        (question,) = here.questions()
        closes = int((await here.post()).closes.timestamp())
        assert f"Closes <t:{closes}:f> (<t:{closes}:R>)" in question.text
        right, wrong = await here.letters()

        people = [here.someone(f"P{number}", 100 + number) for number in range(20)]
        told = await asyncio.gather(
            *(person.press(question, right if number % 4 else wrong) for number, person in enumerate(people))
        )
        assert [each.message.to for each in told] == [person.id for person in people]
        assert sum("Right. +10 points" in each.message.text for each in told) == 15
        assert sum("Not quite." in each.message.text for each in told) == 5
        await here.passes(10 * SECONDS)
        assert "20 answered" in question.text
        assert not any(sign in question.text for sign in ("✓", "✗", "P1", "Why"))
        assert len(question.versions) == 2

        await here.passes(DAY - HOUR)
        assert not here.digests()
        await here.passes(HOUR)
        assert "· closed" in question.text
        assert "✓" in question.text
        assert "A" not in question.buttons
        (digest,) = here.digests()
        assert "15 of 20 right (75 %)" in digest.text
        assert here.fake.threads[question.id] == (here.channel, "How it went: 15 of 20 right (75 %)")
        late = await here.someone("Zoe", 500).click(
            question, question.versions[0]["components"][0]["components"][-1]["components"][0]["custom_id"]
        )
        assert "This question has closed" in late.message.text
        board = await people[1].command("leaderboard", period="month", scope="channel")
        assert "P1 · 10 points **(you)**" in board.message.text


async def test_a_sealed_answer_may_be_changed_until_the_close(redis: Redis) -> None:
    async with server(redis) as here, here.bot():
        await here.plan("sealed")
        await here.passes(HOUR + 2 * timedelta(minutes=1))
        (question,) = here.questions()
        right, wrong = await here.letters()
        bob = here.someone()
        first = await bob.press(question, wrong)
        second = await bob.press(question, right)
        await here.passes(DAY)

        assert f"Locked in: {wrong}" in first.message.text
        assert f"Locked in: {right}" in second.message.text
        (digest,) = here.digests()
        assert "1 of 1 right" in digest.text


async def test_a_question_can_be_answered_after_a_restart(redis: Redis) -> None:
    async with server(redis) as here:
        async with here.bot():
            ada = here.admin()
            form = await ada.command("setup")
        async with here.bot():
            at = here.town.clock.at + HOUR
            card = await ada.submit(form, at=f"{at:%H:%M}", zone="UTC", days="daily", content="quiz 11", mode="instant")
        async with here.bot():
            await ada.press(card.message, "Save")
            await here.passes(HOUR + 2 * timedelta(minutes=1))
            (question,) = here.questions()
        async with here.bot():
            right, _ = await here.letters()
            told = await here.someone().press(question, right)
            assert "Right." in told.message.text
            await here.passes(DAY)
            assert len(here.digests()) == 1


async def test_a_double_click_counts_once(redis: Redis) -> None:
    async with server(redis) as here, here.bot():
        await here.plan()
        await here.passes(HOUR + 2 * timedelta(minutes=1))
        (question,) = here.questions()
        right, wrong = await here.letters()
        bob = here.someone()
        answers = await asyncio.gather(*(bob.press(question, letter) for letter in (right, right, wrong)))

        post = await here.post()
        assert post.answered == 1
        assert all(each.message.to == bob.id for each in answers)


@pytest.mark.parametrize("fault", [Fault(503), Fault(drop=True), Fault(drop=True, after=True)], ids=str)
@pytest.mark.parametrize("route", ["post", "thread", "change"])
async def test_a_lost_reply_costs_no_question_and_doubles_none(redis: Redis, route: str, fault: Fault) -> None:
    async with server(redis) as here, here.bot():
        await here.plan()
        if route == "post":
            here.fake.fail("post", replace(fault))
        await here.passes(HOUR + 10 * timedelta(minutes=1))
        (question,) = here.questions()
        right, _ = await here.letters()
        await here.someone().press(question, right)
        if route != "post":
            await here.passes(30 * SECONDS)
            here.fake.fail(route, replace(fault))
        await here.passes(DAY)

        assert len(here.digests()) == 1
        assert "· closed" in question.text


async def test_a_process_that_dies_while_it_sends_is_made_good_by_the_next(redis: Redis) -> None:
    async with server(redis) as here:
        async with here.bot():
            await here.plan()
            here.fake.fail("post", Fault(after=True, delay=0.0, drop=True))
            await here.passes(HOUR + timedelta(seconds=100))
        async with here.bot():
            here.fake.chatter(here.channel, 150)
            await here.passes(timedelta(minutes=30))  # longer than Discord knows a nonce

            assert len(here.questions()) == 1
            (question,) = here.questions()
            assert (await here.post()).message == question.id


async def test_a_storm_of_limits_only_delays_the_question(redis: Redis) -> None:
    async with server(redis) as here, here.bot():
        await here.plan()
        here.fake.fail("post", *(Fault(429, retry_after=45.0) for _ in range(3)))
        await here.passes(HOUR + timedelta(seconds=100))
        assert here.questions() == []

        await here.passes(5 * timedelta(minutes=1))
        assert len(here.questions()) == 1


async def test_a_question_that_may_not_be_posted_pauses_and_its_planner_is_told(redis: Redis) -> None:
    async with server(redis) as here, here.bot():
        await here.plan()
        here.fake.permissions[here.channel] &= ~SEND
        await here.passes(2 * HOUR)
        (told,) = [each for each in here.fake.messages.values() if each.to and "paused" in each.text]

        assert here.questions() == []
        assert told.to == here.admin().id
        assert "I lack the permission Send Messages in this channel." in told.text
        assert f"<#{here.channel}>" in told.text


async def test_without_threads_the_digest_stands_below_the_question(redis: Redis) -> None:
    async with server(redis) as here, here.bot():
        await here.plan()
        here.fake.permissions[here.channel] &= ~CREATE_THREADS
        await here.passes(HOUR + 2 * timedelta(minutes=1))
        (question,) = here.questions()
        right, _ = await here.letters()
        await here.someone().press(question, right)
        await here.passes(DAY)

        (digest,) = here.digests()
        assert (digest.channel, digest.reply_to) == (here.channel, question.id)


async def test_a_form_that_takes_a_while_is_still_a_form(redis: Redis) -> None:
    async with server(redis) as here, here.bot():
        of_tenant = here.town.schedules.of_tenant

        async def slowly(tenant: Tenant) -> Any:
            await asyncio.sleep(0.4)
            return await of_tenant(tenant)

        setattr(here.town.schedules, "of_tenant", slowly)  # noqa: B010  a method
        assert (await here.admin().command("setup")).kind == 9


async def test_posting_works_by_http_too(redis: Redis) -> None:
    async with server(redis) as here:
        async with here.bot():
            await here.plan()
        async with here.http():
            await here.passes(HOUR + 2 * timedelta(minutes=1))

            assert len(here.questions()) == 1


# --- who may, and where


@pytest.mark.parametrize("permissions", [MANAGE_SERVER, ADMINISTRATOR])
async def test_whoever_may_manage_the_server_is_an_admin(redis: Redis, permissions: int) -> None:
    async with server(redis) as here, here.bot():
        planned = await here.someone(permissions=permissions).command("schedules")
        assert "No question of the day is planned" in planned.message.text


@pytest.mark.parametrize("words", [{}, {"plan": "9:30 UTC"}])
async def test_everyone_else_may_not_plan(redis: Redis, words: dict[str, str]) -> None:
    async with server(redis) as here, here.bot():
        refused = await here.someone().command("setup", **words)

        assert (refused.kind, refused.message.to) == (4, here.someone().id)
        assert "Only admins" in refused.message.text
        paused = await here.someone().command("daily", what="pause")
        assert "Only admins" in paused.message.text


async def test_a_plan_in_one_line_is_confirmed_and_saved(redis: Redis) -> None:
    async with server(redis) as here, here.bot():
        card = await here.admin().command("setup", plan="9:30 Europe/Berlin mon-fri")
        assert "Mon-Fri at 09:30 Europe/Berlin" in card.message.text
        assert card.message.text.count(", closes ") == 3
        saved = await here.admin().press(card.message, "Save")

        assert saved.message is card.message
        shown = await here.admin().command("schedules")
        skipped = await here.admin().press(shown.message, "Skip next 1")
        assert "The next question comes" in skipped.message.text


@pytest.mark.parametrize("command", ["setup", "daily", "schedules", "reports"])
@pytest.mark.parametrize("place", ["private", "not a member"])
async def test_what_is_about_a_channel_says_so_elsewhere(command: str, place: str) -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake, permissions=ADMINISTRATOR)
        ada = replace(ada, guild="") if place == "private" else replace(ada, installed=False)
        answer = await ada.command(command)

        assert f"/{command} is about a channel of a server that I belong to" in answer.message.text.replace("`", "")
        assert answer.message.to == ada.id


async def test_a_channel_that_cannot_be_posted_in_is_named_before_it_is_planned() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake, permissions=ADMINISTRATOR)
        bot.fake.permissions[ada.channel] = VIEW
        answer = await ada.command("setup")

        assert "I lack the permission Send Messages in this channel" in answer.message.text
