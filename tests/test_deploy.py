"""What `deploy/` ships does what `docs/deploy.md` says of it, as far as one machine can show it."""

from __future__ import annotations

import asyncio
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis.exceptions import ResponseError

from bot.config import Settings
from bot.core.runs import Capability, Outcome
from bot.store.connect import command_client
from bot.store.run_workers import live_workers
from scripts.seccomp_profile import profile
from tests.e2e.processes import environment, torchquiz
from workers.limits import LIMITS

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())

# Containers


def test_the_seccomp_profile_is_what_its_script_prints() -> None:
    assert json.loads((DEPLOY / "docker/seccomp.json").read_text()) == profile()


UNDER_PROFILE = """
import json, os, sys
import pyseccomp
told = json.load(open(sys.argv[1]))
filter_ = pyseccomp.SyscallFilter(pyseccomp.ERRNO(told["defaultErrnoRet"]))
for rule in told["syscalls"]:
    action = pyseccomp.ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else pyseccomp.ERRNO(rule["errnoRet"])
    for name in rule["names"]:
        try:
            filter_.add_rule(action, name)
        except Exception as error:
            print("not on this architecture:", name, file=sys.stderr)
filter_.load()
os.execv(sys.argv[2], sys.argv[2:])
"""


def python_is_open() -> bool:
    """Whether a powerless user may enter our Python's folders, as in the image. Else root must bind them elsewhere."""
    folders = [Path(sys.base_prefix), Path(sys.prefix).resolve()]
    return all(each.stat().st_mode & 0o001 for folder in folders for each in (folder, *folder.parents))


def under_profile(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a container would: the shipped filter, and of root's powers only those that the docs name."""
    wrapped = (sys.executable, "-c", UNDER_PROFILE, str(DEPLOY / "docker/seccomp.json"), *command)
    if os.geteuid() == 0:
        powers = "-all,+setuid,+setgid,+kill,+dac_override" + ("" if python_is_open() else ",+sys_admin")
        wrapped = ("setpriv", "--bounding-set", powers, "--", *wrapped)
    return subprocess.run(wrapped, cwd=ROOT, capture_output=True, text=True, timeout=250)


def test_the_whole_jail_is_built_and_holds_under_the_shipped_filter() -> None:
    done = under_profile(sys.executable, "-m", "workers.sandbox", "--self-test")

    told = json.loads(done.stdout)
    assert (told["problem"], done.returncode) == ("", 0)
    assert told["probes"] >= 20


@pytest.mark.parametrize(
    "call",
    [
        "libc.syscall(101, 0, 0, 0, 0)",  # ptrace
        "libc.syscall(250, 0, 0, 0, 0)",  # keyctl
        "libc.syscall(321, 0, 0, 0)",  # bpf
        "libc.syscall(425, 1, 0)",  # io_uring_setup
        "libc.syscall(298, 0, 0, 0, 0, 0)",  # perf_event_open
    ],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of these calls are those of x86_64")
def test_what_the_jail_does_not_need_stays_refused(call: str) -> None:
    source = f"import ctypes; libc = ctypes.CDLL(None, use_errno=True); print({call}, ctypes.get_errno())"

    assert under_profile(sys.executable, "-c", source).stdout == "-1 1\n"


def test_the_compose_file_names_files_and_settings_that_exist() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())

    assert set(compose["services"]) == {"redis", "bot", "worker"}
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            if volume.startswith("./"):
                assert (DEPLOY / volume.split(":")[0]).exists(), volume
        assert set(service.get("environment", ())) <= settings_names()
        assert not service.get("privileged")
    worker = compose["services"]["worker"]
    assert worker["cap_drop"] == ["ALL"]
    assert set(worker["cap_add"]) == {"SETUID", "SETGID", "KILL", "DAC_OVERRIDE"}
    assert "seccomp=./docker/seccomp.json" in worker["security_opt"]


def settings_names() -> set[str]:
    names: set[str] = set()
    for field in Settings.model_fields.values():
        alias: Any = field.validation_alias
        names |= {alias} if isinstance(alias, str) else set(getattr(alias, "choices", ()))
    return names


def test_the_dockerfile_names_what_the_project_has() -> None:
    text = (ROOT / "Dockerfile").read_text()
    extras = re.search(r"'\.\[(.+?)\]'", text)

    assert extras
    assert all(f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text() for extra in extras[1].split(","))
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split()), source


# systemd


class _Unit(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit(path: Path) -> Mapping[str, str]:
    parsed = _Unit(strict=False, interpolation=None)
    parsed.read_string(path.read_text())
    return parsed["Service"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: str(path.name))
def test_systemd_finds_no_fault_in_a_unit(path: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    name = path.name.replace("@.", "@cuda:0.")
    text = path.read_text().replace("/opt/torchquiz/bin/torchquiz", "/bin/true")
    (tmp_path / name).write_text(re.sub(r"^(User|Group)=.*$", r"\1=daemon", text, flags=re.MULTILINE))

    done = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", str(tmp_path / name)), capture_output=True, text=True, timeout=60
    )

    ours = [line for line in (done.stdout + done.stderr).splitlines() if name.split("@")[0].split(".")[0] in line]
    assert ours == []


@pytest.mark.parametrize("name", ["torchquiz-worker.service", "torchquiz-gpu-worker@.service"])
def test_a_worker_has_its_control_groups_and_nothing_that_breaks_the_jail(name: str) -> None:
    service = unit(DEPLOY / "systemd" / name)

    assert service["Delegate"].split() == ["cpu", "memory", "pids"]
    assert service["OOMPolicy"] == "continue"
    broken_by = {"ProtectProc", "ProtectKernelTunables", "ProtectControlGroups", "RestrictNamespaces", "PrivateUsers"}
    assert broken_by.isdisjoint(service)


# Redis users


def acl() -> str:
    return (DEPLOY / "redis/users.acl").read_text()


@asynccontextmanager
async def guarded_redis(folder: Path) -> AsyncIterator[Mapping[str, str]]:
    """A Redis with the shipped users; the URL of each."""
    (folder / "users.acl").write_text(acl().replace("CHANGE-ME-", ""))
    (folder / "redis.conf").write_text(
        (DEPLOY / "redis/redis.conf").read_text().replace("/etc/redis", str(folder))
        + f"\nport 0\nunixsocket {folder}/socket\ndir {folder}\n"
    )
    binary = shutil.which("redis-server")
    assert binary, "the test needs redis-server (Debian: apt-get install redis-server)"
    server = await asyncio.create_subprocess_exec(binary, str(folder / "redis.conf"), stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30):
            while not (folder / "socket").exists():  # noqa: ASYNC110 (a condition of the outside)
                await asyncio.sleep(0.05)
        yield {
            name: f"unix://torchquiz-{name}:{name.upper()}@{folder}/socket?db=0" for name in ("bot", "worker")
        }  # fmt: skip
    finally:
        with suppress(ProcessLookupError):
            server.terminate()
        await server.wait()


@pytest.mark.timeout(300)
async def test_a_worker_and_a_bot_serve_under_their_own_users(tmp_path: Path) -> None:
    async with guarded_redis(tmp_path) as urls:
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "workers", env=environment(tmp_path, {"REDIS_URL": urls["worker"]}),
        )  # fmt: skip
        bot = command_client(urls["bot"])
        try:
            async with asyncio.timeout(120):
                while not await live_workers(bot, Capability.CPU):  # noqa: ASYNC110 (a condition of the outside)
                    await asyncio.sleep(0.1)
            extra = {"REDIS_URL": urls["bot"]}
            status, printed, errors = await torchquiz(tmp_path, "run", "--json", "-", stdin="1 + 1", extra=extra)
            script = "/quiz 11\nA\n/leaderboard\n/flashcards autograd\n/stats\n/setup 9:30 UTC mon-fri\n/daily\n"
            played, talk, trouble = await torchquiz(tmp_path, "chat", "--name", "Ada", stdin=script, extra=extra)
        finally:
            await bot.aclose()
            worker.terminate()
            ended = await asyncio.wait_for(worker.wait(), 60)

    assert status == 0, errors
    assert json.loads(printed)["outcome"] == Outcome.OK
    assert (played, ended) == (0, 0), trouble
    assert "Ada" in talk.split("Leaderboard")[1]
    assert "try again" not in talk.lower()
    assert "NOPERM" not in talk + trouble + errors


async def test_each_user_can_do_no_more_than_its_work(tmp_path: Path) -> None:
    async with guarded_redis(tmp_path) as urls:
        worker, bot = command_client(urls["worker"]), command_client(urls["bot"])
        forbidden = [
            (worker, ("GET", "q1:signing-key")),
            (worker, ("EVAL", "return redis.call('GET', 'q1:signing-key')", "0")),
            (worker, ("KEYS", "*")),
            (worker, ("SCRIPT", "FLUSH")),
            (bot, ("KEYS", "*")),
            (bot, ("SET", "someone-elses", "1")),
            *((each, ("FLUSHALL",)) for each in (worker, bot)),
            *((each, ("CONFIG", "SET", "appendonly", "no")) for each in (worker, bot)),
            *((each, ("ACL", "LIST")) for each in (worker, bot)),
            *((each, ("SHUTDOWN",)) for each in (worker, bot)),
        ]
        for client, command in forbidden:
            with pytest.raises(ResponseError, match=r"no permissions|can't run this command"):
                await client.execute_command(*command)  # type: ignore[no-untyped-call]
        await worker.aclose()
        await bot.aclose()


def test_the_worker_may_call_whatever_the_run_scripts_call() -> None:
    (line,) = [line for line in acl().splitlines() if "torchquiz-worker" in line]
    granted = {word[1:].split("|")[0] for word in line.split() if word.startswith("+") and "@" not in word}

    for script in (ROOT / "bot/store/lua").glob("run_*.lua"):
        for called in re.findall(r"p?call\('([A-Z]+)'", script.read_text()):
            assert called.lower() in granted, f"{script.name} calls {called}"


# Documents


def test_the_limits_in_the_documents_are_those_in_force() -> None:
    told, _, _ = (ROOT / "docs/sandbox.md").read_text().partition("## Two walls")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", told, re.MULTILINE))

    for name in LIMITS[Capability.CPU].__slots__:
        shown = [cell.strip() for cell in rows[name].split("|")]
        assert shown[:2] == [amount(name, getattr(LIMITS[capability], name)) for capability in Capability], name


def amount(name: str, value: float) -> str:
    """As the table writes it."""
    if name.endswith("seconds"):
        return f"{value:g} s"
    if name.endswith("bytes"):
        unit, size = next(
            (unit, size) for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)) if value >= size
        )
        return f"{value / size:g} {unit}"
    return f"{value:g}"


def test_the_guide_names_every_file_that_ships_and_every_setting_of_a_worker() -> None:
    told = (ROOT / "docs/deploy.md").read_text()

    for path in DEPLOY.rglob("*"):
        if path.is_file():
            assert str(path.relative_to(ROOT)) in told, path
    for setting in ("REDIS_URL", "TORCHQUIZ_DEVICE", "TORCHQUIZ_SPARES", "TORCHQUIZ_GPU_FOR"):
        assert setting in told
        assert setting in settings_names()


@pytest.mark.parametrize("name", ["sandbox.md", "deploy.md"])
def test_links_in_the_documents_lead_somewhere(name: str) -> None:
    path = ROOT / "docs" / name

    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target
