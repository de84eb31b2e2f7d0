"""Every key, bound and lifetime of the run queue.

The keys of a capability share one hash tag, so every script touches one cluster slot.
`lua/run_shared.lua` makes the same names.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.runs import Capability, RunId

GROUP = "w"
"""The consumer group of the workers on a ready stream."""

REPLY_GROUP = "b"
"""The consumer group of the bot processes on a reply stream."""

OUTPUT_RECORDS = 2000
"""About how many records of partial output a run keeps: 64 KiB in pieces of 100 ms never come near it."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The bounds and lifetimes of the queue; times in seconds. Bots and workers must be given the same."""

    waiting_total: int = 200
    """Runs in line, all teams together."""
    waiting_team: int = 20
    waiting_user: int = 3
    team_running: int = 4
    """A team's runs that stand in the ready stream or run; the others wait in the team's own list."""
    attempts: int = 2
    """Workers that may die over a run before it is given up."""
    lease: float = 5.0
    """How long a silent worker keeps a run. Two seconds work, but a stall of the server would cause false takeovers."""
    worker_lifetime: float = 10.0
    """How long a worker counts as alive after its last sign."""
    patience: float = 900.0
    """Longest wait for a worker; afterwards the run ends as refused."""
    orphan_patience: float = 120.0
    """How long a run whose worker fell silent waits for another one."""
    result_lifetime: float = 900.0
    """How long output and results are kept: as long as a chat platform accepts follow-ups."""
    source_lifetime: float = 86400.0
    """How long the code is kept, for "run again" and "edit"."""
    reply_lease: float = 10.0
    """How long a silent bot process keeps completions that it has not shown."""
    show_again: float = 60.0
    """After how long a completion that was handed out and not delivered is let go, to be handed out again."""
    block: float = 0.4
    """How long one read of the ready stream waits; a stopping worker ends within it."""
    idle_block: float = 5.0
    """How long the other blocking reads wait."""
    answer: float = 5.0
    """How much longer than its own wait a blocking read may take before the connection counts as dead."""


@dataclass(frozen=True, slots=True)
class RunKeys:
    """The keys of one capability."""

    capability: Capability

    @property
    def prefix(self) -> str:
        """What every key begins with."""
        return f"{{q:{self.capability}}}:"

    @property
    def ready(self) -> str:
        """Stream with group `GROUP`: runs that a worker may take now. Never trimmed."""
        return self.prefix + "ready"

    @property
    def load(self) -> str:
        """Hash: how many runs wait, are admitted and run, per team and user; the recent mean of run times in ms."""
        return self.prefix + "load"

    @property
    def open(self) -> str:
        """Sorted set of unfinished runs by the moment (ms) at which someone must ask what became of them."""
        return self.prefix + "open"

    @property
    def workers(self) -> str:
        """Hash worker -> ``<last seen in ms> <slots> <about, as JSON>``."""
        return self.prefix + "workers"

    @property
    def control(self) -> str:
        """Stream of notices that every worker tails. A stream, because pub/sub loses what nobody hears."""
        return self.prefix + "ctl"

    def run(self, run: RunId) -> str:
        """Hash of a run: state, fence, owner, team, user, code. Expires `source_lifetime` after it was handed in."""
        return f"{self.prefix}run:{run}"

    def out(self, run: RunId) -> str:
        """Stream of a run's events, ending with its result. Expires `result_lifetime` after the end."""
        return f"{self.prefix}out:{run}"

    def waiting(self, team: str) -> str:
        """List of a team's runs beyond `team_running`."""
        return f"{self.prefix}wait:{team}"

    def replies(self, group: str) -> str:
        """Stream of completions for one group of bot processes."""
        return f"{self.prefix}rep:{group}"

    def wake(self, process: str) -> str:
        """Stream of one entry that interrupts the blocking read of one bot process. Expires after an hour."""
        return f"{self.prefix}wake:{process}"
