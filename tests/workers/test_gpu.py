"""A jail with a GPU: what it shows, who may use it when, and what happens when the GPU does not come back clean."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
import types
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.core.runs import Capability, Finished, Limits, Outcome, Refusal, RefusalReason, RunId, Running, Waiting
from bot.store.server import embedded_server
from tests.workers.building import a_queue, an_order, quick
from tests.workers.gpu_building import CARD, PROFILE, FakeWatch, gpu_sandbox
from workers.inside import gpu
from workers.limits import LIMITS
from workers.nvml import Card, Nvml, NvmlError
from workers.sandbox import plan
from workers.sandbox.base import SandboxUnavailable
from workers.sandbox.gpu import GpuSandbox
from workers.sandbox.gpu_profile import gpu_profile
from workers.sandbox.gpu_watch import SLACK_BYTES, DriverWatch, cleared
from workers.sandbox.profile import CPU
from workers.settings import WorkerSettings
from workers.worker import serve

GPU = LIMITS[Capability.GPU]

# What the driver says


class FakeLibrary:
    """NVML with one GPU, cut into slices; every call answers 0, or what `refused` says."""

    def __init__(self, refused: dict[str, int] | None = None) -> None:
        self.refused = refused or {}
        self.asked: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            self.asked.append((name, arguments[:1]))
            if name in self.refused:
                return self.refused[name]
            texts = {
                "nvmlDeviceGetName": b"NVIDIA H100",
                "nvmlDeviceGetUUID": b"GPU-77",
                "nvmlSystemGetDriverVersion": b"580.95",
            }
            numbers = {
                "nvmlDeviceGetMinorNumber": 3,
                "nvmlDeviceGetCount_v2": 8,
                "nvmlDeviceGetGpuInstanceId": 5,
                "nvmlDeviceGetComputeInstanceId": 0,
            }
            if name in texts:
                arguments[-2].value = texts[name]
            elif name in numbers:
                arguments[-1]._obj.value = numbers[name]
            elif name == "nvmlDeviceGetMemoryInfo":
                arguments[-1]._obj.total, arguments[-1]._obj.used = 80 << 30, 5 << 20
            elif name.startswith("nvmlDeviceGet"):
                arguments[-1]._obj.value = 0x1234
            return 0

        return call


def test_a_gpu_is_described_by_its_driver() -> None:
    card = Nvml(FakeLibrary()).card("cuda:2")

    assert card == Card("NVIDIA H100", "GPU-77", 3, 80 << 30, 5 << 20, driver="580.95", gpus=8)


def test_a_slice_has_its_instances_and_the_number_of_its_gpu() -> None:
    card = Nvml(FakeLibrary()).card("MIG-9")

    assert (card.minor, card.gpu_instance, card.compute_instance) == (3, 5, 0)


@pytest.mark.parametrize("device", ["cuda:x", "gpu", "0", "cuda:-1"])
def test_what_names_no_gpu_is_refused_with_what_would(device: str) -> None:
    with pytest.raises(NvmlError, match="write cuda:0, GPU-<uuid> or MIG-<uuid>"):
        Nvml(FakeLibrary()).card(device)


def test_a_driver_that_refuses_is_quoted() -> None:
    with pytest.raises(NvmlError, match="nvmlDeviceGetHandleByIndex_v2 answered 2"):
        Nvml(FakeLibrary({"nvmlDeviceGetHandleByIndex_v2": 2})).card("cuda:9")


def test_the_memory_record_is_as_long_as_the_drivers() -> None:
    from workers.nvml import _Memory

    assert ctypes.sizeof(_Memory) == 24


# Asking through a process


def driver(tmp_path: Path, body: str) -> DriverWatch:
    script = tmp_path / "driver.py"
    script.write_text(body)
    return DriverWatch("cuda:0", (sys.executable, str(script)))


ANSWERS = """
import json, sys
used = 5
while True:
    card = {"name": sys.argv[1], "uuid": "GPU-1", "minor": 0, "total_bytes": 9, "used_bytes": used}
    print(json.dumps(card), flush=True)
    if not sys.stdin.readline(): break
    used += 1
"""


async def test_one_process_answers_again_and_again(tmp_path: Path) -> None:
    watch = driver(tmp_path, ANSWERS)

    cards = [await watch.card() for _ in range(3)]
    await watch.close()

    assert [card.used_bytes for card in cards] == [5, 6, 7]
    assert cards[0].name == "cuda:0"


SLOW = """
import json, sys, time
used = 5
while True:
    print(json.dumps({"name": "x", "uuid": "u", "minor": 0, "total_bytes": 9, "used_bytes": used}), flush=True)
    if not sys.stdin.readline(): break
    time.sleep(0.3)
    used += 1
"""


async def test_one_who_stopped_waiting_leaves_no_old_answer_for_the_next(tmp_path: Path) -> None:
    watch = driver(tmp_path, SLOW)
    await watch.card()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await watch.card()

    used = (await watch.card()).used_bytes
    await watch.close()

    assert used == 7  # not 6, the answer to the one who left


async def test_the_process_that_asks_has_none_of_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://secret")
    watch = driver(tmp_path, f"import os\nopen({str(tmp_path / 'seen')!r}, 'w').write(str(dict(os.environ)))")

    with pytest.raises(SandboxUnavailable):
        await watch.card()

    assert "secret" not in (tmp_path / "seen").read_text()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('print(\'{"problem": "no driver"}\')', "no CUDA device: no driver"),
        ("", "the GPU's driver does not answer"),
        ("print('nonsense')", "the GPU's driver does not answer"),
    ],
)
async def test_a_driver_without_an_answer_makes_the_gpu_unavailable(tmp_path: Path, body: str, problem: str) -> None:
    with pytest.raises(SandboxUnavailable, match=problem) as caught:
        await driver(tmp_path, body).card()

    assert caught.value.fix


async def test_a_driver_that_hangs_is_given_up_and_its_process_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sandbox.gpu_watch._ANSWER_SECONDS", 0.3)
    watch = driver(
        tmp_path, f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(99)"
    )

    with pytest.raises(SandboxUnavailable, match="does not answer"):
        await watch.card()

    if (tmp_path / "pid").exists():
        assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


async def test_this_machines_missing_driver_is_said_to_be_missing() -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    with pytest.raises(SandboxUnavailable, match=r"no CUDA device: libnvidia-ml\.so\.1 cannot be loaded"):
        await DriverWatch("cuda:0").card()


async def test_memory_that_comes_back_is_waited_for() -> None:
    watch = FakeWatch(used=1 << 30)
    asyncio.get_running_loop().call_later(0.2, setattr, watch, "used", SLACK_BYTES)

    assert await cleared(watch, 0, seconds=5.0) >= 0.1


# Which files the jail shows


def machine(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


DEVICES = (
    "dev/nvidiactl",
    "dev/nvidia-uvm",
    "dev/nvidia-uvm-tools",
    "dev/nvidia-modeset",
    "dev/nvidia0",
    "dev/nvidia1",
)
LIBRARY = "usr/lib/x86_64-linux-gnu/libcuda.so.1"


def test_the_jail_has_one_gpu_and_none_of_its_neighbours(tmp_path: Path) -> None:
    root = machine(tmp_path, *DEVICES, LIBRARY, "sys/module/nvidia_uvm/version", "sys/devices/pci0000:00/x", "sys/bus/pci/devices/x", "sys/class/net/eth0")  # fmt: skip  # noqa: E501

    profile = gpu_profile(replace(CARD, minor=1), root)

    assert [place for _, place in profile.devices] == ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia1"]
    assert [place for _, place in profile.binds] == [
        "/sys/bus/pci/devices",
        "/sys/devices/pci0000:00",
        "/sys/module/nvidia_uvm",
    ]
    assert (profile.capability, profile.device, profile.visible) == (Capability.GPU, CARD.name, CARD.uuid)


def test_a_slice_has_the_two_capabilities_of_its_own_instances(tmp_path: Path) -> None:
    root = machine(tmp_path, *DEVICES, LIBRARY, *(f"dev/nvidia-caps/nvidia-cap{number}" for number in range(1, 40)))
    for gi in (4, 5):
        folder = root / f"proc/driver/nvidia/capabilities/gpu0/mig/gi{gi}"
        (folder / "ci0").mkdir(parents=True)
        (folder / "access").write_text(f"DeviceFileMinor: {gi * 6}\nDeviceFileMode: 292\nDeviceFileModify: 1\n")
        (folder / "ci0/access").write_text(f"DeviceFileMinor: {gi * 6 + 1}\nDeviceFileMode: 292\n")

    profile = gpu_profile(replace(CARD, uuid="MIG-5", gpu_instance=5, compute_instance=0), root)

    assert [place for _, place in profile.devices][3:] == [
        "/dev/nvidia-caps/nvidia-cap30",
        "/dev/nvidia-caps/nvidia-cap31",
    ]
    assert profile.visible == "MIG-5"


@pytest.mark.parametrize(
    ("missing", "fix"),
    [
        ("dev/nvidiactl", "install NVIDIA's driver"),
        ("dev/nvidia0", "install NVIDIA's driver"),
        ("dev/nvidia-uvm", "nvidia-modprobe -u"),
        (LIBRARY, "install NVIDIA's driver"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path, missing: str, fix: str) -> None:
    machine(tmp_path, *(name for name in (*DEVICES, LIBRARY) if name != missing))

    with pytest.raises(SandboxUnavailable, match=Path(missing).name) as caught:
        gpu_profile(CARD, tmp_path)

    assert fix in caught.value.fix


def test_libraries_outside_the_usual_folders_come_along(tmp_path: Path) -> None:
    machine(tmp_path, *DEVICES, "usr/local/nvidia/lib64/libcuda.so.1")

    profile = gpu_profile(CARD, tmp_path)

    assert (str(tmp_path / "usr/local/nvidia/lib64"), "/usr/local/nvidia/lib64") in profile.binds
    assert profile.environment == {"LD_LIBRARY_PATH": "/usr/local/nvidia/lib64"}


def test_devices_are_bound_as_devices_and_after_the_jails_own() -> None:
    words = " ".join(plan.made(PROFILE).command(3, {}))

    assert words.index("--dev-bind") > words.index('--dev", "/dev' if os.geteuid() == 0 else "--dev /dev")
    assert words.count("--dev-bind") == 3
    assert "--bind-try" not in words


def test_a_jail_for_cpu_runs_has_no_device_of_a_gpu() -> None:
    words = " ".join(plan.made(CPU).command(3, {}))

    assert "nvidia" not in words
    assert "--dev-bind" not in words


# Nothing touches CUDA before the fork


def fake_torch() -> Any:
    cuda = types.SimpleNamespace(_device_count_nvml=lambda: 8, _lazy_init=lambda: None)
    return types.SimpleNamespace(cuda=cuda, _C=types.SimpleNamespace(_cuda_getDeviceCount=lambda: 8))


def test_the_zygote_sees_no_device_and_cannot_open_one() -> None:
    torch = fake_torch()

    with gpu.hidden(torch):
        assert (torch.cuda._device_count_nvml(), torch._C._cuda_getDeviceCount()) == (0, 0)
        with pytest.raises(RuntimeError, match="opened CUDA before the fork"):
            torch.cuda._lazy_init()

    assert (torch.cuda._device_count_nvml(), torch._C._cuda_getDeviceCount()) == (8, 8)


def test_what_is_hidden_from_the_zygote_is_what_torch_asks() -> None:
    import torch

    for name in ("_device_count_nvml", "_lazy_init"):
        assert callable(getattr(torch.cuda, name))


def test_an_open_device_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.assert_untouched()
    monkeypatch.setattr(os, "readlink", lambda path: "/dev/nvidiactl")

    with pytest.raises(RuntimeError, match="the zygote has opened /dev/nvidiactl"):
        gpu.assert_untouched()


def test_a_run_sees_one_device_and_asks_about_it_without_opening_it() -> None:
    assert gpu.environment(gpu.Gpu()) == {}
    told = gpu.environment(gpu.parsed(PROFILE.told()))
    assert told["CUDA_VISIBLE_DEVICES"] == CARD.uuid
    assert told["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"


def test_a_lie_about_memory_stays_a_number() -> None:
    for lie in (-1, 1 << 99, "x", None):
        torch = types.SimpleNamespace(cuda=types.SimpleNamespace(max_memory_reserved=lambda lie=lie: lie))
        assert 0 <= gpu.peak_bytes(torch) <= 1 << 50
    assert gpu.peak_bytes(None) == 0


# The real jail, around a torch in disguise


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[GpuSandbox, FakeWatch]]:
    watch = FakeWatch()
    async with gpu_sandbox(tmp_path_factory.mktemp("gpu"), watch) as sandbox:
        yield sandbox, watch


pytestmark = pytest.mark.timeout(300)  # on a busy machine each of a dozen jails takes half a minute
in_jail = pytest.mark.asyncio(loop_scope="module")
Started = tuple[GpuSandbox, FakeWatch]


@in_jail
async def test_a_run_names_its_device_and_what_it_took_of_it(started: Started) -> None:
    sandbox, _ = started

    result = await sandbox.run("x = torch.ones(1 << 20, device='cuda')\nx.sum().item()", GPU)

    assert (result.outcome, result.output, result.device) == (Outcome.OK, "1048576.0\n", CARD.name)
    assert result.gpu_peak_memory_bytes is not None
    assert result.gpu_peak_memory_bytes >= 4 << 20
    assert result.limits == GPU


@in_jail
async def test_the_context_is_open_before_the_snippet_comes(started: Started) -> None:
    sandbox, _ = started
    await sandbox.ready()

    sent = time.monotonic()  # one clock for the machine and its jails

    result = await sandbox.run("print(open('/tmp/context').read())", GPU)

    assert float(result.output) < sent


@in_jail
async def test_the_jail_shows_the_devices_and_lets_nothing_else_be_asked(started: Started) -> None:
    source = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def asked(path, request):
    device = os.open(path, os.O_RDWR)
    answer = libc.ioctl(device, ctypes.c_ulong(request), None)
    return ctypes.get_errno()
print(sorted(name for name in os.listdir("/dev") if "nvidia" in name))
print(asked("/dev/nvidia0", 0xC0484611), asked("/dev/null", 0xC0484611), asked("/dev/nvidia0", 0x5412))
print(os.environ["CUDA_VISIBLE_DEVICES"], os.path.exists("/proc/devices"))
"""
    result = await started[0].run(source, GPU)

    devices, codes, told = result.output.splitlines()
    assert devices == "['nvidia-uvm', 'nvidia0', 'nvidiactl']"
    assert codes.split()[0] == "25"  # it reached the device, which is none: ENOTTY
    assert codes.split()[1] in ("13", "25")  # Landlock refuses from ABI 5 on
    assert codes.split()[2] == "1"  # the filter refuses
    assert told == f"{CARD.uuid} True"


@in_jail
async def test_address_space_is_not_limited_because_cuda_reserves_it(started: Started) -> None:
    source = "import resource\nprint(resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_DATA))"

    assert (await started[0].run(source, GPU)).output == "(-1, -1) (-1, -1)\n"


@in_jail
async def test_two_runs_never_share_the_gpu(started: Started) -> None:
    sandbox, _ = started
    source = "import time\nprint(time.monotonic())\ntime.sleep(0.3)\nprint(time.monotonic())"

    results = await asyncio.gather(sandbox.run(source, GPU), sandbox.run(source, GPU))

    (first, first_end), (second, _) = sorted([[float(x) for x in r.output.split()] for r in results])
    assert first < first_end <= second


@in_jail
async def test_an_endless_kernel_is_killed_at_the_limit_and_the_next_run_works(started: Started) -> None:
    sandbox, _ = started

    endless = await sandbox.run(
        "print('begun')\ntorch.cuda._sleep(1 << 62)\ntorch.cuda.synchronize()", replace(GPU, seconds=0.5)
    )
    after = await sandbox.run("1 + 1", GPU)

    assert (endless.outcome, endless.output) == (Outcome.TIMED_OUT, "begun\n")
    assert (after.outcome, after.output) == (Outcome.OK, "2\n")


@in_jail
async def test_what_a_killed_run_held_is_known_from_the_driver(started: Started) -> None:
    sandbox, watch = started
    await sandbox.ready()

    def show(text: str) -> None:
        watch.used = CARD.used_bytes + (700 << 20)

    async with asyncio.timeout(100):
        running = asyncio.create_task(
            sandbox.run("print('x')\nimport time; time.sleep(99)", replace(GPU, seconds=1.0), show)
        )
        result = await running
    watch.used = CARD.used_bytes

    assert result.gpu_peak_memory_bytes == 700 << 20
    await sandbox.ready()


async def test_memory_that_does_not_come_back_makes_the_gpu_unhealthy_until_it_does(tmp_path: Path) -> None:
    watch = FakeWatch()
    async with gpu_sandbox(tmp_path, watch) as sandbox:
        await sandbox.ready()
        watch.used = 1 << 30

        result = await sandbox.run("print('done')", GPU)
        trouble = await asyncio.wait_for(sandbox.trouble(), 100)

        assert result.outcome is Outcome.OK  # the run that left the mess still has its result
        assert "1020 MiB of its memory are still held" in trouble.problem
        assert "--gpu-reset" in trouble.fix
        with pytest.raises(SandboxUnavailable, match="unhealthy"):
            await sandbox.run("print('next')", GPU)

        await sandbox.close()
        with pytest.raises(SandboxUnavailable, match="unhealthy"):
            await sandbox.start()
        watch.used = CARD.used_bytes
        await sandbox.start()
        assert (await sandbox.run("1 + 1", GPU)).output == "2\n"


async def test_a_driver_that_vanishes_is_told_and_not_waited_for(tmp_path: Path) -> None:
    watch = FakeWatch()
    async with gpu_sandbox(tmp_path, watch) as sandbox:
        await sandbox.ready()
        watch.problem = "the GPU has fallen off the bus"
        await sandbox.run("1", GPU)

        assert (await asyncio.wait_for(sandbox.trouble(), 100)).problem == "the GPU has fallen off the bus"


async def test_closing_leaves_no_process_behind(tmp_path: Path) -> None:
    sandbox = gpu_sandbox(tmp_path, watch := FakeWatch())
    await sandbox.start()
    assert sandbox._jail is not None
    pid = sandbox._jail.process.pid

    await sandbox.close()

    assert not Path(f"/proc/{pid}").exists()
    assert watch.closed == 1
    with pytest.raises(SandboxUnavailable, match="closed"):
        await sandbox.run("1", Limits())


async def test_gpu_orders_reach_the_gpu_worker_and_an_unhealthy_gpu_is_told_at_once(tmp_path: Path) -> None:
    watch, stop = FakeWatch(), asyncio.Event()
    async with embedded_server(tmp_path / "redis") as url, a_queue(url) as queue:
        settings = WorkerSettings(queue=quick(), limits=GPU, device=CARD.name, restart=0.2)
        sandbox = gpu_sandbox(tmp_path, watch)
        serving = asyncio.create_task(serve(url, sandbox, slots=1, name="g1", settings=settings, stop=stop))
        try:
            order = replace(an_order("torch.ones(3, device='cuda').sum().item()"), capability=Capability.GPU)
            async with asyncio.timeout(200):
                while isinstance(await queue.submit(order), Refusal):  # noqa: ASYNC110 (a condition of the outside)
                    await asyncio.sleep(0.1)
            running, *_, finished = [event async for event in queue.follow(order.id) if not isinstance(event, Waiting)]
            watch.used = 1 << 30  # something of that run is still there
            refused = None
            async with asyncio.timeout(200):
                while not isinstance(refused, Refusal):
                    await asyncio.sleep(0.1)
                    refused = await queue.submit(replace(order, id=RunId(str(time.monotonic_ns()))))
        finally:
            stop.set()
            await asyncio.wait_for(serving, 60)

    assert isinstance(running, Running)
    assert running.device == CARD.name
    assert isinstance(finished, Finished)
    assert (finished.result.output, finished.result.device) == ("3.0\n", CARD.name)
    assert finished.result.gpu_peak_memory_bytes is not None
    assert refused.reason is RefusalReason.WORKER_UNAVAILABLE
    assert "unhealthy" in refused.detail
