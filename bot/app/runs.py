"""Running code: hand it to the queue, show how it goes, and put every way it can end into words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256

from bot.app.answers import Answers, going, pressed
from bot.app.cards import notice
from bot.core.actions import CancelRun, DeleteRun, OpenRun, RunAgain, RunProof, RunSample, SubmitRun
from bot.core.address import Address
from bot.core.bank import Bank
from bot.core.errors import BadInput, StaleButton
from bot.core.ids import Caller
from bot.core.questions import Sample
from bot.core.runs import (
    MAX_SOURCE_BYTES,
    Accepted,
    Cancelled,
    Finished,
    Outcome,
    Printed,
    Refusal,
    RefusalReason,
    RunEvent,
    RunId,
    Running,
    RunOrder,
    RunResult,
    Waiting,
)
from bot.core.text import clip, display_name, line, plural, snippet, visible
from bot.core.views import Block, Button, Code, Field, Files, Form, Look, Note, Reply, Text, View
from bot.ports import RunQueue

MAX_SHOWN_LINES = 20
CODE_FIELD = "code"


class Runs:
    """Takes code from people and shows what came of it."""

    def __init__(self, bank: Bank, queue: RunQueue) -> None:
        self._bank = bank
        self._queue = queue
        self._following: dict[RunId, asyncio.Event] = {}

    def answers(self) -> Answers:
        """Running code."""
        return Answers(
            {"run": self.run},
            {
                SubmitRun: self.submit,
                RunProof: going(self.prove),
                RunSample: going(self.sample),
                RunAgain: going(self.again),
                OpenRun: pressed(self.open),
                CancelRun: pressed(self.cancel),
                DeleteRun: pressed(self.delete),
            },
        )

    async def run(self, caller: Caller, text: str) -> AsyncIterator[Reply]:
        """Run what was typed; without any code, open the box for it. Raises BadInput."""
        source = snippet(text)
        if not source.strip():
            yield form("")
            return
        async for reply in self._run(caller, source):
            yield reply

    async def submit(self, caller: Caller, _: SubmitRun, values: Mapping[str, str]) -> AsyncIterator[Reply]:
        """The box for code was sent."""
        source = snippet(values.get(CODE_FIELD, ""))
        if not source.strip():
            raise BadInput("There is no code to run. Try `/run print(torch.ones(2))`.")
        async for reply in self._run(caller, source):
            yield reply

    async def again(self, caller: Caller, action: RunAgain) -> AsyncIterator[Reply]:
        """Run the same code once more, as the person who pressed."""
        async for reply in self._run(caller, await self._source(action.run)):
            yield reply

    async def prove(self, caller: Caller, action: RunProof) -> AsyncIterator[Reply]:
        """Run the proof of an item, for the caller alone."""
        item = self._bank.items.get(action.item)
        if item is None or item.proof is None:
            raise StaleButton("That item has no proof any more.")
        async for reply in self._run(caller, item.proof.code.rstrip(), title=f"Proof of {item.id}", private=True):
            yield reply

    async def sample(self, caller: Caller, action: RunSample) -> AsyncIterator[Reply]:
        """Run the code sample of an item, for the caller alone; its hidden preamble runs first."""
        item = self._bank.items.get(action.item)
        sample: Sample | None = getattr(item, "code", None)
        if sample is None:
            raise StaleButton("That item has no code any more.")
        async for reply in self._run(caller, runnable(sample), title=f"Code of {action.item}", private=True):
            yield reply

    async def open(self, _: Caller, action: OpenRun) -> Form:
        """The box for code, filled with the code of a run."""
        return form(await self._source(action.run))

    async def cancel(self, caller: Caller, action: CancelRun) -> View:
        """Stop a run. The run's own card then says that it was cancelled."""
        return notice(
            {
                Cancelled.DONE: "Cancelled before it started.",
                Cancelled.ASKED: "Stopping it now.",
                Cancelled.TOO_LATE: "It had already ended.",
                Cancelled.UNKNOWN: "That run is long gone.",
                Cancelled.NOT_YOURS: "Only the person who started a run can cancel it.",
            }[await self._queue.cancel(action.run, caller.user)]
        )

    async def delete(self, caller: Caller, _: DeleteRun) -> View:
        """Take a result out of the channel. The button is sealed to the person who started the run."""
        name = display_name(caller.name)
        return View(
            blocks=(Note(f"{name} deleted this result."),),
            fallback=f"{name} deleted this result.",
            private=False,
            in_place=True,
        )

    async def result(self, run: RunId, address: Address, result: RunResult) -> View:
        """The card of a finished run, once whoever follows it here has stopped."""
        if following := self._following.get(run):
            await asyncio.wait_for(following.wait(), timeout=10)
        return _finished(run, address, await self._queue.source(run) or "", result)

    async def _source(self, run: RunId) -> str:
        source = await self._queue.source(run)
        if source is None:
            raise StaleButton("I keep code for 24 hours, and that is over. Send it again with `/run`.")
        return source

    async def _run(
        self, caller: Caller, source: str, *, title: str = "", private: bool = False
    ) -> AsyncIterator[Reply]:
        size = len(source.encode("utf-8", "replace"))
        if size > MAX_SOURCE_BYTES:
            raise BadInput(f"That is {size / 1024:,.0f} KiB of code; I run at most {MAX_SOURCE_BYTES // 1024} KiB.")
        run = RunId(sha256(f"{caller.tenant}\0{caller.event}".encode()).hexdigest()[:20])
        address = Address.of(caller, title=title, private=private)
        order = RunOrder(
            run,
            caller.tenant,
            caller.user,
            source,
            reply_to=caller.group,
            address=address.encode() if caller.group else "",
        )
        answer = await self._queue.submit(order)
        if isinstance(answer, Refusal):
            yield _refused(answer)
            return
        async for reply in self._follow(answer, address, source):
            yield reply

    async def _follow(self, accepted: Accepted, address: Address, source: str) -> AsyncIterator[Reply]:
        run = accepted.id
        closed = self._following[run] = asyncio.Event()
        output = ""
        try:
            yield _going(run, address, source, accepted.waiting, "")
            async for event in self._queue.follow(run):
                if isinstance(event, Finished):
                    if not address.group:  # nobody delivers for this caller: the reply itself ends with the result
                        yield _finished(run, address, source, event.result)
                    return
                output = output + event.text if isinstance(event, Printed) else ""
                yield _going(run, address, source, event, output)
        finally:
            closed.set()
            self._following.pop(run, None)


def runnable(sample: Sample) -> str:
    """The code of a sample with its preamble."""
    preamble = sample.preamble.rstrip()
    return (preamble + "\n\n" if preamble else "") + sample.source.rstrip()


def form(source: str) -> Form:
    """The box for code."""
    return Form(
        title="Run PyTorch code",
        action=SubmitRun(),
        fields=(Field(CODE_FIELD, "Code (torch, nn, F and np are imported)", value=source, multiline=True),),
        submit="Run",
    )


def _head(address: Address, source: str) -> tuple[Block, ...]:
    lines = source.splitlines()
    shown = "\n".join(lines[:MAX_SHOWN_LINES])
    if len(lines) > MAX_SHOWN_LINES:
        shown += f"\n# … {len(lines) - MAX_SHOWN_LINES} more lines"
    title = address.title or f"{display_name(address.name)} runs"
    return (Code(visible(shown), title=title),)


def _going(run: RunId, address: Address, source: str, event: RunEvent, output: str) -> View:
    state = _state(event)
    blocks = [*_head(address, source)]
    if output:
        blocks.append(Code(visible(output), language="text", title="Output so far"))
    return View(
        blocks=(*blocks, Note(state)),
        fallback=state,
        buttons=(Button("Cancel", CancelRun(run), Look.DANGER),),
        private=address.private,
        final=False,
    )


def _state(event: RunEvent) -> str:
    if isinstance(event, Waiting):
        wait = f", about {max(1, round(event.seconds))} s" if event.seconds is not None else ""
        return f"Waiting: {plural(event.ahead, 'run')} ahead{wait}" if event.ahead else "Starting…"
    if isinstance(event, Running):
        again = "" if event.attempt == 1 else " again, because its first worker was lost"
        return f"Running on {event.device}{again}…"
    return "Running…"


def _finished(run: RunId, address: Address, source: str, result: RunResult) -> View:
    blocks: list[Block] = [*_head(address, source)]
    words = outcome_words(result)
    if result.outcome is not Outcome.OK:
        blocks.append(Text(line(f"**{words}**")))
    if result.output.strip():
        blocks.append(Code(visible(result.output.rstrip()), language="text", title="Output"))
    if result.error.strip():
        blocks.append(Code(visible(result.error.rstrip()), language="text", title="Error"))
    if result.outcome is Outcome.OK and not result.output.strip() and not result.files:
        blocks.append(
            Text(line("It ran and printed nothing. Use `print`, or end with an expression to see its value."))
        )
    if result.files:
        blocks.append(Files(result.files))
    if result.files_dropped:
        most = f"at most {result.limits.files} files, {_bytes(result.limits.files_bytes)}"
        blocks.append(Note(f"{plural(result.files_dropped, 'file')} left behind: {most}"))
    blocks.append(Note(_footer(result)))
    first = next(iter(result.output.strip().splitlines()), "")
    return View(
        blocks=tuple(blocks),
        fallback=clip(f"{words} {visible(first)}".strip(), 200),
        buttons=(
            Button("Run again", RunAgain(run)),
            Button("Edit and run", OpenRun(run)),
            Button("Delete", DeleteRun(run), Look.DANGER),
        ),
        private=address.private,
    )


def outcome_words(result: RunResult) -> str:
    """How a run ended, in one sentence with the limit it met."""
    limits = result.limits
    match result.outcome:
        case Outcome.OK:
            return "Done."
        case Outcome.ERROR if result.exit_status not in (None, 0, 1):
            return f"It ended with exit status {result.exit_status}."
        case Outcome.ERROR:
            return f"It stopped with an error{_at_line(result)}."
        case Outcome.SYNTAX_ERROR:
            return f"Python can't read this{_at_line(result)}; nothing ran."
        case Outcome.TIMED_OUT:
            return f"Stopped after {limits.seconds:g} s, the time limit. Output up to then is kept."
        case Outcome.OUT_OF_MEMORY:
            return f"Out of memory: a run may use {_bytes(limits.memory_bytes)}."
        case Outcome.TOO_MUCH_OUTPUT:
            return f"Stopped after {_bytes(limits.output_bytes)} of output, the limit."
        case Outcome.KILLED:
            return f"Killed by signal {result.signal}."
        case Outcome.CANCELLED:
            return "Cancelled."
        case Outcome.REFUSED:
            return "It was not started."
        case Outcome.WORKER_LOST:
            return "This snippet ended its worker twice, so I stopped trying."


def _at_line(result: RunResult) -> str:
    return f" in line {result.error_line}" if result.error_line else ""


def _footer(result: RunResult) -> str:
    parts = [result.outcome.value.replace("_", " "), f"{result.seconds:.2f} s"]
    if result.peak_memory_bytes is not None:
        parts.append(f"{_bytes(result.peak_memory_bytes)} peak")
    parts.append(result.device)
    if result.torch_version:
        parts.append(f"torch {result.torch_version}")
    return " · ".join((*parts, *result.notes))


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"


def _refused(refusal: Refusal) -> View:
    limit = refusal.limit
    words = {
        RefusalReason.NO_WORKER: "Running code is off: no worker is online. `torchquiz worker` starts one.",
        RefusalReason.WORKER_UNAVAILABLE: f"Running code is off: {refusal.detail} {refusal.fix}".rstrip(),
        RefusalReason.QUEUE_FULL: f"The line is full ({plural(limit, 'run')} waiting). Please try again in a moment.",
        RefusalReason.TEAM_FULL: f"This team already has {plural(limit, 'run')} waiting. Please try again in a moment.",
        RefusalReason.USER_FULL: f"You already have {plural(limit, 'run')} on the way. Wait for one, or cancel it.",
        RefusalReason.TOO_LARGE: f"I run at most {MAX_SOURCE_BYTES // 1024} KiB of code.",
    }[refusal.reason]
    return notice(words)
