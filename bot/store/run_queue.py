"""The bot's half of the run queue, on Redis; the worker's is `run_worker_end`, what passes between them `run_wire`."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, Self

from redis.asyncio import Redis

from bot.core.errors import NotFound, Unavailable
from bot.core.runs import (
    MAX_SOURCE_BYTES,
    Accepted,
    Cancelled,
    Capability,
    Completion,
    Outcome,
    Refusal,
    RefusalReason,
    RunEvent,
    RunId,
    RunOrder,
    Waiting,
)
from bot.store.run_completions import Replies, forget
from bot.store.run_keys import QueueSettings, RunKeys
from bot.store.run_scripts import Steps, ask
from bot.store.run_tail import GONE, Tail
from bot.store.run_wire import ended
from bot.tasks import stop

REMEMBERED = 1000
"""Runs handed in here whose waiting need not be read again."""
SWEEP_SECONDS = 5.0
"""Between two looks for overdue runs; every bot process looks."""
SWEEP_SIZE = 50
"""Overdue runs that one sweep ends."""

NEVER_BEGAN = "No worker was free to run this. Try again in a moment."
LOST = "The worker that ran this was lost, and no other one came."
CANCELLED = "Cancelled before it began."


class RedisRunQueue:
    """`RunQueue` on Redis. An async context manager: leaving it stops its reading tasks; the clients stay open.

    `blocking` needs two connections for each capability, plus one more for each reply group.
    """

    def __init__(
        self,
        command: Redis,
        blocking: Redis,
        settings: QueueSettings | None = None,
        capabilities: Sequence[Capability] = tuple(Capability),
        process: str = "",
    ) -> None:
        self._command = command
        self._blocking = blocking
        self._settings = settings or QueueSettings()
        self._keys = {capability: RunKeys(capability) for capability in capabilities}
        self._steps = {c: Steps(command, keys, self._settings) for c, keys in self._keys.items()}
        process = process or secrets.token_hex(6)
        self._tails = {c: Tail(command, blocking, keys, self._settings, process) for c, keys in self._keys.items()}
        self._replies: dict[tuple[str, Capability], list[Replies]] = {}
        self._recent: dict[RunId, tuple[Capability, Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._own(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop all reading. What was not delivered is handed out elsewhere once this process' lease is over."""
        await stop(*self._tasks)
        for tail in self._tails.values():
            await tail.close()

    async def submit(self, order: RunOrder) -> Accepted | Refusal:
        """Hand in a run in one round trip. Repeating the same id changes nothing and returns the same acceptance."""
        source = order.source.encode("utf-8", "replace")
        if len(source) > MAX_SOURCE_BYTES:
            return Refusal(RefusalReason.TOO_LARGE, MAX_SOURCE_BYTES)
        keys = self._keys[order.capability]
        reply = await self._steps[order.capability](
            "submit", keys.run(order.id), order.id, order.tenant, order.user, order.reply_to, order.address, source,
        )  # fmt: skip
        answer = _answer(order, reply)
        if isinstance(answer, Accepted) and not answer.again:
            self._remember(order, answer.waiting)
        return answer

    async def follow(self, run: RunId) -> AsyncGenerator[RunEvent, None]:
        """The run's events from its beginning to Finished. Raises NotFound when it is unknown or has expired."""
        capability, waiting = self._recent.get(run) or await self._find(run)
        async with aclosing(self._tails[capability].follow(run, waiting)) as events:
            async for event in events:
                yield event

    async def cancel(self, run: RunId, user: str) -> Cancelled:
        """Stop a run of that user in whatever state it is."""
        record = ended(Outcome.CANCELLED, CANCELLED)
        for capability, keys in self._keys.items():
            met = Cancelled((await self._steps[capability]("cancel", keys.run(run), run, user, record)).decode())
            if met is not Cancelled.UNKNOWN:
                return met
        return Cancelled.UNKNOWN

    async def source(self, run: RunId) -> str | None:
        """The code of a run; None once it has been deleted (24 hours)."""
        for keys in self._keys.values():
            source: bytes | None = await ask(self._command.hget(keys.run(run), "source"))
            if source is not None:
                return source.decode()
        return None

    async def completions(self, reply_to: str, consumer: str) -> AsyncGenerator[Completion, None]:
        """Finished runs of a reply group, as they come. `consumer` is this process' name, unique among the living."""
        handed: asyncio.Queue[Completion | Exception] = asyncio.Queue(maxsize=1)
        readers = {
            capability: Replies(self._command, self._blocking, keys, self._settings, reply_to, consumer)
            for capability, keys in self._keys.items()
        }
        tasks = [self._own(_hand_out(reader, handed)) for reader in readers.values()]
        for capability, reader in readers.items():
            self._replies.setdefault((reply_to, capability), []).append(reader)
        try:
            while True:
                completion = await handed.get()
                if isinstance(completion, Exception):
                    raise completion
                yield completion
        finally:
            for capability, reader in readers.items():
                self._replies[reply_to, capability].remove(reader)
            await stop(*tasks)

    async def delivered(self, reply_to: str, completion: Completion) -> None:
        """The result has been shown; do not hand it out again."""
        capability, _, entry = completion.ticket.partition(":")
        await forget(self._command, self._keys[Capability(capability)].replies(reply_to), entry)
        for reader in self._replies.get((reply_to, Capability(capability)), ()):
            reader.let_go(entry)

    async def expire(self) -> list[RunId]:
        """End the runs that no worker took in time or whose last worker is long gone; returns them."""
        over: list[RunId] = []
        never, lost = ended(Outcome.REFUSED, NEVER_BEGAN), ended(Outcome.WORKER_LOST, LOST)
        for capability, keys in self._keys.items():
            runs = await self._steps[capability]("expire", keys.open, SWEEP_SIZE, never, lost)
            over += [RunId(run.decode()) for run in runs]
        return over

    async def _find(self, run: RunId) -> tuple[Capability, Waiting]:
        for capability, keys in self._keys.items():
            state, ahead, wait = await ask(self._command.hmget(keys.run(run), ["state", "ahead", "ms"]))
            if state is not None and (state != b"done" or await ask(self._command.exists(keys.out(run)))):
                return capability, _waiting(ahead, wait)
        raise NotFound(GONE)

    def _remember(self, order: RunOrder, waiting: Waiting) -> None:
        self._recent[order.id] = order.capability, waiting
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        sweep_at = loop.time()
        while True:
            try:
                for readers in list(self._replies.values()):
                    for reader in readers:
                        await reader.hold()
                if loop.time() >= sweep_at:
                    sweep_at = loop.time() + SWEEP_SECONDS
                    await self.expire()
            except Unavailable:
                pass  # the next turn asks again; callers are told by their own calls
            await asyncio.sleep(min(self._settings.reply_lease / 4, SWEEP_SECONDS))

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            context = {"message": "a task of the run queue failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)


async def _hand_out(replies: Replies, handed: asyncio.Queue[Completion | Exception]) -> None:
    try:
        async with aclosing(replies.read()) as completions:
            async for completion in completions:
                await handed.put(completion)
    except Exception as error:  # raised where the completions are read
        await handed.put(error)


def _answer(order: RunOrder, reply: list[Any]) -> Accepted | Refusal:
    status, *rest = reply
    match status:
        case b"accepted" | b"again":
            return Accepted(order.id, _waiting(*rest), again=status == b"again")
        case b"worker_unavailable":
            about = json.loads(rest[0])
            return Refusal(RefusalReason.WORKER_UNAVAILABLE, detail=about["problem"], fix=about["fix"])
        case b"no_worker":
            return Refusal(RefusalReason.NO_WORKER)
    return Refusal(RefusalReason(status.decode()), limit=int(rest[0]))


def _waiting(ahead: bytes | int, milliseconds: bytes) -> Waiting:
    return Waiting(int(ahead), int(milliseconds) / 1000 if milliseconds else None)
