"""The strict reader: what it reads, what it refuses, and where it says so."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.bank.strict_yaml import YamlProblem, read


def value(text: str) -> object:
    return read(text.encode()).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: no", {"a": "no"}),
        ("a: yes", {"a": "yes"}),
        ("a: true", {"a": True}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: 1.10", {"a": 1.1}),
        ("a: '1.10'", {"a": "1.10"}),
        ("a: 012", {"a": "012"}),
        ("a: 1e3", {"a": "1e3"}),
        ("a: 2026-11-22", {"a": "2026-11-22"}),
        ("a:", {"a": None}),
        ("a: [1, -2, 0]", {"a": [1, -2, 0]}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: >-\n  x\n  y\n", {"a": "x y"}),
    ],
)
def test_only_plain_numbers_and_true_and_false_are_not_text(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key `a` stands here twice", 3),
        ("a: &x 1\nb: *x\n", "anchors and aliases are not used here", 1),
        ("a: !!python/object:os.system {}\n", "tags are not used here", 1),
        ("a:\n\tb: 1\n", "a tab indents this line", 2),
        ("a: 1\n---\nb: 2\n", "a second document starts here", 2),
        ("? [a, b]\n: 1\n", "a key must be a plain word", 1),
        ("", "the file is empty", 0),
        ("a: `x`\n", "cannot start any token", 1),
        ("a: b: c\n", "mapping values are not allowed", 1),
        ("a: [1, 2\n", "did not find expected", 2),
        ("a: x\x00y\n", "a character that YAML does not allow", 1),
    ],
)
def test_what_is_refused_is_named_with_its_line(text: str, problem: str, line: int) -> None:
    with pytest.raises(YamlProblem) as caught:
        value(text)

    assert problem in str(caught.value)
    assert caught.value.line == line


def test_a_byte_order_mark_and_other_encodings_are_refused() -> None:
    with pytest.raises(YamlProblem, match="byte order mark"):
        read(b"\xef\xbb\xbfa: 1")
    with pytest.raises(YamlProblem, match="not UTF-8"):
        read("a: ä".encode("latin-1"))


def test_a_large_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(YamlProblem, match="at most 1,048,576"):
        read(b"a" * 10_000_000)


@pytest.mark.parametrize("nested", [b"[" * 3000, b"- " * 3000, b"{a: " * 3000, b"a: " + b"[" * 3000 + b"]" * 3000])
def test_thousands_of_nested_lists_are_refused_at_once(nested: bytes) -> None:
    began = time.process_time()

    with pytest.raises(YamlProblem, match="nested more than 12 levels deep"):
        read(nested)

    assert time.process_time() - began < 5


def test_a_billion_laughs_never_expand() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(8)
    )

    with pytest.raises(YamlProblem, match="anchors and aliases"):
        read(bomb.encode())


def test_every_value_knows_its_place() -> None:
    document = read(b"a:\n  - b: 1\n    c: 2\n")

    assert document.place(("a", 0, "c")) == (3, 5)
    assert document.place(("a", 0, "missing")) == (2, 5)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_problem(raw: bytes) -> None:
    try:
        read(raw)
    except YamlProblem as error:
        assert str(error)
