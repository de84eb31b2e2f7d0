"""Authors are told exactly what is wrong: file, line, item and a hint; and everything at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.bank.load import examine, load
from bot.core.errors import ContentError
from bot.core.ids import ItemId
from bot.core.views import Span, Style, Text
from tests.bank.building import bank, question, replaced


def problems(folder: Path) -> list[str]:
    return [str(finding) for finding in examine(folder)[1]]


def test_a_good_bank_has_no_findings(tmp_path: Path) -> None:
    assert problems(bank(tmp_path, question())) == []


def test_markup_is_parsed_once_when_the_bank_is_read(tmp_path: Path) -> None:
    read = load(bank(tmp_path, question())).quizzes[1].questions[0]

    assert read.stem.parts == (
        Text(
            (
                Span("What does "),
                Span("x.view(2, 2)", Style.CODE),
                Span(" share with "),
                Span("x", Style.CODE),
                Span("?"),
            )
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: multiple_choice", "kind: multiple", "`multiple` is not a kind (one of multiple_choice, true_false"),
        ("difficulty: 1", "difficulty: 4", "`difficulty`: input should be 1, 2 or 3"),
        ("difficulty: 1", "difficulty: '1'", "`difficulty`: input should be 1, 2 or 3"),
        ("difficulty: 1\n", "difficulty: 1\ndificulty: 1\n", "`dificulty` is not a field here (remove it"),
        ("topic: tensors", "topic: tensor", "`tensor` is not a topic (topics.yaml lists them)"),
        (
            "explanation: A view has its own shape and strides over the same storage.\n",
            "",
            "`explanation`: missing (add it)",
        ),
        ("right: true", "right: 'true'", "`right` must be true or false (without quotes)"),
        (
            "{text: its shape,",
            "{text: its shape, right: true,",
            "2 options are marked `right: true`; exactly one must be",
        ),
        ("right: true, ", "", "0 options are marked"),
        ("text: its shape", "text: Its storage", "two options have the same text"),
        ("text: its shape", "text: 1.10", "`text` must be text (put the value in quotes)"),
        (", reason: The shape is what a view changes.", "", "`reason`: missing (add it)"),
        ("explanation: A view", "explanation: <b>A</b> view", "`explanation`: HTML cannot be shown everywhere"),
        ("{page: Tensor.view, symbol: torch.Tensor.view}", "", "there is no reference"),
        ("assert x.view(2, 2)", "x.view(2, 2)", "the proof asserts nothing"),
        ("id: quiz-01-q01", "id: Quiz 1", "`Quiz 1` is not an id"),
    ],
)
def test_a_wrong_item_is_named_with_what_to_do(tmp_path: Path, old: str, new: str, expected: str) -> None:
    (first, *_) = problems(bank(tmp_path, replaced(old, new)))

    assert first.startswith("quizzes/01-basics.yaml:")
    assert expected in first


def test_a_finding_has_the_line_of_the_value(tmp_path: Path) -> None:
    (finding,) = examine(bank(tmp_path, replaced("difficulty: 1", "difficulty: 9")))[1]

    assert (finding.file, finding.line, finding.item) == ("quizzes/01-basics.yaml", 7, "quiz-01-q01")


def test_a_duplicate_key_is_named_with_its_line(tmp_path: Path) -> None:
    (finding,) = problems(bank(tmp_path, question() + "\ndifficulty: 2"))

    assert finding.startswith("quizzes/01-basics.yaml:")
    assert "the key `difficulty` stands here twice (keep one of them)" in finding


def test_the_same_id_twice_is_named_with_both_places(tmp_path: Path) -> None:
    (finding,) = problems(bank(tmp_path, question(), question()))

    assert "the id quiz-01-q01 stands here twice (first at quizzes/01-basics.yaml:4)" in finding


def test_all_findings_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    bank(tmp_path, replaced("difficulty: 1", "difficulty: 4"), question("quiz-01-q02"))
    bank(tmp_path, "id: x", name="02-broken.yaml", head="quiz: 2\ntitle: Broken\n")
    (tmp_path / "quizzes" / "03-worse.yaml").write_text("a: [")

    assert {finding.split(":")[0] for finding in problems(tmp_path)} == {
        "quizzes/01-basics.yaml",
        "quizzes/02-broken.yaml",
        "quizzes/03-worse.yaml",
    }


def test_the_rest_of_the_bank_is_still_read(tmp_path: Path) -> None:
    folder = bank(tmp_path, replaced("difficulty: 1", "difficulty: 4"), question("quiz-01-q02"))

    assert ItemId("quiz-01-q02") in examine(folder)[0].items


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
            ":1:4: anchors and aliases are not used here (write the value",
        ),
        (b"quiz: " + b"[" * 3000, "nested more than 12 levels deep"),
        (b"quiz: 2\n\ttitle: x\n", ":2:1: a tab indents this line (indent with spaces)"),
        (b"\xef\xbb\xbfquiz: 2\n", ":1:1: the file starts with a byte order mark (save it as UTF-8 without BOM)"),
        (b"# " + b"x" * 10_000_000, "the file has 10,000,002 bytes; at most 1,048,576 (split it)"),
        (b"quiz: 2\ntitel: x\n", ":2:1: `titel` is not known here (remove it"),
        (b"quiz: no\ntitle: No\nquestions: [{}]\n", "a quiz needs a number `quiz`, from 1, and a text `title`"),
        (b"quiz: 1:30\ntitle: x\nquestions: [{}]\n", "a quiz needs a number `quiz`, from 1, and a text `title`"),
        (b"quiz: 2\ntitle: 1.10\nquestions: [{}]\n", "a quiz needs a number `quiz`, from 1, and a text `title`"),
        (b"quiz: -2\ntitle: x\nquestions: [{}]\n", "a quiz needs a number `quiz`, from 1, and a text `title`"),
        (b"quiz: 2\ntitle: x\nquestions: none\n", "the file needs a list `questions`"),
        (b"- quiz: 2\n", "the file must be a mapping (see content/README.md)"),
        (b"\x80\x81", "the file is not UTF-8"),
        (b"", "the file is empty"),
    ],
)
def test_a_hostile_file_is_named_precisely_and_the_rest_is_still_read(tmp_path: Path, raw: bytes, problem: str) -> None:
    folder = bank(tmp_path, question())
    (folder / "quizzes" / "02-bad.yaml").write_bytes(raw)

    found, findings = examine(folder)

    assert any(str(each).startswith("quizzes/02-bad.yaml") and problem in str(each) for each in findings)
    assert found.quizzes.keys() == {1}


def test_a_folder_named_like_a_file_is_named(tmp_path: Path) -> None:
    folder = bank(tmp_path, question())
    (folder / "quizzes" / "02-folder.yaml").mkdir()

    assert problems(folder) == ["quizzes/02-folder.yaml: Is a directory"]


def test_start_up_refuses_a_wrong_bank_with_all_findings(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"quizzes/01-basics\.yaml:7:\d+: quiz-01-q01"):
        load(bank(tmp_path, replaced("difficulty: 1", "difficulty: 4")))


def test_the_bank_that_comes_with_the_product_is_right() -> None:
    assert [str(finding) for finding in examine()[1]] == []
