"""Running code: what the person sees from the first moment to each way a run can end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.app.runs import Runs
from bot.core.address import Address
from bot.core.errors import BadInput
from bot.core.runs import (
    MAX_SOURCE_BYTES,
    Capability,
    Completion,
    Finished,
    Outcome,
    Printed,
    Refusal,
    RefusalReason,
    RunFile,
    Running,
    RunResult,
    Waiting,
)
from bot.core.views import Files, Form, View
from tests.app.building import House, Person, labels, right_letter, words
from tests.app.fakes import FakeQueue


def ended(outcome: Outcome, **fields: object) -> House:
    return House(FakeQueue([Finished(RunResult(outcome, **fields))]))  # type: ignore[arg-type]


async def test_a_run_shows_its_code_its_output_and_what_it_used() -> None:
    shown = words(await Person(House()).say("/run torch.arange(3).sum()"))

    assert "Ada runs\ntorch.arange(3).sum()" in shown
    assert "Output\ntensor(3)" in shown
    assert "ok · 0.01 s · cpu · torch 2.13.0" in shown


async def test_progress_is_shown_until_the_end() -> None:
    queue = FakeQueue(
        [Waiting(2, 3.2), Running("w", "cpu"), Printed("a\n"), Printed("b\n"), Finished(RunResult(Outcome.OK))]
    )

    replies = await Person(House(queue)).replies("/run x")

    assert [reply.fallback for reply in replies if isinstance(reply, View)][:3] == [
        "Starting…",
        "Waiting: 2 runs ahead, about 3 s",
        "Running on cpu…",
    ]
    assert "Output so far\na\nb" in words(replies[-2])
    assert [isinstance(reply, View) and reply.final for reply in replies] == [False] * 5 + [True]


async def test_a_long_output_shows_its_end_while_the_run_goes_on() -> None:
    lines = [f"line {number}\n" for number in range(1000)]
    queue = FakeQueue([Running("w", "cpu"), *map(Printed, lines), Finished(RunResult(Outcome.OK, "".join(lines)))])

    replies = await Person(House(queue)).replies("/run x")
    shown = words(replies[-2]).split("Output so far\n")[1]

    assert shown.startswith("…\nline ")
    assert "line 999" in shown
    assert len(shown) < 2100
    assert "line 0\nline 1\n" in words(replies[-1])


async def test_a_second_attempt_begins_its_output_again() -> None:
    queue = FakeQueue(
        [Running("w", "cpu"), Printed("a\n"), Running("v", "cpu", 2), Printed("b\n"), *FakeQueue().events[2:]]
    )

    replies = await Person(House(queue)).replies("/run x")

    assert "again, because its first worker was lost" in words(replies[3])
    assert "a" not in words(replies[4]).split("Output so far\n")[1].splitlines()


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            RunResult(Outcome.ERROR, error="ValueError: no", error_line=3, exit_status=1),
            "It stopped with an error in line 3.",
        ),
        (RunResult(Outcome.ERROR, exit_status=7), "It ended with exit status 7."),
        (
            RunResult(Outcome.SYNTAX_ERROR, error="'(' was never closed", error_line=1),
            "Python can't read this in line 1; nothing ran.",
        ),
        (RunResult(Outcome.TIMED_OUT, "partial\n"), "Stopped after 10 s, the time limit. Output up to then is kept."),
        (RunResult(Outcome.OUT_OF_MEMORY), "Out of memory: a run may use 1 GiB."),
        (RunResult(Outcome.TOO_MUCH_OUTPUT), "Stopped after 64 KiB of output, the limit."),
        (RunResult(Outcome.KILLED, signal=11), "Killed by signal 11, a segmentation fault."),
        (RunResult(Outcome.KILLED, signal=35), "Killed by signal 35."),
        (RunResult(Outcome.CANCELLED), "Cancelled."),
        (RunResult(Outcome.WORKER_LOST), "This snippet ended its worker twice, so I stopped trying."),
        (RunResult(Outcome.OK), "It ran and printed nothing."),
    ],
)
async def test_every_end_is_told_apart_in_words(result: RunResult, expected: str) -> None:
    assert expected in words(await Person(House(FakeQueue([Finished(result)]))).say("/run x"))


async def test_every_outcome_has_words() -> None:
    for outcome in Outcome:
        assert words(await Person(ended(outcome)).say("/run x"))


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Refusal(RefusalReason.NO_WORKER), "Running code is off: no worker is online."),
        (
            Refusal(
                RefusalReason.WORKER_UNAVAILABLE, detail="bubblewrap is missing.", fix="Run apt-get install bubblewrap."
            ),
            "Running code is off: bubblewrap is missing. Run apt-get install bubblewrap.",
        ),
        (
            Refusal(RefusalReason.WORKER_UNAVAILABLE, detail="bubblewrap is missing", fix="install it"),
            "Running code is off: bubblewrap is missing. Install it.",
        ),
        (Refusal(RefusalReason.QUEUE_FULL, 100), "The line is full (100 runs waiting)."),
        (Refusal(RefusalReason.TEAM_FULL, 20), "This team already has 20 runs waiting."),
        (Refusal(RefusalReason.USER_FULL, 3), "You already have 3 runs on the way."),
        (Refusal(RefusalReason.TOO_LARGE), "I run at most 64 KiB of code."),
    ],
)
async def test_a_refusal_says_why_and_what_to_do(refusal: Refusal, expected: str) -> None:
    assert words(await Person(House(FakeQueue(refusal=refusal))).say("/run x")).startswith(expected)


async def test_an_empty_run_opens_the_box_for_code_and_an_empty_box_is_refused() -> None:
    ada = Person(House())

    form = await ada.say("/run  ")

    assert isinstance(form, Form)
    assert "There is no code to run." in words(await ada.send(form, code=" \n "))
    assert "tensor(3)" in words(await ada.send(form, code="```py\nx\n```"))


async def test_a_snippet_beyond_the_limit_is_refused_with_its_size() -> None:
    house = House()

    assert words(await Person(house).say("/run " + "x" * 100_000)) == "That is 98 KiB of code; I run at most 64 KiB."
    assert not house.queue.orders


async def test_the_largest_snippet_is_taken() -> None:
    house = House()

    await Person(house).say("/run " + "x" * MAX_SOURCE_BYTES)

    assert len(house.queue.orders) == 1


async def test_indentation_and_line_ends_reach_the_queue_as_they_were_typed() -> None:
    house = House()

    await Person(house).say("/run\nfor x in range(2):\n    print(x)")

    assert [order.source for order in house.queue.orders.values()] == ["for x in range(2):\n    print(x)"]


async def test_the_same_event_submits_the_same_run() -> None:
    house = House()
    caller = Person(house).caller()
    for _ in range(2):
        [reply async for reply in house.desk.say(caller, "/run x")]

    assert len(house.queue.orders) == 1


async def test_a_proof_runs_for_its_reader_alone() -> None:
    ada = Person(House())
    card = await ada.say("/quiz 11")
    verdict = await ada.press(card, right_letter(card))

    proof = await ada.press(verdict, "Run the proof")

    assert isinstance(proof, View)
    assert proof.private
    assert words(proof).startswith("Proof of quiz-11-q01\n")


async def test_run_again_takes_the_same_code_and_edit_opens_it() -> None:
    house = House()
    ada = Person(house)
    result = await ada.say("/run x")

    await ada.press(result, "Run again")
    form = await ada.press(result, "Edit and run")

    assert [order.source for order in house.queue.orders.values()] == ["x", "x"]
    assert isinstance(form, Form)
    assert form.fields[0].value == "x"


async def test_code_older_than_a_day_is_gone_and_said_to_be() -> None:
    house = House()
    ada = Person(house)
    result = await ada.say("/run x")
    house.queue.orders.clear()

    assert "I keep code for 24 hours" in words(await ada.press(result, "Run again"))


async def test_only_the_owner_can_cancel_or_delete_a_public_run() -> None:
    house = House()
    ada, bob = Person(house), Person(house, "Bob")
    going, *_, result = await ada.replies("/run x")

    assert "not yours to press" in words(await bob.click(ada.wire(going, "Cancel")))
    assert "not yours to press" in words(await bob.click(ada.wire(result, "Delete")))
    assert words(await ada.press(going, "Cancel")) == "Stopping it now."
    assert words(await ada.press(result, "Delete")) == "Ada deleted this result."


async def test_anyone_can_run_public_code_again() -> None:
    house = House()
    ada, bob = Person(house), Person(house, "Bob")
    result = await ada.say("/run x")

    assert "Bob runs" in words(await bob.click(ada.wire(result, "Run again")))


async def test_files_come_back_with_their_alt_text_and_left_behind_ones_are_counted() -> None:
    figure = RunFile("figure-1.png", b"png", "a line that rises")
    shown = await Person(ended(Outcome.OK, files=(figure,), files_dropped=2)).say("/run x")

    assert isinstance(shown, View)
    assert Files((figure,)) in shown.blocks
    assert "2 files left behind: at most 8 files, 4 MiB" in words(shown)


async def test_output_that_would_act_on_a_terminal_is_made_visible() -> None:
    shown = words(await Person(ended(Outcome.OK, output="\x1b[2Ja\u202eb")).say("/run x"))

    assert "Output\na\\u202eb" in shown


async def test_where_a_group_delivers_the_reply_itself_ends_without_the_result() -> None:
    house = House()

    replies = await Person(house, group="web").replies("/run x")

    assert all(isinstance(reply, View) and not reply.final for reply in replies)


async def test_a_delivered_result_is_the_same_card_and_is_delivered_once() -> None:
    house = House()
    ada = Person(house, group="web")
    await ada.replies("/run x")
    (order,) = house.queue.orders.values()
    house.queue.finished = [Completion("1-0", order.id, order.address, RunResult(Outcome.OK, "tensor(3)\n"))]
    shown: list[tuple[Address, View]] = []

    async def show(address: Address, view: View) -> None:
        shown.append((address, view))

    await asyncio.wait_for(house.desk.deliver("web", "c1", show), 5)

    ((address, view),) = shown
    assert address.place == "m1"
    assert "Output\ntensor(3)" in words(view)
    assert labels(view) == ["Run again", "Edit and run", "Delete"]
    assert house.queue.shown == house.queue.finished


async def test_a_completion_that_cannot_be_shown_is_logged_and_not_offered_again() -> None:
    house = House()
    house.queue.finished = [Completion("1-0", next(iter(["r"])), "not json", RunResult(Outcome.OK))]  # type: ignore[arg-type]

    async def show(address: Address, view: View) -> None:
        raise AssertionError("nothing to show")

    await asyncio.wait_for(house.desk.deliver("web", "c1", show), 5)

    assert [event for event, _ in house.log.events] == ["delivery.failed"]
    assert house.queue.shown


# On a GPU


ON_GPU = RunResult(Outcome.OK, "1\n", device="NVIDIA H100", gpu_peak_memory_bytes=3 << 29, torch_version="2.13.0")


async def test_a_run_on_a_gpu_is_handed_to_gpu_workers_and_names_its_device() -> None:
    house = House(FakeQueue([Running("w", "NVIDIA H100"), Finished(ON_GPU)]))

    _, going, result = await Person(house).replies("/run gpu torch.ones(1, device='cuda')")

    assert [(order.capability, order.source) for order in house.queue.orders.values()] == [
        (Capability.GPU, "torch.ones(1, device='cuda')")
    ]
    assert "Ada runs on a GPU" in words(going)
    assert "Running on NVIDIA H100…" in words(going)
    assert "ok · 0.00 s · NVIDIA H100 · 1.5 GiB GPU peak · torch 2.13.0" in words(result)


async def test_run_again_and_edit_stay_on_the_gpu() -> None:
    house = House(FakeQueue([Finished(ON_GPU)]))
    ada = Person(house)
    result = await ada.say("/run gpu x")

    await ada.press(result, "Run again")
    form = await ada.press(result, "Edit and run")
    assert isinstance(form, Form)
    assert form.title == "Run PyTorch code on a GPU"
    await ada.send(form, code="y")

    assert [(order.capability, order.source) for order in house.queue.orders.values()] == [
        (Capability.GPU, source) for source in ("x", "x", "y")
    ]


async def test_a_delivered_result_of_a_gpu_run_keeps_its_device() -> None:
    house = House(FakeQueue([Finished(ON_GPU)]))
    ada = Person(house, group="web")
    await ada.replies("/run gpu x")
    (order,) = house.queue.orders.values()

    address = Address.decode(order.address)
    result = await house.runs.result(order.id, address, ON_GPU)
    await ada.press(result, "Run again")

    assert [order.capability for order in house.queue.orders.values()] == [Capability.GPU] * 2


def test_an_address_written_before_there_were_gpus_is_read() -> None:
    written = '{"tenant":"t","channel":"c","user":"u","name":"n","group":"g","place":"p","title":"","private":false}'

    assert Address.decode(written).on is Capability.CPU
    assert Address.decode(written).encode() == written


async def test_an_empty_run_on_a_gpu_opens_the_box_for_it() -> None:
    house = House()
    ada = Person(house)

    form = await ada.say("/run gpu")
    assert isinstance(form, Form)
    await ada.send(form, code="z")

    assert [order.capability for order in house.queue.orders.values()] == [Capability.GPU]


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (
            Refusal(RefusalReason.NO_WORKER),
            (
                "The GPU is off: no GPU worker is online. torchquiz worker --device cuda:0 starts one. "
                "The same code runs on the CPU: leave out gpu."
            ),
        ),
        (
            Refusal(RefusalReason.WORKER_UNAVAILABLE, detail="the GPU is unhealthy.", fix="Reset it."),
            "The GPU is off: the GPU is unhealthy. Reset it. The same code runs on the CPU: leave out gpu.",
        ),
    ],
)
async def test_without_a_gpu_worker_the_cpu_is_offered(refusal: Refusal, expected: str) -> None:
    assert words(await Person(House(FakeQueue(refusal=refusal))).say("/run gpu x")) == expected


@pytest.mark.parametrize(
    ("allowed", "runs"), [((), 1), (("dOther",), 0), (("TENANT",), 1), (("TENANT/USER",), 1), (("TENANT/other",), 0)]
)
async def test_who_may_use_a_gpu_is_the_operators_choice(allowed: tuple[str, ...], runs: int) -> None:
    house, fake = House(), FakeQueue()
    caller = Person(house).caller()
    names = [each.replace("TENANT", caller.tenant).replace("USER", caller.user) for each in allowed]
    said = Runs(house.bank, fake, names)

    try:
        [_ async for _ in said.run(caller, "gpu x")]
    except BadInput as error:
        assert "The same code runs on the CPU" in str(error)
    [_ async for _ in said.run(replace(caller, event="e2"), "x")]

    capabilities = [order.capability for order in fake.orders.values()]
    assert capabilities == [Capability.GPU] * runs + [Capability.CPU]


# The failing line


async def test_the_failing_line_is_marked_in_the_code() -> None:
    shown = words(await Person(ended(Outcome.ERROR, error="ValueError: no", error_line=2)).say("/run\na = 1\nb\nc"))

    assert "  1  a = 1\n> 2  b\n  3  c" in shown


async def test_a_failing_line_far_down_is_shown_with_its_surroundings() -> None:
    source = "\n".join(f"x{number} = 1" for number in range(1, 101))
    shown = words(await Person(ended(Outcome.ERROR, error="E: no", error_line=70)).say(f"/run\n{source}"))

    assert "# … 59 lines before\n  60  x60 = 1" in shown
    assert "> 70  x70 = 1" in shown
    assert "  79  x79 = 1\n# … 21 more lines" in shown


async def test_a_line_that_is_not_there_marks_nothing() -> None:
    assert ">" not in words(await Person(ended(Outcome.ERROR, error="E: no", error_line=9)).say("/run\na\nb"))
