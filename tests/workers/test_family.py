"""The jail's own family of processes: who they are, when they are replaced, what of them reaches the host."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from bench import family
from bot.core.runs import Limits, Outcome
from tests.workers.building import until
from workers.inside import zygote
from workers.sandbox import forking, jail, results, run_group
from workers.sandbox.base import Sandbox, SandboxUnavailable
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


_MADE: ContextVar[list[jail.Jail] | None] = ContextVar("jails of this test", default=None)


@pytest.fixture
def jails(monkeypatch: pytest.MonkeyPatch) -> list[jail.Jail]:
    """Every jail of the sandbox of this test; the shared one may be renewing its own meanwhile."""
    begin = jail.Jail.__init__

    def noted(new: jail.Jail, *given: Any) -> None:
        begin(new, *given)
        if (made := _MADE.get()) is not None:
            made.append(new)

    monkeypatch.setattr(jail.Jail, "__init__", noted)
    return []


@dataclass
class Recording:
    """In the place of tempfile."""

    files: list[Any]

    def TemporaryFile(self) -> Any:  # noqa: N802
        file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asks closes it
        if _MADE.get() is not None:
            self.files.append(file)
        return file


def left(jails: list[jail.Jail]) -> list[jail.Jail]:
    return [one for one in jails if one.alive or not one.complaints.closed or one.control.fileno() >= 0]


@pytest.mark.parametrize("moment", ["begun", "starting", "warming", "replaced"])
async def test_a_sandbox_closed_while_it_renews_its_jail_keeps_neither_the_old_nor_the_new(
    moment: str, jails: list[jail.Jail], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    def watched(place: Any, name: str, before: str, after: str = "") -> None:
        there = getattr(place, name)

        async def wrapped(*arguments: Any, **options: Any) -> Any:
            if moment == before:
                reached.set()
            done = await there(*arguments, **options)
            if moment == after:
                reached.set()
            return done

        monkeypatch.setattr(place, name, wrapped)

    _MADE.set(jails)
    ours = BubblewrapSandbox()
    await ours.start()
    watched(jail, "opened", "begun", "replaced")
    watched(asyncio, "create_subprocess_exec", "starting")
    watched(jail, "_greeting", "warming")
    files: list[Any] = []
    monkeypatch.setattr(jail, "tempfile", Recording(files))

    old = ours._open_jail()
    old.retired = True
    ours._taken.set()
    await asyncio.wait_for(reached.wait(), 60)
    await ours.close()

    assert old in jails
    assert left(jails) == []
    assert [file for file in files if not file.closed] == []


async def test_a_run_that_still_waits_for_a_new_jail_does_not_outlive_its_sandbox(jails: list[jail.Jail]) -> None:
    _MADE.set(jails)
    ours = BubblewrapSandbox()
    await ours.start()
    ours._open_jail().process.kill()
    late = asyncio.create_task(ours.run("print(1)", LIMITS))
    await until(lambda: len(jails) == 2)

    await ours.close()

    with pytest.raises(SandboxUnavailable, match="the sandbox is closed"):
        await late
    assert len(jails) == 2
    assert left(jails) == []


@pytest.mark.parametrize(
    ("place", "name"),
    [(forking, "_hello"), (run_group.RunGroup, "attach"), (forking, "receive")],
    ids=["named", "in its group", "behind its wall"],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_run_tree_given_up_while_it_is_made_leaves_nothing(
    sandbox: Sandbox, place: Any, name: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()
    there = getattr(place, name)

    async def waited(*arguments: Any) -> Any:
        if after:
            await there(*arguments)
        reached.set()
        await asyncio.Event().wait()

    def blocked(*arguments: Any) -> None:
        if after:
            there(*arguments)
        loop.call_soon_threadsafe(reached.set)

    ours = cast("BubblewrapSandbox", sandbox)
    await until(lambda: ours.ready == 2 and not ours._clearing)  # the shared sandbox forks nothing of its own meanwhile
    groups, held = ours._open_groups(), ours._open_jail()
    before, active = {*_groups(groups)}, held.active
    monkeypatch.setattr(place, name, waited if asyncio.iscoroutinefunction(there) else blocked)

    making = asyncio.create_task(forking.forked(held, groups, LIMITS))
    await reached.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(making, 2)

    assert {*_groups(groups)} <= before
    assert held.active == active


def _groups(groups: Cgroups) -> list[Path]:
    return [run for parent in groups.parents.values() for run in parent.glob("run-*")]


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
