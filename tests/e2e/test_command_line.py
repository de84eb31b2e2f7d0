"""The command line as people and scripts use it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bot.bank.authoring import example
from bot.bank.load import FOLDER
from tests.bank.building import bank, question, replaced
from tests.bank.test_authoring import bank_of
from tests.bank.test_coverage import REQUIRED
from tests.e2e.processes import demo, nobody_left, torchquiz

pytestmark = pytest.mark.timeout(300)


async def test_a_script_plays_looks_at_the_board_and_runs_torch(tmp_path: Path) -> None:
    script = "/quiz 11\nB\n/leaderboard\n/run print(torch.arange(3).sum())\n"

    status, printed, _ = await torchquiz(tmp_path, "chat", "--name", "Ada", stdin=script)

    assert status == 0
    assert "Quiz 11 · Transformers · question 1 of 10" in printed
    assert "Why: " in printed
    assert "Ada" in printed.split("Leaderboard")[1]
    assert "    tensor(3)" in printed
    assert "\x1b" not in printed
    assert await nobody_left(tmp_path) == []


async def test_a_run_is_one_json_object(tmp_path: Path) -> None:
    snippet = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint('hello')\n1 + 1"

    status, printed, _ = await torchquiz(tmp_path, "run", "--json", "-", stdin=snippet)

    result = json.loads(printed)
    assert status == 0
    assert result["outcome"] == "ok"
    assert result["exit"] == 0
    assert result["stdout"].splitlines() == ["hello", "2"]
    assert result["device"] == "cpu"
    assert result["seconds"] > 0
    assert result["peak_memory_bytes"] > 0
    assert [file["name"] for file in result["files"]] == ["figure-1.png"]


async def test_a_failed_run_exits_with_one_and_keeps_what_it_printed(tmp_path: Path) -> None:
    status, printed, errors = await torchquiz(tmp_path, "run", "-", stdin="print('before')\n1 / 0\n")

    assert status == 1
    assert printed == "before\n"
    assert "ZeroDivisionError" in errors
    assert "line 2" in errors


@pytest.mark.parametrize(
    ("stdin", "message"), [("", "The snippet is empty."), ("x" * 70_000, "The snippet is larger than 64 KiB")]
)
async def test_a_snippet_that_cannot_be_run_is_refused_before_anything_starts(
    tmp_path: Path, stdin: str, message: str
) -> None:
    status, _, errors = await torchquiz(tmp_path, "run", "-", stdin=stdin)

    assert status == 1
    assert message in errors
    assert list(tmp_path.iterdir()) == []


async def test_the_chat_and_the_demo_share_store_and_worker(tmp_path: Path) -> None:
    async with demo(tmp_path):
        await torchquiz(tmp_path, "chat", "--name", "Ada", stdin="/quiz 11\nA\n")
        _, printed, _ = await torchquiz(tmp_path, "chat", "--name", "ada", stdin="/quiz 11\n")

    assert "question 2 of 10" in printed


async def test_a_good_bank_is_checked_with_its_proofs(tmp_path: Path) -> None:
    folder = bank(tmp_path / "bank", question())

    recorded, *_ = await torchquiz(tmp_path, "content", "check", "--record", "--folder", str(folder))
    status, printed, _ = await torchquiz(tmp_path, "content", "check", "--folder", str(folder))

    assert (recorded, status) == (0, 0)
    assert "1 items with a proof that ran" in printed
    assert json.loads((folder / "proved.json").read_text())["quiz-01-q01"]["output"] == "same storage"


async def test_a_proof_that_does_not_hold_is_named_with_its_place(tmp_path: Path) -> None:
    folder = bank(tmp_path / "bank", replaced("== x.data_ptr()", "!= x.data_ptr()"))

    status, printed, _ = await torchquiz(tmp_path, "content", "check", "--folder", str(folder))

    assert status == 1
    assert "quizzes/01-basics.yaml:4:1: quiz-01-q01: proof: It stopped with an error in line 2." in printed


async def test_each_bad_proof_is_told_precisely_and_the_others_still_run(tmp_path: Path) -> None:
    bad = {
        "hangs": "while True: assert 1",
        "silent": "assert 1",
        "network": "import socket\n    socket.create_connection(('192.0.2.1', 80), 5)\n    assert 1\n    print(1)",
        "wavers": "assert torch.initial_seed() != 7\n    print(1)",
        "loose": "for n in []: assert n\n    print(1)",
        "syntax": "assert (",
    }
    words = {name: f"{name}1 {name}2 {name}3 {name}4 {name}5" for name in bad}
    code = 'x = torch.zeros(4)\n    assert x.view(2, 2).data_ptr() == x.data_ptr()\n    print("same storage")'
    questions = [
        replaced("quiz-01-q01", f"quiz-01-{name}").replace(code, proof).replace("What does", words[name])
        for name, proof in bad.items()
    ]
    folder = bank(tmp_path / "bank", question(), *questions)

    status, printed, errors = await torchquiz(tmp_path, "content", "check", "--json", "--folder", str(folder))

    checked = json.loads(printed)
    found = {
        line.split(": ")[1].removeprefix("quiz-01-"): line.partition(": proof: ")[2] for line in checked["findings"]
    }
    assert status == 1
    assert checked["items"]["quiz-01-q01"]["proof"] == "ok"
    assert found["hangs"].startswith("Stopped after 10 s, the time limit.")
    assert found["silent"] == "prints nothing; end it with one line of evidence"
    assert found["network"].startswith(
        "It stopped with an error in line 2. OSError: [Errno 101] Network is unreachable"
    )
    assert found["wavers"].startswith("with another seed: It stopped with an error")
    assert found["loose"] == "the assert in line 1 may be negated and nothing fails; it proves nothing"
    assert found["syntax"].startswith("Python can't read this in line 1; nothing ran.")
    assert "Traceback" not in printed + errors


async def test_the_whole_bank_is_listed_id_by_id_with_what_was_proved(tmp_path: Path) -> None:
    status, printed, _ = await torchquiz(tmp_path, "content", "check", "--no-proofs", "--json")

    checked = json.loads(printed)
    assert (status, checked["findings"]) == (0, [])
    assert checked["items"].keys() == REQUIRED.keys()
    assert all(
        entry.keys() == {"file", "kind", "topic", "difficulty", "proof", "torch"} for entry in checked["items"].values()
    )
    assert {(entry["proof"], entry["torch"]) for entry in checked["items"].values()} == {("recorded", "2.13.0")}


async def test_only_what_changed_is_proved_again(tmp_path: Path) -> None:
    other = question("quiz-01-q02").replace(
        "What does `x.view(2, 2)` share with `x`?", "How many bytes does a view copy?"
    )
    folder = bank(tmp_path / "bank", question(), other)
    await torchquiz(tmp_path, "content", "check", "--record", "--folder", str(folder))
    bank(tmp_path / "bank", question(), other.replace('print("same', 'print("the same'))

    status, printed, _ = await torchquiz(tmp_path, "content", "check", "--changed", "--record", "--folder", str(folder))
    again, nothing, _ = await torchquiz(tmp_path, "content", "check", "--changed", "--folder", str(folder))

    assert (status, again) == (0, 0)
    assert "1 items with a proof that ran" in printed
    assert "with a proof that ran" not in nothing
    record = json.loads((folder / "proved.json").read_text())
    assert [record[key]["output"] for key in sorted(record)] == ["same storage", "the same storage"]


async def test_a_symbol_that_torch_does_not_have_is_named(tmp_path: Path) -> None:
    folder = bank(tmp_path / "bank", replaced("symbol: torch.Tensor.view", "symbol: torch.Tensor.veiw"))

    status, printed, _ = await torchquiz(tmp_path, "content", "check", "--folder", str(folder))

    assert status == 1
    assert "quiz-01-q01: torch has no `torch.Tensor.veiw` (look for a typing mistake)" in printed


async def test_pictures_of_formulas_are_drawn_once(tmp_path: Path) -> None:
    folder = bank_of(tmp_path / "bank", example("formula", FOLDER))
    arguments = ("content", "pictures", "--folder", str(folder))

    first, second = await torchquiz(tmp_path, *arguments), await torchquiz(tmp_path, *arguments)
    checked, *_ = await torchquiz(tmp_path, "content", "check", "--no-proofs", "--folder", str(folder))

    assert first[:2] == (0, "1 picture drawn, 0 up to date\n")
    assert second[:2] == (0, "0 pictures drawn, 1 up to date\n")
    assert checked == 0


async def test_a_formula_that_cannot_be_drawn_is_named_with_its_place(tmp_path: Path) -> None:
    text = example("formula", FOLDER).replace("frac{1}", "farc{1}")

    status, _, errors = await torchquiz(
        tmp_path, "content", "pictures", "--folder", str(bank_of(tmp_path / "bank", text))
    )

    assert status == 1
    assert "quizzes/01-new.yaml:2: formula-101-mae: `latex` cannot be drawn: It stopped with an error" in errors
    assert "Traceback" not in errors


async def test_a_wrong_file_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    folder = bank(tmp_path / "bank", replaced("difficulty: 1", "difficulty: 9"))

    status, printed, _ = await torchquiz(tmp_path, "content", "check", "--no-proofs", "--folder", str(folder))

    assert status == 1
    assert "quizzes/01-basics.yaml:7:" in printed


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"PORT": "eighty"}, "PORT: "),
        ({"TORCHQUIZ_ZONE": "Mars/Olympus"}, "'Mars/Olympus' is not an IANA zone"),
        ({"REDIS_URL": "unix:///nowhere/redis.sock"}, "/nowhere/redis.sock"),
        ({"REDIS_URL": "banana"}, "REDIS_URL"),
    ],
)
async def test_a_wrong_setting_is_one_clear_line(tmp_path: Path, extra: dict[str, str], message: str) -> None:
    status, _, errors = await torchquiz(tmp_path, "chat", stdin="/help\n", extra=extra)

    assert status == 1
    assert message in errors
    assert "Traceback" not in errors


async def test_help_names_every_command() -> None:
    status, printed, _ = await torchquiz(Path("/nonexistent"), "--help")

    assert status == 0
    assert all(name in printed for name in ("demo", "chat", "run", "worker", "content"))


async def test_without_bubblewrap_run_says_why_it_is_off_and_the_quiz_goes_on(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "redis-server").symlink_to(shutil.which("redis-server") or "/nonexistent")

    status, printed, _ = await torchquiz(
        tmp_path / "home", "chat", stdin="/run 1 + 1\n/quiz 11\n", extra={"PATH": str(tmp_path / "bin")}
    )

    assert status == 0
    assert "Running code is off: bubblewrap is not installed" in printed
    assert "apt install bubblewrap" in printed
    assert "Quiz 11 · Transformers · question 1 of 10" in printed
