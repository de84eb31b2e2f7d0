"""Authors start from an example of each kind that is itself right, and their editor knows every field."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.bank.authoring import example, schema
from bot.bank.export import COLUMNS, CsvProblem, as_csv, from_csv, notes, select, write_anki
from bot.bank.lint import lint
from bot.bank.load import FOLDER, examine
from bot.core.kinds import KINDS
from tests.app.building import BANK


def bank_of(folder: Path, text: str) -> Path:
    """A bank whose only questions stand in `text`."""
    (folder / "quizzes").mkdir(parents=True)
    number = re.match(r"quiz: (\d+)", text)
    quizzes = f"[{number[1] if number else ''}]"
    (folder / "courses.yaml").write_text(f"courses:\n  - {{number: 1, title: First, quizzes: {quizzes}}}\n")
    (folder / "topics.yaml").write_text((FOLDER / "topics.yaml").read_text())
    (folder / "quizzes" / "01-new.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_each_kind_is_a_good_file(tmp_path: Path, kind: str) -> None:
    bank, findings = examine(bank_of(tmp_path, example(kind, FOLDER)))
    undrawn = "has no picture of its `latex`"

    assert [str(each) for each in [*findings, *lint(bank)] if undrawn not in str(each)] == []
    assert kind in {item.kind for item in bank.items.values()}


def test_an_unknown_kind_has_no_example() -> None:
    with pytest.raises(KeyError):
        example("essay", FOLDER)


def test_the_schema_names_every_kind_and_every_field() -> None:
    described = schema()["$defs"]

    assert described["multiple_choice"]["properties"]["kind"] == {"const": "multiple_choice"}
    assert described["Prose"]["type"] == "string"
    assert {"stem", "options", "explanation", "proof", "myth"} <= described["multiple_choice"]["properties"].keys()
    assert set(KINDS) <= described.keys()


def test_a_selection_is_by_id_kind_and_topic() -> None:
    assert len(select(BANK, [])) == 120 + 81 + 38 + 15 + 6 + 4
    assert len(select(BANK, ["quiz-11"])) == 10
    assert len(select(BANK, ["flashcard"])) == 81
    assert {item.topic for item in select(BANK, ["flashcard", "metrics"])} == {"metrics"}


def test_every_item_makes_a_card_without_live_markup() -> None:
    cards = list(notes(select(BANK, [])))

    assert len(cards) == 264
    assert all(card.front and card.back for card in cards)
    assert not any("<script" in card.front + card.back for card in cards)


def test_an_anki_package_is_written(tmp_path: Path) -> None:
    written = write_anki(tmp_path / "cards.apkg", select(BANK, ["flashcard"]), "Torchquiz")

    assert written == 81
    assert (tmp_path / "cards.apkg").read_bytes().startswith(b"PK")


def test_the_package_takes_the_pictures_of_its_formulas_along(tmp_path: Path) -> None:
    write_anki(tmp_path / "formulas.apkg", select(BANK, ["formula"]), "Torchquiz")

    with zipfile.ZipFile(tmp_path / "formulas.apkg") as package:
        names = json.loads(package.read("media")).values()
        assert package.read("0").startswith(b"\x89PNG")
    backs = "".join(note.back for note in notes(select(BANK, ["formula"])))
    assert len(names) == 5
    assert all(f'<img src="{name}" alt="' in backs for name in names)


def test_questions_survive_the_way_to_csv_and_back(tmp_path: Path) -> None:
    originals = select(BANK, ["quiz-11"])

    text = from_csv(as_csv(originals), 1, "Back again")
    bank, findings = examine(bank_of(tmp_path, text))

    assert [str(finding) for finding in findings] == []
    back = bank.quizzes[1].questions
    assert [(each.id, each.right()) for each in back] == [
        (each.id, each.right()) for each in BANK.quizzes[11].questions
    ]
    assert [str(finding) for finding in lint(bank)] == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "row 1: the columns difficulty, explanation, id"),
        ("id,stem\n1,2\n", "row 1: the columns difficulty, explanation, option_1"),
        (",".join(COLUMNS) + "\n", "there is no row below the header"),
        ("id,topic,difficulty,stem,option_1,option_2,right,explanation\nx,t,1,s,a,b,3,e\n", "row 2: `right` is 3"),
        ("id,topic,difficulty,stem,option_1,option_2,right,explanation\nx,t,one,s,a,b,1,e\n", "row 2: `difficulty`"),
    ],
)
def test_a_csv_that_cannot_be_read_is_named_by_row_and_column(text: str, problem: str) -> None:
    with pytest.raises(CsvProblem, match="^" + problem.replace("(", r"\(")):
        from_csv(text, 1, "x")


@given(st.text(max_size=200))
def test_any_text_is_imported_or_refused_with_a_problem(text: str) -> None:
    try:
        from_csv(text, 1, "x")
    except CsvProblem as error:
        assert str(error).startswith(("row ", "there is no row"))
