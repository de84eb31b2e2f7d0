"""The inner wall around one run: its own namespaces, its own file systems, no privileges."""

from __future__ import annotations

import socket

from workers.inside import kernel

INSIDE_ID = 1000
"""User and group of a run inside its user namespace."""

NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
"""What a run has of its own."""
_PLAIN = kernel.MS_NOSUID | kernel.MS_NODEV


def name_user(user: int, group: int) -> None:
    """As the first process of a new user namespace: be INSIDE_ID there, whom `user` and `group` are outside."""
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{INSIDE_ID} {user} 1")
    _write("/proc/self/gid_map", f"{INSIDE_ID} {group} 1")


def build(tmp_bytes: int, tmp_inodes: int, whole_proc: bool = False) -> None:
    """As pid 1: cover everything writable or shared with file systems of our own, and bring up our own loopback.
    `whole_proc` shows more of /proc than processes: the CUDA driver reads /proc/driver, /proc/devices and others."""
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    capped = f"size={tmp_bytes},nr_inodes={tmp_inodes},mode=0700,uid={INSIDE_ID},gid={INSIDE_ID}"
    kernel.mount("tmpfs", "/tmp", "tmpfs", _PLAIN, capped)
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", _PLAIN | kernel.MS_NOEXEC, capped)
    # An empty folder instead of the jail's terminals, which all runs would share.
    kernel.mount("tmpfs", "/dev/pts", "tmpfs", _PLAIN | kernel.MS_RDONLY, "size=4k,nr_inodes=1")
    kernel.mount("proc", "/proc", "proc", _PLAIN | kernel.MS_NOEXEC, "" if whole_proc else "subset=pid")
    kernel.loopback_up()
    socket.sethostname("sandbox")


def renounce() -> None:
    """No capability now or later, in this process and everything it forks."""
    kernel.drop_capabilities()
    kernel.no_new_privileges()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
