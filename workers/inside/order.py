"""What a run tree is built from, before any snippet is known."""

from __future__ import annotations

from dataclasses import dataclass

from workers.inside.gpu import Gpu


@dataclass(frozen=True, slots=True)
class Order:
    """For the tree's init and the snippet's process."""

    channel: int
    """Socket to the supervisor."""
    request: int
    """Socket to the supervisor, for the snippet's process alone."""
    output: int
    """Write end of the pipe for standard output and error."""
    landlock: int
    """ABI version, 0 for none."""
    filter: bytes
    """The system call filter."""
    user: int
    """Who the zygote is, outside of the run's user namespace."""
    group: int
    tmp_bytes: int
    tmp_inodes: int
    gpu: Gpu
    rehearses: bool
    """Whether there is time to: nobody waits for this tree yet."""
