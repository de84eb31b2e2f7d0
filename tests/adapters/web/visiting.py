"""A visitor of the demo page, without a browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.test_utils import TestClient

DEADLINE = 5.0


@dataclass
class Page:
    """The page as a browser sees it."""

    client: TestClient[Any, Any]
    token: str

    async def post(self, path: str, payload: object, **headers: str) -> aiohttp.ClientResponse:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await self.client.post(path, data=data, headers={"X-Torchquiz-Token": self.token, **headers})

    async def say(self, player: str, text: str) -> str:
        answer = await self.post("/say", {"player": player, "text": text})
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["id"])

    async def press(self, player: str, message: dict[str, Any], label: str) -> str:
        (button,) = (each for each in message["card"]["buttons"] if each["label"] == label)
        answer = await self.post("/press", {"player": player, "wire": button["wire"], "message": message["id"]})
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["id"])


class Feed:
    """One player's feed; `messages` holds each message in its latest form."""

    def __init__(self, client: TestClient[Any, Any], player: str, last: str = "") -> None:
        self._client = client
        self._player = player
        self.last = last
        self.hello: dict[str, Any] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        self.beats = 0

    async def __aenter__(self) -> Feed:
        headers = {"Last-Event-ID": self.last} if self.last else {}
        self._response = await self._client.get("/feed", params={"player": self._player}, headers=headers)
        assert self._response.status == 200, await self._response.text()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._response.close()

    async def until(self, true: Callable[[], bool]) -> None:
        """Read on until the condition holds."""
        async with asyncio.timeout(DEADLINE):
            while not true():
                await self._read()

    async def message(self, id: str, holds: str = "") -> dict[str, Any]:
        """The message with that id or answering that event, once its JSON holds the text."""

        def found() -> list[dict[str, Any]]:
            mine = [each for each in self.messages.values() if id in (each["id"], each["answers"])]
            return [each for each in mine if holds in json.dumps(each, ensure_ascii=False)]

        await self.until(lambda: bool(found()))
        return found()[0]

    async def _read(self) -> None:
        kind, data = "message", ""
        while line := (await self._response.content.readline()).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            if name == "id":
                self.last = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value
            elif line == ": beat":
                self.beats += 1
        if self._response.content.at_eof():
            raise ConnectionResetError
        if kind == "hello":
            self.hello = json.loads(data)
        elif kind == "message" and data:
            message = json.loads(data)
            self.messages[message["id"]] = message
