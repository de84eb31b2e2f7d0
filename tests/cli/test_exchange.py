"""The bank goes out to files and comes back; what cannot be read or written is told in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.bank.load import FOLDER
from bot.cli.exchange import export_items, import_questions
from bot.core.errors import ContentError, NotFound


def test_a_selection_is_exported_and_imported_as_a_new_quiz(tmp_path: Path) -> None:
    said = export_items(FOLDER, tmp_path / "q.csv", ["quiz-11"])
    then = import_questions(tmp_path / "q.csv", tmp_path / "13-new.yaml", 13, "New")

    assert said == f"10 questions in {tmp_path / 'q.csv'}"
    assert then.endswith("add quiz 13 to courses.yaml and run: torchquiz content check")
    assert (tmp_path / "13-new.yaml").read_text().startswith("quiz: 13\ntitle: New\n")


@pytest.mark.parametrize("name", ["x.csv", "x.apkg"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContentError, match=f"{name} cannot be written: No such file or directory"):
        export_items(FOLDER, tmp_path / "missing" / name, ["quiz-11"])


@pytest.mark.parametrize(("words", "name"), [(["nothing"], "x.csv"), (["quiz-11"], "x.txt"), (["quiz-11"], "x")])
def test_an_empty_selection_and_an_unknown_ending_are_named(tmp_path: Path, words: list[str], name: str) -> None:
    with pytest.raises(NotFound, match=r"Nothing in the bank|I can write"):
        export_items(FOLDER, tmp_path / name, words)


@pytest.mark.parametrize(
    ("content", "target", "title", "problem"),
    [
        (b"id,stem\n", "new.yaml", "New", "row 1: the columns difficulty"),
        ("id,stem\nä,b\n".encode("latin-1"), "new.yaml", "New", "is not UTF-8"),
        (b"", "there.yaml", "New", "is there already; choose another name"),
        (b"", "new.yaml", " ", "needs a title"),
    ],
)
def test_a_csv_that_cannot_become_a_quiz_is_named(
    tmp_path: Path, content: bytes, target: str, title: str, problem: str
) -> None:
    (tmp_path / "there.yaml").write_text("quiz: 1\n")
    (tmp_path / "q.csv").write_bytes(content)

    with pytest.raises(ContentError, match=problem):
        import_questions(tmp_path / "q.csv", tmp_path / target, 13, title)
