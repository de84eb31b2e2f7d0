"""Hostile snippets in the real jail. Each test says what must hold; nothing here is simulated."""
# ruff: noqa: E501 - snippets stand on one line each, beside the name of what they try

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import select
import signal
import socket
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyseccomp
import pytest
import pytest_asyncio

from bench import family
from bot.core.runs import Limits, Outcome, RunResult
from tests.workers.building import until
from workers.sandbox.base import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMITS = Limits(seconds=8.0)
SHORT = Limits(seconds=0.6)
MIB = 2**20
REAPED_SECONDS = 0.3
"""Between the limit and the last process gone."""

PRELUDE = """
import ctypes, errno, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments)) == -1:
        return errno.errorcode[ctypes.get_errno()]
    return "allowed"
def refused(action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, error)
    return "allowed"
"""


async def ran(sandbox: Sandbox, source: str, limits: Limits = LIMITS) -> RunResult:
    return await sandbox.run(PRELUDE + source, limits)


def processes_named(name: str) -> list[int]:
    """Processes of this machine, inside and outside of jails, that call themselves so."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if (folder / "comm").read_text().strip() == name:
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


async def kill_own_jails() -> None:
    """And wait until everything in them has ended: a spare is quick enough to serve a last run meanwhile."""
    with contextlib.ExitStack() as opened:
        ends: list[int] = []
        jails = family.named(family.of(os.getpid()), "bwrap")
        for pid in {each for jail in jails for each in family.of(jail)}:
            with contextlib.suppress(ProcessLookupError):  # it may just be leaving
                ends.append(os.pidfd_open(pid))
                opened.callback(os.close, ends[-1])
                if pid in jails:
                    signal.pidfd_send_signal(ends[-1], signal.SIGKILL)
        await until(lambda: len(select.select(ends, [], [], 0)[0]) == len(ends))


def called(name: str) -> str:
    """Code that names the snippet's process, and what it forks, for processes_named."""
    return f"libc.prctl(15, b{name!r}, 0, 0, 0)\n"


async def still_serves(sandbox: Sandbox) -> bool:
    began = time.monotonic()
    result = await sandbox.run("print(torch.ones(1).item())", LIMITS)
    return result.output == "1.0\n" and time.monotonic() - began < 2.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def answers(sandbox: Sandbox) -> dict[str, str]:
    """What one hostile run saw, trying everything in ATTEMPTS: an attempt takes microseconds, a run milliseconds."""
    source = (
        "import fcntl, json\nprint(json.dumps({\n"
        + "".join(f"{key!r}: {code},\n" for key, code in ATTEMPTS.items())
        + "}))"
    )
    result = await ran(sandbox, source, replace(LIMITS, output_bytes=MIB))
    tried: dict[str, str] = json.loads(result.output)
    assert len(ATTEMPTS) == len(tried)
    return tried


# Resources: whatever a snippet eats, its run ends, says why, and leaves nothing

ENDLESS = {
    "a fork bomb": "while True:\n    try: os.fork()\n    except OSError: pass",
    "a shell fork bomb": "import subprocess\nsubprocess.run(['/bin/sh', '-c', 'f() { f | f & f; }; f 2>/dev/null'])\ntime.sleep(60)",
    "while true": "while True: pass",
    "a loop that blocks every signal": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nwhile True: pass",
    "a loop that ignores every signal": (
        "import signal\nfor each in range(1, 65):\n"
        "    try: signal.signal(each, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass"
    ),
    "sleep for ever": "time.sleep(10**6)",
    "a thread that never ends": "import threading\nthreading.Thread(target=time.sleep, args=(10**6,)).start()",
    "a stopped process": "import signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "eight burning children and a waiting parent": (
        "for _ in range(8):\n    if os.fork() == 0:\n        while True: pass\nos.wait()"
    ),
    "an exit handler that never ends": "import atexit\natexit.register(time.sleep, 10**6)",
    "a value whose repr never ends": "class A:\n    def __repr__(self):\n        while True: pass\nA()",
    "an error whose text never ends": "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
    "a torch operation without end": "x = torch.ones(600, 600)\nwhile True: x = x @ x",
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_does_not_end_is_ended_with_everything_it_started(sandbox: Sandbox, name: str) -> None:
    mark = f"tq-{zlib.crc32(name.encode()):08x}"
    began = time.monotonic()

    result = await ran(sandbox, called(mark) + ENDLESS[name], SHORT)

    assert result.outcome is Outcome.TIMED_OUT
    assert result.seconds < SHORT.seconds + REAPED_SECONDS
    assert time.monotonic() - began < SHORT.seconds + 3.0
    assert processes_named(mark) == []
    assert await still_serves(sandbox)


async def test_the_end_of_a_group_reaches_each_of_its_processes_without_the_help_of_an_init(sandbox: Sandbox) -> None:
    from workers.sandbox import cgroups

    groups = cgroups.opened(False)
    group = groups.group()
    shell = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", "read go; sleep 60 & sleep 60 & echo $!; wait", stdin=-1, stdout=-1
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    group.attach(shell.pid)
    shell.stdin.write(b"go\n")
    await shell.stdout.readline()

    group.kill()

    async with asyncio.timeout(5):
        assert await shell.wait() == -signal.SIGKILL
        assert await shell.stdout.read() == b""  # the others held it open
    await group.remove()
    groups.close()


GREEDY = {
    "bytes": "x = bytearray(2**30)",
    "many tensors": "x = [torch.ones(2**22) for _ in range(100)]",
    "shared anonymous memory": "import mmap\nx = mmap.mmap(-1, 2**30)\nfor i in range(0, 2**30, 4096): x[i] = 1",
    "many memory files": ("fs = [os.memfd_create(str(i)) for i in range(64)]\nfor f in fs: os.write(f, bytes(2**24))"),
    "children that share the work": (
        "for _ in range(8):\n    if os.fork() == 0:\n        x = bytearray(2**26); time.sleep(60)\nos.wait(); raise SystemExit(9)"
    ),
    "a list that grows": "x = []\nwhile True: x.append('x' * 10000)",
    "files in every private folder": (
        "for folder in ('/tmp', '/dev/shm'):\n"
        "    with open(folder + '/x', 'wb') as f:\n        for _ in range(60): f.write(bytes(2**20))\nx = bytearray(2**27)"
    ),
}


@pytest.mark.parametrize("name", GREEDY)
async def test_memory_is_limited_however_it_is_taken(sandbox: Sandbox, name: str) -> None:
    result = await ran(sandbox, GREEDY[name], replace(LIMITS, memory_bytes=192 * MIB))

    assert result.outcome is Outcome.OUT_OF_MEMORY
    assert result.peak_memory_bytes is None or result.peak_memory_bytes <= 192 * MIB
    assert await still_serves(sandbox)


FULL = {
    "the private folder": ("/tmp", "ENOSPC"),
    "shared memory files": ("/dev/shm", "ENOSPC"),
    "the output folder": ("/tmp/output", "ENOSPC"),
}


@pytest.mark.parametrize("name", FULL)
async def test_each_writable_place_is_capped(sandbox: Sandbox, name: str) -> None:
    folder, expected = FULL[name]
    source = (
        f"def fill():\n    for n in range(10**6):\n        with open(f'{folder}/{{n}}', 'wb') as f: f.write(bytes(2**20))\n"
        f"print(refused(fill), sum(e.stat().st_size for e in os.scandir('{folder}') if e.is_file()) <= 64 * 2**20)"
    )

    assert (await ran(sandbox, source)).output == f"{expected} True\n"


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
async def test_the_number_of_files_is_capped(sandbox: Sandbox, folder: str) -> None:
    source = f"def fill():\n    for n in range(10**6): open(f'{folder}/{{n}}', 'w').close()\nprint(refused(fill), len(os.listdir('{folder}')) <= 4096)"

    assert (await ran(sandbox, source)).output == "ENOSPC True\n"


BOUNDED = {
    "descriptors": (
        "x = []\ndef take():\n    while True: x.append(os.open('/dev/null', 0))\nprint(refused(take))",
        "EMFILE\n",
    ),
    "a memory file": (
        "f = os.memfd_create('x')\ndef fill():\n    for _ in range(1024): os.write(f, bytes(2**20))\nprint(refused(fill))",
        "EFBIG\n",
    ),
    "a sparse file of 1 TiB": ("f = open('/tmp/x', 'wb')\nprint(refused(f.truncate, 2**40))", "EFBIG\n"),
    "locked memory": ("print(call(151, 1) if os.uname().machine == 'x86_64' else 'ENOMEM')", "ENOMEM\n"),
    "processes": (
        "def forks():\n    while True:\n        if os.fork() == 0: time.sleep(60)\nprint(refused(forks))",
        "EAGAIN\n",
    ),
    "core dumps": ("import resource\nprint(resource.getrlimit(resource.RLIMIT_CORE))", "(0, 0)\n"),
}


@pytest.mark.parametrize("name", BOUNDED)
async def test_the_kernel_says_no_beyond_the_limit_of(sandbox: Sandbox, name: str) -> None:
    source, expected = BOUNDED[name]

    assert (await ran(sandbox, source)).output == expected


async def test_a_hundred_thousand_threads_are_not_had(sandbox: Sandbox) -> None:
    source = (
        "import threading\nfor _ in range(10**5): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )

    result = await ran(sandbox, source)

    assert result.outcome is Outcome.ERROR
    assert "can't start new thread" in result.error
    assert any("processes and threads" in note for note in result.notes)


@pytest.mark.parametrize(
    "limit", ["RLIMIT_CPU", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_CORE", "RLIMIT_MEMLOCK"]
)
async def test_limits_cannot_be_raised(sandbox: Sandbox, limit: str) -> None:
    source = (
        f"import resource\nsoft, hard = resource.getrlimit(resource.{limit})\n"
        f"try: resource.setrlimit(resource.{limit}, (hard + 1, hard + 1)); print('raised')\n"
        f"except (ValueError, OSError): print('held', hard >= 0)"
    )

    assert (await ran(sandbox, source)).output == "held True\n"


@pytest.mark.parametrize(
    "source",
    [
        "while True: print('x' * 1000)",
        "while True: os.write(2, b'x' * 65536)",
        "import subprocess\nsubprocess.run(['/bin/sh', '-c', 'while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done'])",
        "print('x' * 2**28)",
        "raise ValueError('x' * 2**20)",
    ],
    ids=["by print", "on standard error by os.write", "by a shell", "in one piece", "in an error"],
)
async def test_a_flood_is_cut_at_the_limit(sandbox: Sandbox, source: str) -> None:
    result = await ran(sandbox, source)

    assert result.outcome in (Outcome.TOO_MUCH_OUTPUT, Outcome.ERROR)
    assert len(result.output.encode()) <= LIMITS.output_bytes
    assert len(result.error) < 10_000


@pytest.mark.parametrize(
    ("source", "ending"),
    [
        ("import ctypes; ctypes.string_at(0)", signal.SIGSEGV),
        ("os.abort()", signal.SIGABRT),
        ("os.kill(os.getpid(), 9)", signal.SIGKILL),
        ("os.kill(os.getpid(), 15)", signal.SIGTERM),
        (
            "import sys\nsys.setrecursionlimit(10**9)\nf = eval('lambda f: f(f)')\nexec(compile('(' * 90 + ')' * 90, '', 'exec'))\nos.abort()",
            signal.SIGABRT,
        ),
    ],
    ids=["a segmentation fault", "abort", "its own kill -9", "its own kill", "abort after much nesting"],
)
async def test_a_death_by_signal_is_told_with_its_number(sandbox: Sandbox, source: str, ending: int) -> None:
    result = await ran(sandbox, source)

    assert (Outcome.KILLED, ending) == (result.outcome, result.signal)
    assert await still_serves(sandbox)


async def test_deep_recursion_is_an_error_with_a_short_traceback(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "def f(): f()\nf()")

    assert result.outcome is Outcome.ERROR
    assert "RecursionError" in result.error.splitlines()[-1]
    assert len(result.error) < 5_000


DAEMONS = {
    "a daemon by double fork": "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\n    os._exit(0)",
    "a daemon that holds the output": "if os.fork() == 0:\n    os.setsid()\n    while True: time.sleep(1)",
    "a child that ignores signals": "import signal\nif os.fork() == 0:\n    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); time.sleep(60)",
    "a daemon thread": "import threading\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
}


@pytest.mark.parametrize("name", DAEMONS)
async def test_nothing_outlives_its_run(sandbox: Sandbox, name: str) -> None:
    mark = f"tq-{zlib.crc32(name.encode()):08x}"

    result = await ran(sandbox, called(mark) + DAEMONS[name] + "\nprint('end')")

    assert (result.outcome, result.output) == (Outcome.OK, "end\n")
    assert result.seconds < 2.0
    assert processes_named(mark) == []


# Secrets and files: there is nothing to find, nothing to change, nothing to smuggle out


async def test_the_environment_holds_only_what_is_needed(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "print(sorted(os.environ))")

    assert result.output == "['HOME', 'KINETO_LOG_LEVEL', 'LANG', 'MPLBACKEND', 'OUTPUT_DIR', 'PATH', 'TMPDIR']\n"


async def test_no_process_file_and_no_memory_holds_the_workers_secret(sandbox: Sandbox, canary: str) -> None:
    assert os.environ["TORCHQUIZ_CANARY"] == canary
    source = r"""
import re, glob
secret = re.compile(rb"TQ-CANARY-[0-9a-f]{32}")
seen = 0
for path in [p for name in ("environ", "cmdline", "maps", "mountinfo", "cgroup") for p in glob.glob(f"/proc/*/{name}")]:
    try: seen += len(secret.findall(open(path, "rb").read()))
    except OSError: pass
memory = open("/proc/self/mem", "rb", 0)
for line in open("/proc/self/maps"):
    first, last = (int(each, 16) for each in line.split()[0].split("-"))
    if line.split()[1].startswith("r") and "[v" not in line:
        for at in range(first, last, 1 << 24):
            try:
                memory.seek(at)
                seen += len(secret.findall(memory.read(min(1 << 24, last - at))))
            except (OSError, ValueError, OverflowError): pass
print("found", seen)
"""

    assert (await ran(sandbox, source)).output == "found 0\n"


OF_INIT = ["environ", "maps", "mem", "fd", "root", "cwd", "exe", "auxv", "stack", "syscall"]


@pytest.mark.parametrize("name", OF_INIT)
async def test_inits_process_files_are_closed(answers: dict[str, str], name: str) -> None:
    assert answers[f"list init's {name}"] in {"EACCES", "EPERM", "ENOENT", "ENOTDIR"}
    assert answers[f"read init's {name}"] in {"EACCES", "EPERM", "ENOENT", "ESRCH"}
    assert answers[f"follow init's {name}"] in {"EACCES", "EPERM", "ENOENT", "EINVAL"}


async def test_only_the_three_standard_descriptors_are_open(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "print([n for n in range(3, 4096) if refused(os.fstat, n) != 'EBADF'])")

    assert result.output == "[]\n"


ABSENT = [
    "/etc/shadow", "/etc/ssh", "/etc/hostname", "/etc/resolv.conf", "/home", "/var", "/run", "/mnt", "/srv", "/boot",
    "/root/.ssh", "/root/.bash_history", "/proc/sys", "/proc/kallsyms", "/proc/kmsg", "/proc/kcore", "/proc/config.gz",
    "/proc/sysrq-trigger", "/proc/cmdline", "/sys/fs/cgroup", "/sys/kernel", "/sys/class", "/sys/firmware", "/dev/kmsg",
    "/dev/mem", "/dev/kvm", "/dev/vsock", "/dev/fuse", "/dev/net/tun", "/dev/sda", "/dev/vda", "/dev/ptmx",
    "/usr/bin/gcc", "/usr/bin/bwrap", "/usr/bin/sudo", "/usr/bin/python3", "/var/run/docker.sock",
]  # fmt: skip


@pytest.mark.parametrize("path", ABSENT)
async def test_what_the_jail_does_not_need_is_not_there(answers: dict[str, str], path: str) -> None:
    assert answers[f"exists {path}"] == "False"


async def test_our_own_code_and_checkout_are_not_there(sandbox: Sandbox) -> None:
    source = """
import importlib.util, sys
names = ["bot", "bot.config", "workers.sandbox", "workers.limits", "workers.worker", "content", "tests"]
def found(name):
    try: return importlib.util.find_spec(name) is not None
    except ImportError: return False
print([name for name in names if found(name)], [name for name in sys.modules if name.startswith(("bot", "workers"))])
"""
    checkout = str(Path(__file__).parent.parent.parent)

    assert (await ran(sandbox, source)).output == "[] []\n"
    assert (await ran(sandbox, f"print(os.path.exists({checkout!r}))")).output == "False\n"


PROTECTED = [
    "/x", "/etc/passwd", "/etc/x", "/usr/x", "/usr/lib/x", "/lib/x", "/bin/x", "/bin/sh", "/dev/x", "/dev/pts/x", "/proc/x", "/sys/x",
    "/venv/bin/python", "/venv/pyvenv.cfg", "/opt/x", "/opt/torchquiz/workers/inside/child.py", "/proc/self/uid_map",
    "/proc/self/setgroups", "/proc/self/comm", "/proc/1/oom_score_adj", "/proc/1/comm", "/proc/self/loginuid", "/proc/self/attr/exec",
]  # fmt: skip


@pytest.mark.parametrize("path", PROTECTED)
async def test_nothing_outside_the_private_folders_can_be_written(answers: dict[str, str], path: str) -> None:
    assert answers[f"write {path}"] in {"EROFS", "EACCES", "EPERM", "ENOENT", "ENOTDIR"}


async def test_torch_cannot_be_changed_for_the_next_run(sandbox: Sandbox) -> None:
    source = "print(refused(open, torch.__file__, 'a'), refused(os.unlink, torch.__file__), refused(os.rename, torch.__file__, '/tmp/x'))"

    assert set((await ran(sandbox, source)).output.split()) <= {"EROFS", "EACCES", "EPERM", "EXDEV"}


SMUGGLED = {
    "a symbolic link to a file": "os.symlink('/etc/passwd', 'output/x.txt')",
    "a symbolic link to a folder": "os.symlink('/etc', 'output/x')",
    "a symbolic link to a process file": "os.symlink('/proc/self/environ', 'output/x.txt')",
    "a socket": "s = socket.socket(socket.AF_UNIX)\ns.bind('output/x')",
    "a folder": "os.mkdir('output/x')\nopen('output/x/y', 'w').write('hidden')",
    "a picture whose name lies": "open('output/x.png', 'wb').write(b'GIF89a')",
    "a picture of 50000 by 50000": (
        "import struct, zlib\nihdr = struct.pack('>IIBBBBB', 50000, 50000, 8, 2, 0, 0, 0)\n"
        "open('output/x.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + struct.pack('>I', 13) + b'IHDR' + ihdr + bytes(64))"
    ),
    "a file too large to come back": "open('output/x.bin', 'wb').write(bytes(5 * 2**20))",
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_only_plain_files_within_the_limits_come_back(sandbox: Sandbox, name: str) -> None:
    result = await ran(sandbox, SMUGGLED[name])

    assert (result.outcome, result.files, result.files_dropped) == (Outcome.OK, (), 1)


@pytest.mark.parametrize(
    "source",
    [
        "os.rename('output', 'gone')\nos.symlink('/etc', 'output')",
        "import shutil\nshutil.rmtree('output')\nos.symlink('/', 'output')",
        "import shutil\nshutil.rmtree('output')\nopen('output', 'w').write('x')",
        "os.rename('output', 'elsewhere')\nos.mkdir('output')\nopen('output/fake.txt', 'w').write('fake')",
    ],
    ids=["by a link", "by a link to the root", "by a file", "by another folder"],
)
async def test_an_output_folder_replaced_leads_nowhere(sandbox: Sandbox, source: str) -> None:
    result = await ran(sandbox, source)

    assert (result.outcome, result.files) == (Outcome.OK, ())


async def test_a_renamed_output_folder_is_still_the_one_that_is_read(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "open('output/a.txt', 'w').write('A')\nos.rename('output', 'b');")

    assert [file.name for file in result.files] == ["a.txt"]


async def test_three_thousand_files_are_eight(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "for i in range(3000): open(f'output/{i:04}', 'w').write('x')")

    assert (len(result.files), result.files_dropped) == (8, 2992)


async def test_names_of_files_are_made_safe(sandbox: Sandbox) -> None:
    source = r"""
for name in ["..png.txt", "a b\n.txt", "@everyone.txt", "-rf.txt", "\u202etxt.exe", "`x`.md", "é" * 100 + ".txt", "con\x1b[2J"]:
    open("output/" + name, "w").write("x")
open(b"output/\xff\xfe.txt", "w").write("x")
os.unlink("output/con\x1b[2J");
"""

    result = await ran(sandbox, source)

    assert 8 == len(result.files) == len({file.name for file in result.files})
    assert all(
        set(file.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
        for file in result.files
    )
    assert all(file.name[0].isalnum() and len(file.name) < 60 for file in result.files)


async def test_a_pickle_that_comes_back_is_only_bytes(sandbox: Sandbox, tmp_path: Path) -> None:
    mark = tmp_path / "unpickled"
    source = f"import pickle\nclass A:\n    def __reduce__(self): return (os.system, ('touch {mark}',))\npickle.dump(A(), open('output/x.pkl', 'wb'))"

    result = await ran(sandbox, source)

    assert [file.name for file in result.files] == ["x.pkl"]
    assert not mark.exists()


# Network: its own loopback and nothing else


async def test_its_own_loopback_works(sandbox: Sandbox) -> None:
    source = "server = socket.create_server(('127.0.0.1', 0))\nclient = socket.create_connection(server.getsockname())\nserver.accept()[0].sendall(b'hi')\nprint(client.recv(2))"

    assert (await ran(sandbox, source)).output == "b'hi'\n"


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_port_of_the_host_is_out_of_reach(sandbox: Sandbox, listening: int) -> None:
    assert (
        await ran(sandbox, f"print(refused(socket.create_connection, ('127.0.0.1', {listening}), 1))")
    ).output == "ECONNREFUSED\n"


async def test_an_abstract_socket_of_the_host_is_out_of_reach(sandbox: Sandbox) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0torchquiz-abuse")
        server.listen()
        source = "s = socket.socket(socket.AF_UNIX)\nprint(refused(s.connect, '\\0torchquiz-abuse'))"

        assert (await ran(sandbox, source)).output.strip() in {"ECONNREFUSED", "EPERM"}


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "169.254.169.254", "10.0.0.1", "172.17.0.1", "192.168.0.1", "224.0.0.1"]
)
async def test_no_address_can_be_reached(sandbox: Sandbox, address: str) -> None:
    source = f"u = socket.socket(type=socket.SOCK_DGRAM)\nprint(refused(socket.create_connection, ('{address}', 80), 1), refused(u.sendto, b'x', ('{address}', 53)))"

    assert (await ran(sandbox, source)).output == "ENETUNREACH ENETUNREACH\n"


async def test_no_ipv6_address_can_be_reached(sandbox: Sandbox) -> None:
    source = "s = socket.socket(socket.AF_INET6)\nprint(refused(s.connect, ('2606:4700:4700::1111', 80)))"

    assert (await ran(sandbox, source)).output.strip() in {"ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"}


async def test_names_do_not_resolve(sandbox: Sandbox) -> None:
    source = "try: print(socket.getaddrinfo('example.com', 80))\nexcept socket.gaierror: print('no name')"

    assert (await ran(sandbox, source)).output == "no name\n"


FAMILIES = {
    "vsock": (40, 1, 0), "packet": (17, 3, 0), "raw": (2, 3, 1), "raw 6": (10, 3, 58), "crypto": (38, 5, 0), "key": (15, 3, 2),
    "bluetooth": (31, 3, 1), "xfrm": (16, 3, 6), "netfilter": (16, 3, 12), "audit": (16, 3, 9), "kobject events": (16, 3, 15),
    "tipc": (30, 1, 0), "xdp": (44, 3, 0), "can": (29, 3, 1), "rds": (21, 5, 0), "smc": (43, 1, 0), "sequenced unix": (1, 5, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
async def test_only_ordinary_sockets_can_be_made(answers: dict[str, str], name: str) -> None:
    assert answers[f"socket {name}"] == "EPERM"


INTERFACE = {"flags": 0x8913, "set flags": 0x8914, "address": 0x8916, "ethtool": 0x8946, "private": 0x89F0}


@pytest.mark.parametrize("name", INTERFACE)
async def test_interfaces_cannot_be_asked_or_set(answers: dict[str, str], name: str) -> None:
    assert answers[f"interface {name}"] == "EPERM"


async def test_routes_cannot_be_added(sandbox: Sandbox) -> None:
    source = """
import struct
n = socket.socket(16, 3, 0)
route = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0)
n.send(struct.pack("=IHHII", 16 + len(route), 24, 0x0405, 1, 0) + route)
print(-struct.unpack("=i", n.recv(4096)[16:20])[0] == errno.EPERM)
"""

    assert (await ran(sandbox, source)).output == "True\n"


# The kernel's surface

REFUSED = """
unshare setns mount umount2 move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr pivot_root chroot
keyctl add_key request_key bpf io_uring_setup io_uring_enter io_uring_register userfaultfd perf_event_open ptrace
process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise name_to_handle_at open_by_handle_at
fanotify_init fanotify_mark init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff
syslog clock_settime settimeofday adjtimex clock_adjtime sethostname setdomainname personality memfd_secret vmsplice
mbind set_mempolicy migrate_pages move_pages setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid
setgroups capset fchown fchownat mknodat setxattr lsetxattr fsetxattr removexattr sched_setscheduler sched_setparam
sched_setattr ioprio_set acct quotactl vhangup shmget shmat msgget semget mq_open lookup_dcookie nfsservctl seccomp
landlock_create_ruleset landlock_restrict_self remap_file_pages sync syncfs
""".split()  # noqa: SIM905 - a table of names
X86_ONLY = [
    "iopl",
    "ioperm",
    "modify_ldt",
    "chown",
    "lchown",
    "mknod",
    "uselib",
    "ustat",
    "sysfs",
    "_sysctl",
    "create_module",
]
IS_X86 = platform.machine() == "x86_64"


@pytest.mark.parametrize("name", REFUSED + (X86_ONLY if IS_X86 else []))
async def test_a_system_call_nobody_needs_is_refused(answers: dict[str, str], name: str) -> None:
    assert answers[f"call {name}"] == "EPERM"


CLONE_NEW = {
    "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000
}  # fmt: skip


@pytest.mark.parametrize("name", CLONE_NEW)
async def test_clone_makes_no_namespace(answers: dict[str, str], name: str) -> None:
    assert answers[f"clone {name}"] == "EPERM"


async def test_clone3_does_not_exist(sandbox: Sandbox) -> None:
    assert (await ran(sandbox, "print(call(435, 0, 0))")).output == "ENOSYS\n"


async def test_no_number_beyond_the_table_gets_through(sandbox: Sandbox) -> None:
    source = "print({call(n, 0, 0, 0, 0, 0, 0) for n in range(457, 700)})"

    assert (await ran(sandbox, source)).output == "{'EPERM'}\n"


X86_FOREIGN = {
    "int 0x80": "b8 14 00 00 00 cd 80 c3",  # mov eax, 20; int 0x80; ret
    "x32": "b8 27 00 00 40 0f 05 c3",  # mov eax, 0x40000000 + 39; syscall; ret
}


@pytest.mark.parametrize("name", X86_FOREIGN if IS_X86 else [])
async def test_a_foreign_abi_is_death(sandbox: Sandbox, name: str) -> None:
    source = (
        f"import mmap\ncode = mmap.mmap(-1, 4096, prot=7)\ncode.write(bytes.fromhex('{X86_FOREIGN[name]}'))\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()"
    )

    result = await ran(sandbox, source)

    assert (result.outcome, result.signal) == (Outcome.KILLED, signal.SIGSYS)


TERMINAL = {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "TIOCSETD": 0x5423, "TIOCSCTTY": 0x540E, "TIOCOUTQ": 0x5411}


@pytest.mark.parametrize("name", TERMINAL)
async def test_terminals_cannot_be_spoken_for(answers: dict[str, str], name: str) -> None:
    assert answers[f"terminal {name}"] == "EPERM"


async def test_there_is_no_terminal_to_open(sandbox: Sandbox) -> None:
    source = "print(refused(os.openpty), refused(open, '/dev/tty'), [os.isatty(n) for n in range(3)], os.listdir('/dev/pts'))"

    first, second, rest = (await ran(sandbox, source)).output.strip().split(" ", 2)

    assert {first, second} <= {"ENOENT", "ENXIO", "EACCES", "EPERM"}
    assert rest == "[False, False, False] []"


async def test_every_signal_to_init_is_lost(sandbox: Sandbox) -> None:
    source = "for n in range(1, 65): refused(os.kill, 1, n)\ntime.sleep(0.1)\nopen('output/a', 'w').write('x')\nprint(os.getppid())"

    result = await ran(sandbox, source)

    assert (result.outcome, result.output, len(result.files)) == (Outcome.OK, "1\n", 1)


async def test_a_kill_of_everyone_kills_nobody_else(sandbox: Sandbox) -> None:
    assert (await ran(sandbox, "print(refused(os.kill, -1, 9))")).output.strip() in {"allowed", "ESRCH", "EPERM"}
    assert await still_serves(sandbox)


async def test_the_first_to_die_for_want_of_memory_stays_the_snippet(sandbox: Sandbox) -> None:
    assert (
        await ran(sandbox, "print(refused(lambda: open('/proc/self/oom_score_adj', 'w').write('-1000')))")
    ).output != "allowed\n"


async def test_an_exec_keeps_every_restriction(sandbox: Sandbox) -> None:
    source = """
import subprocess
status = subprocess.run(["/bin/sh", "-c", "while read l; do echo $l; done < /proc/self/status"], capture_output=True, text=True).stdout
print(sorted({line for line in status.splitlines() if line.startswith(("Cap", "NoNewPrivs", "Seccomp:"))}))
"""

    assert (await ran(sandbox, source)).output == (
        "['CapAmb: 0000000000000000', 'CapBnd: 0000000000000000', 'CapEff: 0000000000000000', "
        "'CapInh: 0000000000000000', 'CapPrm: 0000000000000000', 'NoNewPrivs: 1', 'Seccomp: 2']\n"
    )


async def test_only_harmless_devices_are_there(sandbox: Sandbox) -> None:
    source = "import stat\nprint(sorted(n for n in os.listdir('/dev') if stat.S_ISCHR(os.lstat('/dev/' + n).st_mode) or stat.S_ISBLK(os.lstat('/dev/' + n).st_mode)))"

    assert (await ran(sandbox, source)).output == "['full', 'null', 'random', 'tty', 'urandom', 'zero']\n"


# Cheats: a result is what the kernel saw, not what the snippet says


@pytest.mark.parametrize("kind", ["E", "P", "Z"])
async def test_a_forged_result_in_any_descriptor_changes_nothing(sandbox: Sandbox, kind: str) -> None:
    frame = kind.encode() + struct.pack("!I", 40) + json.dumps({"status": 0, "compiled": True}).encode().ljust(40)
    source = f"for n in range(3, 1024): refused(os.write, n, {frame!r})\nos._exit(5)"

    result = await ran(sandbox, source)

    assert (result.outcome, result.exit_status, result.files) == (Outcome.ERROR, 5, ())


async def test_a_forged_result_in_the_output_is_only_output(sandbox: Sandbox) -> None:
    frame = b"E" + struct.pack("!I", 15) + b'{"status": 0}  '
    result = await ran(sandbox, f"os.write(1, {frame!r})\nos._exit(5)")

    assert (result.outcome, result.exit_status) == (Outcome.ERROR, 5)
    assert "status" in result.output


async def test_scribbling_over_the_shared_page_changes_only_ones_own_words(sandbox: Sandbox) -> None:
    source = """
import gc, mmap
for frame in [sys._getframe()]:
    while frame:
        for value in list(frame.f_locals.values()):
            if isinstance(value, mmap.mmap):
                value[:] = b"\\xff" * len(value)
                print("found")
        frame = frame.f_back
os._exit(6)
"""

    result = await ran(sandbox, source)

    assert (result.outcome, result.exit_status, result.error, result.error_line) == (Outcome.ERROR, 6, "", None)


async def test_replacing_the_runners_own_functions_does_not_make_a_success(sandbox: Sandbox) -> None:
    source = "os._exit = lambda status: None\nsys.exit = print\nimport atexit, threading\nthreading._shutdown = atexit._run_exitfuncs = None\nraise ValueError"

    assert (await ran(sandbox, source)).outcome is not Outcome.OK


# Between runs

LEFT_BEHIND = {
    "builtins": ("import builtins\nbuiltins.print = None", "print('fine')"),
    "torch": ("torch.ones = lambda *a: 'hacked'", "assert torch.ones(1) == 1\nprint('fine')"),
    "modules": ("sys.modules['json'] = None", "import json\njson.dumps(1)\nprint('fine')"),
    "the random state": ("torch.manual_seed(7)", "assert torch.initial_seed() != 7\nprint('fine')"),
    "defaults of torch": (
        "torch.set_default_dtype(torch.float64)",
        "assert torch.ones(1).dtype == torch.float32\nprint('fine')",
    ),
    "files": ("open('/tmp/left', 'w').write('x')", "assert not os.path.exists('/tmp/left')\nprint('fine')"),
    "shared memory": ("open('/dev/shm/left', 'w').write('x')", "assert os.listdir('/dev/shm') == []\nprint('fine')"),
    "the environment": ("os.environ['LEFT'] = '1'", "assert 'LEFT' not in os.environ\nprint('fine')"),
    "the linecache": (
        "import linecache\nlinecache.cache['x'] = 1",
        "import linecache\nassert 'x' not in linecache.cache\nprint('fine')",
    ),
    "the time zone": ("os.environ['TZ'] = 'Asia/Tokyo'\ntime.tzset()", "assert time.tzname[0] != 'JST'\nprint('fine')"),
}


@pytest.mark.parametrize("name", LEFT_BEHIND)
async def test_the_next_run_finds_nothing_of(sandbox: Sandbox, name: str) -> None:
    left, check = LEFT_BEHIND[name]
    for _ in range(2):  # as many as there are spares
        await ran(sandbox, left)

    assert (await ran(sandbox, check)).output == "fine\n"


async def test_siblings_do_not_see_or_touch_each_other(sandbox: Sandbox) -> None:
    victim = """
server = socket.create_server(("127.0.0.1", 23456))
abstract = socket.socket(socket.AF_UNIX); abstract.bind("\\0sibling"); abstract.listen()
for folder in ("/tmp", "/dev/shm"): open(folder + "/sibling", "w").write("x")
print("ready", flush=True)
time.sleep(1.5)
print("unharmed")
"""
    attack = """
print(sorted(int(n) for n in os.listdir("/proc") if n.isdigit()))
print(refused(socket.create_connection, ("127.0.0.1", 23456), 1), refused(socket.socket(socket.AF_UNIX).connect, "\\0sibling"))
print([os.path.exists(f + "/sibling") for f in ("/tmp", "/dev/shm")])
for pid in range(3, 32768): refused(os.kill, pid, 9)
print(refused(os.kill, -1, 9))
"""
    ready = asyncio.Event()
    running = asyncio.create_task(sandbox.run(PRELUDE + victim, LIMITS, lambda _: ready.set()))
    async with asyncio.timeout(10):
        await ready.wait()

    attacked = await ran(sandbox, attack)
    result = await running

    seen, sockets, files, _ = attacked.output.splitlines()
    assert (seen, files) == ("[1, 2]", "[False, False]")
    assert set(sockets.split()) <= {"ECONNREFUSED", "EPERM"}
    assert (result.outcome, result.output) == (Outcome.OK, "ready\nunharmed\n")


# The family: nobody is left when the worker dies

SUPERVISOR = """
import asyncio, sys
from bot.core.runs import Limits
from workers.sandbox.bubblewrap import BubblewrapSandbox
async def main():
    async with BubblewrapSandbox() as sandbox:
        await sandbox.run({source!r}, Limits(seconds=60), lambda text: (sys.stdout.write(text), sys.stdout.flush()))
asyncio.run(main())
"""


async def test_a_killed_worker_takes_its_whole_family_along() -> None:
    mark = "tq-orphan"
    source = PRELUDE + called(mark) + "os.fork()\nprint('on', flush=True)\nwhile True: time.sleep(1)"
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISOR.format(source=source), stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    async with asyncio.timeout(60):
        await worker.stdout.readline()
    assert processes_named(mark)

    worker.kill()

    await worker.wait()
    deadline = time.monotonic() + 2.0
    while processes_named(mark) and time.monotonic() < deadline:  # noqa: ASYNC110 - the kernel sends us no event
        await asyncio.sleep(0.02)
    assert processes_named(mark) == []


async def test_a_killed_jail_is_replaced_without_anyone_noticing(sandbox: Sandbox) -> None:
    await kill_own_jails()

    result = await sandbox.run("x = 1", Limits())

    assert result.outcome is Outcome.OK
    assert await still_serves(sandbox)


async def test_the_family_serves_on_after_a_segmentation_fault_had_it_replaced(sandbox: Sandbox) -> None:
    await ran(sandbox, "ctypes.string_at(0)")

    results = await asyncio.gather(*(ran(sandbox, "print(1)") for _ in range(6)))

    assert {(Outcome.OK, "1\n")} == {(result.outcome, result.output) for result in results}


async def test_a_later_worker_sweeps_the_groups_of_a_killed_one(sandbox: Sandbox) -> None:
    from workers.sandbox import cgroups

    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import time\nfrom workers.sandbox import cgroups\ng = cgroups.opened(False).group()\nprint(*set(g.folders.values()), flush=True)\ntime.sleep(60)",
        stdout=asyncio.subprocess.PIPE,
    )
    assert worker.stdout is not None
    async with asyncio.timeout(30):
        folders = [Path(each) for each in (await worker.stdout.readline()).decode().split()]
    assert folders
    assert all(folder.is_dir() for folder in folders)
    worker.kill()
    await worker.wait()

    cgroups.opened(False).close()

    assert not any(folder.parent.exists() for folder in folders)
    assert await still_serves(sandbox)


# Every attempt of the tests that ask `answers`


def number(name: str) -> int:
    """Of a system call on this machine."""
    found = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    assert found >= 0, f"libseccomp does not know {name}"
    return int(found)


def attempts() -> Iterator[tuple[str, str]]:
    for path in ABSENT:
        yield f"exists {path}", f"str(os.path.exists({path!r}))"
    for path in PROTECTED:
        yield f"write {path}", f"refused(lambda: os.write(os.open({path!r}, os.O_WRONLY | os.O_CREAT), b'1'))"
    for name in OF_INIT:
        yield f"list init's {name}", f"refused(os.listdir, '/proc/1/{name}')"
        yield f"read init's {name}", f"refused(lambda: open('/proc/1/{name}', 'rb').read())"
        yield f"follow init's {name}", f"refused(os.readlink, '/proc/1/{name}')"
    for name, parameters in FAMILIES.items():
        yield f"socket {name}", f"refused(socket.socket, *{parameters})"
    for name, request in INTERFACE.items():
        yield f"interface {name}", f"refused(fcntl.ioctl, socket.socket(type=2), {request}, b'lo' + bytes(38))"
    for name, request in TERMINAL.items():
        yield f"terminal {name}", f"refused(fcntl.ioctl, 1, {request}, b'x')"
    for name in REFUSED + (X86_ONLY if IS_X86 else []):
        yield f"call {name}", f"call({number(name)}, 0, 0, 0, 0, 0, 0)"
    for name, flag in CLONE_NEW.items():
        yield f"clone {name}", f"call({number('clone')}, {flag | signal.SIGCHLD}, 0, 0, 0, 0)"


ATTEMPTS = dict(attempts())
