"""Torchquiz on Discord, as people meet it: the real library against a small Discord."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from bot.adapters.discord.serving import invite_url
from bot.app.commands import COMMANDS
from bot.core.errors import ConfigError, Unavailable
from bot.core.ids import ItemId
from bot.core.kinds.choosing import Choosable
from bot.core.runs import Finished, Outcome, Printed, RunFile, Running, RunResult
from tests.adapters.discord import rules
from tests.adapters.discord.fake_discord import (
    ALL_PERMISSIONS,
    FakeDiscord,
    Interaction,
    Message,
    Someone,
    command_data,
)
from tests.adapters.discord.living import OK, Bot, MemoryRate, Parts, bot_on_discord
from tests.adapters.views import PNG
from tests.app.building import BANK


def right(message: Message) -> str:
    """The letter of the right answer, found through the bank as no player could."""
    for label, button in message.buttons.items():
        verb, item, option = button["custom_id"].split(".")[1:4]
        found = BANK.items[ItemId(item)] if verb == "a" else None
        if isinstance(found, Choosable) and option == found.right():
            return label
    raise AssertionError("no right option on this card")


def bob(fake: FakeDiscord) -> Someone:
    return Someone(fake, "Bob", "1200000000000000003")


async def test_every_command_of_the_table_is_registered_with_its_options() -> None:
    async with bot_on_discord(suggest={"quiz.what": lambda _: []}) as bot:
        await bot.fake.until(lambda: bot.fake.commands)

        options = {each["name"]: [one["name"] for one in each.get("options", [])] for each in bot.fake.commands}
        table = {name: [argument.name for argument in command.arguments] for name, command in COMMANDS.items()}
        assert options == table | {"run": ["code", "file"], "Run this code": []}


async def test_help_is_private_and_its_button_starts_a_quiz() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        help = await ada.command("help")
        quiz = await ada.press(help.message, "Play Quiz 1")

        assert (help.kind, help.message.to) == (4, ada.id)
        assert "I teach PyTorch" in help.message.text
        assert "question 1 of 10" in quiz.message.text


async def test_a_quiz_is_chosen_from_the_menu() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        menu = await ada.command("quiz")
        label = next(label for label in menu.message.options if label.startswith("11"))

        assert "Quiz 11" in (await ada.choose(menu.message, label)).message.text


async def test_the_verdict_takes_the_place_of_the_question() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        question = await ada.command("quiz", what="11")
        verdict = await ada.press(question.message, right(question.message))
        reasons = await ada.press(verdict.message, "Why not the others?")

        assert (verdict.kind, verdict.message) == (7, question.message)
        assert "✓" in verdict.message.text
        assert "right" in verdict.message.text
        assert "A" not in verdict.message.buttons
        assert reasons.message is question.message


async def play(player: Someone, quiz: str) -> Message:
    """Answer every question right; returns the result."""
    answer = await player.command("quiz", what=quiz)
    while "A" in answer.message.buttons:
        verdict = await player.press(answer.message, right(answer.message))
        go_on = "See result" if "See result" in verdict.message.buttons else "Next question"
        answer = await player.press(verdict.message, go_on)
    return answer.message


async def test_three_people_play_a_whole_quiz_at_once_and_meet_on_the_leaderboard() -> None:
    async with bot_on_discord() as bot:
        players = [Someone(bot.fake, name, f"120000000000000000{n}") for n, name in enumerate(("Ada", "Bob", "Eve"), 2)]

        results = await asyncio.gather(*(play(player, "11") for player in players))
        board = await players[1].command("leaderboard", period="week", scope="workspace")

        assert all("You got **10 of 10**" in result.text for result in results)
        assert all(result.to == player.id for result, player in zip(results, players, strict=True))
        assert board.message.text.count("1. ") == 0
        for name in ("Ada", "Bob", "Eve"):
            assert f"**1.** {name} · 10 points" in board.message.text
        assert "Bob · 10 points **(you)**" in board.message.text


async def test_a_result_is_shared_once_for_all_to_see() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        result = await play(ada, "11")
        shared = await ada.press(result, "Share result")
        again = await ada.press(result, "Share result")

        assert shared.message.to == ""
        assert "Ada got 10 of 10" in shared.message.text
        assert again.kind == 6, "a second tap does nothing"
        joined = await bob(bot.fake).press(shared.message, "Play Quiz 11")
        assert joined.message.to == bob(bot.fake).id


async def test_boards_change_in_place() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        await play(ada, "11")
        board = await ada.command("leaderboard")
        week = await ada.press(board.message, "Week")

        assert week.message is board.message
        assert week.message.buttons["Week"]["disabled"]


async def test_quiz_titles_are_offered_while_typing() -> None:
    titles = [f"{quiz.number} · {quiz.title}" for quiz in BANK.quizzes.values()]

    def suggest(typed: str) -> list[str]:
        return [title for title in titles if typed.lower() in title.lower()]

    async with bot_on_discord(suggest={"quiz.what": suggest}) as bot:
        ada = Someone(bot.fake)

        assert await ada.types("quiz", "what", "transf") == ["6", "11"]
        assert await ada.types("quiz", "what", "zzz") == []
        assert await ada.types("run", "code", "x") == []


async def shown_result(bot: Bot, asked: Interaction, words: str = "ok ·") -> Message:
    """The card of a finished run."""
    await bot.fake.until(lambda: words in asked.message.text)
    return asked.message


async def test_a_run_ends_with_its_figure_in_place_of_its_progress() -> None:
    figure = RunFile("loss.png", PNG + b"0" * 100, "Training loss over 10 epochs, falling")
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        asked = await ada.command("run", code="plt.plot([1, 2])")
        bot.queue.happens(await bot.queue.started(), Running("w", "cpu"), Finished(replace(OK, files=(figure,))))
        card = await shown_result(bot, asked)

        assert (asked.kind, card.to) == (4, "")
        assert "Ada runs" in card.text
        assert "tensor(3)" in card.text
        assert card.files == {"loss.png": figure.content}
        gallery = next(part for part in rules.walk(card.body["components"]) if part["type"] == 12)
        assert gallery["items"][0]["description"] == "Training loss over 10 epochs, falling"
        await bot.queue.until(lambda: len(bot.queue.shown) == 1)


async def test_a_formula_is_turned_over_to_its_text_and_its_picture() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        name = await ada.command("reference", what="1")
        formula = await ada.press(name.message, "Formula")

        assert formula.message is name.message
        assert "MSE = (1/n) · Σᵢ (ŷᵢ − yᵢ)²" in formula.message.text
        assert formula.message.files["formula-01-mse.png"].startswith(PNG)
        gallery = next(part for part in rules.walk(formula.message.body["components"]) if part["type"] == 12)
        assert gallery["items"][0]["description"].startswith("Mean squared error equals one over n")


async def test_a_short_run_is_not_slowed_by_its_progress() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        began = time.monotonic()
        asked = await ada.command("run", code="x")
        bot.queue.happens(await bot.queue.started(), Running("w", "cpu"), Printed("a"), Finished(OK))
        card = await shown_result(bot, asked)

        assert len(card.versions) == 2
        assert time.monotonic() - began < 1


async def test_progress_is_shown_at_most_once_a_second_and_never_after_the_end() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        asked = await ada.command("run", code="x")
        run = await bot.queue.started()
        for number in range(200):
            bot.queue.happens(run, Printed(f"{number}\n"))
            await asyncio.sleep(0.01)  # the worker's own pace
        bot.queue.happens(run, Finished(OK))
        card = await shown_result(bot, asked)
        edits = [at for at, route, _ in bot.fake.requests if route == "edit"]

        assert 2 <= len(edits) <= 4
        gaps = [later - earlier for earlier, later in pairwise(edits)]
        assert all(gap > 0.9 for gap in gaps), gaps  # on the wire each may be a little late
        assert "Output so far" in card.versions[1]["components"][0]["components"][0]["content"]
        assert "Output so far" not in card.text
        assert "Cancel" not in card.buttons


class DeafRate(MemoryRate):
    """Loses the first cancellation, as a client of the store can that is just connecting."""

    def __init__(self) -> None:
        super().__init__()
        self.deaf = asyncio.Event()

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        if bucket.startswith("discord.edit") and not self.deaf.is_set():
            self.deaf.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise Unavailable("lost") from None
        return await super().take(bucket, per_second, burst)


async def test_a_result_is_shown_even_where_the_end_of_its_progress_goes_unheard() -> None:
    rate = DeafRate()
    async with bot_on_discord(Parts(rate=rate)) as bot:
        asked = await Someone(bot.fake).command("run", code="x")
        run = await bot.queue.started()
        bot.queue.happens(run, Running("w", "cpu"), Printed("a"))
        await rate.deaf.wait()
        bot.queue.happens(run, Finished(OK))
        card = await shown_result(bot, asked)

        assert "Output so far" not in card.text
        await bot.queue.until(lambda: len(bot.queue.shown) == 1)


async def test_long_output_comes_as_a_file() -> None:
    output = "".join(f"{number}\n" for number in range(12_000))
    async with bot_on_discord() as bot:
        asked = await Someone(bot.fake).command("run", code="x")
        bot.queue.happens(await bot.queue.started(), Finished(replace(OK, output=output)))
        card = await shown_result(bot, asked)

        assert card.files["output.txt"].decode() == output.rstrip()


async def test_an_empty_run_opens_a_dialog_that_runs_what_is_sent() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        dialog = await ada.command("run")
        asked = await ada.submit(dialog, code="print(1)\nprint(2)")
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        card = await shown_result(bot, asked)
        edit = await ada.press(card, "Edit and run")

        assert dialog.kind == 9
        assert [order.source for order in bot.queue.orders.values()] == ["print(1)\nprint(2)"]
        assert edit.data["components"][0]["component"]["value"] == "print(1)\nprint(2)"
        again = await ada.submit(edit, code="print(3)")
        assert again.kind == 4
        assert again.message is not card


async def test_code_too_long_for_a_dialog_is_not_shown_cut() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        asked = await ada.attach("long.py", b"x = 1\n" * 1000)
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        edit = await ada.press(await shown_result(bot, asked), "Edit and run")

        assert edit.kind == 4
        assert "longer than the 4000 characters" in edit.message.text


async def test_the_code_of_any_message_can_be_run() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        await ada.run_this("try\n```py\nprint(1)\n```")
        bot.fake.files["x.py"] = b"for i in range(3):\n    print(i)\n"
        await ada.run_this("see the file", file="x.py")
        nothing = await ada.run_this("hello")

        assert [order.source for order in bot.queue.orders.values()] == [
            "print(1)",
            "for i in range(3):\n    print(i)",
        ]
        assert "There is no code in that message" in nothing.message.text
        assert nothing.message.to == ada.id


async def test_a_file_of_code_is_run_whole() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        await ada.attach("train.py", b"if True:\n    print(1)\n")
        big = await ada.attach("big.py", b"x" * 70_000)

        assert [order.source for order in bot.queue.orders.values()] == ["if True:\n    print(1)"]
        assert "I run at most 64 KiB" in big.message.text


async def test_only_who_started_a_run_may_delete_it() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        asked = await ada.command("run", code="x")
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        card = await shown_result(bot, asked)
        foreign = await bob(bot.fake).press(card, "Delete")
        deleted = await ada.press(card, "Delete")

        assert "not yours to press" in foreign.message.text
        assert foreign.message.to == bob(bot.fake).id
        assert deleted.message is card
        assert card.text == "-# Ada deleted this result."
        assert not card.buttons


async def test_a_run_can_be_cancelled_and_run_again() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        asked = await ada.command("run", code="x")
        run = await bot.queue.started()
        cancelled = await ada.press(asked.message, "Cancel")
        bot.queue.happens(run, Finished(RunResult(Outcome.CANCELLED)))
        card = await shown_result(bot, asked, "Cancelled.")
        again = await bob(bot.fake).press(card, "Run again")

        assert "Stopping it now" in cancelled.message.text
        assert "Bob runs" in again.message.text
        assert again.message.to == ""


async def test_a_proof_is_shown_to_its_reader_alone() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake)
        question = await ada.command("quiz", what="11")
        verdict = await ada.press(question.message, right(question.message))
        asked = await ada.press(verdict.message, "Run the proof")
        bot.queue.happens(await bot.queue.started(), Finished(OK))
        card = await shown_result(bot, asked)

        assert card.to == ada.id
        assert "Proof of quiz-11-q01" in card.text


async def test_private_messages_work_like_a_server() -> None:
    async with bot_on_discord() as bot:
        ada = Someone(bot.fake, channel="1200000000000000999", guild="")
        question = await ada.command("quiz", what="11")
        verdict = await ada.press(question.message, right(question.message))
        board = await ada.command("leaderboard", scope="workspace")

        assert "Right." in verdict.message.text
        assert "Ada · 1 point" in board.message.text


@pytest.mark.parametrize("name", ["@everyone", "\u202e<@12> ```", "Z" + "\u0301" * 300, "x" * 10_000, "**[a](b)**"])
async def test_a_hostile_name_is_shown_as_it_is(name: str) -> None:
    async with bot_on_discord() as bot:
        mallory = Someone(bot.fake, name)
        asked = await mallory.command("run", code="x")

        raw = asked.message.body["components"][0]["components"][0]["content"]
        assert "@everyone" not in raw
        assert "\u202e" not in raw
        assert raw.count("```") == 2
        assert len(raw) < 400


async def test_output_never_mentions_or_leaves_its_block() -> None:
    output = "@everyone <@12> ```\n# big\x1b[31m\x00"
    async with bot_on_discord() as bot:
        asked = await Someone(bot.fake).command("run", code="x")
        bot.queue.happens(await bot.queue.started(), Finished(replace(OK, output=output)))
        card = await shown_result(bot, asked)

        assert card.text.count("```") == 4
        assert card.body["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize(
    ("line", "words"),
    [("99", "There is no quiz 99"), ("abc", "is not a quiz number"), ("١١", "is not a quiz number")],
)
async def test_bad_input_is_answered_in_private(line: str, words: str) -> None:
    async with bot_on_discord() as bot:
        answer = await Someone(bot.fake).command("quiz", what=line)

        assert words in answer.message.text
        assert answer.message.to


async def test_a_command_of_an_older_version_is_answered() -> None:
    async with bot_on_discord() as bot:
        answer = await Someone(bot.fake).does(2, command_data("daily"))

        assert "There is no command" in answer.message.text


async def test_an_event_of_an_unknown_kind_is_answered() -> None:
    async with bot_on_discord() as bot:
        data = {"id": "1", "name": "Inspect", "type": 2, "target_id": "9", "resolved": {}}

        answer = await Someone(bot.fake).does(2, data)

        assert answer.message.to


def test_the_invitation_asks_for_no_more_than_is_needed() -> None:
    assert invite_url("110") == (
        "https://discord.com/oauth2/authorize?client_id=110&scope=bot+applications.commands"
        f"&permissions={ALL_PERMISSIONS}"
    )
    assert "permissions" not in invite_url("110", one_person=True)
    with pytest.raises(ConfigError):
        invite_url("abc")
