"""The record of proofs: written by the checker, compared key by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.bank.record import Proved, outdated, read_record, write_record
from bot.core.errors import ContentError

HELD = Proved("abc", "2.13.0", "tensor(3)")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path, {"b": HELD, "a": HELD})

    assert read_record(tmp_path) == {"a": HELD, "b": HELD}
    assert (tmp_path / "proved.json").read_text().index('"a"') < (tmp_path / "proved.json").read_text().index('"b"')


def test_a_missing_record_is_empty(tmp_path: Path) -> None:
    assert read_record(tmp_path) == {}


def test_new_changed_and_removed_snippets_and_another_torch_are_outdated() -> None:
    record = {"same": HELD, "changed": HELD, "removed": HELD, "torch": HELD}
    now = {"same": HELD, "changed": Proved("abd", "2.13.0", ""), "torch": Proved("abc", "2.14.0", ""), "new": HELD}

    assert outdated(record, now, samples=[]) == ["changed", "new", "removed", "torch"]


def test_output_matters_for_samples_alone() -> None:
    printed = Proved("abc", "2.13.0", "tensor(4)")

    assert outdated({"a": HELD, "b": HELD}, {"a": printed, "b": printed}, samples=["a"]) == ["a"]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 3}', '{"a": {"code": "x"}}', "\xff"])
def test_a_damaged_record_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "proved.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(ContentError, match="is damaged; remove it and run `torchquiz content check --record`"):
        read_record(tmp_path)
