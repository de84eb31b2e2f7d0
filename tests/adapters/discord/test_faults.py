"""What goes wrong between us and Discord: nothing is lost, nothing is shown twice, everybody gets an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.adapters.discord.serving import shard_range
from bot.core.actions import Codec, DeleteRun, ShareResult
from bot.core.errors import ConfigError
from bot.core.ids import Tenant, UserId
from bot.core.runs import Finished, Refusal, RefusalReason, RunFile, RunId
from tests.adapters.discord.fake_discord import ATTACH, CHANNEL, GUILD, TOKEN, Fault, Someone, discord, modal_data
from tests.adapters.discord.living import HASTY, OK, TUNING, Parts, bot_on_discord, running
from tests.adapters.discord.test_conversation import bob, play, right, shown_result
from tests.adapters.views import PNG

# --- restarts


async def test_buttons_and_forms_work_after_a_restart() -> None:
    parts = Parts()
    async with discord() as fake:
        ada = Someone(fake)
        async with running(fake, parts):
            question = await ada.command("quiz", what="11")
            dialog = await ada.command("run")
        fake.gateway.identifies.clear()  # minutes have passed
        async with running(fake, parts) as bot:
            verdict = await ada.press(question.message, right(question.message))
            asked = await ada.submit(dialog, code="print(1)")

            assert "Right." in verdict.message.text
            assert asked.kind == 4
            assert len(bot.queue.orders) == 1


async def test_a_run_outlives_the_process_that_took_it() -> None:
    parts = Parts()
    async with discord() as fake:
        ada = Someone(fake)
        async with running(fake, parts):
            asked = await ada.command("run", code="x")
        fake.gateway.identifies.clear()
        parts.queue.happens(await parts.queue.started(), Finished(OK))
        async with running(fake, parts) as bot:
            await shown_result(bot, asked)

            assert len(asked.message.versions) == 2


# --- late


async def test_after_a_quarter_of_an_hour_the_result_comes_below_in_the_channel() -> None:
    async with bot_on_discord() as bot:
        asked = await Someone(bot.fake).command("run", code="x")
        bot.fake.skip(901)
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        await bot.fake.until(lambda: len(bot.fake.messages) == 2)
        posted = list(bot.fake.messages.values())[-1]

        assert (posted.channel, posted.to) == (CHANNEL, "")
        assert "tensor(3)" in posted.text
        assert len(asked.message.versions) == 1
        assert not [path for _, route, path in bot.fake.requests if route == "edit"]
        await Someone(bot.fake).press(posted, "Delete")
        assert posted.text == "-# Ada deleted this result."


async def test_a_late_result_is_posted_once_although_its_answer_was_lost() -> None:
    async with bot_on_discord() as bot:
        bot.fake.fail("post", Fault(drop=True, after=True))
        await Someone(bot.fake).command("run", code="x")
        bot.fake.skip(901)
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        await bot.queue.until(lambda: bot.queue.shown)

        assert len(bot.fake.messages) == 2


async def test_without_permission_the_result_comes_in_private_and_says_who_can_help() -> None:
    async with bot_on_discord() as bot:
        bot.fake.permissions[CHANNEL] = 1 << 10
        ada = Someone(bot.fake)
        await ada.command("run", code="x")
        bot.fake.skip(901)
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        await bot.fake.until(lambda: len(bot.fake.messages) == 2)
        posted = list(bot.fake.messages.values())[-1]

        assert posted.to == ada.id
        assert "I lack the permission Send Messages in this channel" in posted.text
        assert "can grant it" in posted.text
        assert "tensor(3)" in posted.text


async def test_a_private_result_never_comes_in_the_channel() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        question = await ada.command("quiz", what="11")
        verdict = await ada.press(question.message, right(question.message))
        await ada.press(verdict.message, "Run the proof")
        bot.fake.skip(901)
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        await bot.fake.until(lambda: any("Proof of" in each.text for each in list(bot.fake.messages.values())[2:]))

        assert list(bot.fake.messages.values())[-1].to == ada.id


async def test_nobody_to_tell_is_not_an_error() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        bot.fake.permissions[CHANNEL] = 0
        bot.fake.closed_dms.add(ada.id)
        await ada.command("run", code="x")
        bot.fake.skip(901)
        bot.queue.happens(await bot.queue.started(), Finished(OK))

        await bot.queue.until(lambda: bot.queue.shown)


async def test_files_that_are_forbidden_are_named() -> None:
    async with bot_on_discord() as bot:
        bot.fake.permissions[CHANNEL] &= ~ATTACH
        asked = await Someone(bot.fake).command("run", code="x")
        figure = RunFile("loss.png", PNG, "falling")
        bot.queue.happens(await bot.queue.started(), Finished(replace(OK, files=(figure,))))
        card = await shown_result(bot, asked)

        assert "I lack the permission Attach Files" in card.text
        assert "tensor(3)" in card.text
        assert set(card.buttons) == {"Run again", "Edit and run", "Delete"}


async def test_a_result_that_someone_took_away_stays_away() -> None:
    async with bot_on_discord() as bot:
        asked = await Someone(bot.fake).command("run", code="x")
        asked.message.deleted = True
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        await bot.queue.until(lambda: bot.queue.shown)

        assert len(bot.fake.messages) == 1


# --- a slow store: announced first, shown where it belongs


class SlowHouse(Parts):
    """Everything of the store takes a while, once `slow` is set."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.slow = 0.0
        scores = self.house.scores
        for name in ("progress", "record_practice", "board", "restart"):
            setattr(scores, name, self._slowed(getattr(scores, name)))

    def _slowed(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wait(*arguments: Any, **options: Any) -> Any:
            await asyncio.sleep(self.slow)
            return await method(*arguments, **options)

        return wait


async def test_a_slow_private_answer_is_announced_in_private() -> None:
    parts = SlowHouse()
    parts.slow = 0.4
    async with bot_on_discord(parts, tuning=HASTY) as bot:
        answer = await Someone(bot.fake).command("quiz", what="11")

        assert (answer.kind, bool(answer.message.to)) == (5, True)
        await bot.fake.until(lambda: not answer.message.loading)
        assert "question 1 of 10" in answer.message.text


async def test_a_slow_verdict_still_takes_the_place_of_its_question() -> None:
    parts = SlowHouse()
    async with bot_on_discord(parts, tuning=HASTY) as bot:
        ada = Someone(bot.fake)
        question = await ada.command("quiz", what="11")
        parts.slow = 0.4
        verdict = await ada.press(question.message, right(question.message))

        assert verdict.kind == 6
        await bot.fake.until(lambda: "Right." in question.message.text)


async def test_a_slow_error_to_a_button_comes_beside_its_card() -> None:
    parts = SlowHouse()
    async with bot_on_discord(parts, tuning=HASTY) as bot:
        ada = Someone(bot.fake)
        result = await play(ada, "11")
        question = await ada.press(result, "Play again")
        again = await ada.command("quiz", what="11")
        while "A" in again.message.buttons:
            verdict = await ada.press(again.message, right(again.message))
            again = await ada.press(verdict.message, next(iter(verdict.message.buttons)))
        await ada.press(again.message, "Play again")
        parts.slow = 0.4
        stale = await ada.press(question.message, "A")

        assert stale.kind == 6
        await bot.fake.until(lambda: stale.follow_ups)
        assert "from an earlier round" in stale.follow_ups[0].text
        assert stale.follow_ups[0].to == ada.id


async def test_a_slow_share_is_public() -> None:
    parts = SlowHouse()
    async with bot_on_discord(parts, tuning=HASTY) as bot:
        ada = Someone(bot.fake)
        result = await play(ada, "11")
        parts.slow = 0.4
        shared = await ada.press(result, "Share result")

        await bot.fake.until(lambda: not shared.message.loading)
        assert (shared.kind, shared.message.to) == (5, "")
        assert "Ada got 10 of 10" in shared.message.text


async def test_a_slow_refusal_of_a_run_is_not_shown_to_all() -> None:
    parts = Parts()
    parts.queue.slow = 0.4
    parts.queue.refusal = Refusal(RefusalReason.USER_FULL, 3)
    async with bot_on_discord(parts, tuning=HASTY) as bot:
        ada = Someone(bot.fake)
        asked = await ada.command("run", code="x")

        await bot.fake.until(lambda: asked.follow_ups)
        assert (asked.kind, asked.message.deleted) == (5, True)
        assert asked.follow_ups[0].to == ada.id
        assert "You already have 3 runs" in asked.follow_ups[0].text


async def test_a_slow_run_is_announced_and_its_result_replaces_the_announcement() -> None:
    parts = Parts()
    parts.queue.slow = 0.4
    async with bot_on_discord(parts, tuning=HASTY) as bot:
        asked = await Someone(bot.fake).command("run", code="x")
        bot.queue.happens(await bot.queue.started(), Finished(OK))

        await bot.fake.until(lambda: not asked.message.loading and "ok ·" in asked.message.text)
        assert (asked.kind, asked.message.to) == (5, "")


async def test_a_hung_store_is_acknowledged_in_time_by_everyone() -> None:
    parts = SlowHouse()
    parts.slow = 4.0
    async with bot_on_discord(parts, tuning=HASTY) as bot:
        answers = await asyncio.gather(
            *(Someone(bot.fake, f"P{n}", str(12 * 10**17 + n)).command("quiz", what="11") for n in range(100))
        )

        assert {answer.kind for answer in answers} == {5}
        assert max(answer.acknowledged - answer.sent for answer in answers) < 3


# --- the gateway


async def test_what_happened_while_the_socket_was_down_is_answered_after_the_resume() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        await ada.command("help")
        bot.fake.gateway.cut()
        answers = await asyncio.gather(*(ada.command("help") for _ in range(3)))

        assert all(answer.kind == 4 for answer in answers)
        assert bot.fake.gateway.resumes == 1
        assert len(bot.fake.gateway.identifies) == 1


@pytest.mark.parametrize("code", [1000, 1001, 4000, 4001, 4002, 4003, 4005, 4007, 4008, 4009])
async def test_every_close_that_allows_it_is_resumed(code: int) -> None:
    async with bot_on_discord() as bot:
        await bot.fake.gateway.end(code)
        answer = await Someone(bot.fake).command("help")

        assert answer.kind == 4
        assert len(bot.fake.gateway.identifies) == 1


async def test_many_drops_lose_nothing_and_cost_no_start() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        for number in range(25):
            if number % 2:
                bot.fake.gateway.cut()
            else:
                await bot.fake.gateway.ask_reconnect()
            assert (await ada.command("help")).kind == 4
            await bot.fake.until(lambda: bot.fake.gateway.connected)

        assert len(bot.fake.gateway.identifies) == 1


async def test_an_invalid_session_begins_anew() -> None:
    async with bot_on_discord() as bot:
        await bot.fake.gateway.invalidate(resumable=True)
        assert (await Someone(bot.fake).command("help")).kind == 4
        await bot.fake.gateway.invalidate(resumable=False)
        await bot.fake.until(lambda: len(bot.fake.gateway.identifies) == 2)

        assert (await Someone(bot.fake).command("help")).kind == 4


async def test_a_gateway_that_falls_silent_is_left() -> None:
    async with discord() as fake:
        fake.gateway.beat_seconds = 0.2
        async with running(fake, tuning=replace(TUNING, silence=1.0)) as bot:
            fake.gateway.muted = True
            await fake.until(lambda: fake.gateway.resumes)
            fake.gateway.muted = False

            assert (await Someone(fake).command("help")).kind == 4
            assert bot.fake.gateway.connections >= 2


async def test_a_gateway_that_is_away_for_a_while_is_resumed() -> None:
    async with bot_on_discord() as bot:
        bot.fake.gateway.refusing = True
        bot.fake.gateway.cut()
        ada = Someone(bot.fake)
        began = ada.begins(2, {"id": "1", "name": "help", "type": 1, "options": []})
        await bot.fake.until(lambda: not bot.fake.gateway.connected)
        await asyncio.sleep(0.5)  # the time of the outage
        bot.fake.gateway.refusing = False
        await bot.fake.until(lambda: bot.fake.gateway.connected)

        assert (await ada.command("help")).kind == 4
        assert len(bot.fake.gateway.identifies) == 1
        assert began.kind in (0, 4)  # answered when it came within its three seconds


async def test_an_event_that_the_library_cannot_read_costs_one_connection() -> None:
    async with discord() as fake, running(fake) as bot:
        ada = Someone(fake)
        made = fake.interaction(ada, 2, {"id": "1", "name": "help", "type": 1})
        del made.payload["attachment_size_limit"]
        fake.gateway.dispatch("INTERACTION_CREATE", made.payload)
        await fake.until(lambda: len(fake.gateway.identifies) == 2)

        assert (await ada.command("help")).kind == 4
        assert bot.logged("discord.connection_failed")


async def test_a_repeated_delivery_is_answered_once() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        asked = await ada.command("run", code="x")
        bot.fake.gateway.repeat()
        bot.fake.gateway.repeat()
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        await shown_result(bot, asked)

        assert len([1 for _, route, _ in bot.fake.requests if route == "callback"]) == 1
        assert len(bot.queue.orders) == 1


async def test_two_processes_with_the_same_event_show_it_once() -> None:
    parts = Parts()
    async with discord() as fake, running(fake, parts):
        fake.gateway.identifies.clear()
        async with running(fake, parts) as second:
            ada = Someone(fake)
            made = fake.interaction(
                ada, 2, {"id": "1", "name": "run", "type": 1, "options": [{"name": "code", "value": "x"}]}
            )
            await fake.gateway.everywhere("INTERACTION_CREATE", made.payload)
            await fake.until(lambda: sum(route == "callback" for _, route, _ in fake.requests) == 2)
            parts.queue.happens(await parts.queue.started(), Finished(OK))
            await shown_result(second, made)

            assert len(fake.messages) == 1
            assert len(parts.queue.orders) == 1


async def test_shards_are_opened_when_the_gateway_asks_for_them() -> None:
    async with discord(shards=2) as fake, running(fake) as bot:
        await bot.fake.until(lambda: len(bot.fake.gateway.sessions) == 2)
        elsewhere = Someone(bot.fake, guild=str(int(GUILD) + (1 << 22)))

        assert (await Someone(bot.fake).command("help")).kind == 4
        assert (await elsewhere.command("help")).kind == 4
        assert {session.shard for session in bot.fake.gateway.sessions.values()} == {(0, 2), (1, 2)}


async def test_a_process_may_serve_a_range_of_shards() -> None:
    mine = int(GUILD) >> 22
    async with bot_on_discord(shard_ids=[mine % 3], shard_count=3) as bot:
        assert (await Someone(bot.fake).command("help")).kind == 4
        assert {session.shard for session in bot.fake.gateway.sessions.values()} == {(mine % 3, 3)}


@pytest.mark.parametrize(("text", "ids", "count"), [("0-3/8", [0, 1, 2, 3], 8), ("7/8", [7], 8), (" 0/1 ", [0], 1)])
def test_a_range_of_shards_is_written_shortly(text: str, ids: list[int], count: int) -> None:
    assert (list(shard_range(text)[0]), shard_range(text)[1]) == (ids, count)


@pytest.mark.parametrize("text", ["", "8/8", "3-1/8", "0-8/8", "-1/8", "0/0", "a/b", "0..3/8"])
def test_what_is_no_range_of_shards_is_said(text: str) -> None:
    with pytest.raises(ConfigError, match="such as 0-3/8"):
        shard_range(text)


async def test_a_wrong_token_is_one_clear_error() -> None:
    async with discord() as fake:
        with pytest.raises(ConfigError, match="Discord does not accept DISCORD_TOKEN") as caught:
            async with running(fake, token="wrong"):
                pass

        assert "wrong" not in str(caught.value)


async def test_a_token_withdrawn_while_running_ends_the_bot_with_a_clear_error() -> None:
    async with discord() as fake, running(fake) as bot:
        await fake.gateway.end(4004)

        with pytest.raises(ConfigError, match="Discord does not accept"):
            async with asyncio.timeout(10):
                await bot.task


async def test_discord_away_at_the_start_is_waited_for() -> None:
    async with discord() as fake:
        fake.fail("me", Fault(503), Fault(drop=True))
        async with running(fake) as bot:
            assert (await Someone(fake).command("help")).kind == 4
            assert bot.logged("discord.disconnected")


async def test_commands_are_registered_in_the_end() -> None:
    async with discord() as fake:
        fake.fail("commands", Fault(503))
        async with running(fake):
            await fake.until(lambda: fake.commands)


# --- REST


FAULTS = [Fault(500), Fault(502), Fault(429, retry_after=0.3), Fault(drop=True), Fault(drop=True, after=True)]


@pytest.mark.parametrize("fault", [*FAULTS, Fault(503)], ids=str)
async def test_the_first_answer_survives_a_fault(fault: Fault) -> None:
    async with bot_on_discord() as bot:
        bot.fake.fail("callback", replace(fault))
        answer = await Someone(bot.fake).command("help")

        assert answer.kind == 4
        assert answer.acknowledged - answer.sent < 3
        assert len(bot.fake.messages) == 1


@pytest.mark.parametrize("fault", [*FAULTS, Fault(503), Fault(429, retry_after=0.3, everywhere=True)], ids=str)
@pytest.mark.parametrize("route", ["edit", "post"])
async def test_a_result_survives_a_fault(route: str, fault: Fault) -> None:
    async with bot_on_discord() as bot:
        bot.fake.fail(route, replace(fault))
        asked = await Someone(bot.fake).command("run", code="x")
        if route == "post":
            bot.fake.skip(901)
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        await bot.queue.until(lambda: bot.queue.shown)

        assert len(bot.fake.messages) == (2 if route == "post" else 1)
        assert "ok ·" in list(bot.fake.messages.values())[-1].text
        assert asked.kind == 4


async def test_a_result_waits_for_discord_to_come_back() -> None:
    async with bot_on_discord() as bot:
        bot.fake.fail("edit", *(Fault(503) for _ in range(6)))
        asked = await Someone(bot.fake).command("run", code="x")
        bot.queue.happens(await bot.queue.started(), Finished(OK))

        await shown_result(bot, asked)
        assert len(bot.queue.shown) <= 1


async def test_the_announcement_of_a_slow_answer_survives_a_fault() -> None:
    parts = SlowHouse()
    parts.slow = 0.5
    async with bot_on_discord(parts, tuning=HASTY) as bot:
        bot.fake.fail("callback", Fault(503))
        bot.fake.fail("edit", Fault(503))
        answer = await Someone(bot.fake).command("quiz", what="11")

        await bot.fake.until(lambda: not answer.message.loading)
        assert "question 1 of 10" in answer.message.text


async def test_an_event_that_came_too_late_is_dropped_quietly() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        made = bot.fake.interaction(ada, 2, {"id": "1", "name": "help", "type": 1}, created=bot.fake.now() - 4)
        bot.fake.gateway.dispatch("INTERACTION_CREATE", made.payload)
        assert (await ada.command("help")).kind == 4

        assert [fields["why"] for fields in bot.logged("discord.unanswered")] == ["late"]


async def test_the_pace_of_posts_stays_below_the_buckets_and_the_global_limit() -> None:
    async with discord() as fake:
        fake.bucket = (5, 0.3)
        async with running(fake) as bot:
            people = [
                Someone(fake, f"P{n}", str(12 * 10**17 + n), channel=str(13 * 10**17 + n % 40)) for n in range(120)
            ]
            for person in people:
                person.begins(2, {"id": "1", "name": "run", "type": 1, "options": [{"name": "code", "value": "x"}]})
            await bot.queue.started(120)
            await fake.until(lambda: sum(each.kind == 4 for each in fake.interactions.values()) == 120)
            fake.skip(901)
            for run in list(bot.queue.orders):
                bot.queue.happens(run, Finished(OK))
            await bot.queue.until(lambda: len(bot.queue.shown) == 120)

            assert len(fake.messages) == 240
            assert bot.rate.taken["discord.post"] == 120


# --- people


async def test_two_taps_at_once_count_once() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        question = await ada.command("quiz", what="11")
        letter = right(question.message)
        first, second = await asyncio.gather(ada.press(question.message, letter), ada.press(question.message, letter))
        board = await ada.command("leaderboard")

        assert {first.kind, second.kind} == {7}
        assert "Ada · 1 point **(you)**" in board.message.text


@pytest.mark.parametrize(
    "mutate", ["", "x", "r1", "r1.q.11.p0.AAAA", "r9.q.11.pzzz.aaaaaaaaaaaa", "r1." + "a" * 90, "\x00", "💥" * 20]
)
async def test_a_forged_button_is_answered_in_private(mutate: str) -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        help = await ada.command("help")
        answer = await ada.click(help.message, mutate)

        assert "That button" in answer.message.text
        assert answer.message.to == ada.id
        assert answer.message is not help.message


async def test_a_button_of_another_server_or_person_is_not_obeyed() -> None:
    codec = Codec(b"0123456789abcdef")
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        asked = await ada.command("run", code="x")
        now = bot.house.clock.now()
        elsewhere = codec.encode(ShareResult("11"), Tenant("d1"), now)
        of_bob = codec.encode(DeleteRun(RunId("r")), Tenant("d" + GUILD), now, UserId(bob(bot.fake).id))

        for wire in (elsewhere, of_bob):
            answer = await ada.click(asked.message, wire)
            assert "not yours" in answer.message.text


async def test_a_forged_form_is_answered_in_private() -> None:
    async with bot_on_discord() as bot:
        answer = await Someone(bot.fake).does(5, modal_data("0" * 32, code="x"))

        assert "That button is not yours" in answer.message.text
        assert not bot.queue.orders


async def test_a_click_after_the_end_of_a_run_is_answered() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        asked = await ada.command("run", code="x")
        cancel = asked.message.buttons["Cancel"]["custom_id"]
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        card = await shown_result(bot, asked)
        late = await ada.click(card, cancel)

        assert late.message.to == ada.id
        assert "ok ·" in card.text


async def test_more_people_than_we_can_answer_are_told_so() -> None:
    parts = SlowHouse()
    parts.slow = 1.0
    async with bot_on_discord(parts, tuning=replace(HASTY, most=5)) as bot:
        answers = await asyncio.gather(
            *(Someone(bot.fake, f"P{n}", str(12 * 10**17 + n)).command("quiz", what="11") for n in range(12))
        )
        told = [answer for answer in answers if answer.kind == 4]

        assert len(told) >= 6
        assert all("Please try again in a moment" in answer.message.text for answer in told)


async def test_nothing_secret_is_logged() -> None:
    async with bot_on_discord() as bot:
        bot.fake.fail("callback", Fault(403, code=50013), Fault(drop=True))
        bot.fake.fail("edit", Fault(400, code=50035), Fault(401, code=50027))
        ada = Someone(bot.fake)
        ada.begins(2, {"id": "1", "name": "help", "type": 1})
        asked = await ada.command("run", code="secret_code()")
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        await bot.queue.until(lambda: bot.queue.shown)
        logged = repr(bot.log.events)

        assert TOKEN not in logged
        assert asked.payload["token"] not in logged
        assert "secret_code" not in logged
