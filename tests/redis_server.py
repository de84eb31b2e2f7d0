"""A real Redis for tests, on a private socket, started by the product's own launcher. Import the fixtures you need:

from tests.redis_server import redis, redis_url, tenant  # noqa: F401
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from bot.core.ids import Tenant
from bot.store.connect import command_client
from bot.store.server import embedded_server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server for this test session. It is shared: write only under a tenant of your own."""
    server = embedded_server(tmp_path_factory.mktemp("state"))
    with asyncio.Runner() as runner:
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture
def tenant() -> Tenant:
    """A tenant that no other test knows."""
    return Tenant("d" + uuid.uuid4().hex)


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A command client of the session's server."""
    client = command_client(redis_url)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def lonely_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server whose data each test empties: what is due there is this test's alone."""
    server = embedded_server(tmp_path_factory.mktemp("lonely"))
    with asyncio.Runner() as runner:
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest_asyncio.fixture
async def lonely(lonely_url: str) -> AsyncIterator[Redis]:
    """An empty Redis of one's own."""
    client = command_client(lonely_url)
    await client.flushall()
    yield client
    await client.aclose()
