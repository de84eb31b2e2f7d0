"""What goes wrong in a channel's life costs no question and brings none twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.app.daily_pool import Pool
from bot.app.posting import Posting
from bot.core.ids import Platform, Tenant, UserId
from bot.core.views import View
from bot.store.connect import connected
from bot.store.server import embedded_server
from bot.tasks import stop
from tests.app.building import BANK, words
from tests.app.fake_chat import FakeRate
from tests.daily.building import CHANNEL, Town
from tests.daily.test_daily import DAY, HOUR, planned


@pytest.fixture
async def town(redis: Redis, tenant: Tenant) -> Town:
    return Town(redis, tenant)


class Crash(Exception):
    """The process died here."""


class Life:
    """How many steps a process has left; it dies before or after its last one. Whoever starts it anew is immortal."""

    def __init__(self, steps: int, *, after: bool) -> None:
        self.left = steps
        self.after = after
        self.died_at = ""

    def port(self, inner: Any) -> Any:
        return _Mortal(inner, self)


class _Mortal:
    def __init__(self, inner: Any, life: Life) -> None:
        self._inner = inner
        self._life = life

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method, life = getattr(self._inner, name), self._life

        async def call(*args: Any, **named: Any) -> Any:
            life.left -= 1
            last = life.left == 0
            if last and not life.after:
                life.died_at = name
                raise Crash
            result = await method(*args, **named)
            if last:
                life.died_at = name
                raise Crash
            return result

        return call


@pytest.mark.parametrize(("dedupe", "after"), [(True, True), (False, False), (False, True)])
async def test_a_bot_that_is_killed_at_any_step_posts_closes_and_digests_once(
    redis: Redis, after: bool, dedupe: bool
) -> None:
    died_at, steps = set(), 0
    while True:
        steps += 1
        town, life = Town(redis, Tenant(f"d{os.urandom(8).hex()}")), Life(steps, after=after)
        town.chat.dedupe = timedelta(seconds=120) if dedupe else None
        ports = (life.port(town.schedules), life.port(town.dailies), {Platform.DISCORD: life.port(town.chat)})
        await planned(town)
        town.posting = Posting(Pool(BANK), *ports, FakeRate(), town.log)
        await live(town, HOUR)
        for name, letter in (("Bob", "A"), ("Cleo", "B")):
            await town.press(name, town.posted()[0].view, letter)
        await live(town, DAY - HOUR)
        (message,) = town.posted()
        await live(town, HOUR)

        assert len(town.posted()) == 2, life.died_at
        assert "closed" in words(message.view), life.died_at
        assert [each.thread for each in town.threads()] == [message.id], life.died_at
        if not life.died_at:
            break
        died_at.add(life.died_at)
    assert {"claim", "bag", "record", "mark", "post", "confirm", "done", "close", "edit", "reply"} <= died_at
    assert steps > 30


async def live(town: Town, length: timedelta) -> None:
    """Let time pass; whoever dies is started anew."""
    end = town.clock.at + length
    while town.clock.at < end:
        try:
            await town.pass_time(end - town.clock.at)
        except Crash:
            town.clock.at += timedelta(seconds=1)


async def test_a_content_of_ten_questions_begins_again_after_ten(town: Town) -> None:
    await planned(town, content="quiz 11")
    await town.pass_time(12 * DAY)
    items = [post.item for message in town.posted() if (post := await town.dailies.post(town.tenant, message.key))]  # type: ignore[arg-type]

    assert len(items) == 12
    assert len(set(items[:10])) == 10
    assert set(items) == set(BANK.quizzes[11].ids)


async def test_a_content_that_the_bank_no_longer_has_pauses_and_its_planner_is_told(town: Town) -> None:
    await planned(town, content="quiz 11")
    smaller = replace(BANK, quizzes={number: quiz for number, quiz in BANK.quizzes.items() if number != 11})
    chats = {Platform.DISCORD: town.chat}
    town.posting = Posting(Pool(smaller), town.schedules, town.dailies, chats, FakeRate(), town.log)
    await town.pass_time(DAY)

    assert town.posted() == []
    ((user, view),) = [(user, view) for tenant, user, view in town.chat.told if tenant == town.tenant]
    assert user == UserId("u-Ada")
    assert "There is no question to ask in quiz 11 any more" in words(view)
    assert "paused: There is no question" in words(await town.say("Ada", "/daily audit", admin=True))


async def test_a_zone_changed_in_the_middle_of_a_day_asks_once_for_that_date(town: Town) -> None:
    await planned(town)
    await town.pass_time(HOUR)
    form = await town.press("Ada", await town.say("Ada", "/schedules", admin=True), "Edit 1", admin=True)
    card = await town.send("Ada", form, admin=True, zone="America/New_York")
    assert "Tue 4 Mar, 09:30 EST" in words(card)
    await town.press("Ada", card, "Save", admin=True)
    await town.pass_time(2 * DAY)

    assert [message.key.split("-")[1] for message in town.posted()] == ["20310303", "20310304"]


@pytest.mark.parametrize(("jump", "asked"), [(DAY, [3, 4, 6, 7, 8, 9]), (-DAY, [3, 4, 5, 6, 7])])
async def test_a_clock_that_jumps_a_day_brings_no_question_twice(town: Town, jump: timedelta, asked: list[int]) -> None:
    await planned(town)
    await town.pass_time(2 * DAY)
    town.clock.at += jump
    while await town.posting.tick():
        pass
    await town.pass_time(4 * DAY)

    assert [int(message.key.split("-")[1][-2:]) for message in town.posted()] == asked


async def test_of_two_admins_who_edit_at_once_the_second_is_told(town: Town) -> None:
    await planned(town)
    cards: list[View] = []
    for name, at in (("Ada", "10:00"), ("Eve", "11:00")):
        form = await town.press(name, await town.say(name, "/schedules", admin=True), "Edit 1", admin=True)
        card = await town.send(name, form, admin=True, at=at)
        assert isinstance(card, View)
        cards.append(card)

    assert "Saved." in words(await town.press("Ada", cards[0], "Save", admin=True))
    assert "Someone else has changed this schedule" in words(await town.press("Eve", cards[1], "Save", admin=True))
    assert [plan.at.hour for plan in await town.schedules.of_tenant(town.tenant)] == [10]


async def test_while_redis_stands_still_nothing_is_lost_and_then_all_goes_on(tmp_path: Path, tenant: Tenant) -> None:
    async with embedded_server(tmp_path) as url, connected(url) as store:
        town = Town(store.commands, tenant)
        await planned(town)
        server = int((await store.commands.info("server"))["process_id"])
        running = asyncio.create_task(town.posting.run())
        town.clock.at += HOUR  # it is due now
        os.kill(server, signal.SIGSTOP)
        try:
            answer = words(await town.say("Bob", "/daily"))
        finally:
            os.kill(server, signal.SIGCONT)
        async with asyncio.timeout(60):
            while not town.posted():
                await asyncio.sleep(0.05)
                town.clock.at += timedelta(seconds=2)
        await stop(running)
        message = town.posted()[0]

        assert "Please try again" in answer
        assert "Right." in (verdict := words(await town.press("Bob", message.view, "A"))) or "Not quite" in verdict
    assert [each.channel for each in town.posted()] == [CHANNEL]
