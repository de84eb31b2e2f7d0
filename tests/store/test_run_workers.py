"""Who says on the queue that it is there, or why it is not yet."""

from __future__ import annotations

from pathlib import Path

from bot.core.runs import Capability, Refusal, RefusalReason
from bot.store.connect import connected
from bot.store.run_workers import live_workers, no_worker_yet
from bot.store.server import embedded_server
from tests.workers.building import a_queue, an_order, quick


async def test_whoever_wants_to_run_is_told_why_there_is_no_worker_yet(tmp_path: Path) -> None:
    async with embedded_server(tmp_path) as url, connected(url) as store, a_queue(url) as queue:
        async with no_worker_yet(store.commands, Capability.CPU, "Torch is on its way.", "Try again.", quick()):
            during = await queue.submit(an_order())
        after = await queue.submit(an_order())
        left = await live_workers(store.commands, Capability.CPU)

    told = Refusal(RefusalReason.WORKER_UNAVAILABLE, detail="Torch is on its way.", fix="Try again.")
    assert during == told
    assert isinstance(after, Refusal)
    assert after.reason is RefusalReason.NO_WORKER
    assert left == ()
