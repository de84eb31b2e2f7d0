"""What a run is: the request, its limits, its result, and the names of the ways it can end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

RunId = NewType("RunId", str)

MAX_SOURCE_BYTES = 64 * 1024
"""Largest snippet, in UTF-8 bytes; the sandbox's frames and the queue's records are sized for it."""


class Capability(StrEnum):
    """What a worker offers; each has a queue of its own."""

    CPU = "cpu"
    GPU = "gpu"


class Outcome(StrEnum):
    """How a run ended. Each is told apart in words; only the first is a success."""

    OK = "ok"
    ERROR = "error"  # an exception left the snippet, or it exited with a status other than 0
    SYNTAX_ERROR = "syntax_error"  # the snippet does not compile; nothing of it ran
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    TOO_MUCH_OUTPUT = "too_much_output"
    KILLED = "killed"  # a signal that none of our limits sent (segmentation fault, abort, forbidden call)
    CANCELLED = "cancelled"
    REFUSED = "refused"  # never started: no worker, queue full, too large
    WORKER_LOST = "worker_lost"  # its worker died twice


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. Defaults are those of a CPU run."""

    seconds: float = 10.0
    """Wall-clock time."""
    cpu_seconds: int = 20
    """Processor time over all threads (RLIMIT_CPU is per process; the cgroup bounds the rest)."""
    memory_bytes: int = 1024 * 1024 * 1024
    """Memory with swap, charged to the run's own cgroup."""
    processes: int = 64
    """Processes and threads at once."""
    tmp_bytes: int = 64 * 1024 * 1024
    """Each private writable file system (/tmp and the output folder share one, /dev/shm has its own)."""
    tmp_inodes: int = 4096
    file_bytes: int = 64 * 1024 * 1024
    """Largest single file."""
    open_files: int = 256
    output_bytes: int = 64 * 1024
    """Standard output and error together; more ends the run."""
    files: int = 8
    """Files that come back."""
    files_bytes: int = 4 * 1024 * 1024
    """Bytes of all files that come back."""


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file that a run left in its output folder; the name is ours, the bytes are the snippet's."""

    name: str
    content: bytes
    alt: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run."""

    outcome: Outcome
    output: str = ""
    """Standard output and error in the order written, then the value of the last expression; decoded with
    replacement."""
    exit_status: int | None = None
    """The status of the snippet's process; None when a signal ended it or it never started."""
    signal: int | None = None
    error: str = ""
    """The traceback cut to the snippet's own lines, or the reason of a refusal."""
    error_line: int | None = None
    """The failing line of the snippet, counted from 1."""
    seconds: float = 0.0
    peak_memory_bytes: int | None = None
    gpu_peak_memory_bytes: int | None = None
    """The most GPU memory, beyond what the open context takes; None for a CPU run."""
    device: str = "cpu"
    torch_version: str = ""
    files: tuple[RunFile, ...] = ()
    files_dropped: int = 0
    """Files that exceeded the limits and were left behind."""
    notes: tuple[str, ...] = ()
    """Short remarks for the footer, such as an override the operator set."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class RunOrder:
    """A snippet that someone asked to run, and where its result belongs."""

    id: RunId
    """Made from the platform's event id, so that a retry submits the same run."""
    tenant: str
    user: str
    source: str
    capability: Capability = Capability.CPU
    reply_to: str = ""
    """The group of bot processes that may deliver the result: one a platform."""
    address: str = ""
    """Where that group shows it; opaque to the queue."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run is in line. `ahead` runs come first; `seconds` is the expected wait, None when nothing is known yet."""

    ahead: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A worker has taken the run. `attempt` is 1, or 2 after its first worker was lost."""

    worker: str
    device: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Printed:
    """More output. After a second attempt began, output starts again from nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The one end of a run."""

    result: RunResult


RunEvent = Waiting | Running | Printed | Finished


class RefusalReason(StrEnum):
    """Why a run was not accepted; answered at once."""

    NO_WORKER = "no_worker"
    WORKER_UNAVAILABLE = "worker_unavailable"  # workers are there, but their sandbox is not; the detail says why
    QUEUE_FULL = "queue_full"
    TEAM_FULL = "team_full"
    USER_FULL = "user_full"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A run that was not accepted. `limit` is the bound that was met; `detail` and `fix` come from the worker."""

    reason: RefusalReason
    limit: int = 0
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A run that will reach exactly one end. `again` is True when this very order was accepted before."""

    id: RunId
    waiting: Waiting
    again: bool = False


class Cancelled(StrEnum):
    """What a cancellation met."""

    DONE = "done"  # it waited; it will never start
    ASKED = "asked"  # it runs; its worker kills it now
    TOO_LATE = "too_late"  # it had ended
    UNKNOWN = "unknown"
    NOT_YOURS = "not_yours"


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished run waiting to be shown. It is handed out again until someone says it was delivered."""

    ticket: str
    """The queue's own handle of this completion."""
    run: RunId
    address: str
    result: RunResult
