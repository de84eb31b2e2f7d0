"""The question of the day on Discord, from `/setup` to its digest: the real library, a real Redis, a clock by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.core.ids import Tenant
from tests.adapters.discord.fake_discord import (
    ADMINISTRATOR,
    CREATE_THREADS,
    MANAGE_SERVER,
    SEND,
    VIEW,
    Fault,
    Someone,
)
from tests.adapters.discord.living import bot_on_discord
from tests.adapters.discord.server import server
from tests.redis_server import redis, redis_url

__all__ = ["redis", "redis_url"]

HOUR, DAY, SECONDS = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)


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
        await here.fake.until(lambda: not any(each.message.loading for each in told))
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
        here.fake.fail("post", *(Fault(429, retry_after=45.0) for _ in range(6)))
        await here.passes(HOUR + timedelta(seconds=100))
        assert here.questions() == []

        await here.passes(10 * timedelta(minutes=1))
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
