"""Acknowledging on Slack: our adapter against a bare slack-bolt app that only acknowledges, in one run.

Every bot is a process of its own before a local fake of the same kind. Its CPU time is its own `process_time`, asked
for before and after each round; the two sides take turns. Ours reads the event, acknowledges, and hands it to its task
set, where the delivery is deduplicated (in memory) and a desk that says nothing answers: what a spoken answer costs
besides is reported as `answered`, because a bare app that only acknowledges sends none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.adapters.slack.client import serve
from bot.core.views import Text, View, plain
from tests.adapters.slack.fake_slack import APP_TOKEN, BOT_TOKEN, SECRET, FakeSlack, sign

WIDTH = 64
ROUND = 1000
ROUNDS = 9
SINGLE = 150
SIDES = ("bare", "ours")
TRANSPORTS = ("socket", "http")
Send = Callable[[], Awaitable[bool]]


async def measure() -> dict[str, float]:
    """CPU ratios (at most 1.25 wanted), width-1 medians in ms (at most 1.0), commands without acknowledgement (0)."""
    figures: dict[str, float] = {"slack_unacknowledged": 0}
    for transport in TRANSPORTS:
        async with AsyncExitStack() as stack:
            bots = {side: await stack.enter_async_context(_bot(side, transport)) for side in SIDES}
            pairs = []
            await asyncio.gather(*(each.round(ROUND // 4) for each in bots.values()))  # warm
            for number in range(ROUNDS):
                order = SIDES if number % 2 else SIDES[::-1]
                spent = {side: await bots[side].round(ROUND) for side in order}
                pairs.append((spent["ours"], spent["bare"]))
            figures[f"slack_{transport}_ack_cpu_ratio"] = statistics.median(ours / bare for ours, bare in pairs)
            figures[f"slack_{transport}_ours_us"] = statistics.median(ours for ours, _ in pairs) * 1e6
            figures[f"slack_{transport}_bare_us"] = statistics.median(bare for _, bare in pairs) * 1e6
            figures[f"slack_{transport}_ack_p50_ms"] = await bots["ours"].single(SINGLE) * 1e3
            figures[f"slack_{transport}_bare_p50_ms"] = await bots["bare"].single(SINGLE) * 1e3
            figures["slack_unacknowledged"] += bots["ours"].lost
    async with _bot("answered", "socket") as speaking:
        await speaking.round(ROUND // 4)
        spent_speaking = [await speaking.round(ROUND) for _ in range(3)]
        figures["slack_socket_answered_us"] = statistics.median(spent_speaking) * 1e6
        figures["slack_unacknowledged"] += speaking.lost
    return figures


class _Measured:
    """A bot in a process, and the way to send it a command and to read its CPU time."""

    def __init__(self, process: asyncio.subprocess.Process, send: Send) -> None:
        self._process = process
        self._send = send
        self.lost = 0

    async def round(self, commands: int) -> float:
        """CPU seconds per command, `WIDTH` of them at a time."""
        left = iter(range(commands))

        async def worker() -> None:
            for _ in left:
                self.lost += not await self._send()

        before = await self._cpu()
        await asyncio.gather(*(worker() for _ in range(WIDTH)))
        return (await self._cpu() - before) / commands

    async def single(self, commands: int) -> float:
        """The median time to an acknowledgement, one command at a time, in seconds."""
        taken = []
        for _ in range(commands):
            begun = time.perf_counter()
            self.lost += not await self._send()
            taken.append(time.perf_counter() - begun)
        return statistics.median(taken)

    async def _cpu(self) -> float:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"cpu\n")
        async with asyncio.timeout(30):
            return float(await self._process.stdout.readline())


@asynccontextmanager
async def _bot(side: str, transport: str) -> AsyncIterator[_Measured]:
    """A bot of that kind before a fake of its own."""
    async with FakeSlack().running() as slack, aiohttp.ClientSession() as session:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.slack_acks", side, transport, slack.api,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        try:
            async with asyncio.timeout(30):
                port = int(await process.stdout.readline())
            sender = _by_http(slack, session, port) if transport == "http" else _by_socket(slack)
            if transport == "socket":
                await slack.socket()
            yield _Measured(process, sender)
        finally:
            process.stdin.close()
            async with asyncio.timeout(30):
                await process.wait()


def _by_socket(slack: FakeSlack) -> Send:
    async def send() -> bool:
        try:
            return (await slack.command("/quiz", "11")).status == 200
        except TimeoutError:
            return False

    return send


def _by_http(slack: FakeSlack, session: aiohttp.ClientSession, port: int) -> Send:
    async def send() -> bool:
        body, stamp = urlencode(slack.command_payload("/quiz", "11")), str(int(time.time()))
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": sign(body, stamp),
        }
        async with session.post(f"http://127.0.0.1:{port}/slack/events", data=body, headers=headers) as answer:
            await answer.read()
            return answer.status == 200

    return send


# ---- the bots


async def _run(side: str, transport: str, api: str) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    stop = asyncio.Event()

    async def answer_questions() -> None:
        while await reader.readline():
            print(time.process_time(), flush=True)
        stop.set()

    asking = asyncio.create_task(answer_questions())
    await (_bare(transport, api, stop) if side == "bare" else _ours(transport, api, stop, speaks=side == "answered"))
    await asking


async def _bare(transport: str, api: str, stop: asyncio.Event) -> None:
    """A bolt app that only acknowledges, in its faster mode."""
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(token=BOT_TOKEN, base_url=api, session=session)
        app = AsyncApp(client=client, signing_secret=SECRET, process_before_response=True)

        @app.command("/quiz")
        async def quiz(ack: Callable[[], Coroutine[Any, Any, None]]) -> None:
            await ack()

        if transport == "http":
            runner = aiohttp.web.AppRunner(app.server(port=0).web_app, access_log=None)
            await runner.setup()
            await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
            print(runner.addresses[0][1], flush=True)
            await stop.wait()
            await runner.cleanup()
        else:
            handler: Any = AsyncSocketModeHandler(app, APP_TOKEN)
            await handler.connect_async()
            print(0, flush=True)
            await stop.wait()
            await handler.close_async()


class _Desk:
    """Says nothing, or one line."""

    def __init__(self, speaks: bool) -> None:
        self._replies = [View((Text(plain("A line.")),), "A line.")] if speaks else []

    async def say(self, caller: object, line: str) -> AsyncIterator[View]:
        for reply in self._replies:
            yield reply

    press = submit = say

    def seal(self, caller: object, reply: object) -> Callable[[object], str]:
        return str

    async def deliver(self, group: str, consumer: str, show: object) -> None:
        await asyncio.Event().wait()


class _Ports:
    """Once, Rate and Log that cost nothing."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    async def first(self, key: str, seconds: float) -> bool:
        new = key not in self._seen
        self._seen.add(key)
        return new

    async def take(self, bucket: str, per_second: float, burst: int) -> float:
        return 0.0

    def info(self, event: str, **fields: object) -> None:
        print(event, json.dumps(fields, default=str), file=sys.stderr)

    warning = exception = info


async def _ours(transport: str, api: str, stop: asyncio.Event, *, speaks: bool) -> None:
    ports, desk = _Ports(), _Desk(speaks)
    await serve(
        desk,  # type: ignore[arg-type]  # a desk in three lines
        bot_token=BOT_TOKEN,
        app_token=APP_TOKEN if transport == "socket" else None,
        signing_secret=SECRET,
        once=ports,
        rate=ports,
        log=ports,
        api_base=api,
        http_port=0 if transport == "http" else None,
        http_host="127.0.0.1",
        stop=stop,
        ready=lambda sentence: print(sentence.rpartition(" ")[2] if transport == "http" else 0, flush=True),
    )


if __name__ == "__main__":
    logging.disable()
    if len(sys.argv) == 4:
        asyncio.run(_run(*sys.argv[1:]))
    else:
        for name, value in asyncio.run(measure()).items():
            print(f"{name} {value:.3f}")
