"""A script run as root before bubblewrap: bind what the jail needs where a powerless user can reach it; be that user.

A worker started by root often keeps its Python under a folder that only root may enter. So, in a mount namespace of its
own (nothing to clean up afterwards), this opens each source while it still may, binds it under a fresh /tmp, drops root
for good and becomes bubblewrap. It stands alone on purpose: it is executed by path, without any of our packages.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import stat
import sys
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE, _MS_NOSUID, _MS_NODEV = 0x1000, 0x4000, 0x40000, 2, 4
_STAGE = "/tmp"  # noqa: S108 - a mount of our own covers it; it exists everywhere, and bubblewrap itself builds its new root there

_libc = ctypes.CDLL(None, use_errno=True)


def main(specification: str) -> None:
    """`specification`: JSON with sources, targets, uid, gid, and bubblewrap's options before and after the binds."""
    plan = json.loads(specification)
    sources: list[str] = plan["sources"]
    try:
        _call(_libc.unshare(_CLONE_NEWNS), "unshare")
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS):
            raise  # without CAP_SYS_ADMIN the sources may still be open to everyone; bubblewrap will tell
    else:
        sources = _staged(sources)
    os.setgroups([])
    os.setresgid(plan["gid"], plan["gid"], plan["gid"])
    os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    os.chdir("/")
    binds = [word for pair in zip(sources, plan["targets"], strict=True) for word in ("--ro-bind", *pair)]
    command = [*plan["before"], *binds, *plan["after"]]
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


def _staged(sources: list[str]) -> list[str]:
    opened = [os.open(source, os.O_PATH) for source in sources]
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", _STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
    staged = []
    for position, descriptor in enumerate(opened):
        place = f"{_STAGE}/{position}"
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            Path(place).mkdir(0o755)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))
        _mount(f"/proc/self/fd/{descriptor}", place, "", _MS_BIND | _MS_REC)
        os.close(descriptor)
        staged.append(place)
    return staged


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _call(result, f"mount on {target}")


def _call(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


if __name__ == "__main__":
    main(sys.argv[1])
