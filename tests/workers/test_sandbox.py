"""What every sandbox backend shows to the author of a snippet."""
# ruff: noqa: E501 - snippets stand on one line each, beside what they show

from __future__ import annotations

import asyncio
import os
import re
import time
from dataclasses import replace

import pytest

from bot.core.runs import Limits, Outcome, RunResult
from workers.sandbox.base import Sandbox
from workers.sandbox.results import png_size

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIMITS = Limits(seconds=10.0)


async def ran(sandbox: Sandbox, source: str, limits: Limits = LIMITS) -> RunResult:
    return await sandbox.run(source, limits)


# What comes back


async def test_torch_is_there_without_an_import(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "print(torch.ones(2))")

    assert (result.outcome, result.output, result.exit_status) == (Outcome.OK, "tensor([1., 1.])\n", 0)


async def test_a_result_says_what_the_run_used(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "x = torch.ones(32 * 2**20)")

    assert result.device == "cpu"
    assert re.match(r"2\.\d+", result.torch_version)
    assert result.peak_memory_bytes is not None
    assert 128 * 2**20 <= result.peak_memory_bytes < 400 * 2**20
    assert 0 < result.seconds < LIMITS.seconds
    assert result.limits == LIMITS


@pytest.mark.parametrize(
    "source",
    ["nn.Linear(2, 3).weight.shape == (3, 2)", "F.relu(torch.tensor(-1.)).item() == 0", "np.arange(3).sum() == 3"],
)
async def test_the_usual_short_names_are_there(sandbox: Sandbox, source: str) -> None:
    assert (await ran(sandbox, f"bool({source})")).output == "True\n"


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("1 + 1", "2\n"),
        ("'text'", "'text'\n"),
        ("None", ""),
        ("x = 3", ""),
        ("3;", ""),
        ("3;  # hidden", ""),
        ("3  # shown; really", "3\n"),
        ("for i in range(2): i", ""),
        ("print('a')\n'b'", "a\n'b'\n"),
        ("def f():\n    return 5\nf()\n\n# the end", "5\n"),
        ("'é;'", "'é;'\n"),
        ("", ""),
        ("# nothing", ""),
    ],
)
async def test_the_value_of_the_last_expression_is_shown_as_in_a_notebook(
    sandbox: Sandbox, source: str, output: str
) -> None:
    result = await ran(sandbox, source)

    assert (Outcome.OK, output) == (result.outcome, result.output)


async def test_output_and_errors_keep_their_order(sandbox: Sandbox) -> None:
    source = "import sys, os\nfor i in range(3):\n    print('out', i)\n    print('err', i, file=sys.stderr)\nos.write(1, b'raw')"

    result = await ran(sandbox, source + ";")

    assert result.output == "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\nraw"


async def test_output_comes_while_the_run_goes_on(sandbox: Sandbox) -> None:
    heard: list[tuple[str, float]] = []
    began = time.monotonic()

    await sandbox.run(
        "import time\nprint('first')\ntime.sleep(0.5)\nprint('second')",
        LIMITS,
        lambda text: heard.append((text, time.monotonic() - began)),
    )

    assert "".join(text for text, _ in heard) == "first\nsecond\n"
    assert heard[-1][1] - heard[0][1] >= 0.4


async def test_broken_characters_are_replaced_and_split_ones_are_not(sandbox: Sandbox) -> None:
    source = "import os, time\nos.write(1, b'\\xff ok ')\nos.write(1, '€'.encode()[:1])\ntime.sleep(0.1)\nos.write(1, '€'.encode()[1:]);"

    assert (await ran(sandbox, source)).output == "\ufffd ok €"


async def test_nul_bytes_and_escapes_arrive_as_they_are(sandbox: Sandbox) -> None:
    assert (await ran(sandbox, "print('a\\0b\\x1b[31m')")).output == "a\0b\x1b[31m\n"


async def test_main_is_main(sandbox: Sandbox) -> None:
    source = "import pickle\nclass A: pass\nprint(__name__, type(pickle.loads(pickle.dumps(A()))).__name__)"

    assert (await ran(sandbox, source)).output == "__main__ A\n"


# Errors


async def test_a_traceback_shows_only_the_snippets_own_lines(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "def f(x):\n    return nn.Linear(3, 2)(x)\n\nf(torch.ones(5))")

    assert (result.outcome, result.exit_status) == (Outcome.ERROR, 1)
    assert "torch/nn" not in result.error
    assert "workers" not in result.error
    assert result.error.startswith('Traceback (most recent call last):\n  File "<snippet>", line 4')
    assert "    return nn.Linear(3, 2)(x)" in result.error
    assert "RuntimeError: " in result.error.splitlines()[-1]
    assert result.error_line == 2
    assert result.output == ""


async def test_what_was_printed_before_an_error_is_kept(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "print('before')\n1 / 0")

    assert (result.output, result.error_line) == ("before\n", 2)
    assert result.error.endswith("ZeroDivisionError: division by zero")


async def test_a_cause_is_told_with_its_own_lines(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError('so') from e")

    assert "direct cause" in result.error
    assert result.error.endswith("ValueError: so")
    assert result.error_line == 4


@pytest.mark.parametrize("source", ["def f(:", "x = = 3", "'open", "return 3", "a\0b", "if True:\nx", "\ud800"])
async def test_a_snippet_that_does_not_compile_never_starts(sandbox: Sandbox, source: str) -> None:
    result = await ran(sandbox, f"print('started')\n{source}")

    assert (result.outcome, result.output) == (Outcome.SYNTAX_ERROR, "")
    assert result.error


async def test_a_syntax_error_names_its_line(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "x = 1\ny = = 2")

    assert result.error_line == 2
    assert "SyntaxError" in result.error


@pytest.mark.parametrize(
    ("source", "outcome", "status", "output"),
    [
        ("import sys; sys.exit(3)", Outcome.ERROR, 3, ""),
        ("import sys; sys.exit(0)", Outcome.OK, 0, ""),
        ("raise SystemExit", Outcome.OK, 0, ""),
        ("exit('goodbye')", Outcome.ERROR, 1, "goodbye\n"),
        ("import os; print('x', end=''); os._exit(7)", Outcome.ERROR, 7, "x"),
        ("raise KeyboardInterrupt", Outcome.ERROR, 1, ""),
    ],
)
async def test_an_exit_status_is_the_snippets_own(
    sandbox: Sandbox, source: str, outcome: Outcome, status: int, output: str
) -> None:
    result = await ran(sandbox, source)

    assert (outcome, status, output) == (result.outcome, result.exit_status, result.output)


@pytest.mark.parametrize(
    ("source", "said", "hint"),
    [
        ("input('name? ')", "EOFError", "Nobody can type"),
        ("import transformers", "ModuleNotFoundError", "no pip install"),
        ("import subprocess; subprocess.run(['pip', 'install', 'x'])", "FileNotFoundError", "no pip install"),
        ("import urllib.request; urllib.request.urlopen('http://example.com')", "URLError", "no network"),
        ("torch.ones(1).cuda()", "CUDA", "ran on the CPU"),
        ("torch.ones(10**12)", "allocate", "smaller shapes"),
    ],
)
async def test_common_errors_come_with_a_hint(sandbox: Sandbox, source: str, said: str, hint: str) -> None:
    result = await ran(sandbox, source)

    assert result.outcome is Outcome.ERROR
    assert said in result.error
    assert any(hint in note for note in result.notes)


# Limits


async def test_a_run_ends_at_its_time_and_keeps_what_it_printed(sandbox: Sandbox) -> None:
    began = time.monotonic()

    result = await ran(sandbox, "print('here')\nwhile True: pass", Limits(seconds=0.5))

    assert (result.outcome, result.output, result.exit_status) == (Outcome.TIMED_OUT, "here\n", None)
    assert 0.5 <= result.seconds < 0.8
    assert time.monotonic() - began < 1.5


async def test_processor_time_is_limited_too(sandbox: Sandbox) -> None:
    source = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"

    result = await ran(sandbox, source, Limits(seconds=8.0, cpu_seconds=1))

    assert result.outcome is Outcome.TIMED_OUT


async def test_output_is_capped_to_the_byte_and_ends_the_run(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "while True: print('x' * 99)", replace(LIMITS, output_bytes=1000))

    assert (result.outcome, len(result.output)) == (Outcome.TOO_MUCH_OUTPUT, 1000)


async def test_output_of_exactly_the_limit_is_fine(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "print('x' * 999)", replace(LIMITS, output_bytes=1000))

    assert (result.outcome, len(result.output)) == (Outcome.OK, 1000)


async def test_a_character_cut_by_the_output_limit_is_left_out(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "print('€' * 1000)", replace(LIMITS, output_bytes=100))

    assert (result.outcome, result.output) == (Outcome.TOO_MUCH_OUTPUT, "€" * 33)


async def test_too_much_memory_is_told_apart(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "print('on')\nx = torch.ones(2**28)", replace(LIMITS, memory_bytes=256 << 20))

    assert (result.outcome, result.output) == (Outcome.OUT_OF_MEMORY, "on\n")


async def test_a_signal_of_the_snippets_own_is_told_apart(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "import os\nprint('on')\nos.abort()")

    assert (result.outcome, result.signal, result.exit_status, result.output) == (Outcome.KILLED, 6, None, "on\n")


async def test_more_than_64_kib_is_refused_loudly(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "#" * 65_537)

    assert result.outcome is Outcome.REFUSED
    assert "64 KiB" in result.error


async def test_exactly_64_kib_runs_whole(sandbox: Sandbox) -> None:
    source = "#" * (65_536 - 10) + "\nprint(42)"

    assert (await ran(sandbox, source)).output == "42\n"


# Files and figures


async def test_open_figures_come_back_as_pictures(sandbox: Sandbox) -> None:
    source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.figure()\nplt.plot([2, 1]);"

    result = await ran(sandbox, source)

    assert (result.outcome, result.output) == (Outcome.OK, "")
    assert [file.name for file in result.files] == ["figure-1.png", "figure-2.png"]
    assert all(png_size(file.content) == (640, 480) for file in result.files)
    assert all("640 by 480" in file.alt for file in result.files)


async def test_figures_come_back_although_the_run_failed(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n1 / 0")

    assert (result.outcome, [file.name for file in result.files]) == (Outcome.ERROR, ["figure-1.png"])


async def test_files_in_the_output_folder_come_back(sandbox: Sandbox) -> None:
    source = "import os\nopen('output/a.txt', 'w').write('A')\nopen(os.environ['OUTPUT_DIR'] + '/b.bin', 'wb').write(b'\\0');"

    result = await ran(sandbox, source)

    assert [(file.name, file.content) for file in result.files] == [("a.txt", b"A"), ("b.bin", b"\0")]


async def test_the_working_folder_is_private_and_writable(sandbox: Sandbox) -> None:
    source = "import os\nopen('note', 'w').write('x')\nos.getcwd(), sorted(os.listdir()), os.environ['HOME']"

    assert (await ran(sandbox, source)).output == "('/tmp', ['note', 'output'], '/tmp')\n"


async def test_files_beyond_the_limits_are_counted(sandbox: Sandbox) -> None:
    source = "for i in range(12): open(f'output/{i:02}', 'w').write('x')"

    result = await ran(sandbox, source)

    assert (len(result.files), result.files_dropped) == (8, 4)


# What people do with torch: all of this works after the fork, behind both walls

WORKLOADS = {
    "a training loop": (
        "m = nn.Linear(4, 1)\no = torch.optim.Adam(m.parameters())\n"
        "for _ in range(50):\n    o.zero_grad()\n    F.mse_loss(m(torch.ones(8, 4)), torch.zeros(8, 1)).backward()\n    o.step()\n"
        "print('done')"
    ),
    "a large matmul on all threads": "a = torch.ones(800, 800)\nassert (a @ a)[0, 0] == 800\nprint('done')",
    "convolution and batch norm": (
        "x = nn.BatchNorm2d(4)(nn.Conv2d(3, 4, 3)(torch.randn(2, 3, 16, 16)))\nx.sum().backward()\nprint('done')"
    ),
    "a data loader with workers": (
        "from torch.utils.data import DataLoader\n"
        "assert [b.tolist() for b in DataLoader(range(4), batch_size=2, num_workers=2)] == [[0, 1], [2, 3]]\nprint('done')"
    ),
    "a process pool": "import multiprocessing as mp\nwith mp.Pool(2) as p: assert p.map(abs, [-1, 2]) == [1, 2]\nprint('done')",
    "a thread that outlives the last line": "import threading\nthreading.Timer(0.1, print, ['done']).start()",
    "torch.compile with aot_eager": "assert torch.compile(torch.sin, backend='aot_eager')(torch.zeros(1)) == 0\nprint('done')",
    "torch.jit.script": "@torch.jit.script\ndef f(x):\n    return x + 1\nassert f(torch.ones(1)) == 2\nprint('done')",
    "save and load": "torch.save({'a': torch.ones(1)}, 'm.pt')\nassert torch.load('m.pt')['a'] == 1\nprint('done')",
    "the profiler": (
        "from torch.profiler import profile\nwith profile() as p: torch.ones(3).sum()\nassert p.key_averages()\nprint('done')"
    ),
    "functional transforms": "assert torch.func.grad(torch.sin)(torch.zeros(())) == 1\nprint('done')",
    "export": "torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),))\nprint('done')",
    "a process group on its own loopback": (
        "import torch.distributed as d\nd.init_process_group('gloo', init_method='tcp://127.0.0.1:29511', rank=0, world_size=1)\n"
        "d.all_reduce(torch.ones(1))\nd.destroy_process_group()\nprint('done')"
    ),
    "automatic mixed precision": (
        "with torch.autocast('cpu', dtype=torch.bfloat16): assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16\n"
        "print('done')"
    ),
    "a python of its own": (
        "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(\"done\")'], capture_output=True, text=True).stdout, end='')"
    ),
    "asyncio": "import asyncio\nasyncio.run(asyncio.sleep(0.01))\nprint('done')",
    "a user's own class in workers of a pool": (
        "from concurrent.futures import ProcessPoolExecutor\ndef f(x): return x * 2\n"
        "with ProcessPoolExecutor(2) as p: assert list(p.map(f, [1, 2])) == [2, 4]\nprint('done')"
    ),
}


@pytest.mark.parametrize("name", WORKLOADS)
async def test_everyday_torch_works(sandbox: Sandbox, name: str) -> None:
    result = await ran(sandbox, WORKLOADS[name])

    assert (result.outcome, result.output, result.error) == (Outcome.OK, "done\n", "")


async def test_input_reads_the_comment_that_ends_the_snippet(sandbox: Sandbox) -> None:
    source = "import sys\nname = input('Who? ')\nprint(name, sys.stdin.read().split())\n# stdin:\n# Ada é\n# 1 2\n# 3"

    result = await ran(sandbox, source)

    assert (result.outcome, result.output) == (Outcome.OK, "Who? Ada é ['1', '2', '3']\n")


async def test_a_process_of_the_snippet_reads_the_same_input(sandbox: Sandbox) -> None:
    source = (
        "import os, subprocess\nsubprocess.run(['/usr/bin/cat'])\nprint(os.path.exists('/proc/self/fd/3'))\n# stdin: x"
    )

    assert (await ran(sandbox, source)).output == "x\nFalse\n"


async def test_inductor_is_replaced_with_a_notice(sandbox: Sandbox) -> None:
    result = await ran(sandbox, "f = torch.compile(lambda x: x + 1, mode='max-autotune')\nprint(f(torch.ones(1)))")

    notice, value = result.output.splitlines()
    assert "aot_eager" in notice
    assert value == "tensor([2.])"


async def test_random_numbers_differ_between_runs_and_follow_a_seed(sandbox: Sandbox) -> None:
    draw = "import random\nprint(torch.rand(1).item(), np.random.rand(), random.random())"
    seeded = "import random\ntorch.manual_seed(1); np.random.seed(1); random.seed(1)\n" + draw

    free = [(await ran(sandbox, draw)).output for _ in range(2)]
    fixed = [(await ran(sandbox, seeded)).output for _ in range(2)]

    assert all(a != b for a, b in zip(free[0].split(), free[1].split(), strict=True))
    assert fixed[0] == fixed[1]


# Beside others


async def test_a_run_gives_way_to_the_bot_on_the_same_machine(sandbox: Sandbox) -> None:
    assert (await ran(sandbox, "import os\nos.nice(0)")).output == f"{min(os.nice(0) + 5, 19)}\n"


async def test_a_processor_that_only_runs_occupy_counts_as_idle_for_everybody_else(sandbox: Sandbox) -> None:
    asked = "import os\nprint(os.sched_getscheduler(0) == os.SCHED_IDLE)"
    forked = "import os\nif os.fork() == 0: print(os.sched_getscheduler(0) == os.SCHED_IDLE)\nelse: os.wait();"

    assert ["True\n", "True\n"] == [(await ran(sandbox, source)).output for source in (asked, forked)]


async def test_a_machine_that_others_keep_busy_still_runs_snippets(sandbox: Sandbox) -> None:
    loop = "while :; do :; done"
    busy = [await asyncio.create_subprocess_exec("/bin/sh", "-c", loop) for _ in range(2 * (os.cpu_count() or 1))]
    computing = "import time\nend = time.process_time() + 0.15\nwhile time.process_time() < end: pass\nprint('done')"
    try:
        result = await ran(sandbox, computing, Limits(seconds=30.0))
    finally:
        for other in busy:
            other.kill()
            await other.wait()

    assert result.output == "done\n"


async def test_a_run_cannot_push_itself_forward(sandbox: Sandbox) -> None:
    pushed = "import os\nos.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))"

    assert "PermissionError" in (await ran(sandbox, pushed)).error


async def test_a_limit_can_be_raised_and_lowered_from_run_to_run(sandbox: Sandbox) -> None:
    source = "x = torch.ones(2**27)\nx.nbytes >> 20"

    outcomes = [(await ran(sandbox, source, replace(LIMITS, memory_bytes=m << 20))).outcome for m in (2048, 256, 1024)]

    assert outcomes == [Outcome.OK, Outcome.OUT_OF_MEMORY, Outcome.OK]


# Several at once


async def test_runs_overlap_each_in_its_own_jail(sandbox: Sandbox) -> None:
    sources = [
        f"import time\nopen('mine', 'x').write('{i}')\ntime.sleep(0.3)\nprint(open('mine').read())" for i in range(5)
    ]

    results = await asyncio.gather(*(ran(sandbox, source) for source in sources))

    assert [f"{i}\n" for i in range(5)] == [result.output for result in results]


async def test_a_cancelled_run_is_gone_when_the_cancel_returns(sandbox: Sandbox) -> None:
    started = asyncio.Event()
    run = asyncio.create_task(sandbox.run("print('on')\nwhile True: pass", LIMITS, lambda _: started.set()))
    async with asyncio.timeout(10):
        await started.wait()

    run.cancel()

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await run
    assert (await ran(sandbox, "1")).output == "1\n"
