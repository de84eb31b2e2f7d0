"""Landlock, the third layer: read and run what the jail shows, write only to the run's own folders."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

from workers.inside import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
_READ_ONLY = _EXECUTE | _READ_FILE | _READ_DIR
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 3
_RIGHTS_OF_FIRST_ABI = (1 << 13) - 1
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | (1 << 15)  # and IOCTL_DEV

_WRITABLE_FOLDERS = ("/tmp", "/dev/shm")
_THREAD_NAMES = "/proc/self/task"  # the CUDA driver names its threads there, and gives up (304) where it cannot
_WRITABLE_FILES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def version() -> int:
    """The kernel's Landlock ABI, 0 where it has none."""
    try:
        return kernel.syscall(_CREATE_RULESET, 0, 0, _VERSION_FLAG)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            return 0
        raise


def restrict(abi: int, devices: Sequence[str] = ()) -> None:
    """Confine this thread for good; `abi` comes from version() and is at least 1. Needs no_new_privs. `devices`: of a
    GPU, which may be written and asked; from ABI 5 on the kernel lets no other device be asked (ioctl)."""
    handled = _handled(abi)
    scope = _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if abi >= 6 else 0
    attributes = struct.pack("=QQQ", handled, 0, scope)
    size = 24 if abi >= 6 else 8
    ruleset = kernel.syscall(_CREATE_RULESET, _buffer(attributes), size, 0)
    _allow(ruleset, "/", _READ_ONLY)
    for folder in _WRITABLE_FOLDERS:
        _allow(ruleset, folder, handled)
    for device in (*_WRITABLE_FILES, *devices):
        _allow(ruleset, device, handled & _FILE_RIGHTS & ~_EXECUTE)
    if devices:
        _allow(ruleset, _THREAD_NAMES, _READ_ONLY | handled & (_WRITE_FILE | _TRUNCATE))
    kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _handled(abi: int) -> int:
    rights = _RIGHTS_OF_FIRST_ABI
    for since, right in ((2, 13), (3, 14), (5, 15)):  # REFER, TRUNCATE, IOCTL_DEV
        if abi >= since:
            rights |= 1 << right
    return rights


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, _buffer(struct.pack("=Qi", rights, descriptor)), 0)
    os.close(descriptor)


def _buffer(raw: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(raw, len(raw))
