"""The kernel's own words by ctypes: namespaces, mounts, capabilities, loopback. A refused call raises OSError."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 15, 22, 24, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63  # the kernel answers EINVAL past its own last one
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1

_libc = ctypes.CDLL(None, use_errno=True)
_python = ctypes.PyDLL(None, use_errno=True)  # calls from here keep the interpreter's lock, as a fork must
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.syscall.restype = _python.syscall.restype = ctypes.c_long


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def fork() -> int:
    """fork(2) without Python's own hooks, for a process with one thread: there is no lock to mend, and each hook writes
    to pages that would otherwise stay shared (2 MB, and twice the time of the fork)."""
    return _checked(_python.fork(), "fork")


def fork_into(namespaces: int, number: int) -> int:
    """fork(2) into fresh namespaces by a bare clone(2), whose `number` the caller knows. The C library hears nothing of
    it: the child must have one thread for good, which may fork() again."""
    arguments = (ctypes.c_ulong(namespaces | signal.SIGCHLD), *[ctypes.c_ulong(0)] * 4)
    return _checked(_python.syscall(ctypes.c_long(number), *arguments), "clone")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _checked(result, f"mount {kind} on {target}")


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    """prctl(2)."""
    return _checked(_libc.prctl(option, first, second, 0, 0), f"prctl {option}")


def advise(start: int, length: int, advice: int) -> None:
    """madvise(2)."""
    _checked(_libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), advice), f"madvise {advice}")


def present(start: int, length: int) -> bytes:
    """mincore(2): 1 for each page of 4 KiB that is in memory, 0 for the others."""
    pages = ctypes.create_string_buffer(length // 4096)
    _checked(_libc.mincore(ctypes.c_void_p(start), ctypes.c_size_t(length), pages), "mincore")
    return pages.raw


def syscall(number: int, *arguments: int | ctypes.Array[ctypes.c_char]) -> int:
    """A call without a glibc wrapper."""
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *wide), f"system call {number}")


def drop_capabilities() -> None:
    """Leave this process without capabilities now and after any exec."""
    for capability in range(_LAST_CAPABILITY + 1):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)  # an old kernel has no ambient set
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _checked(_libc.capset(header, bytes(24)), "capset")


def no_new_privileges() -> None:
    """No exec grants anything from now on; seccomp and Landlock need it."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def loopback_up() -> None:
    """Bring up `lo` in this network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(probe, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
