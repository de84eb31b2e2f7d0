"""Print the seccomp profile for a worker in a container; `deploy/docker/seccomp.json` is what this prints.

Everything a snippet may call, and beside it what the worker, bubblewrap and the jail need to build the walls. What the
jail's own filter refuses to snippets stays refused: filters only ever add up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from workers.inside.syscalls import CHECKED, PLAIN

WALLS = (
    "capset", "clone", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "mount", "pivot_root",
    "sched_setscheduler", "seccomp", "sethostname", "setgroups", "setresgid", "setresuid", "umount2",
    "unshare",
)  # fmt: skip
"""What builds the jail."""
SERVICES = (
    "chown", "fchown", "fchownat", "get_mempolicy", "lchown", "setfsgid", "setfsuid", "setgid", "setregid",
    "setreuid", "setuid", "sync",
)  # fmt: skip
"""What tini, Python, Redis and glibc ask for outside of the jail."""


def allowed() -> Sequence[str]:
    """The names of all calls that get through, whatever their arguments."""
    return sorted({*PLAIN, *CHECKED, *WALLS, *SERVICES} - {"clone3"})


def profile() -> dict[str, object]:
    """As Docker, Podman and Kubernetes read it."""
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": [
            {"names": list(allowed()), "action": "SCMP_ACT_ALLOW"},
            # Its flags cannot be looked into; glibc then uses clone.
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        ],
    }


if __name__ == "__main__":
    print(json.dumps(profile(), indent=2))
