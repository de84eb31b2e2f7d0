"""Proving the bank: each snippet runs twice, and what fails, prints nothing or wavers is told precisely."""

from __future__ import annotations

import builtins
import contextlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from bot.app.proving import Claim, Prover, Ran, negated, snippets, twice, unknown_symbols
from bot.bank.load import load
from bot.core.bank import Bank
from bot.core.kinds.interview import Interview
from bot.core.questions import Sample
from bot.core.runs import Finished, Outcome, Refusal, RefusalReason, RunEvent, RunId, RunResult
from tests.app.building import BANK
from tests.app.fakes import FakeQueue
from tests.bank.building import bank as write_bank
from tests.bank.building import question


class ScriptedQueue(FakeQueue):
    """Answers the runs with these results, one after the other."""

    def __init__(self, results: Sequence[RunResult]) -> None:
        super().__init__()
        self.results = list(results)

    async def follow(self, run: RunId) -> AsyncIterator[RunEvent]:
        yield Finished(self.results.pop(0))


def ok(output: str = "same storage\n") -> RunResult:
    return RunResult(Outcome.OK, output, exit_status=0, torch_version="2.13.0")


@pytest.fixture
def one(tmp_path: Path) -> Bank:
    return load(write_bank(tmp_path, question()))


async def prove(bank: Bank, queue: FakeQueue) -> list[Ran]:
    known = [snippet.digest for snippet in snippets(bank.items.values())]
    return [ran async for ran in Prover(queue, 2, known).prove(snippets(bank.items.values()))]


async def test_a_proof_that_holds_twice_is_proved_with_its_output_and_torch(one: Bank) -> None:
    (ran,) = await prove(one, ScriptedQueue([ok(), ok()]))

    assert (ran.problem, ran.output, ran.torch_version) == ("", "same storage\n", "2.13.0")


async def test_a_proof_that_holds_again_in_its_own_process_needs_no_second(one: Bank) -> None:
    queue = ScriptedQueue([ok("same storage\nheld again from another seed\n")])

    (ran,) = await prove(one, queue)

    assert (ran.problem, ran.output) == ("", "same storage\n")
    (order,) = queue.orders.values()
    assert order.source.startswith(ran.snippet.source)


async def test_one_that_fails_there_is_run_by_itself_from_another_seed(one: Bank) -> None:
    queue = ScriptedQueue([ok(), ok()])

    (ran,) = await prove(one, queue)

    _, second = (order.source for order in queue.orders.values())
    assert second == "torch.manual_seed(7)\n" + ran.snippet.source


async def test_one_that_runs_out_of_time_with_its_repetition_is_given_the_whole_time_for_itself(one: Bank) -> None:
    (ran,) = await prove(one, ScriptedQueue([RunResult(Outcome.TIMED_OUT), ok(), ok()]))

    assert (ran.problem, ran.output) == ("", "same storage\n")


@pytest.mark.parametrize(
    ("proof", "printed"),
    [
        ("assert torch.seeds != [7]\nprint('one')", ["one"]),
        ("import builtins\nassert not hasattr(builtins, 'left')\nbuiltins.left = 1\nprint('one')", ["one"]),
        ("print('one')", ["one", "held again from another seed"]),
    ],
)
def test_the_proof_and_its_repetition_share_a_process_but_no_names(proof: str, printed: list[str]) -> None:
    class FakeTorch:
        seeds: ClassVar[list[int]] = []

        def manual_seed(self, seed: int) -> None:
            self.seeds.append(seed)

    try:
        assert lines(twice(proof), FakeTorch()) == printed
    finally:
        vars(builtins).pop("left", None)


@pytest.mark.parametrize(
    ("results", "problem"),
    [
        ([ok(" \n")], "prints nothing; end it with one line of evidence"),
        (
            [RunResult(Outcome.ERROR, error="Traceback\nAssertionError", exit_status=1, error_line=2)],
            "It stopped with an error in line 2. AssertionError",
        ),
        ([RunResult(Outcome.TIMED_OUT)] * 2, "Stopped after 10 s, the time limit. Output up to then is kept."),
        (
            [ok(), RunResult(Outcome.ERROR, error="AssertionError", exit_status=1)],
            "with another seed: It stopped with an error. AssertionError",
        ),
    ],
)
async def test_what_does_not_hold_is_named(one: Bank, results: list[RunResult], problem: str) -> None:
    assert [ran.problem for ran in await prove(one, ScriptedQueue(results))] == [problem]


def lines(source: str, torch: object = None) -> list[str]:
    """What a snippet of plain Python prints, without the sandbox."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(source, {"torch": torch, "nn": None, "F": None})
    return printed.getvalue().splitlines()


@pytest.mark.parametrize(
    ("proof", "unmissed"),
    [
        ("x = 1\nassert x == 1\nassert x + 1 == 2, 'two'", []),
        ("for n in []:\n    assert n", ["2"]),
        ("assert True\ntry:\n    assert 1\nexcept AssertionError:\n    pass", ["3"]),
        ("def never():\n    assert True\nassert never", ["2"]),
        ("assert 1\nprint('a line of evidence')", []),
    ],
)
def test_an_assert_that_nobody_would_miss_is_found_by_negating_it(proof: str, unmissed: list[str]) -> None:
    assert lines(negated(proof)) == [*unmissed, "done"]


@pytest.mark.parametrize(
    ("third", "problem"),
    [
        (ok("done\n"), ""),
        (ok("a warning on the way\ndone\n"), ""),
        (ok("2\n3\ndone\n"), "the assert in line 2 may be negated and nothing fails; it proves nothing"),
        (RunResult(Outcome.KILLED, signal=11), "with its asserts negated: Killed by signal 11"),
    ],
)
async def test_a_new_proof_runs_a_third_time_with_its_asserts_negated(
    one: Bank, third: RunResult, problem: str
) -> None:
    queue = ScriptedQueue([ok(), ok(), third])

    (ran,) = [ran async for ran in Prover(queue, 2).prove(snippets(one.items.values()))]

    assert ran.problem == problem or (problem and ran.problem.startswith(problem))
    assert "VARIANTS" in list(queue.orders.values())[2].source


async def test_symbols_that_torch_does_not_have_are_told(one: Bank) -> None:
    queue = ScriptedQueue([ok("torch.Tensor.veiw\n")])

    assert await unknown_symbols(queue, one.items.values()) == {"torch.Tensor.veiw"}
    assert "['torch.Tensor.view']" in next(iter(queue.orders.values())).source


async def test_without_a_worker_every_proof_says_so(one: Bank) -> None:
    (ran,) = await prove(one, FakeQueue(refusal=Refusal(RefusalReason.NO_WORKER)))

    assert ran.problem == "It was not started. no worker"


def sample_bank(one: Bank) -> Bank:
    interview = next(item for item in BANK.items.values() if isinstance(item, Interview))
    alone = replace(interview, proof=None, code=Sample("print(x)", "look", preamble="x = 1"))
    return replace(one, items={interview.id: alone})


async def test_a_sample_runs_after_its_preamble_as_shown(one: Bank) -> None:
    (snippet,) = snippets(sample_bank(one).items.values())

    assert (snippet.claim, snippet.source) == (Claim.SAMPLE, "x = 1\nprint(x)\n")
    assert snippet.key.endswith("#code")


async def test_what_runs_out_of_time_is_tried_once_more(one: Bank) -> None:
    late = RunResult(Outcome.TIMED_OUT)

    (ran,) = await prove(sample_bank(one), ScriptedQueue([late, ok("1\n"), late, ok("1\n")]))
    (hung,) = await prove(sample_bank(one), ScriptedQueue([late, late]))

    assert ran.problem == ""
    assert hung.problem.startswith("Stopped after 10 s")


async def test_a_sample_that_prints_something_else_each_time_is_refused(one: Bank) -> None:
    (ran,) = await prove(sample_bank(one), ScriptedQueue([ok("1\n"), ok("2\n")]))

    assert ran.problem.startswith("prints something else each time")
