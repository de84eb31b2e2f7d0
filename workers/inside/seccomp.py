"""The system call filter of a snippet: an allow-list assembled to BPF, everything else answered with EPERM.

Assembled at start from the table in syscalls.py rather than loaded from a binary, so that a review can read it. Tests
compare the numbers with libseccomp's and walk the program through an interpreter for both architectures.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workers.inside import kernel
from workers.inside.syscalls import CHECKED, PLAIN

ARCHITECTURES = ("x86_64", "aarch64")
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_* of <linux/audit.h>
_X32_BIT = 0x40000000  # an x32 call carries this bit under the x86_64 audit number

KILL, ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
REFUSE, MISSING = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP_EQUAL, _JUMP_GREATER, _JUMP_AT_LEAST = 0x15, 0x25, 0x35
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
# Offsets in struct seccomp_data; the low half of an argument comes first.

# Every CLONE_NEW* bit that clone(2) knows: a snippet makes no namespaces.
_NEW_NAMESPACES = 0x7E020000

_TERMINAL_AND_FILE_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: what isatty, sockets and subprocess need.

_PRCTLS = (1, 2, 3, 4, 15, 16, 21, 23, 30, 38, 39, 0x53564D41)
# PDEATHSIG, DUMPABLE, NAME (set and get), GET_SECCOMP, CAPBSET_READ, GET_TIMERSLACK, NO_NEW_PRIVS, SET_VMA.

_NETLINK_ROUTE = 0


@dataclass(frozen=True, slots=True)
class Check:
    """The low half of an argument, masked, must equal a value (the kernel itself reads only that half of these)."""

    argument: int
    value: int
    mask: int = 0xFFFFFFFF


Rule = tuple[Check, ...]
"""All must hold."""

_TYPE_MASK = 0xF  # the rest of a socket's type is SOCK_CLOEXEC and SOCK_NONBLOCK
_PLAIN_TYPES = (int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM))

RULES: dict[str, tuple[Rule, ...]] = {
    "clone": ((Check(0, 0, _NEW_NAMESPACES),),),
    "ioctl": tuple((Check(1, request),) for request in _TERMINAL_AND_FILE_IOCTLS),
    "prctl": tuple((Check(0, option),) for option in _PRCTLS),
    "prlimit64": ((Check(0, 0),),),  # only one's own limits
    "socket": (
        *(
            (Check(0, int(family)), Check(1, kind, _TYPE_MASK))
            for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
            for kind in _PLAIN_TYPES
        ),
        (Check(0, int(socket.AF_NETLINK)), Check(2, _NETLINK_ROUTE)),
    ),
    "socketpair": tuple((Check(0, int(socket.AF_UNIX)), Check(1, kind, _TYPE_MASK)) for kind in _PLAIN_TYPES),
}
"""Any one of a call's rules lets it through. clone3 hides its flags in memory, so glibc is told to use clone."""

# From NVIDIA's open kernel modules: every call on nvidiactl and nvidiaN has the type byte 'F'; those of nvidia-uvm are
# plain small numbers, except the two that open and close it. Which device may be asked at all is Landlock's to say.
_GPU_IOCTLS: tuple[Rule, ...] = (
    (Check(1, 0x4600, 0xFF00),),
    (Check(1, 0, 0xFFFFFF00),),
    (Check(1, 0x30000001),),
    (Check(1, 0x30000002),),
)
GPU_RULES: dict[str, tuple[Rule, ...]] = {**RULES, "ioctl": (*RULES["ioctl"], *_GPU_IOCTLS)}
"""The same for a jail with a GPU: nothing but ioctl is relaxed."""

Instruction = tuple[int, int, int, int]
"""Operation, jump if true, jump if false, operand: struct sock_filter."""


def assemble(architecture: str, rules: Mapping[str, tuple[Rule, ...]] = RULES) -> list[Instruction]:
    """The whole filter for one of ARCHITECTURES; `rules` is RULES or GPU_RULES."""
    column = ARCHITECTURES.index(architecture)
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JUMP_EQUAL, 1, 0, _AUDIT[architecture]),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if architecture == "x86_64":
        program += [(_JUMP_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, KILL)]
    for name, numbers in sorted(CHECKED.items()):
        number = numbers[column]
        if number is not None:
            block = _checked(name, rules)
            program += [(_JUMP_EQUAL, 0, len(block), number), *block]
    for first, last in _ranges([pair[column] for pair in PLAIN.values()]):
        program += _plain(first, last)
    return [*program, (_RETURN, 0, 0, REFUSE)]


def packed(program: Sequence[Instruction]) -> bytes:
    """The program as the kernel reads it: an array of struct sock_filter."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def prepared(gpu: bool = False) -> bytes:
    """The filter for this machine, ready to install. Raises OSError where we have none for its architecture."""
    architecture = platform.machine()
    if architecture not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no system call filter for {architecture}")
    return packed(assemble(architecture, GPU_RULES if gpu else RULES))


def install(filter_: bytes) -> None:
    """Put a prepared filter on this thread for good. Needs no_new_privs."""
    instructions = ctypes.create_string_buffer(filter_, len(filter_))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(filter_) // 8, ctypes.addressof(instructions)))
    kernel.prctl(kernel.PR_SET_SECCOMP, kernel.SECCOMP_MODE_FILTER, ctypes.addressof(header))


def _checked(name: str, rules: Mapping[str, tuple[Rule, ...]]) -> list[Instruction]:
    if name == "clone3":
        return [(_RETURN, 0, 0, MISSING)]
    block: list[Instruction] = []
    for rule in rules[name]:
        for position, check in enumerate(rule):
            past_the_rest = 3 * (len(rule) - position - 1) + 1
            block += [
                (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * check.argument),
                (_AND, 0, 0, check.mask),
                (_JUMP_EQUAL, 0, past_the_rest, check.value),
            ]
        block.append((_RETURN, 0, 0, ALLOW))
    return [*block, (_RETURN, 0, 0, REFUSE)]


def _ranges(numbers: Sequence[int | None]) -> Iterator[tuple[int, int]]:
    ordered = sorted(number for number in numbers if number is not None)
    start = previous = ordered[0]
    for number in ordered[1:]:
        if number != previous + 1:
            yield start, previous
            start = number
        previous = number
    yield start, previous


def _plain(first: int, last: int) -> list[Instruction]:
    if first == last:
        return [(_JUMP_EQUAL, 0, 1, first), (_RETURN, 0, 0, ALLOW)]
    return [(_JUMP_AT_LEAST, 0, 2, first), (_JUMP_GREATER, 1, 0, last), (_RETURN, 0, 0, ALLOW)]
