"""Pictures of formulas: small, up to date with their source, never without words, and never shown when old."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.bank.authoring import example
from bot.bank.lint import lint
from bot.bank.load import FOLDER, examine
from bot.bank.pictures import digest, drawing, source_of
from bot.core.ids import ItemId
from bot.core.kinds.formula import Formula
from bot.core.runs import RunFile
from bot.core.views import Code, Files
from tests.app.building import BANK
from tests.bank.test_authoring import bank_of

ID = ItemId("formula-101-mae")
FORMULAS = [item for item in BANK.items.values() if isinstance(item, Formula)]


def png(mark: str) -> bytes:
    """As much of a PNG as its mark needs."""
    body = b"Source\0" + mark.encode()
    return b"\x89PNG\r\n\x1a\n" + len(body).to_bytes(4) + b"tEXt" + body + b"\0\0\0\0"


def formula(folder: Path, picture: bytes | None, **changes: str) -> tuple[Formula, list[str]]:
    """The formula of the README with this picture beside it, and what the lint says."""
    text = example("formula", FOLDER)
    for old, new in changes.items():
        text = text.replace(old, new)
    bank_of(folder, text)
    if picture is not None:
        (folder / "quizzes" / f"{ID}.png").write_bytes(picture)
    bank, findings = examine(folder)
    assert findings == []
    item = bank.items[ID]
    assert isinstance(item, Formula)
    return item, [str(finding) for finding in lint(bank)]


def latex() -> str:
    found = next(line for line in example("formula", FOLDER).splitlines() if "latex:" in line)
    return found.partition(":")[2].strip().strip("'")


def test_a_picture_of_the_formula_as_it_is_now_stands_below_the_text(tmp_path: Path) -> None:
    item, findings = formula(tmp_path, png(digest(latex())))

    text, picture, *_ = item.sides()[1].blocks
    assert isinstance(text, Code)
    assert picture == Files((RunFile(f"{ID}.png", png(digest(latex())), item.alt),))
    assert findings == []


@pytest.mark.parametrize("picture", [None, b"", b"no picture", png("0123456789abcdef")])
def test_a_missing_or_old_picture_is_told_and_never_shown(tmp_path: Path, picture: bytes | None) -> None:
    item, (finding,) = formula(tmp_path, picture)

    assert item.picture is None
    assert "has no picture of its `latex` as it is now (run `torchquiz content pictures`)" in finding


def test_a_formula_may_do_without_a_picture(tmp_path: Path) -> None:
    text = "".join(
        line for line in example("formula", FOLDER).splitlines(True) if "latex:" not in line and "alt:" not in line
    )
    bank, findings = examine(bank_of(tmp_path, text))

    assert findings == []
    assert lint(bank) == []


def test_a_picture_needs_words(tmp_path: Path) -> None:
    text = "".join(line for line in example("formula", FOLDER).splitlines(True) if "alt:" not in line)

    (finding,) = examine(bank_of(tmp_path, text))[1]

    assert "`latex` and `alt` go together" in str(finding)


def test_the_picture_itself_is_never_written_by_an_author(tmp_path: Path) -> None:
    text = example("formula", FOLDER).replace("    topic: losses\n", "    topic: losses\n    picture: x.png\n")

    (finding,) = examine(bank_of(tmp_path, text))[1]

    assert "`picture` is not a field here" in str(finding)


@pytest.mark.parametrize("item", FORMULAS, ids=lambda item: str(item.id))
def test_the_pictures_that_come_along_are_small_and_have_words(item: Formula) -> None:
    if not item.latex:
        assert not any(sign in item.text for sign in "Σ/√")  # what only a picture shows well
        return
    assert item.picture is not None
    assert len(item.picture.content) < 16 * 1024
    assert len(item.picture.alt) > 20


def test_the_mark_changes_with_the_formula_alone() -> None:
    assert digest("a = b") == digest(" a = b\n")
    assert digest("a = b") != digest("a = c")
    assert repr(r"$\frac{1}{n}$") in drawing(r"\frac{1}{n}")


@given(st.binary(max_size=200))
def test_any_bytes_have_a_mark_or_none(content: bytes) -> None:
    assert isinstance(source_of(content), str)
    assert source_of(b"\x89PNG\r\n\x1a\n" + content) is not None
