"""A fake Slack for each test, whose list of violations must be empty at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.adapters.slack.fake_slack import FakeSlack
from tests.redis_server import redis, redis_url

__all__ = ["redis", "redis_url", "slack"]


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack of one's own."""
    async with FakeSlack().running() as running:
        yield running
    assert running.violations == []
