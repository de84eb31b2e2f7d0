"""`torchquiz content pictures`: formulas drawn in the sandbox, where matplotlib is."""

from __future__ import annotations

from pathlib import Path

from bot.app.proving import problem_of, run_once
from bot.bank.load import examine
from bot.bank.pictures import drawing, path_of
from bot.cli.worker_process import queue_apart
from bot.config import Settings
from bot.core.bank import Bank
from bot.core.errors import ContentError
from bot.core.kinds.formula import Formula
from bot.core.text import plural
from bot.ports import RunQueue


async def draw_pictures(settings: Settings, folder: Path) -> str:
    """Draw what is missing or old; returns what was done. Raises ContentError for a formula that cannot be drawn."""
    bank, _ = examine(folder)
    formulas = [item for item in bank.items.values() if isinstance(item, Formula) and item.latex]
    wanted = [item for item in formulas if not item.picture]
    if wanted:
        async with queue_apart(settings) as queue:
            for formula in wanted:
                await _draw(queue, bank, folder, formula)
    return f"{plural(len(wanted), 'picture')} drawn, {len(formulas) - len(wanted)} up to date"


async def _draw(queue: RunQueue, bank: Bank, folder: Path, formula: Formula) -> None:
    where = bank.files[formula.id]
    result = await run_once(queue, drawing(formula.latex))
    if not result.files:
        raise ContentError(f"{where}: {formula.id}: `latex` cannot be drawn: {problem_of(result)}")
    path_of(folder, where.rpartition(":")[0], formula).write_bytes(result.files[0].content)
