"""What goes wrong on Slack, and what people see all the same."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import uuid
from dataclasses import replace
from functools import partial

import pytest
from redis.asyncio import Redis

from bot.core.errors import ConfigError
from bot.core.runs import Finished, Outcome, Printed, RunFile, Running, RunResult
from bot.core.text import line
from bot.core.views import Text, View
from bot.store.shared import RedisOnce, RedisRate
from tests.adapters.slack.fake_slack import APP_TOKEN, BOT_TOKEN, SECRET, FakeSlack, Fault, sign
from tests.adapters.slack.serving import LiveQueue, MemoryRate, bot
from tests.app.building import House

ENDED = (
    Running("w1", "cpu"),
    Printed("so far\n"),
    Finished(RunResult(Outcome.OK, "tensor(3)\n", exit_status=0, torch_version="2.13.0")),
)


# ---- delivered twice, late, out of order


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_an_event_delivered_again_out_of_order_has_one_effect(slack: FakeSlack, http: bool) -> None:
    async with bot(slack, http=http):
        payloads = [
            slack.event_payload({"type": "app_mention", "user": "U1", "channel": "C1", "text": f"<@UBOT> quiz {n}"})
            for n in (1, 2)
        ]
        for number, retry in [(1, 0), (0, 1), (1, 2), (0, 2), (0, 3), (1, 3)]:
            ack = await slack.deliver("events_api", payloads[number], retry=retry)
            assert ack.status == 200
        await slack.see("Quiz 1 ·", to="U1")
        await slack.see("Quiz 2 ·", to="U1")

    assert len(slack.shown(to="U1")) == 2


async def test_an_envelope_delivered_again_by_the_other_socket_has_one_effect(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        payload = slack.command_payload("/run", "1")
        for retry in range(4):
            await slack.deliver("slash_commands", payload, retry=retry)
        await slack.see("torch 2.13.0", channel="C1")

    assert len(running.queue.orders) == 1
    assert len(slack.shown()) == 1


async def test_redis_remembers_what_was_delivered_and_how_fast_a_channel_may_go(slack: FakeSlack, redis: Redis) -> None:
    async with bot(slack, once=RedisOnce(redis), rate=RedisRate(redis)) as running:
        payload = slack.command_payload("/run", "1") | {"team_id": f"T{uuid.uuid4().hex}"}
        for retry in range(3):
            await slack.deliver("slash_commands", payload, retry=retry)
        await slack.see("torch 2.13.0", channel="C1")

    assert len(running.queue.orders) == 1
    assert len(slack.shown()) == 1


async def test_a_double_tap_is_one_press_and_a_later_press_another(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        await slack.command("/run", "1")
        card = await slack.see("torch 2.13.0", channel="C1")
        await asyncio.gather(slack.press(card, "Run again"), slack.press(card, "Run again"))
        await slack.until(lambda: len(running.queue.shown) == 2, "a second result")
        slack.clock.at += 2
        await slack.press(card, "Run again")
        await slack.until(lambda: len(running.queue.shown) == 3, "a third result")

    assert len(running.queue.orders) == 3


async def test_every_letter_tapped_at_once_counts_once(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        await slack.command("/quiz", "1")
        card = await slack.see("question 1 of", to="U1")
        presses = [slack.press_payload(card, letter) for letter in "ABCD" for _ in range(5)]
        await asyncio.gather(*(slack.deliver("interactive", press) for press in presses))
        await slack.see("1 answered", to="U1")
        await slack.command("/quiz", "1")
        await slack.see("question 2 of", to="U1")

    assert not running.events("slack.failed")


async def test_without_the_store_that_remembers_people_still_get_an_answer(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        running.once.away = True
        await slack.command("/help")
        await slack.see("I teach PyTorch", to="U1")


# ---- restarts


async def test_a_card_works_after_a_restart(slack: FakeSlack) -> None:
    house = House()
    async with bot(slack, house=house):
        await slack.command("/quiz", "1")
        card = await slack.see("question 1 of", to="U1")
    async with bot(slack, house=house):
        await slack.press(card, "A")
        await slack.see("1 answered", to="U1")


async def test_a_dialog_opened_before_a_restart_is_answered_after_it(slack: FakeSlack) -> None:
    queue = LiveQueue()
    house = House(queue=queue)
    async with bot(slack, house=house, queue=queue):
        await slack.command("/run")
        dialog = await slack.until(lambda: next(iter(slack.dialogs), ""), "a dialog")
    async with bot(slack, house=house, queue=queue):
        await slack.submit(dialog, {"code.0": "1"})
        await slack.see("torch 2.13.0", channel="C1")


async def test_a_run_whose_process_died_is_shown_by_another_in_the_same_message(slack: FakeSlack) -> None:
    queue = LiveQueue(ENDED, held=True)
    house = House(queue=queue)
    async with bot(slack, house=house, queue=queue, patience=0.0):
        await slack.command("/run", "1")
        card = await slack.see("so far", channel="C1")
    async with bot(slack, house=house, queue=queue):
        (order,) = queue.orders.values()
        queue.finish(order, RunResult(Outcome.OK, "late but here"))
        await slack.see("late but here", channel="C1")

    assert slack.shown() == [card]


async def test_progress_never_takes_the_place_of_the_result(slack: FakeSlack) -> None:
    slack.faults["chat.update"] = [Fault(delay=0.3)]  # the first update, which is progress
    queue = LiveQueue(ENDED)
    async with bot(slack, queue=queue):
        await slack.command("/run", "1")
        card = await slack.see("torch 2.13.0", channel="C1")
        await slack.until(lambda: len(queue.shown) == 1, "the delivery")

    assert "torch 2.13.0" in card.text


async def test_progress_comes_at_most_once_a_second(slack: FakeSlack) -> None:
    many = tuple(Printed(f"{number}\n") for number in range(500))
    queue = LiveQueue((Running("w1", "cpu"), *many, *ENDED[-1:]), held=True)
    async with bot(slack, queue=queue):
        await slack.command("/run", "1")
        await slack.see("499", channel="C1")
        queue.going.set()
        await slack.see("torch 2.13.0", channel="C1")

    assert len(slack.called("chat.update")) <= 4


# ---- Slack refuses


@pytest.mark.parametrize("error", ["not_in_channel", "channel_not_found", "is_archived"])
async def test_where_the_bot_may_not_post_results_are_whispered_and_that_is_said_once(
    slack: FakeSlack, error: str
) -> None:
    slack.closed["C1"] = error
    async with bot(slack) as running:
        for _ in range(3):
            await slack.command("/run", "1")
        await slack.until(lambda: len(running.queue.shown) == 3, "three results")
        await slack.until(lambda: len([m for m in slack.shown(to="U1") if "torch 2.13.0" in m.text]) == 3, "all three")

    assert slack.shown() == []
    assert len([m for m in slack.shown(to="U1") if f"can't post in this channel ({error})" in m.text]) == 1
    assert len(running.events("slack.shut_out")) == 1
    assert len(slack.called("chat.postMessage")) == 3


async def test_a_result_whose_message_is_gone_is_posted_anew(slack: FakeSlack) -> None:
    queue = LiveQueue(ENDED, held=True)
    async with bot(slack, queue=queue):
        await slack.command("/run", "1")
        card = await slack.see("so far", channel="C1")
        card.deleted = True
        queue.going.set()
        again = await slack.see("torch 2.13.0", channel="C1")

    assert again is not card


@pytest.mark.parametrize("seconds", [901, 1801])
async def test_a_late_whisper_does_not_use_an_expired_response_url(slack: FakeSlack, seconds: float) -> None:
    slack.closed["C9"] = "not_in_channel"
    queue = LiveQueue(ENDED, held=True)
    async with bot(slack, queue=queue):
        await slack.command("/run", "1", channel="C9")
        await slack.see("Starting…", to="U1")
        slack.clock.at += seconds
        queue.going.set()
        if seconds < 1800:
            await slack.see("torch 2.13.0", to="U1")
        else:
            await slack.see("torch 2.13.0", channel="DU1")


async def test_a_dialog_that_comes_too_late_is_explained(slack: FakeSlack) -> None:
    async with bot(slack):
        payload = slack.command_payload("/run", "")
        slack.clock.at += 4
        await slack.deliver("slash_commands", payload)
        await slack.see("Slack did not open the box in time", to="U1")


METHODS = ["chat.postMessage", "chat.update", "response_url", "views.open", "views.publish", "chat.delete"]


@pytest.mark.parametrize("fault", [Fault(429, "ratelimited", 1), Fault(503), Fault(200, "internal_error")], ids=str)
async def test_every_answer_arrives_although_slack_fails_once_on_each_method(slack: FakeSlack, fault: Fault) -> None:
    for method in METHODS:
        slack.faults[method] = [fault]
    async with bot(slack) as running:
        await slack.command("/run", "1")
        await slack.see("torch 2.13.0", channel="C1")
        await slack.command("/help")
        await slack.see("I teach PyTorch", to="U1")
        await slack.open_home()
        await slack.until(lambda: slack.homes.get("U1"), "a home")
        await slack.command("/run")
        await slack.until(lambda: slack.dialogs, "a dialog")

    assert not running.events("slack.failed")
    assert len([m for m in slack.shown() if "torch 2.13.0" in m.text]) == 1


FAILING = [Fault(429, "ratelimited", 1), Fault(503), Fault(200, "internal_error"), Fault(drop=True)]
PICTURE = RunFile("figure-1.png", b"\x89PNG\r\n\x1a\n" + b"0" * 100, "A curve")
DRAWN = (
    Running("w1", "cpu"),
    Finished(RunResult(Outcome.OK, "drawn\n", exit_status=0, torch_version="2.13.0", files=(PICTURE,))),
)


@pytest.mark.parametrize("fault", FAILING, ids=str)
@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_a_result_arrives_with_its_picture_or_with_a_word_why_not(
    slack: FakeSlack, method: str, fault: Fault
) -> None:
    slack.faults[method] = [fault]
    async with bot(slack, queue=LiveQueue(DRAWN)) as running:
        await slack.command("/run", "1")
        card = await slack.see("torch 2.13.0", channel="C1")
        await slack.until(lambda: len(running.queue.shown) == 1, "the delivery")

    shared = [file for file in slack.files.values() if file.get("channel") == "C1"]
    assert ("Slack did not take the files" in card.text) == (not shared)
    assert len(shared) <= 1


@pytest.mark.parametrize("fault", FAILING, ids=str)
async def test_a_deleted_result_is_gone_even_if_slack_keeps_its_picture(slack: FakeSlack, fault: Fault) -> None:
    async with bot(slack, queue=LiveQueue(DRAWN)) as running:
        await slack.command("/run", "1")
        card = await slack.see("torch 2.13.0", channel="C1")
        await slack.until(lambda: len(running.queue.shown) == 1, "the delivery")
        slack.faults["files.delete"] = [fault]
        await slack.press(card, "Delete")
        await slack.until(lambda: not slack.files or running.events("slack.file_kept"), "an end")

    assert "drawn" not in card.text


@pytest.mark.parametrize("fault", FAILING, ids=str)
async def test_a_whisper_after_the_response_url_ended_survives_a_failure(slack: FakeSlack, fault: Fault) -> None:
    slack.closed["C9"] = "not_in_channel"
    queue = LiveQueue(ENDED, held=True)
    async with bot(slack, queue=queue):
        await slack.command("/run", "1", channel="C9")
        await slack.see("Starting…", to="U1")
        slack.clock.at += 1801
        del slack.closed["C9"]
        slack.faults["chat.postEphemeral"] = [fault]
        queue.going.set()
        if fault.drop:
            await slack.until(lambda: slack.called("chat.postEphemeral"), "an attempt")
        else:
            await slack.see("torch 2.13.0", to="U1")

    assert len([each for each in slack.shown(to="U1") if "torch 2.13.0" in each.text]) <= 1


async def test_a_post_that_slack_took_before_it_failed_is_there_at_most_twice(slack: FakeSlack) -> None:
    slack.faults["chat.postMessage"] = [Fault(503, accept=True)]
    async with bot(slack) as running:
        await slack.command("/run", "1")
        await slack.see("torch 2.13.0", channel="C1")

    assert len(slack.shown()) == 2
    assert running.events("slack.repeated")


async def test_a_post_whose_answer_was_lost_is_not_repeated(slack: FakeSlack) -> None:
    slack.faults["chat.postMessage"] = [Fault(drop=True, accept=True)]
    async with bot(slack):
        await slack.command("/run", "1")
        await slack.see("Slack did not take my answer", to="U1")

    assert len(slack.shown()) == 1


async def test_nobody_calls_before_the_time_that_slack_asked_for(slack: FakeSlack) -> None:
    slack.faults["response_url"] = [Fault(429, "ratelimited", 1)]
    begun = time.monotonic()
    async with bot(slack):
        await asyncio.gather(*(slack.command("/help", user=f"U{number}") for number in range(20)))
        for number in range(20):
            await slack.see("I teach PyTorch", to=f"U{number}")

    assert time.monotonic() - begun >= 1.0


async def test_a_result_that_slack_does_not_take_now_is_shown_later(slack: FakeSlack) -> None:
    class Stubborn(LiveQueue):
        """Hands out again what could not be shown, as the real queue does."""

        tries = 0

        async def completions(self, reply_to, consumer):  # type: ignore[no-untyped-def]
            while True:
                completion = await self.results.get()
                self.tries += 1
                yield completion
                if completion not in self.shown:
                    self.results.put_nowait(completion)

    queue = Stubborn(ENDED, held=True)
    async with bot(slack, queue=queue):
        await slack.command("/run", "1")
        await slack.see("so far", channel="C1")
        slack.faults["chat.update"] = [Fault(503)] * 3
        queue.going.set()
        await slack.see("torch 2.13.0", channel="C1")

    assert queue.tries >= 2


async def test_a_failing_desk_is_a_sentence_and_one_log_entry(slack: FakeSlack) -> None:
    class Broken(House):
        def __post_init__(self) -> None:
            super().__post_init__()
            self.desk.seal = None  # type: ignore[method-assign, assignment]

    async with bot(slack, house=Broken()) as running:
        ack = await slack.command("/help")
        await slack.see("Something went wrong on our side", to="U1")

    assert ack.status == 200
    assert len(running.events("slack.failed")) == 1


async def test_an_address_that_nobody_can_read_does_no_harm(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        await slack.command("/run", "1")
        await slack.see("torch 2.13.0", channel="C1")
        (order,) = running.queue.orders.values()
        address = json.loads(order.address) | {"place": "nonsense"}
        running.queue.finish(replace(order, address=json.dumps(address)), RunResult(Outcome.OK, "x"))
        await slack.command("/help")
        await slack.see("I teach PyTorch", to="U1")
        await slack.until(lambda: running.events("slack.address_unreadable"), "a log entry")


async def test_a_channel_gets_about_one_message_a_second(slack: FakeSlack) -> None:
    async with bot(slack, rate=MemoryRate()) as running:
        for _ in range(3):
            await slack.command("/run", "1")
        await slack.until(lambda: len(running.queue.shown) == 3, "three results")

    times = [at for method, channel, at in slack.times if channel == "C1" and method.startswith("chat.")]
    for begin in range(len(times)):
        for end in range(begin + 1, len(times)):
            assert end - begin + 1 <= 3 + 1 + (times[end] - times[begin])


# ---- sockets


async def test_two_sockets_are_open_and_a_renewed_one_loses_nothing(slack: FakeSlack) -> None:
    def opened(count: int) -> bool:
        return slack.sockets_opened == count

    async with bot(slack):
        await slack.until(lambda: len(slack.sockets) == 2, "two sockets")
        for number in range(3):
            await slack.refresh(slack.sockets[0])
            await slack.command("/help", user=f"U{number}")
            await slack.see("I teach PyTorch", to=f"U{number}")
            await slack.until(partial(opened, 3 + number), "a new socket")


@pytest.mark.parametrize("both", [False, True])
async def test_a_broken_socket_is_replaced_within_seconds(slack: FakeSlack, both: bool) -> None:
    async with bot(slack):
        await slack.until(lambda: len(slack.sockets) == 2, "two sockets")
        for socket in slack.sockets[: 2 if both else 1]:
            slack.cut(socket)
        await slack.until(lambda: slack.sockets_opened >= (4 if both else 3), "a new socket")
        await slack.command("/help")
        await slack.see("I teach PyTorch", to="U1")


async def test_a_closed_socket_is_replaced(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.until(lambda: len(slack.sockets) == 2, "two sockets")
        await slack.sockets[0].close()
        await slack.until(lambda: slack.sockets_opened == 3, "a new socket")


async def test_sockets_are_asked_for_ever_more_slowly_while_slack_refuses(slack: FakeSlack) -> None:
    slack.faults["apps.connections.open"] = [Fault(503)] * 3
    async with bot(slack):
        await slack.command("/help")
        await slack.see("I teach PyTorch", to="U1")

    assert len(slack.called("apps.connections.open")) <= 6


async def test_an_unknown_envelope_is_acknowledged(slack: FakeSlack) -> None:
    async with bot(slack):
        assert (await slack.deliver("interactive", {"type": "view_closed", "user": {"id": "U1"}})).status == 200
        assert (await slack.deliver("events_api", slack.event_payload({"type": "reaction_added"}))).status == 200


async def test_when_too_much_goes_on_people_are_told_to_try_again(slack: FakeSlack) -> None:
    async with bot(slack, http=True, max_events=0):
        command = await slack.command("/help")
        event = await slack.mention("<@UBOT> help")

    assert command.payload["text"] == "Too much is going on at once. Please try again in a moment."
    assert event.status == 503


# ---- HTTP


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"X-Slack-Signature": "v0=" + "0" * 64}, "wrong"),
        ({"X-Slack-Signature": ""}, "missing"),
        ({"X-Slack-Signature": "v0=" + "é" * 8}, "not ascii"),
        ({"X-Slack-Request-Timestamp": ""}, "no time"),
        ({"X-Slack-Request-Timestamp": "soon"}, "no number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_request_that_slack_did_not_sign_is_refused(
    slack: FakeSlack, headers: dict[str, str], why: str
) -> None:
    async with bot(slack, http=True) as running:
        ack = await slack.send_http("slash_commands", slack.command_payload("/help", ""), headers=headers)

    assert ack.status == 401, why
    assert not slack.called("response_url")
    assert not running.events("slack.failed")


async def test_a_signature_is_good_for_five_minutes_and_for_its_body_alone(slack: FakeSlack) -> None:
    async with bot(slack, http=True):
        payload = slack.command_payload("/help", "")
        old = str(int(time.time()) - 360)
        stale = await slack.send_http(
            "slash_commands", payload, body="a=1",
            headers={"X-Slack-Request-Timestamp": old, "X-Slack-Signature": sign("a=1", old)},
        )  # fmt: skip
        now = str(int(time.time()))
        altered = await slack.send_http(
            "slash_commands", payload, body="a=2",
            headers={"X-Slack-Request-Timestamp": now, "X-Slack-Signature": sign("a=1", now)},
        )  # fmt: skip

    assert (stale.status, altered.status) == (401, 401)


async def test_the_address_is_verified_as_slack_wants(slack: FakeSlack) -> None:
    async with bot(slack, http=True):
        ack = await slack.send_http("events_api", {"type": "url_verification", "challenge": "c4"})

    assert (ack.status, ack.payload) == (200, {"challenge": "c4"})


# ---- set-up


async def test_a_wrong_bot_token_is_said_at_once(slack: FakeSlack) -> None:
    with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN"):
        async with bot(slack, bot_token="xoxb-wrong"):
            pass


async def test_a_wrong_app_token_is_said_at_once(slack: FakeSlack) -> None:
    with pytest.raises(ConfigError, match="SLACK_APP_TOKEN"):
        async with bot(slack, app_token="xapp-wrong"):
            pass


async def test_without_app_token_and_signing_secret_there_is_no_way_in(slack: FakeSlack) -> None:
    with pytest.raises(ConfigError, match="SLACK_SIGNING_SECRET"):
        async with bot(slack, http=True, signing_secret=None):
            pass


async def test_slack_may_be_away_at_the_start(slack: FakeSlack) -> None:
    slack.faults["auth.test"] = [Fault(503)] * 3
    async with bot(slack) as running:
        await slack.command("/help")
        await slack.see("I teach PyTorch", to="U1")

    assert running.said == ["Slack: @torchquiz in Fake, by Socket Mode"]
    assert running.events("slack.away")


async def test_no_secret_is_ever_logged(slack: FakeSlack) -> None:
    for method in (*METHODS, "apps.connections.open"):
        slack.faults[method] = [Fault(503), Fault(200, "invalid_auth")] if method != "apps.connections.open" else []
    async with bot(slack) as running:
        await slack.until(lambda: len(slack.sockets) == 2, "two sockets")
        slack.cut(slack.sockets[0])
        await slack.command("/run", "secret_code()")
        await slack.command("/run")
        await slack.open_home()
        await slack.until(lambda: slack.sockets_opened == 3, "a new socket")

    logged = repr(running.house.log.events)
    assert all(secret not in logged for secret in (BOT_TOKEN, APP_TOKEN, SECRET, "secret_code", "/response/", "/link/"))


# ---- load


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_three_thousand_commands_at_width_64_are_all_acknowledged(slack: FakeSlack, http: bool) -> None:
    class Silent(House):
        """Answers nothing, so that the acknowledgements alone are under load."""

    house = Silent()

    async def one_line(caller, said):  # type: ignore[no-untyped-def]
        yield View((Text(line("ok")),), "ok")

    house.desk.say = one_line  # type: ignore[method-assign]
    acks: list[float] = []
    async with bot(slack, http=http, house=house):
        waiting = iter(range(3000))

        async def worker(number: int) -> None:
            for _ in waiting:
                ack = await slack.command("/help", user=f"U{number}")
                assert ack.status == 200
                acks.append(ack.seconds)

        async with asyncio.TaskGroup() as group:
            for number in range(64):
                group.create_task(worker(number))

    assert len(acks) == 3000
    assert statistics.median(acks) < 3.0  # how long they take is measured by `bench.slack_acks`, on a quiet machine
