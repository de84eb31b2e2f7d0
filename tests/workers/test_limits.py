"""The pure half of the sandbox: how an end is classified, what a person is told, which names, calls, groups serve."""

from __future__ import annotations

import contextlib
import mmap
import os
import platform
import re
import signal
import struct
from dataclasses import replace
from pathlib import Path

import pyseccomp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.runs import Limits, Outcome
from workers.inside import report, seccomp, snippet
from workers.inside.syscalls import CHECKED, PLAIN
from workers.limits import End, classify, hints, trimmed
from workers.sandbox import cgroups
from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.results import png_size, renamed

LIMITS = Limits()
OK = End(exit_status=0)


@pytest.mark.parametrize("typed", ["pip install einops", "!pip install einops", "%pip install x", "conda install x"])
def test_an_installation_typed_as_code_is_told_what_there_is(typed: str) -> None:
    with pytest.raises(SyntaxError) as caught:
        snippet.compiled(f"import torch\n{typed}")

    (hint,) = hints(snippet.described(caught.value)[0])
    assert "no pip install here" in hint


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("x = input()\n# stdin:\n# Ada\n#  42\n#\n# end", "Ada\n 42\n\nend\n"),
        ("x = input()\n# stdin: Ada\n", "Ada\n"),
        ("x\n#stdin:\n#Ada", "Ada\n"),
        ("x\n# Stdin:\n\n", ""),
        ("# stdin:\n# a\nx = 1", None),
        ("x = (\n# stdin:\n# a\n)", None),
        ("print('# stdin: a')", None),
        ("x\n# a comment", None),
        ("", None),
    ],
)
def test_what_a_snippet_reads_stands_in_the_comment_that_ends_it(source: str, read: str | None) -> None:
    assert snippet.typed(source) == read


# Classification


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (OK, Outcome.OK),
        (End(exit_status=1), Outcome.ERROR),
        (End(exit_status=255), Outcome.ERROR),
        (End(exit_status=1, compiled=False), Outcome.SYNTAX_ERROR),
        (End(signal=signal.SIGSEGV), Outcome.KILLED),
        (End(signal=signal.SIGKILL), Outcome.KILLED),
        (End(), Outcome.KILLED),
        (End(signal=signal.SIGXCPU), Outcome.TIMED_OUT),
        (End(signal=signal.SIGKILL, cpu_seconds=21.0), Outcome.TIMED_OUT),
        (End(signal=signal.SIGSEGV, cpu_seconds=21.0), Outcome.KILLED),
        (End(timed_out=True), Outcome.TIMED_OUT),
        (End(output_capped=True), Outcome.TOO_MUCH_OUTPUT),
        (End(signal=signal.SIGKILL, memory_kills=1), Outcome.OUT_OF_MEMORY),
        (End(memory_kills=1), Outcome.OUT_OF_MEMORY),
        (End(exit_status=1, memory_kills=1), Outcome.OUT_OF_MEMORY),
    ],
)
def test_an_end_has_one_name(end: End, outcome: Outcome) -> None:
    assert classify(end, LIMITS) is outcome


def test_a_success_stays_one_although_a_child_ran_out_of_memory() -> None:
    assert classify(replace(OK, memory_kills=1), LIMITS) is Outcome.OK


def test_our_own_intervention_names_the_end() -> None:
    assert classify(End(output_capped=True, timed_out=True, memory_kills=1), LIMITS) is Outcome.TOO_MUCH_OUTPUT
    assert classify(End(timed_out=True, memory_kills=1), LIMITS) is Outcome.TIMED_OUT


def test_output_over_the_limit_is_too_much_even_when_the_snippet_had_ended_well() -> None:
    assert classify(replace(OK, output_capped=True), LIMITS) is Outcome.TOO_MUCH_OUTPUT


# What a person is told


def test_a_short_traceback_is_left_alone() -> None:
    assert trimmed("Traceback\n  line\nValueError: x\n") == "Traceback\n  line\nValueError: x"


@given(st.text(max_size=50_000), st.integers(0, 500))
def test_a_traceback_is_always_short_and_keeps_its_last_line(text: str, lines: int) -> None:
    shown = trimmed(text + "\nframe" * lines + "\nValueError: the end")

    assert len(shown) < 8_100
    assert shown.endswith("ValueError: the end")


def test_the_middle_of_a_long_traceback_is_counted() -> None:
    assert "[60 lines left out]" in trimmed("\n".join(map(str, range(100))))


@pytest.mark.parametrize(
    ("error", "word"),
    [
        ("EOFError: EOF when reading a line", "input()"),
        ("ModuleNotFoundError: No module named 'pandas'", "pip install"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'pip'", "pip install"),
        ("socket.gaierror: [Errno -2] Name or service not known", "network"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "network"),
        ("AssertionError: Torch not compiled with CUDA enabled", "CPU"),
        ("RuntimeError: Found no NVIDIA driver on your system.", "CPU"),
        ("MemoryError", "memory"),
        ("OSError: [Errno 28] No space left on device", "full"),
        ("RuntimeError: can't start new thread", "threads"),
        ("torch._inductor.exc.InvalidCxxCompiler: No working C++ compiler found", "aot_eager"),
    ],
)
def test_a_common_error_has_one_hint(error: str, word: str) -> None:
    (hint,) = hints(f"Traceback (most recent call last):\n  File\n{error}")

    assert word in hint


@pytest.mark.parametrize("error", ["", "ValueError: 3", "Traceback\n    raise MemoryError\nValueError: no"])
def test_other_errors_have_none(error: str) -> None:
    assert hints(error) == ()


# Files


def names(*originals: str) -> list[str]:
    return [file.name for file in renamed([(original, b"x") for original in originals])[0]]


@pytest.mark.parametrize(
    ("original", "safe"),
    [
        ("loss.csv", "loss.csv"),
        ("My Plot (1).TXT", "My-Plot-1.txt"),
        ("../../etc/passwd", "etc-passwd"),
        ("@everyone.txt", "everyone.txt"),
        ("-rf", "rf"),
        (".bashrc", "bashrc"),
        ("\u202egnp.exe", "gnp.exe"),
        ("<!channel>", "channel"),
        ("日本.txt", "file.txt"),
        ("", "file"),
        ("a" * 300 + ".txt", "a" * 40 + ".txt"),
    ],
)
def test_a_name_becomes_safe(original: str, safe: str) -> None:
    assert names(original) == [safe]


@given(st.lists(st.text(max_size=80), max_size=20))
def test_names_are_always_safe_and_unique(originals: list[str]) -> None:
    found = names(*(original + ".txt" for original in originals))

    assert len(originals) == len(found) == len(set(found))
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name) for name in found)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", width, height, 8, 2, 0, 0, 0, 0)


@pytest.mark.parametrize("content", [b"", b"GIF89a", png(1, 1)[:20], png(0, 5), png(50_000, 50_000), png(2**32 - 1, 1)])
def test_a_picture_that_is_none_or_a_bomb_is_left_behind(content: bytes) -> None:
    assert renamed([("x.png", content)]) == ((), 1)


def test_a_picture_is_described_by_its_header() -> None:
    ((file,), refused) = renamed([("Loss Curve.PNG", png(640, 480))])

    assert (file.name, refused, png_size(file.content)) == ("Loss-Curve.png", 0, (640, 480))
    assert "640 by 480" in file.alt


# Snippets


@given(st.text())
def test_compiling_any_text_runs_nothing_and_ends(text: str) -> None:
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        snippet.compiled(text)


def test_a_report_of_any_length_fits_its_page() -> None:
    with mmap.mmap(-1, report.SIZE) as page:
        report.write(page, "\ud800é" * 100_000 + "the end", 3)
        found = report.read(page)

    assert found["line"] == 3
    assert found["error"].endswith("the end")


@given(st.binary(max_size=200))
def test_a_forged_report_is_a_string_and_a_line_at_most(scribble: bytes) -> None:
    with mmap.mmap(-1, report.SIZE) as page:
        page[: len(scribble)] = scribble
        found = report.read(page)

    assert set(found) == {"error", "line", "gpu_peak_bytes"}
    assert 0 <= found["gpu_peak_bytes"] <= 1 << 50
    assert isinstance(found["error"], str)
    assert found["line"] is None or found["line"] > 0


# The system call filter

NAMES = ("x86_64", "aarch64")
LIBSECCOMP = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}


def decide(
    architecture: str, number: int, arguments: tuple[int, ...] = (), audit: int | None = None, gpu: bool = False
) -> int:
    """Walk the filter as the kernel does."""
    program = seccomp.assemble(architecture, seccomp.GPU_RULES if gpu else seccomp.RULES)
    own = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[architecture]
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    memory = struct.pack("=iIQ6Q", number, own if audit is None else audit, 0, *padded)
    accumulator = at = 0
    while True:
        operation, if_true, if_false, operand = program[at]
        at += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", memory, operand)
            case 0x54:
                accumulator &= operand
            case 0x15 | 0x25 | 0x35:
                holds = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x35: accumulator >= operand}
                at += if_true if holds[operation] else if_false
            case 0x06:
                return operand
            case other:
                pytest.fail(f"unknown operation {other:#x}")


@pytest.mark.parametrize("architecture", NAMES)
@pytest.mark.parametrize("name", sorted({**PLAIN, **CHECKED}))
def test_each_number_is_the_kernels(architecture: str, name: str) -> None:
    ours = {**PLAIN, **CHECKED}[name][NAMES.index(architecture)]
    theirs = pyseccomp.resolve_syscall(LIBSECCOMP[architecture], name)

    assert ours == (theirs if theirs >= 0 else None)


@pytest.mark.parametrize("architecture", NAMES)
def test_exactly_the_listed_calls_get_through(architecture: str) -> None:
    column = NAMES.index(architecture)
    plain = {numbers[column] for numbers in PLAIN.values()}
    checked = {numbers[column] for numbers in CHECKED.values()}

    for number in range(1024):
        if number not in checked:
            assert decide(architecture, number) == (seccomp.ALLOW if number in plain else seccomp.REFUSE), number


@pytest.mark.parametrize("architecture", NAMES)
def test_a_foreign_architecture_is_killed(architecture: str) -> None:
    for audit in (0x40000003, 0x40000028, 0xC000003E, 0xC00000B7):
        expected = audit == {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[architecture]
        number = PLAIN["read"][NAMES.index(architecture)]
        assert number is not None
        assert decide(architecture, number, audit=audit) == (seccomp.ALLOW if expected else seccomp.KILL)


def test_x32_is_killed() -> None:
    assert decide("x86_64", 0x40000000 + 39) == seccomp.KILL


@pytest.mark.parametrize("architecture", NAMES)
@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("clone", (0x1200011,), True),  # fork
        ("clone", (0x3D0F00,), True),  # a thread
        ("clone", (0x10000011,), False),  # a user namespace
        ("clone", (0x20011,), False),
        ("socket", (1, 1, 0), True),
        ("socket", (2, 1 | 0o2004000, 0), True),
        ("socket", (10, 2, 0), True),
        ("socket", (2, 3, 1), False),
        ("socket", (16, 3, 0), True),
        ("socket", (16, 3, 6), False),
        ("socket", (40, 1, 0), False),
        ("socketpair", (1, 1, 0), True),
        ("socketpair", (2, 1, 0), False),
        ("ioctl", (0, 0x5401), True),
        ("ioctl", (0, 0x5412), False),
        ("ioctl", (0, 0x100005412), False),
        ("prctl", (38,), True),
        ("prctl", (22,), False),
        ("prlimit64", (0,), True),
        ("prlimit64", (1,), False),
    ],
)
def test_arguments_decide(architecture: str, name: str, arguments: tuple[int, ...], allowed: bool) -> None:
    number = CHECKED[name][NAMES.index(architecture)]
    assert number is not None

    assert decide(architecture, number, arguments) == (seccomp.ALLOW if allowed else seccomp.REFUSE)


@pytest.mark.parametrize("architecture", NAMES)
@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (0xC00846D6, True),  # what nvidiactl and nvidiaN are asked
        (0x30000001, True),  # nvidia-uvm is opened
        (0x30000003, False),
        (75, True),  # and used
        (0x5401, True),
        (0x5412, False),  # typing into a terminal
        (0x8927, False),  # a network card's address
        (0xC0206440, False),  # a graphics card by another driver
    ],
)
def test_a_gpu_may_be_asked_and_nothing_else(architecture: str, request_: int, allowed: bool) -> None:
    number = CHECKED["ioctl"][NAMES.index(architecture)]
    assert number is not None

    assert decide(architecture, number, (3, request_), gpu=True) == (seccomp.ALLOW if allowed else seccomp.REFUSE)


@pytest.mark.parametrize("architecture", NAMES)
def test_a_gpu_relaxes_no_other_call(architecture: str) -> None:
    for number in set(range(1024)) - {CHECKED["ioctl"][NAMES.index(architecture)]}:
        assert decide(architecture, number, gpu=True) == decide(architecture, number)
    assert (
        decide(architecture, CHECKED["clone"][NAMES.index(architecture)] or 0, (0x10000011,), gpu=True)
        == seccomp.REFUSE
    )


@pytest.mark.parametrize("architecture", NAMES)
def test_clone3_is_said_to_be_missing(architecture: str) -> None:
    assert decide(architecture, 435) == seccomp.MISSING


def test_the_filter_fits_the_kernels_limit() -> None:
    assert all(len(seccomp.assemble(architecture)) <= 4096 for architecture in NAMES)
    assert platform.machine() in NAMES


# Control groups, on a folder that looks like a machine


def machine(root: Path, mounts: str, membership: str) -> Path:
    own = root / "proc/self"
    own.mkdir(parents=True)
    (own / "mounts").write_text(mounts)
    (own / "cgroup").write_text(membership)
    return root


def version_2(root: Path, controllers: str, delegated: str) -> Path:
    base = root / "sys/fs/cgroup/worker"
    base.mkdir(parents=True)
    (base / "cgroup.controllers").write_text(controllers)
    (base / "cgroup.subtree_control").write_text(delegated)
    return machine(root, "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "0::/worker\n")


def test_a_delegated_version_2_subtree_is_used(tmp_path: Path) -> None:
    found = cgroups.opened(False, version_2(tmp_path, "cpu memory pids\n", "memory pids cpu\n"))

    assert found.version == 2
    assert {"memory", "pids", "cpu"} == set(found.parents)
    assert {tmp_path / "sys/fs/cgroup/worker"} == {parent.parent for parent in found.parents.values()}


def test_version_1_is_second(tmp_path: Path) -> None:
    for controller in ("memory", "pids"):
        (tmp_path / f"sys/fs/cgroup/{controller}/own").mkdir(parents=True)
    mounts = "".join(f"cgroup /sys/fs/cgroup/{each} cgroup rw,{each} 0 0\n" for each in ("memory", "pids"))

    found = cgroups.opened(False, machine(tmp_path, mounts, "4:memory:/own\n8:pids:/own\n0::/\n"))

    assert (1, {"memory", "pids"}) == (found.version, set(found.parents))


def test_without_a_memory_controller_there_is_no_sandbox(tmp_path: Path) -> None:
    root = version_2(tmp_path, "cpu pids\n", "cpu pids\n")

    with pytest.raises(SandboxUnavailable) as refused:
        cgroups.opened(False, root)

    assert "memory" in refused.value.problem
    assert "Delegate=yes" in refused.value.fix


def test_the_operator_may_do_without(tmp_path: Path) -> None:
    found = cgroups.opened(True, version_2(tmp_path, "cpu\n", ""))

    assert not found.bounds_memory
    assert found.group().peak_memory_bytes() is None
    assert found.group().memory_kills() == 0


def test_limits_are_written_in_the_words_of_version_2(tmp_path: Path) -> None:
    found = cgroups.opened(False, version_2(tmp_path, "cpu memory pids\n", "memory pids cpu\n"))
    group = found.group()
    folder = group.folders["memory"]
    for name in ("memory.max", "memory.swap.max", "memory.peak", "memory.events", "pids.max", "cpu.max"):
        (folder / name).write_text("")

    group.limit(Limits(memory_bytes=1000, processes=10, cpu_seconds=5, seconds=10.0))
    (folder / "memory.peak").write_text("900\n")
    (folder / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")

    assert ((folder / "memory.max").read_text(), (folder / "memory.swap.max").read_text()) == ("1000", "0")
    assert ((folder / "pids.max").read_text(), (folder / "cpu.max").read_text()) == ("12", "100000 100000")
    assert (group.peak_memory_bytes(), group.memory_kills()) == (900, 1)


def test_groups_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    root = version_2(tmp_path, "cpu memory pids\n", "memory pids cpu\n")
    base = root / "sys/fs/cgroup/worker"
    dead, living = base / "torchquiz-999999999-1-0", base / f"torchquiz-{os.getpid()}-{started(os.getpid())}-9"
    for folder in (dead, dead / "run-1", living):
        folder.mkdir()

    cgroups.opened(False, root)

    assert not dead.exists()
    assert living.exists()


def started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
