"""Running code: hand it to the queue, show how it goes, and put every way it can end into words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from hashlib import sha256

from bot.app.answers import Answers, going, pressed
from bot.app.cards import notice
from bot.app.run_cards import CODE_FIELD, MAX_GOING_OUTPUT, finished_card, form, going_card, refused_card
from bot.core.actions import CancelRun, DeleteRun, OpenRun, RunAgain, RunProof, RunPuzzle, RunSample, SubmitRun
from bot.core.address import Address
from bot.core.bank import Bank
from bot.core.errors import BadInput, StaleButton
from bot.core.ids import Caller
from bot.core.puzzles import SUBJECTS, puzzle
from bot.core.questions import Sample
from bot.core.runs import (
    MAX_SOURCE_BYTES,
    Accepted,
    Cancelled,
    Capability,
    Finished,
    Printed,
    Refusal,
    RunId,
    RunOrder,
    RunResult,
)
from bot.core.text import asked_device, display_name, snippet
from bot.core.views import Form, Note, Reply, View
from bot.ports import RunQueue

NOT_FOR_YOU = (
    "GPU runs are not open to you here; whoever runs this bot decides (TORCHQUIZ_GPU_FOR). The same code runs on the "
    "CPU: leave out `gpu`."
)


class Runs:
    """Takes code from people and shows what came of it."""

    def __init__(self, bank: Bank, queue: RunQueue, gpu_for: Collection[str] = ()) -> None:
        """`gpu_for`: tenants, or tenant/user, who may use GPU workers; empty means everyone."""
        self._bank = bank
        self._gpu_for = frozenset(gpu_for)
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
                RunPuzzle: going(self.puzzle),
                RunAgain: going(self.again),
                OpenRun: pressed(self.open),
                CancelRun: pressed(self.cancel),
                DeleteRun: pressed(self.delete),
            },
        )

    async def run(self, caller: Caller, text: str) -> AsyncIterator[Reply]:
        """Run what was typed; without any code, open the box for it. Raises BadInput."""
        on, text = asked_device(text)
        source = snippet(text)
        if not source.strip():
            yield form("", on)
            return
        async for reply in self._run(caller, source, on=on):
            yield reply

    async def submit(self, caller: Caller, action: SubmitRun, values: Mapping[str, str]) -> AsyncIterator[Reply]:
        """The box for code was sent."""
        source = snippet(values.get(CODE_FIELD, ""))
        if not source.strip():
            raise BadInput("There is no code to run. Try `/run print(torch.ones(2))`.")
        async for reply in self._run(caller, source, on=_device(action.on)):
            yield reply

    async def again(self, caller: Caller, action: RunAgain) -> AsyncIterator[Reply]:
        """Run the same code once more, as the person who pressed."""
        async for reply in self._run(caller, await self._source(action.run), on=_device(action.on)):
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

    async def puzzle(self, caller: Caller, action: RunPuzzle) -> AsyncIterator[Reply]:
        """Run the code of a puzzle, for the caller alone."""
        made = puzzle(action.subject, action.seed) if action.subject in SUBJECTS else None
        if made is None or made.mark != action.mark:
            raise StaleButton("Puzzles are made differently since. Type `/puzzle` for a fresh one.")
        async for reply in self._run(caller, made.code, title=f"Puzzle · {action.subject}", private=True):
            yield reply

    async def open(self, _: Caller, action: OpenRun) -> Form:
        """The box for code, filled with the code of a run."""
        return form(await self._source(action.run), _device(action.on))

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
        return finished_card(run, address, await self._queue.source(run) or "", result)

    def _may_use_gpu(self, caller: Caller) -> bool:
        return not self._gpu_for or not self._gpu_for.isdisjoint({caller.tenant, f"{caller.tenant}/{caller.user}"})

    async def _source(self, run: RunId) -> str:
        source = await self._queue.source(run)
        if source is None:
            raise StaleButton("I keep code for 24 hours, and that is over. Send it again with `/run`.")
        return source

    async def _run(
        self,
        caller: Caller,
        source: str,
        *,
        title: str = "",
        private: bool = False,
        on: Capability = Capability.CPU,
    ) -> AsyncIterator[Reply]:
        size = len(source.encode("utf-8", "replace"))
        if size > MAX_SOURCE_BYTES:
            raise BadInput(f"That is {size / 1024:,.0f} KiB of code; I run at most {MAX_SOURCE_BYTES // 1024} KiB.")
        if on is Capability.GPU and not self._may_use_gpu(caller):
            raise BadInput(NOT_FOR_YOU)
        run = RunId(sha256(f"{caller.tenant}\0{caller.event}".encode()).hexdigest()[:20])
        address = Address.of(caller, title=title, private=private, on=on)
        order = RunOrder(
            run,
            caller.tenant,
            caller.user,
            source,
            on,
            reply_to=caller.group,
            address=address.encode() if caller.group else "",
        )
        answer = await self._queue.submit(order)
        if isinstance(answer, Refusal):
            yield refused_card(answer, on)
            return
        async for reply in self._follow(answer, address, source):
            yield reply

    async def _follow(self, accepted: Accepted, address: Address, source: str) -> AsyncIterator[Reply]:
        run = accepted.id
        closed = self._following[run] = asyncio.Event()
        output = ""
        try:
            yield going_card(run, address, source, accepted.waiting, "")
            async for event in self._queue.follow(run):
                if isinstance(event, Finished):
                    if not address.group:  # nobody delivers for this caller: the reply itself ends with the result
                        yield finished_card(run, address, source, event.result)
                    return
                output = (output + event.text)[-2 * MAX_GOING_OUTPUT :] if isinstance(event, Printed) else ""
                yield going_card(run, address, source, event, output)
        finally:
            closed.set()
            self._following.pop(run, None)


def _device(told: str) -> Capability:
    """What a button says about the device."""
    return Capability.GPU if told == Capability.GPU else Capability.CPU


def runnable(sample: Sample) -> str:
    """The code of a sample with its preamble."""
    preamble = sample.preamble.rstrip()
    return (preamble + "\n\n" if preamble else "") + sample.source.rstrip()
