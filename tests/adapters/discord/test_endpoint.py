"""Interactions by HTTP: only what Discord signed is heard, and it is answered like anything else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.adapters.discord.serving import serve_http
from bot.core.errors import ConfigError
from bot.core.runs import Finished, RunFile
from tests.adapters.discord.fake_discord import TOKEN, FakeDiscord, Interaction, Someone, command_data, discord
from tests.adapters.discord.living import OK, TUNING, Parts
from tests.adapters.discord.test_conversation import right
from tests.adapters.views import PNG
from tests.app.fakes import FakeLog

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()


@dataclass
class Endpoint:
    """A served endpoint, and Discord on the other side."""

    fake: FakeDiscord
    address: str
    parts: Parts
    session: aiohttp.ClientSession

    async def post(self, body: bytes, **headers: str) -> int:
        async with self.session.post(self.address, data=body, headers=headers) as response:
            return response.status

    def signed(self, body: bytes, key: Ed25519PrivateKey = KEY, age: float = 0) -> dict[str, str]:
        stamp = str(int(self.fake.now() - age))
        signature = key.sign(stamp.encode() + body).hex()
        return {"X-Signature-Ed25519": signature, "X-Signature-Timestamp": stamp}

    async def event(self, made: Interaction) -> int:
        body = json.dumps(made.payload).encode()
        return await self.post(body, **self.signed(body))

    async def does(self, kind: int, data: dict[str, Any], **more: Any) -> Interaction:
        made = self.fake.interaction(Someone(self.fake), kind, data, **more)
        assert await self.event(made) == 202
        await self.fake.until(lambda: made.kind)
        return made


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    async with discord() as fake, aiohttp.ClientSession() as session:
        parts, stop, address = Parts(), asyncio.Event(), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            serve_http(
                parts.house.desk,
                token=TOKEN,
                public_key=PUBLIC,
                host="127.0.0.1",
                port=0,
                once=parts.once,
                rate=parts.rate,
                log=FakeLog(),
                ready=address.set_result,
                stop=stop,
                api_base=fake.api,
                now=fake.now,
                tuning=TUNING,
            )
        )
        try:
            async with asyncio.timeout(10):
                yield Endpoint(fake, await address, parts, session)
        finally:
            stop.set()
            async with asyncio.timeout(10):
                await task


async def test_a_ping_is_answered() -> None:
    async with endpoint() as there:
        body = b'{"type":1}'
        async with there.session.post(there.address, data=body, headers=there.signed(body)) as response:
            assert (response.status, await response.json()) == (200, {"type": 1})


async def test_a_question_a_click_and_a_run_by_http() -> None:
    async with endpoint() as there:
        question = await there.does(2, command_data("quiz", what="11"))
        custom_id = question.message.buttons[right(question.message)]["custom_id"]
        verdict = await there.does(3, {"component_type": 2, "custom_id": custom_id}, pressed=question.message)
        dialog = await there.does(2, command_data("run"))
        asked = await there.does(2, command_data("run", code="x"))
        figure = RunFile("loss.png", PNG, "falling")
        there.parts.queue.happens(
            await there.parts.queue.started(), Finished(OK.__class__(OK.outcome, files=(figure,)))
        )
        await there.fake.until(lambda: asked.message.files)

        assert question.message.to
        assert verdict.message is question.message
        assert "Right." in verdict.message.text
        assert dialog.kind == 9
        assert asked.message.to == ""
        assert len(there.fake.commands) == 0 or there.fake.commands[0]["name"]


async def test_what_discord_did_not_sign_is_refused() -> None:
    async with endpoint() as there:
        made = there.fake.interaction(Someone(there.fake), 2, command_data("help"))
        body = json.dumps(made.payload).encode()
        good = there.signed(body)

        refused = [
            {},
            {**good, "X-Signature-Ed25519": "00" * 64},
            {**good, "X-Signature-Ed25519": "not hexadecimal"},
            {**good, "X-Signature-Timestamp": str(int(there.fake.now()) + 1)},
            {**good, "X-Signature-Timestamp": ""},
            there.signed(body, key=Ed25519PrivateKey.generate()),
            there.signed(body + b" "),
            there.signed(body, age=600),
        ]
        for headers in refused:
            assert await there.post(body, **headers) == 401
        assert not made.kind
        assert await there.post(body, **good) == 202


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"null", b'{"type":2}', b"\xff\xfe", b"[" * 5000])
async def test_what_is_no_interaction_is_refused(junk: bytes) -> None:
    async with endpoint() as there:
        assert await there.post(junk, **there.signed(junk)) == 400


async def test_a_wrong_key_is_a_clear_error() -> None:
    async with discord() as fake:
        with pytest.raises(ConfigError, match="DISCORD_PUBLIC_KEY"):
            await serve_http(
                Parts().house.desk,
                token=TOKEN,
                public_key="abc",
                host="127.0.0.1",
                port=0,
                once=Parts().once,
                rate=Parts().rate,
                log=FakeLog(),
                ready=lambda _: None,
                stop=asyncio.Event(),
                api_base=fake.api,
            )
