"""The page over a fake desk, on a real port."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.adapters.web.client import create_app
from tests.adapters.web.fakes import FakeDesk, FakeLog
from tests.adapters.web.visiting import Page


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
async def page(desk: FakeDesk, log: FakeLog) -> AsyncIterator[Page]:
    app = create_app(desk, host="127.0.0.1", log=log, heartbeat=0.1)
    async with TestClient(TestServer(app)) as client:
        html = await (await client.get("/")).text()
        token = re.search(r'name="torchquiz-token" content="([\w-]{32})"', html)
        assert token
        yield Page(client, token[1])
