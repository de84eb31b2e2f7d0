"""The jail's own family of processes: who they are, when they are replaced, what of them reaches the host."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from pathlib import Path
from typing import cast

import pytest

from bench import family
from bot.core.runs import Limits, Outcome
from workers.inside import zygote
from workers.sandbox import forking, results
from workers.sandbox.base import Sandbox
from workers.sandbox.bubblewrap import BubblewrapSandbox
from workers.sandbox.cgroups import Cgroups
from workers.sandbox.plan import JAIL_USER
from workers.sandbox.standing import Standing

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMITS = Limits(seconds=8.0)


async def test_a_zygote_with_a_second_thread_refuses_to_serve() -> None:
    over = threading.Event()
    second = threading.Thread(target=over.wait)
    second.start()
    try:
        with pytest.raises(RuntimeError, match="must have one"):
            zygote._assert_single_threaded()
    finally:
        over.set()
        second.join()


async def test_every_process_of_the_jail_is_powerless(sandbox: Sandbox) -> None:
    await sandbox.run("1", LIMITS)  # until then the shared sandbox may still be making its spares
    inside = [pid for pid in family.of(os.getpid()) if family.named([pid], "bwrap") or family.named([pid], "snippet")]

    users = {Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0] for pid in inside}
    assert inside
    assert users == {str(JAIL_USER if os.geteuid() == 0 else os.geteuid())}


@pytest.mark.parametrize(("what", "value"), [("uses", 500), ("born", -3601.0)], ids=["count", "age"])
async def test_a_jail_is_replaced_by(sandbox: Sandbox, what: str, value: float) -> None:
    ours = cast("BubblewrapSandbox", sandbox)
    old = ours._open_jail()
    setattr(old, what, getattr(old, what) + value)

    async with asyncio.timeout(60):
        while ours._open_jail() is old:
            assert (await sandbox.run("print(1)", LIMITS)).output == "1\n"
            await asyncio.sleep(0.05)
        await old.process.wait()  # with it everything in it has ended
    assert (await sandbox.run("print(2)", LIMITS)).output == "2\n"


async def test_without_a_memory_group_a_run_is_bounded_by_its_data_and_says_what_is_missing(sandbox: Sandbox) -> None:
    ours = cast("BubblewrapSandbox", sandbox)
    unbounded = await forking.forked(ours._open_jail(), Cgroups({}, 0, Standing(None, 0)), LIMITS)

    remains = await unbounded.run("x = torch.ones(2**28)", LIMITS, None)
    await unbounded.discard()
    result = results.result(remains, LIMITS, "2", memory_bounded=False)

    assert result.outcome is Outcome.ERROR
    assert "allocate" in result.error
    assert results.NO_MEMORY_CGROUP in result.notes


MARKING = """
import os, socket, ctypes
for folder in "/ /tmp /dev/shm /dev /var/tmp /run /proc /sys/fs/cgroup /opt /venv /usr /tmp/output".split():
    for make in (lambda p: open(p, "w").write("x"), os.mkdir, lambda p: os.symlink("/etc/passwd", p), os.mkfifo):
        try: make(f"{folder}/MARK")
        except OSError: pass
sockets = []
for name in ("\\0MARK", "/tmp/MARK.sock"):
    try:
        sockets.append(socket.socket(socket.AF_UNIX)); sockets[-1].bind(name)
    except OSError: pass
libc = ctypes.CDLL(None)
libc.prctl(15, b"MARK", 0, 0, 0)
libc.sethostname(b"MARK", 4); libc.shmget(0x4d41524b, 4096, 0o1666)
if os.fork() == 0:
    os.setsid()
    import time
    time.sleep(60)
print("marked")
"""


async def test_what_leaves_marks_inside_leaves_none_on_the_host_nor_in_the_next_run(sandbox: Sandbox) -> None:
    mark = f"tqm{secrets.token_hex(4)}"
    places = [
        Path(place) for place in ("/", "/tmp", "/dev/shm", "/dev", "/var/tmp", "/run", "/opt", "/usr", "/sys/fs/cgroup")
    ]

    first = await sandbox.run(MARKING.replace("MARK", mark), LIMITS)
    looking = f"import glob\nprint([p for f in {[str(p) for p in places]} for p in glob.glob(f + '/{mark}*')])"
    after = await sandbox.run(looking, LIMITS)

    assert first.output == "marked\n"
    assert after.output == "[]\n"
    assert [path for place in places for path in place.glob(f"{mark}*")] == []
    assert mark not in Path("/proc/net/unix").read_text()
    assert mark not in Path("/proc/sys/kernel/hostname").read_text()
    assert "1297240651" not in Path("/proc/sysvipc/shm").read_text()  # the key above
    assert family.named([int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()], mark) == []
