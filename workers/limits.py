"""How a run ended, in our words: facts from the kernel to an Outcome, and the hint a person needs next. Pure."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.runs import Capability, Limits, Outcome

LIMITS: Mapping[Capability, Limits] = {
    Capability.CPU: Limits(),
    # A context alone takes some hundred MiB of host memory and a dozen threads.
    Capability.GPU: Limits(seconds=20.0, cpu_seconds=40, memory_bytes=4 * 1024**3, processes=128),
}
"""What one run may use, by the kind of worker."""

_LONGEST_LINE = 400
_LONGEST_ERROR = 8_000
_LINES_KEPT_FIRST, _LINES_KEPT_LAST = 20, 20


@dataclass(frozen=True, slots=True)
class End:
    """The facts of an end, as the supervisor saw them from outside; nothing here is the snippet's own word."""

    exit_status: int | None = None
    signal: int | None = None
    compiled: bool = True
    timed_out: bool = False
    """We ended it at the wall-clock limit."""
    output_capped: bool = False
    """We ended it at the output limit."""
    memory_kills: int = 0
    """Processes of the run that the kernel ended for want of memory."""
    cpu_seconds: float = 0.0


def classify(end: End, limits: Limits) -> Outcome:
    """What to call this end. Our own interventions come first, then the kernel's, then the snippet's."""
    if end.output_capped:
        return Outcome.TOO_MUCH_OUTPUT
    if end.timed_out:
        return Outcome.TIMED_OUT
    if end.exit_status == 0:
        return Outcome.OK
    if end.memory_kills:
        return Outcome.OUT_OF_MEMORY
    if not end.compiled:
        return Outcome.SYNTAX_ERROR
    if end.signal is not None or end.exit_status is None:
        return Outcome.TIMED_OUT if _used_up(end, limits) else Outcome.KILLED
    return Outcome.ERROR


def _used_up(end: End, limits: Limits) -> bool:
    """RLIMIT_CPU sends SIGXCPU, and SIGKILL a second later to those who ignore it."""
    return end.signal == signal.SIGXCPU or (end.signal == signal.SIGKILL and end.cpu_seconds >= limits.cpu_seconds)


def trimmed(error: str) -> str:
    """A traceback short enough for a chat: long lines cut, the middle of a long one left out, the last line kept."""
    whole = error.rstrip().split("\n")
    lines = [line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "..." for line in whole]
    if len(lines) > _LINES_KEPT_FIRST + _LINES_KEPT_LAST:
        left_out = len(lines) - _LINES_KEPT_FIRST - _LINES_KEPT_LAST
        middle = f"  [{left_out} lines left out]"
        lines = [*lines[:_LINES_KEPT_FIRST], middle, *lines[-_LINES_KEPT_LAST:]]
    text = "\n".join(lines)
    half = _LONGEST_ERROR // 2
    return text if len(text) <= _LONGEST_ERROR else f"{text[:half]}\n...\n{text[-half:]}"


_NO_PIP = "There is no pip install here. Available: torch, numpy, matplotlib and Python's standard library."
_NETWORK_ERRORS = (
    "gaierror|URLError|ConnectionError|Network is unreachable|name resolution|Name or service not known"
    "|Max retries exceeded|Connection refused"
)
_CUDA_ERRORS = (
    "Torch not compiled with CUDA enabled|No CUDA GPUs are available|Found no NVIDIA driver"
    "|Attempting to deserialize object on a CUDA device|CUDA driver"
)
_MEMORY_ERRORS = "can't allocate memory|DefaultCPUAllocator|MemoryError|Cannot allocate memory"
_PROCESS_ERRORS = "can't start new thread|Resource temporarily unavailable"
_HINTS: Mapping[str, str] = {
    "EOFError: EOF when reading a line": (
        "Nobody can type here. End the code with a line `# stdin:` and below it what `input()` shall read, each line "
        "as a comment: `# Ada`."
    ),
    "ModuleNotFoundError: No module named": _NO_PIP,
    "No such file or directory: '(?:pip3?|conda|git|apt|apt-get)'": _NO_PIP,
    _NETWORK_ERRORS: "Snippets have no network. Make the data in the code, for example with `torch.randn`.",
    _CUDA_ERRORS: (
        "This ran on the CPU. Write `device = 'cuda' if torch.cuda.is_available() else 'cpu'`, or ask for a GPU: "
        "`/run gpu`."
    ),
    "CUDA out of memory": "The run asked for more memory than the GPU has: try smaller shapes.",
    "CUDA error: (?!out of memory)": "After a CUDA error nothing more works in that run. Run it again.",
    r"InvalidCxxCompiler|No working C\+\+ compiler|inductor": (
        "There is no C++ compiler here: use `torch.compile(model, backend='aot_eager')`."
    ),
    _MEMORY_ERRORS: "The run asked for more memory than it may have: try smaller shapes.",
    "No space left on device": "The run's private folder is full.",
    _PROCESS_ERRORS: "The run has as many processes and threads as it may have.",
}
"""By a pattern of what the error says."""


def hints(error: str) -> tuple[str, ...]:
    """Friendly next steps for what the last line of a traceback says; most errors need none."""
    said = "\n".join(line for line in error.split("\n") if line and not line.startswith((" ", "Traceback")))
    if "SyntaxError" in said and re.search(r"^\s+[!%]?\s*(pip3?|conda) install\b", error, re.MULTILINE):
        return (_NO_PIP,)
    found = [hint for pattern, hint in _HINTS.items() if re.search(pattern, said)]
    return tuple(dict.fromkeys(found))
