"""What people do on Slack and what they then see, over the wire, with the real slack-bolt."""

from __future__ import annotations

import json

import pytest

from bot.adapters.slack.parse import SHORTCUT
from bot.core.runs import Finished, Outcome, Printed, Refusal, RefusalReason, RunFile, Running, RunResult
from tests.adapters.slack.fake_slack import FakeSlack, Fault, labels
from tests.adapters.slack.serving import LiveQueue, bot

HTTP = pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


def ended(output: str = "tensor(3)\n", *files: RunFile) -> tuple[Running, Printed, Finished]:
    result = RunResult(Outcome.OK, output, exit_status=0, torch_version="2.13.0", files=files)
    return (Running("w1", "cpu"), Printed("so far\n"), Finished(result))


@HTTP
async def test_a_question_is_whispered_and_its_card_becomes_the_verdict(slack: FakeSlack, http: bool) -> None:
    async with bot(slack, http=http):
        ack = await slack.command("/quiz", "1")
        card = await slack.see("question 1 of", to="U1")
        assert ack.status == 200
        assert labels(card.body["blocks"]) == ["A", "B", "C", "D"]

        await slack.press(card, "A")
        verdict = await slack.see("1 answered", to="U1")

    assert verdict is card
    assert slack.shown() == []


async def test_a_whole_quiz_ends_with_a_line_for_all_and_a_place_on_the_board(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        await slack.command("/quiz", "1")
        for number in range(1, len(running.house.bank.quizzes[1].questions) + 1):
            card = await slack.see(f"question {number} of", to="U1")
            await slack.press(card, "B")
            verdict = await slack.see(f"{number} answered", to="U1")
            await slack.press(verdict, labels(verdict.body["blocks"])[0])
        result = await slack.see("You got", to="U1")
        await slack.press(result, "Share result")
        shared = await slack.see("u1 got", channel="C1")
        await slack.press(result, "Leaderboard")
        board = await slack.see("Leaderboard · ", to="U1")

    assert shared.to == ""
    assert "u1" in board.text
    assert "(you)" in board.text


async def test_a_board_changes_in_place(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.command("/leaderboard", "week")
        board = await slack.see("Leaderboard · ", to="U1")
        await slack.press(board, "Month")
        await slack.see("Leaderboard · this month", to="U1")

    assert slack.shown(to="U1") == [board]


@pytest.mark.parametrize("way", ["umbrella", "mention", "menu"])
async def test_a_quiz_can_be_asked_for_in_every_way(slack: FakeSlack, way: str) -> None:
    async with bot(slack):
        if way == "umbrella":
            await slack.command("/torch", "quiz 1")
        elif way == "mention":
            await slack.mention("<@UBOT> quiz 1")
        else:
            await slack.command("/quiz")
            menu = await slack.see("Quizzes", to="U1")
            first = menu.body["blocks"][-1]["elements"][0]["options"][0]["text"]["text"]
            await slack.press(menu, first)

        await slack.see("question 1 of", to="U1")


@pytest.mark.parametrize("text", ["quiz 1", "/quiz 1", "<@UBOT> quiz 1", "  Quiz 1\n"])
async def test_alone_with_the_bot_people_just_say_what_they_want(slack: FakeSlack, text: str) -> None:
    async with bot(slack):
        await slack.say_alone(text)
        card = await slack.see("question 1 of", channel="DU1")
        await slack.press(card, "A")
        await slack.see("1 answered", channel="DU1")


async def test_the_bot_does_not_talk_to_itself_nor_about_what_was_edited_or_is_not_said_to_it(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.say_alone("quiz 1", bot_id="B1")
        await slack.say_alone("quiz 1", subtype="message_changed")
        await slack.say_alone("quiz 1", channel_type="channel")
        await slack.say_alone("help")
        await slack.see("I teach PyTorch", channel="DU1")

    assert len(slack.shown()) == 1


async def test_an_unknown_command_is_answered(slack: FakeSlack) -> None:
    async with bot(slack):
        ack = await slack.command("/trivia", "11")
        await slack.see("There is no command /trivia", to="U1")

    assert ack.status == 200


async def test_help_and_bad_input_are_kind_sentences_for_one(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.command("/torch")
        await slack.see("I teach PyTorch", to="U1")
        await slack.command("/quiz", "<!channel> 99")
        await slack.see("is not a quiz number", to="U1")

    assert slack.shown() == []


async def test_a_run_is_one_message_from_start_to_result(slack: FakeSlack) -> None:
    queue = LiveQueue(ended(), held=True)
    async with bot(slack, queue=queue):
        await slack.command("/run", "print(torch.ones(2) &lt; 3)")
        card = await slack.see("so far", channel="C1")
        assert "print(torch.ones(2) < 3)" in card.text
        assert labels(card.body["blocks"]) == ["Cancel"]
        queue.going.set()
        await slack.see("torch 2.13.0", channel="C1")

    assert slack.shown() == [card]
    assert labels(card.body["blocks"]) == ["Run again", "Edit and run", "Delete"]
    assert len(queue.shown) == 1


async def test_only_the_person_who_started_a_run_cancels_it(slack: FakeSlack) -> None:
    queue = LiveQueue(ended(), held=True)
    async with bot(slack, queue=queue):
        await slack.command("/run", "1")
        card = await slack.see("so far", channel="C1")
        await slack.press(card, "Cancel", user="U2")
        await slack.see("not yours", to="U2")
        await slack.press(card, "Cancel")
        await slack.see("Stopping it now", to="U1")


async def test_a_run_by_mention_knows_the_name_of_whoever_was_seen_before(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.command("/help")
        await slack.see("I teach PyTorch", to="U1")
        await slack.mention("<@UBOT> run ```1 &lt; 2```")
        card = await slack.see("torch 2.13.0", channel="C1")

    assert card.text.startswith("u1 runs\n1 < 2")


async def test_a_refused_run_leaves_nothing_in_the_channel(slack: FakeSlack) -> None:
    queue = LiveQueue()
    queue.refusal = Refusal(RefusalReason.USER_FULL, limit=2)
    async with bot(slack, queue=queue):
        await slack.command("/run", "1")
        await slack.see("You already have 2 runs", to="U1")

    assert slack.shown() == []


async def test_long_output_and_figures_come_as_files_in_the_thread_and_go_with_the_result(slack: FakeSlack) -> None:
    output = "\n".join(f"line {number}" for number in range(9000))
    queue = LiveQueue(ended(output, RunFile("figure-1.png", PNG, "A plot")))
    async with bot(slack, queue=queue):
        await slack.command("/run", "plot()")
        card = await slack.see("torch 2.13.0", channel="C1")
        files = sorted(
            (file["name"], file["content"], file["thread"], file["channel"]) for file in slack.files.values()
        )
        assert files == [
            ("figure-1.png", PNG, card.ts, "C1"),
            ("output.txt", output.encode(), card.ts, "C1"),
        ]
        assert {file["alt"] for file in slack.files.values()} == {"A plot", "Output, whole"}

        await slack.press(card, "Delete")
        await slack.see("u1 deleted this result", channel="C1")
        await slack.until(lambda: not slack.files, "the files to go")


async def test_a_formula_is_text_for_all_and_a_picture_in_the_thread_of_the_reader(slack: FakeSlack) -> None:
    async with bot(slack):
        await slack.command("/reference", "1")
        card = await slack.see("Mean squared error", to="U1")
        await slack.press(card, "Formula")
        await slack.see("MSE = (1/n)", to="U1")
        note = await slack.see("The files that go with your card are in this thread.")
        await slack.until(lambda: any(file.get("thread") == note.ts for file in slack.files.values()), "the picture")

    (file,) = slack.files.values()
    assert file["content"].startswith(PNG[:8])
    assert file["alt"].startswith("Mean squared error equals one over n")


async def test_files_that_slack_refuses_are_named_missing(slack: FakeSlack) -> None:
    slack.faults["files.getUploadURLExternal"] = [Fault(error="missing_scope")]
    queue = LiveQueue(ended("x", RunFile("figure-1.png", PNG, "A plot")))
    async with bot(slack, queue=queue):
        await slack.command("/run", "plot()")
        await slack.see("Slack did not take the files", channel="C1")


@pytest.mark.parametrize("length", [0, 2001, 4001, 100_000])
async def test_output_of_any_length_is_shown_within_all_limits(slack: FakeSlack, length: int) -> None:
    queue = LiveQueue(ended("x" * length))
    async with bot(slack, queue=queue):
        await slack.command("/run", "1")
        await slack.see("torch 2.13.0", channel="C1")


@pytest.mark.parametrize(
    "output",
    [
        "```\n<!channel> @everyone <@U1>\n```",
        "\x1b[31mred\x1b[0m \x00\x07\u202e",
        "&lt;!here&gt; <https://a|b>",
        "`" * 50,
    ],
)
async def test_hostile_output_is_never_markup(slack: FakeSlack, output: str) -> None:
    queue = LiveQueue(ended(output))
    async with bot(slack, queue=queue):
        await slack.command("/run", "1", user="U<!channel>")
        card = await slack.see("torch 2.13.0", channel="C1")

    assert "mrkdwn" not in json.dumps(card.body)


async def test_run_without_code_opens_a_box_whose_code_runs_in_the_channel(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        await slack.command("/run")
        dialog = await slack.until(lambda: next(iter(slack.dialogs), ""), "a dialog")
        assert slack.dialogs[dialog]["title"]["text"] == "Run PyTorch code"

        ack = await slack.submit(dialog, {"code.0": "print(“hi”)"})
        await slack.see("torch 2.13.0", channel="C1")

    assert not ack.payload
    assert [order.source for order in running.queue.orders.values()] == ['print("hi")']


async def test_an_empty_box_says_so_in_the_dialog(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        await slack.command("/run")
        dialog = await slack.until(lambda: next(iter(slack.dialogs), ""), "a dialog")
        ack = await slack.submit(dialog, {"code.0": "  \n"})

    assert ack.payload == {"response_action": "errors", "errors": {"code.0": "Write something here first."}}
    assert not running.queue.orders


async def test_code_of_any_length_is_edited_and_run_again(slack: FakeSlack) -> None:
    code = "\n".join(f"x{number} = {number}" for number in range(700))
    async with bot(slack) as running:
        await slack.shortcut(f"```\n{code}\n```", callback=SHORTCUT)
        card = await slack.see("torch 2.13.0", channel="C1")
        await slack.press(card, "Edit and run")
        dialog = await slack.until(lambda: next(iter(slack.dialogs), ""), "a dialog")
        await slack.submit(dialog, {})
        await slack.until(lambda: len(running.queue.orders) == 2, "a second run")

    assert [order.source for order in running.queue.orders.values()] == [code, code]


async def test_run_this_code_answers_in_the_thread_of_the_message(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        await slack.shortcut("look: ```torch.ones(2) &lt; <http://x.no|x.no>``` nice", callback=SHORTCUT, ts="12.3")
        card = await slack.see("torch 2.13.0", channel="C1")

    assert card.thread == "12.3"
    assert [order.source for order in running.queue.orders.values()] == ["torch.ones(2) < x.no"]


async def test_code_that_was_sent_as_a_file_runs_as_it_stands_there(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        slack.faults["files"] = [Fault(500)]
        await slack.shortcut("have a look", callback=SHORTCUT, file=slack.share("x.py", "print('ä &lt;')\n".encode()))
        await slack.see("torch 2.13.0", channel="C1")

    assert [order.source for order in running.queue.orders.values()] == ["print('ä &lt;')"]


async def test_code_in_the_message_comes_before_its_file(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        await slack.shortcut("```1 + 1```", callback=SHORTCUT, file=slack.share("x.py", b"2"))
        await slack.see("torch 2.13.0", channel="C1")

    assert [order.source for order in running.queue.orders.values()] == ["1 + 1"]


async def test_a_file_beyond_the_limit_is_refused_in_words(slack: FakeSlack) -> None:
    async with bot(slack) as running:
        await slack.shortcut("", callback=SHORTCUT, file=slack.share("x.py", b"x" * 2**20))
        await slack.see("I run at most 64 KiB", to="U1")

    assert not running.queue.orders


async def test_without_the_scope_for_files_it_says_which(slack: FakeSlack) -> None:
    slack.scopes.remove("files:read")
    async with bot(slack) as running:
        await slack.shortcut("", callback=SHORTCUT, file=slack.share("x.py", b"1"))
        await slack.see("add the scope files:read", to="U1")

    assert not running.queue.orders


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/x.py", "https://slack.com.evil.example/x", "file:///etc/passwd"]
)
async def test_our_token_goes_to_no_address_but_slacks(slack: FakeSlack, address: str) -> None:
    async with bot(slack) as running:
        await slack.shortcut("", callback=SHORTCUT, file=address)
        await slack.see("could not get that file", to="U1")

    assert not running.queue.orders


async def test_a_proof_is_whispered(slack: FakeSlack) -> None:
    queue = LiveQueue(ended("proved"), held=True)
    async with bot(slack, queue=queue) as running:
        number = next(
            number for number, quiz in running.house.bank.quizzes.items() if quiz.questions[0].proof is not None
        )
        await slack.command("/quiz", str(number))
        await slack.press(await slack.see("question 1 of", to="U1"), "A")
        await slack.press(await slack.see("1 answered", to="U1"), "Run the proof")
        await slack.see("Starting…", to="U1")
        queue.going.set()
        await slack.see("proved", to="U1")

    assert slack.shown() == []
    assert len(slack.shown(to="U1")) == 3


async def test_a_run_from_the_conversation_stays_there(slack: FakeSlack) -> None:
    queue = LiveQueue(ended("proved"))
    async with bot(slack, queue=queue) as running:
        number = next(
            number for number, quiz in running.house.bank.quizzes.items() if quiz.questions[0].proof is not None
        )
        await slack.open_home()
        await slack.until(lambda: slack.homes.get("U1"), "a home")
        await slack.press_home(next(option for option in _options(slack) if option.startswith(f"{number} ")))
        await slack.press(await slack.see("question 1 of", channel="DU1"), "A")
        await slack.press(await slack.see("1 answered", channel="DU1"), "Run the proof")
        result = await slack.see("proved", channel="DU1")

    assert labels(result.body["blocks"]) == ["Run again", "Edit and run", "Delete"]


def _options(slack: FakeSlack) -> list[str]:
    menus = [e for block in slack.homes["U1"]["blocks"] for e in block.get("elements", ()) if "options" in e]
    return [option["text"]["text"] for option in menus[0]["options"]]
