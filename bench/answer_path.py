"""What we add to an answer: use case (grade, record, card) and store, against bare EVALSHA of the same script."""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from bot.app.local_days import LocalDays
from bot.app.quiz import Quizzes
from bot.bank.load import load
from bot.bootstrap import SystemClock
from bot.core.actions import Answer
from bot.core.ids import Caller, ChannelId, OptionId, Tenant, UserId
from bot.ports import PracticeAnswer
from bot.store.connect import connected
from bot.store.scores import RedisScores, practice_request
from bot.store.scripts import script
from bot.store.server import embedded_server

CALLERS = 64
ANSWERS_EACH = 10
ROUNDS = 41  # many short rounds: a neighbour's burst spoils few of them

BANK = load()
gc.collect()
gc.freeze()  # as `torchquiz bot` and the demo do

AnswerPath = Callable[[PracticeAnswer], Awaitable[object]]


async def measure() -> dict[str, float]:
    """The ratio of throughputs (1.0: nothing added; at least 0.85 wanted), both throughputs, counted round trips."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_server(Path(folder)) as url, connected(url) as store:
            quizzes = Quizzes(BANK, RedisScores(store.commands), LocalDays(SystemClock(), ZoneInfo("UTC")))

            async def path(answer: PracticeAnswer) -> object:
                return await quizzes.answer(answer.caller, Answer(answer.item, answer.option, answer.round))

            figures = await against_bare_script(store.commands, path)
            trips = await round_trips(store.commands, path)
    return {**figures, "answer_path_round_trips": trips}


async def against_bare_script(redis: Redis, path: AnswerPath) -> dict[str, float]:
    """`path` and bare EVALSHA in turns at 64 callers; medians over the rounds, each ratio within one round."""
    client: Any = redis
    sha = script("practice").sha

    def bare(answer: PracticeAnswer) -> tuple[object, ...]:
        keys, args = practice_request(answer)
        return ("EVALSHA", sha, len(keys), *keys, *args)

    async def run_path() -> float:
        return await throughput(path, work())

    async def run_bare() -> float:
        async def execute(command: tuple[object, ...]) -> object:
            return await client.execute_command(*command)

        return await throughput(execute, [[bare(answer) for answer in answers] for answers in work()])

    await run_bare(), await run_path()  # opens the connections
    pairs = []
    for number in range(ROUNDS):
        if number % 2:  # whoever goes first meets the other's dust
            ours, theirs = await run_path(), await run_bare()
        else:
            theirs, ours = await run_bare(), await run_path()
        pairs.append((ours, theirs))
    return {
        "answer_path_ratio": statistics.median(ours / theirs for ours, theirs in pairs),
        "answer_path_per_second": statistics.median(ours for ours, _ in pairs),
        "bare_script_per_second": statistics.median(theirs for _, theirs in pairs),
    }


async def throughput(call: Callable[[Any], Awaitable[object]], work: Sequence[Sequence[Any]]) -> float:
    """Calls per second, one caller for each list of work, all at once."""

    async def caller(items: Sequence[Any]) -> None:
        for item in items:
            await call(item)

    start = time.perf_counter()
    await asyncio.gather(*(caller(items) for items in work))
    return sum(map(len, work)) / (time.perf_counter() - start)


async def round_trips(redis: Redis, path: AnswerPath) -> float:
    """Requests that the server sees for one answer, by MONITOR; what scripts call inside themselves is not counted."""
    client: Any = redis
    answer, end = work()[0][0], uuid.uuid4().hex
    seen = 0
    async with client.monitor() as monitor:
        await path(answer)
        await client.echo(end)
        while end not in (command := await monitor.next_command())["command"]:
            seen += command["client_type"] != "lua"
    return seen


def work() -> list[list[PracticeAnswer]]:
    """First answers, for each caller, in one channel of a new workspace."""
    tenant = Tenant(f"d{uuid.uuid4().int}")
    return [_answers(tenant, user) for user in range(CALLERS)]


def _answers(tenant: Tenant, user: int) -> list[PracticeAnswer]:
    items = BANK.quizzes[11].ids
    day = datetime.now(UTC).date()
    answers = []
    for number in range(ANSWERS_EACH):
        person = UserId(str(1200000000000000000 + 1000 * user + number // len(items)))
        caller = Caller(tenant, ChannelId("1200000000000000777"), person, f"player {user}", f"{user}-{number}")
        item = items[number % len(items)]
        right = BANK.quizzes[11].questions[number % len(items)].right()
        answers.append(PracticeAnswer(caller, "11", items, item, OptionId("b"), right == "b", 1, day, "transformers"))
    return answers


if __name__ == "__main__":
    for name, value in asyncio.run(measure()).items():
        print(f"{name} {value:.3f}")
