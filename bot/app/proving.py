"""Proving the bank: every proof and every code sample runs in the sandbox, twice, through the same queue as `/run`.

The second run of a proof is in the process of the first, which costs no second start. One that fails there is run by
itself before it is judged, for the first may have left something behind.
A new proof runs a third time, once for each of its asserts with that one negated: an assert that is never reached, or
whose failure is swallowed, proves nothing.
"""

from __future__ import annotations

import ast
import asyncio
import copy
import secrets
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256

from bot.app.run_cards import outcome_words
from bot.core.ids import ItemId
from bot.core.kinds.interview import Interview
from bot.core.kinds.pattern import Pattern
from bot.core.questions import Item, Sample
from bot.core.runs import Finished, Outcome, Refusal, RunId, RunOrder, RunResult
from bot.ports import RunQueue
from bot.tasks import stop

SECOND_SEED = 7
"""The second run of a proof starts from another seed, so that luck does not pass for truth."""
PATIENCE_SECONDS = 120.0


class Claim(StrEnum):
    """What a snippet of the bank claims."""

    PROOF = "proof"  # its asserts hold, whatever the seed
    SAMPLE = "sample"  # it runs as shown and prints the same each time


@dataclass(frozen=True, slots=True)
class Snippet:
    """Code of the bank that must run."""

    item: ItemId
    claim: Claim
    source: str

    @property
    def key(self) -> str:
        """Its name in the record."""
        return self.item if self.claim is Claim.PROOF else f"{self.item}#code"

    @property
    def digest(self) -> str:
        """Changes with its text."""
        return sha256(self.source.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a snippet did. `problem` is empty when it holds."""

    snippet: Snippet
    output: str
    torch_version: str
    problem: str = ""


def snippets(items: Iterable[Item]) -> Iterator[Snippet]:
    """Everything in these items that must run."""
    for item in items:
        if item.proof:
            yield Snippet(item.id, Claim.PROOF, item.proof.code.rstrip() + "\n")
        sample: Sample | None = item.code if isinstance(item, Interview | Pattern) else None
        if sample:
            preamble = sample.preamble.rstrip() + "\n" if sample.preamble.strip() else ""
            yield Snippet(item.id, Claim.SAMPLE, preamble + sample.source.rstrip() + "\n")


class Prover:
    """Runs snippets through a queue, `width` at a time."""

    def __init__(self, queue: RunQueue, width: int, known: Collection[str] = ()) -> None:
        """`known` are the digests of proofs whose asserts need not be negated again."""
        self._queue = queue
        self._width = width
        self._known = frozenset(known)
        self._alone = asyncio.Lock()

    async def prove(self, wanted: Iterable[Snippet]) -> AsyncIterator[Ran]:
        """Run each snippet twice; results come as they are done, in no order."""
        waiting = iter(list(wanted))
        running: set[asyncio.Task[Ran]] = set()
        try:
            while True:
                while len(running) < self._width and (snippet := next(waiting, None)) is not None:
                    running.add(asyncio.create_task(self._both(snippet)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            await stop(*running)

    async def _both(self, snippet: Snippet) -> Ran:
        return await (self._proof(snippet) if snippet.claim is Claim.PROOF else self._sample(snippet))

    async def _proof(self, snippet: Snippet) -> Ran:
        first = await self._run(twice(snippet.source), in_need=snippet.source)
        output, again, _ = first.output.rpartition(_AGAIN)
        output = output if again else first.output
        problem = problem_of(replace(first, output=output))
        if not problem and not again:
            problem = problem_of(await self._run(_seeded(snippet.source)))
            problem = f"with another seed: {problem}" if problem else ""
        if not problem and snippet.digest not in self._known:
            problem = _survivors(await self._run(negated(snippet.source)))
        return Ran(snippet, output, first.torch_version, problem)

    async def _sample(self, snippet: Snippet) -> Ran:
        first = await self._run(snippet.source)
        problem = problem_of(first)
        if not problem:
            second = await self._run(snippet.source)
            problem = problem_of(second)
            if not problem and second.output != first.output:
                problem = "prints something else each time; seed it, and print no addresses or times"
        return Ran(snippet, first.output, first.torch_version, problem)

    async def _run(self, source: str, in_need: str = "") -> RunResult:
        """The result of a run. What runs out of time gets one more try, or `in_need` in its place, and no other second
        try beside it: the machine may be busy."""
        result = await run_once(self._queue, source)
        if result.outcome is not Outcome.TIMED_OUT:
            return result
        async with self._alone:
            return await run_once(self._queue, in_need or source)


_AGAIN = "held again from another seed\n"

_TWICE = """
import contextlib, io
try:
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(SOURCE, "proof", "exec"), {"__name__": "__main__", "torch": torch, "nn": nn, "F": F})
except BaseException:
    SOURCE = ""
if SOURCE:
    print(AGAIN, end="")
"""


def twice(source: str) -> str:
    """The proof as it is shown, and below it once more from another seed; a last line says that this held too."""
    return f"{source}\nSOURCE, AGAIN = {_seeded(source)!r}, {_AGAIN!r}\n{_TWICE}"


def _seeded(source: str) -> str:
    return f"torch.manual_seed({SECOND_SEED})\n{source}"


_NEGATED = """
import contextlib, io, warnings
warnings.simplefilter("ignore")
for line, source in VARIANTS:
    world = {"__name__": "__main__", "torch": torch, "nn": nn, "F": F}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, "proof", "exec"), world)
    except BaseException:
        continue
    print(line)
print("done")
"""


def negated(source: str) -> str:
    """A snippet that runs `source` once for each of its asserts, negated, and prints the lines of those that nobody
    missed."""
    tree = ast.parse(source)
    count = sum(isinstance(node, ast.Assert) for node in ast.walk(tree))
    variants = []
    for number in range(count):
        variant = copy.deepcopy(tree)
        node = [each for each in ast.walk(variant) if isinstance(each, ast.Assert)][number]
        node.test = ast.UnaryOp(ast.Not(), node.test)
        variants.append((node.lineno, ast.unparse(ast.fix_missing_locations(variant))))
    return f"VARIANTS = {variants!r}\n{_NEGATED}"


def _survivors(result: RunResult) -> str:
    printed = result.output.splitlines()
    if "done" not in printed:
        return f"with its asserts negated: {problem_of(result)}"
    lines = [line for line in printed if line.isdigit()]
    return f"the assert in line {lines[0]} may be negated and nothing fails; it proves nothing" if lines else ""


_RESOLVING = """
import importlib, warnings
warnings.simplefilter("ignore")
for symbol in SYMBOLS:
    parts = symbol.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:cut]))
            break
        except ImportError:
            continue
    for part in parts[cut:]:
        value = getattr(value, part, None)
    if value is None:
        print(symbol)
"""


async def unknown_symbols(queue: RunQueue, items: Iterable[Item]) -> frozenset[str]:
    """The symbols of torch that references name and that are not there."""
    named = {reference.symbol for item in items for reference in item.references}
    symbols = sorted(symbol for symbol in named if symbol.startswith("torch."))
    result = await run_once(queue, f"SYMBOLS = {symbols!r}\n{_RESOLVING}") if symbols else RunResult(Outcome.OK)
    return frozenset(result.output.split()) if result.outcome is Outcome.OK else frozenset()


async def run_once(queue: RunQueue, source: str) -> RunResult:
    """Run a snippet of the bank. Raises TimeoutError after `PATIENCE_SECONDS`."""
    order = RunOrder(RunId(secrets.token_hex(10)), "wbank", secrets.token_hex(4), source)
    answer = await queue.submit(order)
    if isinstance(answer, Refusal):
        why = " ".join(part for part in (answer.reason.value.replace("_", " "), answer.detail, answer.fix) if part)
        return RunResult(Outcome.REFUSED, error=why)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for event in queue.follow(order.id):
            if isinstance(event, Finished):
                return event.result
    return RunResult(Outcome.WORKER_LOST)


def problem_of(result: RunResult) -> str:
    """Why a snippet of the bank does not count as run; empty when it does."""
    if result.outcome is not Outcome.OK:
        last = result.error.strip().splitlines()[-1:] or [""]
        return f"{outcome_words(result)} {last[0]}".strip()
    return "" if result.output.strip() else "prints nothing; end it with one line of evidence"
