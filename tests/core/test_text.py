"""Text rules: fences, names, output."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.runs import Capability
from bot.core.text import MAX_NAME, asked_device, clip, display_name, line, plural, snippet, visible
from bot.core.views import Span, Style


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("print(1)", "print(1)"),
        ("```py\nprint(1)\nprint(2)\n```", "print(1)\nprint(2)"),
        ("look: ```\nx = 1\n``` nice", "x = 1"),
        ("```print(1)```", "print(1)"),
        ("`print(1)`", "print(1)"),
        ("`a` + `b`", "`a` + `b`"),
        ("  if x:\n    y()", "  if x:\n    y()"),
        ("```pycon\n>>> 1\n```", ">>> 1"),
        ("", ""),
        ("```", "```"),
    ],
)
def test_the_code_is_found_in_what_was_typed(typed: str, code: str) -> None:
    assert snippet(typed) == code


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada\n Lovelace ", "Ada Lovelace"),
        ("\u202eevil", "evil"),
        ("a\u200bb", "ab"),
        ("\x1b[31mred", "[31mred"),
        ("@everyone", "@everyone"),
        ("", "someone"),
        ("\u200b\u200b", "someone"),
        ("Zoë", "Zoë"),
        ("مريم", "مريم"),
    ],
)
def test_a_name_is_shown_on_one_line_without_anything_invisible(name: str, shown: str) -> None:
    assert display_name(name) == shown


def test_a_long_name_is_clipped_and_a_pile_of_marks_is_cut_down() -> None:
    assert len(display_name("x" * 10_000)) == MAX_NAME
    assert len(display_name("z" + "\u0335" * 200)) <= 3


@given(st.text())
def test_a_shown_name_is_short_and_never_empty(name: str) -> None:
    assert 1 <= len(display_name(name)) <= MAX_NAME
    assert "\n" not in display_name(name)


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("a\x00b", "a\\x00b"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\\x0db"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_output_shows_what_would_be_invisible(output: str, shown: str) -> None:
    assert visible(output) == shown


@given(st.text())
def test_visible_output_stays_as_it_is_when_shown_again(output: str) -> None:
    assert visible(visible(output)) == visible(output)


def test_our_sentences_know_code_and_strong_words_and_nothing_else() -> None:
    assert line("Type `/quiz 11` **now** <b>") == (
        Span("Type "),
        Span("/quiz 11", Style.CODE),
        Span(" "),
        Span("now", Style.STRONG),
        Span(" <b>"),
    )


def test_clipping_says_that_something_is_missing() -> None:
    assert (clip("abc", 3), clip("abcd", 3)) == ("abc", "ab…")


def test_one_is_singular() -> None:
    assert [plural(count, "point") for count in (0, 1, 2)] == ["0 points", "1 point", "2 points"]


@pytest.mark.parametrize(
    ("typed", "asked", "rest"),
    [
        ("gpu print(1)", "gpu", "print(1)"),
        (" GPU  print(1)", "gpu", "print(1)"),
        ("gpu\n```py\nx\n```", "gpu", "\n```py\nx\n```"),
        ("gpu```x```", "gpu", "```x```"),
        ("gpu", "gpu", ""),
        ("cpu 1 + 1", "cpu", "1 + 1"),
        ("gpu = torch.device('cuda')", "cpu", "gpu = torch.device('cuda')"),
        ("gpu, n = 1, 2", "cpu", "gpu, n = 1, 2"),
        ("gpu : int = 3", "cpu", "gpu : int = 3"),
        ("gpu.x", "cpu", "gpu.x"),
        ("gpus = 1", "cpu", "gpus = 1"),
        ("print('gpu x')", "cpu", "print('gpu x')"),
        ("", "cpu", ""),
    ],
)
def test_a_device_is_asked_for_in_front_and_code_stays_code(typed: str, asked: str, rest: str) -> None:
    assert asked_device(typed) == (Capability(asked), rest)
