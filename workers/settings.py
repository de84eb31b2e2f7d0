"""How a worker serves."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.core.runs import Limits
from bot.store.run_keys import QueueSettings


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker serves; times in seconds."""

    queue: QueueSettings = field(default_factory=QueueSettings)
    limits: Limits = field(default_factory=Limits)
    grace: float = 20.0
    """How long runs may go on after a stop was asked; what still runs then is handed back."""
    restart: float = 10.0
    """Between two attempts to start a sandbox that is unavailable."""
    device: str = "cpu"
    torch_version: str = ""
