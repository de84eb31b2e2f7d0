"""How a run looks: the box for its code, its progress, its end and every refusal. Pure."""

from __future__ import annotations

from bot.app.cards import notice
from bot.core.actions import CancelRun, DeleteRun, OpenRun, RunAgain, SubmitRun
from bot.core.address import Address
from bot.core.runs import (
    MAX_SOURCE_BYTES,
    Capability,
    Outcome,
    Refusal,
    RefusalReason,
    RunEvent,
    RunId,
    Running,
    RunResult,
    Waiting,
)
from bot.core.text import clip, display_name, line, plural, visible
from bot.core.views import Block, Button, Code, Field, Files, Form, Look, Note, Text, View

MAX_SHOWN_LINES = 20
MAX_GOING_OUTPUT = 2000
"""Characters of output that a run shows while it goes on: its end. All of it comes with the result."""
CODE_FIELD = "code"


def form(source: str, on: Capability = Capability.CPU) -> Form:
    """The box for code."""
    return Form(
        title="Run PyTorch code on a GPU" if on is Capability.GPU else "Run PyTorch code",
        action=SubmitRun(_told(on)),
        fields=(Field(CODE_FIELD, "Code (torch, nn, F and np are imported)", value=source, multiline=True),),
        submit="Run",
    )


def _told(on: Capability) -> str:
    """As buttons carry it: nothing for the usual."""
    return "" if on is Capability.CPU else on.value


def _head(address: Address, source: str, failing: int | None = None) -> tuple[Block, ...]:
    lines = source.splitlines()
    if failing is not None and len(lines) > 1 and failing <= len(lines):
        shown = _marked(lines, failing)
    else:
        shown = "\n".join(lines[:MAX_SHOWN_LINES])
        if len(lines) > MAX_SHOWN_LINES:
            shown += f"\n# … {len(lines) - MAX_SHOWN_LINES} more lines"
    where = " on a GPU" if address.on is Capability.GPU else ""
    title = address.title or f"{display_name(address.name)} runs{where}"
    return (Code(visible(shown), title=title),)


def _marked(lines: list[str], failing: int) -> str:
    """The lines around the one that failed, numbered, with that one marked."""
    first = max(0, min(failing - 1 - MAX_SHOWN_LINES // 2, len(lines) - MAX_SHOWN_LINES))
    shown = list(enumerate(lines, 1))[first : first + MAX_SHOWN_LINES]
    width = len(str(shown[-1][0]))
    marked = [f"{'>' if number == failing else ' '} {number:>{width}}  {text}".rstrip() for number, text in shown]
    before = [f"# … {first} lines before"] if first else []
    after = [f"# … {len(lines) - shown[-1][0]} more lines"] if shown[-1][0] < len(lines) else []
    return "\n".join((*before, *marked, *after))


def going_card(run: RunId, address: Address, source: str, event: RunEvent, output: str) -> View:
    """How a run goes, until its end."""
    state = _state(event)
    blocks = [*_head(address, source)]
    if output:
        blocks.append(Code(visible(_end(output)), language="text", title="Output so far"))
    return View(
        blocks=(*blocks, Note(state)),
        fallback=state,
        buttons=(Button("Cancel", CancelRun(run), Look.DANGER),),
        private=address.private,
        final=False,
    )


def _end(output: str) -> str:
    """The last lines of a long output."""
    if len(output) <= MAX_GOING_OUTPUT:
        return output
    kept = output[-MAX_GOING_OUTPUT:]
    return "…\n" + (kept.partition("\n")[2] or kept)


def _state(event: RunEvent) -> str:
    if isinstance(event, Waiting):
        wait = f", about {max(1, round(event.seconds))} s" if event.seconds is not None else ""
        return f"Waiting: {plural(event.ahead, 'run')} ahead{wait}" if event.ahead else "Starting…"
    if isinstance(event, Running):
        again = "" if event.attempt == 1 else " again, because its first worker was lost"
        return f"Running on {event.device}{again}…"
    return "Running…"


def finished_card(run: RunId, address: Address, source: str, result: RunResult) -> View:
    """How a run ended."""
    blocks: list[Block] = [*_head(address, source, result.error_line)]
    words = outcome_words(result)
    if result.outcome is not Outcome.OK:
        blocks.append(Text(line(f"**{words}**")))
    if result.output.strip():
        blocks.append(Code(visible(result.output.rstrip()), language="text", title="Output"))
    if result.error.strip():
        blocks.append(Code(visible(result.error.rstrip()), language="text", title="Error"))
    if result.outcome is Outcome.OK and not result.output.strip() and not result.files:
        blocks.append(
            Text(line("It ran and printed nothing. Use `print`, or end with an expression to see its value."))
        )
    if result.files:
        blocks.append(Files(result.files))
    if result.files_dropped:
        most = f"at most {result.limits.files} files, {_bytes(result.limits.files_bytes)}"
        blocks.append(Note(f"{plural(result.files_dropped, 'file')} left behind: {most}"))
    blocks.append(Note(_footer(result)))
    first = next(iter(result.output.strip().splitlines()), "")
    return View(
        blocks=tuple(blocks),
        fallback=clip(f"{words} {visible(first)}".strip(), 200),
        buttons=(
            Button("Run again", RunAgain(run, _told(address.on))),
            Button("Edit and run", OpenRun(run, _told(address.on))),
            Button("Delete", DeleteRun(run), Look.DANGER),
        ),
        private=address.private,
    )


_SIGNALS = {
    4: "an illegal instruction",
    6: "an abort",
    7: "a bus error",
    8: "an arithmetic error",
    9: "which ends a program at once",
    11: "a segmentation fault",
    31: "a forbidden system call",
}


def outcome_words(result: RunResult) -> str:
    """How a run ended, in one sentence with the limit it met."""
    limits = result.limits
    match result.outcome:
        case Outcome.OK:
            return "Done."
        case Outcome.ERROR if result.exit_status not in (None, 0, 1):
            return f"It ended with exit status {result.exit_status}."
        case Outcome.ERROR:
            return f"It stopped with an error{_at_line(result)}."
        case Outcome.SYNTAX_ERROR:
            return f"Python can't read this{_at_line(result)}; nothing ran."
        case Outcome.TIMED_OUT:
            return f"Stopped after {limits.seconds:g} s, the time limit. Output up to then is kept."
        case Outcome.OUT_OF_MEMORY:
            return f"Out of memory: a run may use {_bytes(limits.memory_bytes)}."
        case Outcome.TOO_MUCH_OUTPUT:
            return f"Stopped after {_bytes(limits.output_bytes)} of output, the limit."
        case Outcome.KILLED:
            meaning = _SIGNALS.get(result.signal or 0, "")
            return f"Killed by signal {result.signal}{f', {meaning}' if meaning else ''}."
        case Outcome.CANCELLED:
            return "Cancelled."
        case Outcome.REFUSED:
            return "It was not started."
        case Outcome.WORKER_LOST:
            return "This snippet ended its worker twice, so I stopped trying."


def _at_line(result: RunResult) -> str:
    return f" in line {result.error_line}" if result.error_line else ""


def _footer(result: RunResult) -> str:
    parts = [result.outcome.value.replace("_", " "), f"{result.seconds:.2f} s"]
    if result.peak_memory_bytes is not None:
        parts.append(f"{_bytes(result.peak_memory_bytes)} peak")
    parts.append(result.device)
    if result.gpu_peak_memory_bytes is not None:
        parts.append(f"{_bytes(result.gpu_peak_memory_bytes)} GPU peak")
    if result.torch_version:
        parts.append(f"torch {result.torch_version}")
    return " · ".join((*parts, *result.notes))


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"


def refused_card(refusal: Refusal, on: Capability = Capability.CPU) -> View:
    """Why a run was not accepted, and what to do instead."""
    return notice(refusal_words(refusal, on))


def refusal_words(refusal: Refusal, on: Capability = Capability.CPU) -> str:
    """The same in one paragraph."""
    limit = refusal.limit
    off, instead = "Running code is off", ""
    if on is Capability.GPU:
        off, instead = "The GPU is off", " The same code runs on the CPU: leave out `gpu`."
    missing = f"{off}: no {'GPU ' if instead else ''}worker is online. `torchquiz worker"
    return {
        RefusalReason.NO_WORKER: f"{missing}{' --device cuda:0' if instead else ''}` starts one.{instead}",
        RefusalReason.WORKER_UNAVAILABLE: f"{off}: {_told_by(refusal)}{instead}",
        RefusalReason.QUEUE_FULL: f"The line is full ({plural(limit, 'run')} waiting). Please try again in a moment.",
        RefusalReason.TEAM_FULL: f"This team already has {plural(limit, 'run')} waiting. Please try again in a moment.",
        RefusalReason.USER_FULL: f"You already have {plural(limit, 'run')} on the way. Wait for one, or cancel it.",
        RefusalReason.TOO_LARGE: f"I run at most {MAX_SOURCE_BYTES // 1024} KiB of code.",
    }[refusal.reason]


def _told_by(refusal: Refusal) -> str:
    """What the worker said, which comes as it is logged: without a capital and a full stop."""
    fix = refusal.fix[:1].upper() + refusal.fix[1:]
    return " ".join(said if said.endswith((".", "?", "!")) else f"{said}." for said in (refusal.detail, fix) if said)
