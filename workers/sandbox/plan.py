"""What the outer jail shows: which folders of this machine, under which names, and bubblewrap's command line for it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.profile import CPU, Profile

JAIL_USER = 65534
"""Who bubblewrap runs as when the worker is root. As root it would cover parts of /proc, and the kernel then refuses
the nested fresh /proc of each run."""

_TMP = "/tmp"  # noqa: S108 - a name inside the jail

_OURS = "/opt/torchquiz"
_VENV = "/venv"
_SITE = f"{_VENV}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
_OUR_PACKAGES = ("bot", "workers", "content", "tests")
_LIBRARIES = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64")
_TOOLS = ("/usr/bin/env", "/usr/bin/cat", "/usr/bin/echo", "/usr/bin/ls", "/usr/bin/sleep", "/usr/bin/true")
_WELCOME = ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/usr/share/fonts", "/usr/share/zoneinfo")
_PROCESSORS = "/sys/devices/system/cpu"  # torch counts caches and cores there
_FILES = {
    "/etc/passwd": "learner:x:1000:1000:learner:/tmp:/bin/sh\n",
    "/etc/group": "learner:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_ENVIRONMENT = {
    "HOME": _TMP,
    "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": f"{_TMP}/matplotlib",
    # Before numpy's first import: its OpenBLAS would otherwise start threads, and the zygote must have exactly one.
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}
_START = (
    f"import sys; sys.path.insert(0, {_OURS!r}); from workers.inside import zygote; "
    "zygote.main(int(sys.argv[1]), sys.argv[2])"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything needed to start one outer jail, except the descriptors of its files."""

    bubblewrap: str
    binds: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...]
    files: Mapping[str, str]
    profile: Profile = CPU

    def command(self, control: int, descriptors: Mapping[str, int]) -> list[str]:
        """The argument vector; `descriptors` holds one readable descriptor for each of `files`."""
        before = [self.bubblewrap, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
        after: list[str] = []
        for place in self.hidden:
            after += ["--tmpfs", place, "--remount-ro", place]
        for target, link in self.links:
            after += ["--symlink", target, link]
        for place, descriptor in descriptors.items():
            after += ["--ro-bind-data", str(descriptor), place]
        for name, value in (_ENVIRONMENT | dict(self.profile.environment)).items():
            after += ["--setenv", name, value]
        after += ["--proc", "/proc", "--dev", "/dev"]
        for source, place in self.profile.devices:  # after --dev; --bind would leave them unusable (nodev)
            after += ["--dev-bind", source, place]
        after += ["--remount-ro", "/dev", "--tmpfs", _TMP, "--chdir", _TMP, "--remount-ro", "/", "--"]
        after += [f"{_VENV}/bin/python", "-I", "-c", _START, str(control), self.profile.told()]
        if os.geteuid() != 0:
            binds = [word for source, target in self.binds for word in ("--ro-bind", source, target)]
            return [*before, *binds, *after]
        specification = {
            "uid": JAIL_USER,
            "gid": JAIL_USER,
            "sources": [source for source, _ in self.binds],
            "targets": [target for _, target in self.binds],
            "before": before,
            "after": after,
        }
        launcher = str(Path(__file__).with_name("launch.py"))
        return [sys.executable, "-I", "-S", launcher, json.dumps(specification)]


def made(profile: Profile = CPU) -> Plan:
    """The plan for this interpreter on this machine. Raises SandboxUnavailable when a part is missing."""
    if sys.platform != "linux":
        raise SandboxUnavailable(f"there is no sandbox on {sys.platform}", "run the worker in a Linux container or VM")
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise SandboxUnavailable("bubblewrap is not installed", "install it: apt install bubblewrap")
    packages = _folder_of("torch").parent
    executable = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    links = [(str(executable), f"{_VENV}/bin/python"), (str(executable), f"{_VENV}/bin/python3")]
    binds = [(str(executable.resolve()), str(executable)), (str(packages), _SITE)]
    for folder in (*_LIBRARIES, f"{sys.base_prefix}/lib"):
        _show(folder, binds, links)
    binds += [(os.path.realpath(place), place) for place in (*_TOOLS, *_WELCOME) if Path(place).exists()]
    binds.append((os.path.realpath("/bin/sh"), "/bin/sh"))
    binds.append((str(Path(__file__).parent.parent / "inside"), f"{_OURS}/workers/inside"))
    if Path(_PROCESSORS).is_dir():
        binds.append((_PROCESSORS, _PROCESSORS))
    binds += profile.binds
    hidden = tuple(f"{_SITE}/{name}" for name in _OUR_PACKAGES if (packages / name).is_dir())
    files = {**_FILES, f"{_VENV}/pyvenv.cfg": f"home = {executable.parent}\ninclude-system-site-packages = false\n"}
    return Plan(bubblewrap, tuple(binds), tuple(links), hidden, files, profile)


def _folder_of(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        fix = "install Torchquiz with its extra: pip install torchquiz[run]"
        raise SandboxUnavailable(f"{package} is not installed here", fix)
    return Path(found.submodule_search_locations[0])


def _show(folder: str, binds: list[tuple[str, str]], links: list[tuple[str, str]]) -> None:
    """Bind a folder, or repeat the link that this machine has in its place; nothing twice."""
    if any(folder == shown or folder.startswith(f"{shown}/") for _, shown in binds):
        return
    if Path(folder).is_symlink():
        links.append((str(Path(folder).readlink()), folder))
    elif Path(folder).is_dir():
        binds.append((folder, folder))
