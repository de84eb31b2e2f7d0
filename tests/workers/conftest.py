"""One started sandbox per backend for the whole session: a start imports torch and costs seconds."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.store.connect import command_client
from bot.store.run_queue import RedisRunQueue
from bot.store.server import embedded_server
from tests.workers.building import a_queue
from workers.sandbox import BACKENDS
from workers.sandbox.base import Sandbox


@pytest.fixture(scope="session")
def canary() -> str:
    """A secret in the worker's environment and memory that no snippet may ever see."""
    os.environ["TORCHQUIZ_CANARY"] = f"TQ-CANARY-{secrets.token_hex(16)}"
    return os.environ["TORCHQUIZ_CANARY"]


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=sorted(BACKENDS))
async def sandbox(request: pytest.FixtureRequest, canary: str) -> AsyncIterator[Sandbox]:
    """A warm sandbox, shared: no test may leave anything in it, which is what the tests are about."""
    started = BACKENDS[request.param]()
    await started.start()
    yield started
    await started.close()


@pytest_asyncio.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with embedded_server(tmp_path) as url:
        yield url


@pytest_asyncio.fixture
async def redis(url: str) -> AsyncIterator[Any]:
    client = command_client(url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def queue(url: str) -> AsyncIterator[RedisRunQueue]:
    async with a_queue(url) as ours:
        yield ours
