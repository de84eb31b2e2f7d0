"""What our Discord adapter adds to an acknowledged interaction: against bare discord.py bots that only reply, in one
run on one local Discord, each bot in a process of its own.

`bare` replies with a word. `bare_card` replies with a card of the same size as ours, built by the library's classes.
Ours is measured twice. `ack` is the path of an acknowledgement alone: parse, answer with one sentence, send. `quiz` is
`/quiz 11` through the whole desk over scores in memory: it finds the question, seals its buttons and renders its card.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.adapters.discord.fake_discord import TOKEN, FakeDiscord, Interaction, Someone, command_data

INTERACTIONS = 3000
WIDTH = 64
BLOCK = 500
WARM = 300
QUIZ = command_data("quiz", what="11")
NO_CODE = {
    "id": "3",
    "name": "Run this code",
    "type": 3,
    "target_id": "9",
    "resolved": {"messages": {"9": {"id": "9", "content": "hello", "attachments": []}}},
}
"""Answered with a sentence."""


async def measure() -> dict[str, float]:
    """CPU in µs of the bot for each acknowledged interaction, ours against the bare bots; how many of 3000 at width 64
    stayed unacknowledged."""
    async with bot("bare") as bare, bot("bare_card") as card, bot("ours") as ours:
        loads = {
            "bare": (bare, QUIZ),
            "bare_card": (card, QUIZ),
            "ours_ack": (ours, NO_CODE),
            "ours_quiz": (ours, QUIZ),
        }
        spent: dict[str, list[float]] = {name: [] for name in loads}
        for each, data in loads.values():
            await each.load(WARM, data)
        for _ in range(INTERACTIONS // BLOCK):  # in turns, so that a slow moment of the machine hits all
            for name, (each, data) in loads.items():
                before = await each.cpu()
                await each.load(BLOCK, data)
                spent[name].append((await each.cpu() - before) / BLOCK * 1e6)
        figures = {f"discord_{name}_cpu_us": statistics.median(each) for name, each in spent.items()}

        def ratio(mine: str, theirs: str) -> float:
            return statistics.median(a / b for a, b in zip(spent[mine], spent[theirs], strict=True))

        return {
            **figures,
            "discord_ack_cpu_ratio": ratio("ours_ack", "bare"),
            "discord_quiz_cpu_ratio": ratio("ours_quiz", "bare_card"),
            "discord_unacknowledged": float(ours.unacknowledged),
        }


class Bot:
    """A bot in its own process, on a Discord of its own."""

    def __init__(self, fake: FakeDiscord, process: asyncio.subprocess.Process) -> None:
        self.fake = fake
        self._process = process
        self.unacknowledged = 0

    async def cpu(self) -> float:
        """Seconds of processor time it has used."""
        return float(await self._ask("cpu"))

    async def load(self, count: int, data: dict[str, Any]) -> None:
        """So many interactions, 64 at a time."""
        waiting = iter(range(count))

        async def person(number: int) -> None:
            someone = Someone(self.fake, f"P{number}", str(12 * 10**17 + number))
            for _ in waiting:
                await self._one(someone, data)

        await asyncio.gather(*(person(number) for number in range(WIDTH)))
        self.forget()

    async def times(self, count: int, width: int) -> list[float]:
        """Seconds from event to acknowledgement, `width` at a time."""
        made: list[Interaction] = []

        async def person(number: int) -> None:
            someone = Someone(self.fake, f"P{number}", str(12 * 10**17 + number))
            made.extend([await self._one(someone, QUIZ) for _ in range(count // width)])

        await asyncio.gather(*(person(number) for number in range(width)))
        return [each.acknowledged - each.sent for each in made if each.kind]

    async def _one(self, someone: Someone, data: dict[str, Any]) -> Interaction:
        made = someone.begins(2, data)
        try:
            async with asyncio.timeout(5):
                await made.answered.wait()
        except TimeoutError:
            self.unacknowledged += 1
        return made

    def forget(self) -> None:
        """What was said so far takes memory and time."""
        self.fake.interactions.clear()
        self.fake.messages.clear()
        self.fake.requests.clear()

    async def _ask(self, what: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(what.encode() + b"\n")
        async with asyncio.timeout(30):
            return (await self._process.stdout.readline()).decode()


@asynccontextmanager
async def bot(kind: str, redis: str = "") -> AsyncIterator[Bot]:
    """A running bot of that kind; ours over memory, or over the store at `redis`."""
    async with FakeDiscord(strict=kind == "ours") as fake:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-m", "bench.discord_acks", kind, fake.api, fake.gateway_url, redis),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await fake.until(lambda: fake.gateway.connected, 30)
            yield Bot(fake, process)
        finally:
            process.terminate()
            await process.wait()
        if fake.violations:
            raise RuntimeError(f"limits broken: {fake.violations[:3]}")


async def bare(kind: str, api: str, gateway: str) -> None:
    """A bot as the library's own examples are written."""
    import discord
    import yarl

    discord.http.Route.BASE = api
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    client = discord.Client(intents=discord.Intents(guilds=True), allowed_mentions=discord.AllowedMentions.none())
    tree = discord.app_commands.CommandTree(client)

    @tree.command(name="quiz", description="Play a quiz")
    async def quiz(interaction: discord.Interaction, what: str = "") -> None:
        if kind == "bare":
            await interaction.response.send_message("Hello", ephemeral=True)
            return
        layout = discord.ui.LayoutView(timeout=None)
        box: discord.ui.Container[discord.ui.LayoutView] = discord.ui.Container(discord.ui.TextDisplay("word " * 120))
        row: discord.ui.ActionRow[discord.ui.LayoutView] = discord.ui.ActionRow()
        for letter in "ABCD":
            row.add_item(discord.ui.Button(label=letter, custom_id=f"{letter}{interaction.id}"))
        box.add_item(row)
        layout.add_item(box)
        layout.stop()
        await interaction.response.send_message(view=layout, ephemeral=True)

    async with client:
        await client.start(TOKEN)


async def ours(api: str, gateway: str) -> None:
    """Our adapter over a desk in memory."""
    from bot.adapters.discord.serving import serve
    from tests.adapters.discord.living import LiveQueue, MemoryOnce, MemoryRate
    from tests.app.building import House
    from tests.app.fakes import FakeLog

    queue = LiveQueue()
    house = House(queue=queue)

    gc.collect()
    gc.freeze()  # as the bot does once its bank is read: collections then look only at what is new
    await serve(
        house.desk,
        token=TOKEN,
        once=MemoryOnce(),
        rate=MemoryRate(),
        log=FakeLog(),
        ready=lambda _: None,
        stop=asyncio.Event(),
        api_base=api,
        gateway_url=gateway,
    )


async def ours_on_redis(api: str, gateway: str, redis: str) -> None:
    """Our adapter over the whole product."""
    from pydantic import SecretStr

    from bot.adapters.discord.serving import serve
    from bot.bank.load import FOLDER, load
    from bot.bootstrap import build_desk, open_store
    from bot.config import Settings
    from tests.app.fakes import FakeLog

    settings = Settings().model_copy(update={"redis_url": SecretStr(redis)})
    async with open_store(settings, lambda _: None) as store:
        bank = load(FOLDER)
        desk = build_desk(settings, store, FakeLog(), store.queue, bank)
        gc.collect()
        gc.freeze()
        await serve(
            desk,
            token=TOKEN,
            once=store.once(),
            rate=store.rate(),
            log=FakeLog(),
            ready=lambda _: None,
            stop=asyncio.Event(),
            api_base=api,
            gateway_url=gateway,
        )


async def answer_questions() -> None:
    """Tell the processor time when asked on standard input."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while (await reader.readline()).strip():
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(used.ru_utime + used.ru_stime, flush=True)


async def child(kind: str, api: str, gateway: str, redis: str) -> None:
    """The process of a bot."""
    questions = asyncio.create_task(answer_questions())
    try:
        if kind == "ours":
            await (ours_on_redis(api, gateway, redis) if redis else ours(api, gateway))
        else:
            await bare(kind, api, gateway)
    finally:
        questions.cancel()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(child(*sys.argv[1:]))
    else:
        began = time.perf_counter()
        print(json.dumps(asyncio.run(measure()), indent=1), f"{time.perf_counter() - began:.0f} s")
