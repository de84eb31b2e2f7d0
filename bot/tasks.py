"""Ending tasks that their owner no longer needs."""

from __future__ import annotations

import asyncio
from typing import Any

_PATIENCE_SECONDS = 0.5


async def stop(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel these tasks and return once all have ended; what they raise is theirs to report.

    A cancellation can get lost: a client library that is just connecting may turn it into an error of its own, which
    our loops rightly survive. So it is repeated until it is heard.
    """
    open_tasks = {task for task in tasks if task is not None and not task.done()}
    while open_tasks:
        for task in open_tasks:
            task.cancel()
        _, open_tasks = await asyncio.wait(open_tasks, timeout=_PATIENCE_SECONDS)
