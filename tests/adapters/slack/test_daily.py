"""Questions of the day on Slack, over the wire, under a simulated clock and a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from bot.adapters.slack.conversation import NO_SCOPE
from bot.core.views import Heading, Text, View, plain
from bot.ports import Chat, Lost, Refused, SlowDown
from bot.store.shared import RedisRate
from tests.adapters.slack.fake_slack import Fault
from tests.adapters.slack.serving import bot
from tests.adapters.slack.square import CHANNEL, WORKSPACE, Square, lonely, lonely_url, square
from tests.store.daily_building import a_schedule

__all__ = ["lonely", "lonely_url", "square"]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CARD = View((Heading("A card"), Text(plain("of ours"))), fallback="A card of ours.", private=False)


# ---- the story


async def test_a_planned_question_is_posted_answered_by_twenty_closed_and_digested(square: Square) -> None:
    slack = square.slack
    async with square.served():
        await square.planned()
        await square.simulated.pass_time(HOUR)
        (message,) = square.posted()
        assert "Closes Tue 4 Mar, 09:30 CET" in message.text
        right, wrong = await square.letters(message)
        for number in range(20):
            await slack.press(message, right if number < 15 else wrong, user=f"U{number}")
        for number in range(20):
            await slack.see("Right. +10" if number < 15 else "Not quite. It is", to=f"U{number}")
        await square.simulated.pass_time(timedelta(seconds=30))
        assert "20 answered" in message.text
        assert not any(f"u{number}" in message.text for number in range(20))
        assert message.metadata["event_payload"]["key"]

        await square.simulated.pass_time(DAY)
        await slack.press(message, "Report a mistake")
        await slack.until(lambda: len(slack.dialogs) == 2, "the form for a report")
        await slack.command("/leaderboard", user="U3")
        board = await slack.see("Leaderboard · ", to="U3")

    first, second = square.posted()
    assert first is message
    assert "closed" in message.text
    assert "15 of 20 right (75 %)" in message.text
    (digest,) = square.threads()
    assert digest.thread == message.ts
    assert f"Most chosen wrong: {wrong}, by 5" in digest.text
    assert second.text != first.text
    assert "u3  10 points" in board.text
    assert "(you)" in board.text


async def test_a_click_counts_after_a_restart_between_post_and_click(square: Square) -> None:
    async with square.served():
        await square.planned()
        await square.simulated.pass_time(HOUR)
    (message,) = square.posted()
    right, _ = await square.letters(message)
    async with square.served():
        await square.slack.press(message, right, user="U7")
        await square.slack.see("Right. +10", to="U7")
        await square.simulated.pass_time(timedelta(seconds=30))

    assert "1 answered" in message.text


async def test_the_closing_time_is_told_in_the_readers_own_zone(square: Square) -> None:
    async with square.served():
        await square.planned()
        await square.simulated.pass_time(HOUR)
    (message,) = square.posted()
    dates = [
        part
        for block in message.body["blocks"]
        if block["type"] == "rich_text"
        for section in block["elements"]
        for part in section["elements"]
        if part["type"] == "date"
    ]

    assert [part["timestamp"] for part in dates] == [int(datetime(2031, 3, 4, 8, 30, tzinfo=UTC).timestamp())]


# ---- who may plan


@pytest.mark.parametrize("line", ["setup", "schedules", "reports", "daily pause"])
async def test_only_admins_plan_and_others_are_told_so_kindly(square: Square, line: str) -> None:
    name, _, rest = line.partition(" ")
    async with square.served():
        await square.slack.command(f"/{name}", rest, user="U1")
        await square.slack.see("Only admins of this workspace", to="U1")
        await square.slack.command("/torch", line, user="U2")
        await square.slack.see("Only admins of this workspace", to="U2")


async def test_a_members_press_on_an_admins_button_does_nothing(square: Square) -> None:
    async with square.served():
        await square.planned()
        await square.slack.command("/schedules", user="UADA")
        overview = await square.slack.see("Questions of the day in this channel", to="UADA")
        await square.slack.press(overview, "Remove 1", user="U1")
        await square.slack.see("not yours to press", to="U1")

    assert len(await square.town.schedules.of_tenant(WORKSPACE)) == 1


async def test_slack_is_asked_who_is_an_admin_once_and_only_where_that_decides(square: Square) -> None:
    async with square.served():
        await square.planned()
        await square.slack.command("/daily", user="U1")
        await square.slack.see("There has been no question here yet", to="U1")

    assert [call["user"] for call in square.slack.called("users.info")] == ["UADA"]


@pytest.mark.parametrize("failing", ["scope", "away"])
async def test_whoever_cannot_be_looked_up_is_no_admin_and_is_told_why(square: Square, failing: str) -> None:
    square.slack.admins.add("UADA")
    if failing == "scope":
        square.slack.scopes.remove("users:read")
    else:
        square.slack.faults["users.info"] = [Fault(status=500)]
    async with square.served():
        await square.slack.command("/setup", user="UADA")
        await square.slack.see(
            NO_SCOPE if failing == "scope" else "did not tell me whether you are an admin", to="UADA"
        )

    assert not square.slack.dialogs


# ---- what Slack does to posts


async def test_a_channel_that_shut_us_out_is_told_to_its_planner_once_and_is_not_tried_again(square: Square) -> None:
    slack = square.slack
    async with square.served():
        await square.planned()
        slack.closed[CHANNEL] = "not_in_channel"
        await square.simulated.pass_time(3 * DAY)
        told = await slack.see("I am no longer in that channel", channel="DUADA")
        assert "/invite" in told.text
        assert "#C1" in told.text
        assert len([call for call in slack.called("chat.postMessage") if call["channel"] == CHANNEL]) == 1
        assert len(slack.shown(channel="DUADA")) == 1

        del slack.closed[CHANNEL]
        await slack.command("/daily", "resume", user="UADA")
        await slack.until(lambda: slack.shown(to="UADA")[-1].text.startswith("The next question comes"), "resumed")
        await square.simulated.pass_time(DAY)

    assert len(square.posted()) == 1


@pytest.mark.parametrize("code", ["not_in_channel", "channel_not_found", ""])
async def test_whoever_plans_where_the_bot_is_not_is_told_to_invite_it(square: Square, code: str) -> None:
    if code:
        square.slack.closed[CHANNEL] = code
    async with square.served():
        await square.planned()
        if code:
            await square.slack.see("I am not in this channel yet", to="UADA")
    told = [each for each in square.slack.shown(to="UADA") if "not in this channel yet" in each.text]

    assert len(told) == bool(code)
    assert len(await square.town.schedules.of_tenant(WORKSPACE)) == 1


FAULTS = [
    pytest.param(Fault(status=500), id="5xx"),
    pytest.param(Fault(status=503, accept=True), id="5xx after it was accepted"),
    pytest.param(Fault(drop=True), id="never arrived"),
    pytest.param(Fault(drop=True, accept=True), id="reply lost"),
    pytest.param(Fault(status=429, error="ratelimited", retry_after=1), id="429"),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_post_in_doubt_is_looked_for_and_comes_once(square: Square, fault: Fault) -> None:
    async with square.served():
        await square.planned()
        square.slack.faults["chat.postMessage"] = [fault]
        await square.simulated.pass_time(2 * HOUR)

    assert len(square.posted()) == 1
    (post,) = [await square.town.dailies.newest(WORKSPACE, CHANNEL)]
    assert post is not None
    assert post.message == square.posted()[0].ts


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["chat.update", "chat.postMessage"])
async def test_the_reveal_and_its_digest_come_once_whatever_fails(square: Square, method: str, fault: Fault) -> None:
    async with square.served():
        await square.planned()
        await square.simulated.pass_time(HOUR)
        (message,) = square.posted()
        right, _ = await square.letters(message)
        await square.slack.press(message, right, user="U7")
        await square.slack.see("Right. +10", to="U7")
        await square.simulated.pass_time(HOUR)
        square.slack.faults[method] = [fault]
        await square.simulated.pass_time(23 * HOUR)

    assert "closed" in message.text
    assert len(square.threads()) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_looking_for_a_digest_survives_what_fails(square: Square, fault: Fault) -> None:
    async with square.served():
        await square.planned()
        await square.simulated.pass_time(HOUR)
        (message,) = square.posted()
        await square.slack.press(message, (await square.letters(message))[0], user="U7")
        await square.slack.see("Right. +10", to="U7")
        await square.simulated.pass_time(HOUR)
        square.slack.faults["chat.postMessage"] = [Fault(drop=True, accept=True)]
        square.slack.faults["conversations.replies"] = [fault]
        await square.simulated.pass_time(22 * HOUR + 40 * timedelta(minutes=1))

    assert "closed" in message.text
    assert len(square.threads()) == 1
    assert len(square.slack.called("conversations.replies")) > 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_looking_for_a_post_survives_what_fails(square: Square, fault: Fault) -> None:
    async with square.served():
        await square.planned()
        square.slack.faults["chat.postMessage"] = [Fault(drop=True, accept=True)]
        square.slack.faults["conversations.history"] = [fault]
        await square.simulated.pass_time(2 * HOUR)

    assert len(square.posted()) == 1


async def test_a_post_is_found_behind_many_newer_messages(square: Square) -> None:
    square.slack.page = 7
    async with square.served():
        await square.planned()
        square.slack.faults["chat.postMessage"] = [Fault(drop=True, accept=True)]
        await square.simulated.pass_time(timedelta(minutes=32, seconds=5))
        for number in range(40):
            square.slack._put(CHANNEL, {"text": f"chatter {number}"})
        await square.simulated.pass_time(HOUR)
    ours = [each for each in square.posted() if each.metadata]

    assert len(ours) == 1
    assert len(square.slack.called("conversations.history")) > 5


async def test_a_second_message_of_the_same_question_is_found_later_and_taken_away(square: Square) -> None:
    slack = square.slack
    async with square.served():
        await square.planned()
        slack.scopes.remove("channels:history")
        slack.faults["chat.postMessage"] = [Fault(drop=True, accept=True)]
        await square.simulated.pass_time(timedelta(minutes=34))
        assert len(square.posted()) == 2
        slack.scopes.add("channels:history")
        await square.simulated.pass_time(HOUR)
    (message,) = square.posted()
    post = await square.town.dailies.newest(WORKSPACE, CHANNEL)

    assert post is not None
    assert post.message == message.ts
    assert "daily.duplicate" in [event for event, _ in square.town.log.events]


@pytest.mark.parametrize("scope", ["channels:history", "groups:history"])
async def test_without_the_scope_to_read_back_questions_still_come_and_that_is_logged_once(
    square: Square, scope: str
) -> None:
    square.slack.scopes.remove(scope)
    if scope == "groups:history":
        square.slack.private.add(CHANNEL)
    async with square.served():
        await square.planned()
        square.slack.faults["chat.postMessage"] = [Fault(drop=True)]
        await square.simulated.pass_time(2 * HOUR)

    assert len(square.posted()) == 1
    assert [event for event, _ in square.town.log.events].count("slack.no_read_back") == 1


async def test_many_questions_of_one_channel_keep_to_a_message_a_second(square: Square, lonely: Redis) -> None:
    rate = RedisRate(lonely)
    async with square.served(rate=rate):
        for _ in range(7):
            schedule = replace(
                a_schedule(WORKSPACE, CHANNEL), id=await square.town.schedules.new_id(WORKSPACE, CHANNEL)
            )
            due = square.town.clock.at + timedelta(minutes=1)
            await square.town.schedules.save(schedule, due, "Ada", "created")
        await square.simulated.pass_time(2 * HOUR)
    moments = [at for method, channel, at in square.slack.times if method == "chat.postMessage" and channel == CHANNEL]

    assert len(square.posted()) == 7
    assert all(later - first > number - 3.5 for first, number, later in spans(moments))


def spans(moments: list[float]) -> Iterator[tuple[float, int, float]]:
    """Each stretch of posts: its begin, how many seconds it should take at least but for a burst, its end."""
    for i, first in enumerate(moments):
        for j in range(i + 1, len(moments)):
            yield first, j - i, moments[j]


# ---- the chat by itself


@asynccontextmanager
async def chatting(square: Square) -> AsyncIterator[Chat]:
    async with bot(square.slack, house=square.town, posting=square.simulated.posting):
        yield await square.simulated.chat()


async def test_messages_are_found_by_their_key_in_channel_and_thread_oldest_first(square: Square) -> None:
    begin = square.town.clock.at - timedelta(seconds=1)
    async with chatting(square) as chat:
        first = await chat.post(WORKSPACE, CHANNEL, CARD, "k1")
        other = await chat.post(WORKSPACE, CHANNEL, CARD, "k2")
        second = await chat.post(WORKSPACE, CHANNEL, CARD, "k1")
        inside = await chat.reply(WORKSPACE, CHANNEL, first, CARD, "k1-digest")

        assert [first, second] == await chat.find(WORKSPACE, CHANNEL, "k1", begin)
        assert [inside] == await chat.find(WORKSPACE, CHANNEL, "k1-digest", begin, thread=first)
        await chat.delete(WORKSPACE, CHANNEL, first)
        await chat.delete(WORKSPACE, CHANNEL, first)
        assert [second] == await chat.find(WORKSPACE, CHANNEL, "k1", begin)
        await chat.edit(WORKSPACE, CHANNEL, first, CARD, "k1")
        assert [] == await chat.find(WORKSPACE, CHANNEL, "k1-digest", begin, thread=first)
        await chat.edit(WORKSPACE, CHANNEL, other, CARD, "k2")
        assert [other] == await chat.find(WORKSPACE, CHANNEL, "k2", begin)
        assert [] == await chat.find(WORKSPACE, CHANNEL, "k2", square.town.clock.at + HOUR)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("not_in_channel", "/invite"),
        ("channel_not_found", "is gone"),
        ("is_archived", "is archived"),
        ("restricted_action", "Only some people may post"),
        ("something_new", "(something_new)"),
    ],
)
async def test_a_refusal_says_what_can_be_done(square: Square, code: str, why: str) -> None:
    square.slack.closed[CHANNEL] = code
    async with chatting(square) as chat:
        with pytest.raises(Refused) as refused:
            await chat.post(WORKSPACE, CHANNEL, CARD, "k1")

    assert why in str(refused.value)
    assert len(square.slack.called("chat.postMessage")) == 1


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "invalid_auth"])
async def test_a_token_that_is_refused_pauses_no_schedule_but_waits(square: Square, code: str) -> None:
    async with chatting(square) as chat:
        square.slack.faults["chat.postMessage"] = [Fault(error=code)]
        with pytest.raises(SlowDown) as slow:
            await chat.post(WORKSPACE, CHANNEL, CARD, "k1")

    assert slow.value.seconds == 300


async def test_a_wait_that_slack_asks_for_is_passed_on_and_kept(square: Square) -> None:
    async with chatting(square) as chat:
        square.slack.faults["chat.postMessage"] = [Fault(status=429, error="ratelimited", retry_after=60)]
        for _ in range(3):
            with pytest.raises(SlowDown) as slow:
                await chat.post(WORKSPACE, CHANNEL, CARD, "k1")

    assert 55 < slow.value.seconds <= 60
    assert len(square.slack.called("chat.postMessage")) == 1


async def test_what_may_have_been_posted_is_lost_and_not_tried_twice(square: Square) -> None:
    async with chatting(square) as chat:
        square.slack.faults["chat.postMessage"] = [Fault(status=500, accept=True)]
        with pytest.raises(Lost):
            await chat.post(WORKSPACE, CHANNEL, CARD, "k1")

    assert len(square.slack.called("chat.postMessage")) == 1


async def test_a_full_channel_makes_a_post_wait_and_a_long_wait_goes_back_to_the_schedule(square: Square) -> None:
    class Crowded:
        async def take(self, bucket: str, per_second: float, burst: int) -> float:
            return 42.0

    async with bot(square.slack, house=square.town, posting=square.simulated.posting, rate=Crowded()):
        chat = await square.simulated.chat()
        with pytest.raises(SlowDown) as slow:
            await chat.post(WORKSPACE, CHANNEL, CARD, "k1")

    assert slow.value.seconds == 42
    assert not square.slack.called("chat.postMessage")


async def test_work_that_breaks_is_taken_up_again(square: Square, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.adapters.slack.client.RESTART_SECONDS", 0.01)
    begun: list[Chat] = []

    async def breaking(chat: Chat) -> None:
        begun.append(chat)
        raise LookupError("broken")

    async with bot(square.slack, house=square.town, posting=breaking):
        await square.slack.until(lambda: len(begun) >= 3, "three attempts")

    assert "slack.posting_failed" in [event for event, _ in square.town.log.events]
