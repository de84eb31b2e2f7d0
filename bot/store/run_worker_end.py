"""The worker's half of the run queue: say what it offers, take, keep, publish, finish, hand back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from bot.core.runs import Outcome, RunId, RunResult
from bot.store.run_keys import GROUP, OUTPUT_RECORDS, QueueSettings, RunKeys
from bot.store.run_scripts import Steps, ask, create_group, missing_group, ms
from bot.store.run_wire import Entry, encode_result, ended, entries, slim

LONG_IDLE = 3600.0
"""Seconds after which a consumer that holds nothing is forgotten."""

CANCELLED = "Cancelled."


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry of the ready stream that was read but not begun."""

    run: RunId
    entry: str
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    """Makes a repeated `take` of this delivery the same take."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A run that this worker holds. Only the holder of the newest `fence` can finish it."""

    run: RunId
    entry: str
    fence: int
    attempt: int
    source: str


class Lease(StrEnum):
    """What became of a run that the worker wanted to keep."""

    HELD = "held"
    CANCELLED = "cancelled"
    LOST = "lost"


class NoticeKind(StrEnum):
    """What a notice to all workers is about."""

    CANCEL = "cancel"
    SWEEP = "sweep"  # a run was handed back and may be taken at once


@dataclass(frozen=True, slots=True)
class Notice:
    """Something every worker is told."""

    kind: NoticeKind
    run: RunId


@dataclass(frozen=True, slots=True)
class Offer:
    """What a worker says of itself. With a `problem`, it offers nothing and `fix` tells the operator what to do."""

    slots: int
    device: str = "cpu"
    torch_version: str = ""
    problem: str = ""
    fix: str = ""


class WorkerEnd:
    """One worker's end of one capability's queue. All methods raise Unavailable when the store does not answer.

    `blocking` needs two connections: one read waits for runs, one for notices. `id` must be unique for the process.
    """

    def __init__(
        self,
        command: Redis,
        blocking: Redis,
        keys: RunKeys,
        settings: QueueSettings,
        *,
        id: str,
        name: str,
        device: str,
    ) -> None:
        self._command = command
        self._blocking = blocking
        self._keys = keys
        self._settings = settings
        self._steps = Steps(command, keys, settings)
        self._name = name
        self._device = device
        self._cursor = "0-0"
        lost = f"This snippet ended its worker {_times(settings.attempts)}."
        self._ends = (ended(Outcome.WORKER_LOST, lost), ended(Outcome.CANCELLED, CANCELLED))
        self.id = id

    async def register(self, offer: Offer) -> None:
        """Say that the worker is alive and what it offers; to be repeated well within `worker_lifetime`."""
        slots = 0 if offer.problem else offer.slots
        about = {"name": self._name, "device": offer.device, "torch_version": offer.torch_version}
        about |= {"problem": offer.problem, "fix": offer.fix}
        await self._steps("heartbeat", self._keys.workers, self.id, slots, json.dumps(about))

    async def join(self) -> None:
        """Make the group of workers where it is missing."""
        await create_group(self._command, self._keys.ready, GROUP)

    async def leave(self) -> None:
        """Take the worker off the list, and its consumer when it holds nothing."""
        await self._steps("leave", self._keys.ready, GROUP, self.id, ms(LONG_IDLE), 1)

    async def read(self, free: int) -> list[Delivery]:
        """At most `free` new entries; waits up to `settings.block` seconds for the first."""
        block = self._settings.block
        read = self._blocking.xreadgroup(GROUP, self.id, {self._keys.ready: ">"}, count=free, block=ms(block))
        try:
            reply = await ask(read, block + self._settings.answer)
        except ResponseError as error:
            await self._group_again(error)
            return []
        return [delivery for _, rows in entries(reply) for delivery in _deliveries(rows)]

    async def sweep(self, free: int) -> list[Delivery]:
        """At most `free` entries of workers that fell silent for longer than the lease."""
        lease = ms(self._settings.lease)
        try:
            claim = self._command.xautoclaim(self._keys.ready, GROUP, self.id, lease, self._cursor, count=free)
            cursor, rows, _ = await ask(claim)
        except ResponseError as error:
            await self._group_again(error)
            return []
        self._cursor = cursor.decode()
        return _deliveries(rows)

    async def take(self, deliveries: Sequence[Delivery]) -> list[Taken]:
        """Begin runs; leaves out what is not to be run: cancelled, ended, given up, or held by a live worker."""
        if not deliveries:
            return []
        runs = [value for d in deliveries for value in (d.run, d.entry, d.token)]
        reply = await self._steps.many(
            "take", [self._keys.run(d.run) for d in deliveries], self.id, self._name, self._device, *self._ends, *runs
        )
        return [
            Taken(delivery.run, delivery.entry, int(answer[1]), int(answer[2]), answer[3].decode())
            for delivery, answer in zip(deliveries, reply, strict=True)
            if answer[0] == b"run"
        ]

    async def renew(self, held: Sequence[Taken]) -> list[Lease]:
        """Keep the runs in `held`; says of each, in order, what became of it."""
        if not held:
            return []
        args = [value for taken in held for value in (taken.run, taken.entry, taken.fence)]
        reply = await self._steps("renew", self._keys.ready, self.id, *args)
        return [Lease(answer.decode()) for answer in reply]

    async def output(self, taken: Taken, text: str) -> None:
        """Publish a piece of output. What comes after the end, or from a worker that lost the run, is not shown."""
        record: dict[str, str | bytes | int] = {"k": "p", "f": taken.fence, "text": text.encode("utf-8", "replace")}
        out = self._keys.out(taken.run)
        await ask(self._command.xadd(out, record, maxlen=OUTPUT_RECORDS, nomkstream=True))  # type: ignore[arg-type]

    async def finish(self, taken: Taken, result: RunResult, rest: str = "") -> bool:
        """Publish the result and the `rest` of the output. False: rejected, the run is another's or has ended."""
        reply = await self._steps(
            "finish", self._keys.run(taken.run), taken.run, taken.entry, taken.fence, result.outcome.value,
            encode_result(result), encode_result(slim(result)), rest.encode("utf-8", "replace"), ms(result.seconds),
        )  # fmt: skip
        return bool(reply)

    async def hand_back(self, held: Taken | Delivery, *, blameless: bool = True) -> bool:
        """Let another worker take a run at once. `blameless`: this attempt does not count against the snippet."""
        fence = held.fence if isinstance(held, Taken) else ""
        reply = await self._steps(
            "hand_back", self._keys.run(held.run), held.run, held.entry, fence, self.id,
            int(blameless),
        )  # fmt: skip
        return bool(reply)

    async def latest_notice(self) -> str:
        """Where to begin reading notices."""
        rows = await ask(self._command.xrevrange(self._keys.control, count=1))
        return cast("str", rows[0][0].decode()) if rows else "0-0"

    async def notices(self, after: str) -> tuple[str, list[Notice]]:
        """The notices after `after`, and where to go on; waits up to `settings.idle_block` seconds."""
        block = self._settings.idle_block
        read = self._blocking.xread({self._keys.control: after}, block=ms(block))
        reply = await ask(read, block + self._settings.answer)
        found: list[Notice] = []
        for _, rows in entries(reply):
            for entry, record in rows:
                after = entry.decode()
                found.append(Notice(NoticeKind(record[b"k"].decode()), RunId(record[b"run"].decode())))
        return after, found

    async def _group_again(self, error: ResponseError) -> None:
        if not missing_group(error):
            raise error
        await self.join()


def _deliveries(rows: Sequence[Entry]) -> list[Delivery]:
    return [Delivery(RunId(record[b"run"].decode()), entry.decode()) for entry, record in rows]


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
