"""The small Markdown: what it has, and that everything else is refused by name."""

from __future__ import annotations

import pytest

from bot.bank.markdown import MarkdownProblem, parse
from bot.core.views import Bullets, Code, Span, Style, Text


def test_a_plain_paragraph_is_one_span() -> None:
    assert parse("Two\nlines.").parts == (Text((Span("Two lines."),)),)


def test_code_strong_and_emphasis_are_styles() -> None:
    assert parse("`a` is **b** or *c*").parts == (
        Text(
            (
                Span("a", Style.CODE),
                Span(" is "),
                Span("b", Style.STRONG),
                Span(" or "),
                Span("c", Style.EMPHASIS),
            )
        ),
    )


def test_lists_and_fenced_code_are_blocks() -> None:
    assert parse("First:\n\n- a\n- `b`\n\n```py\nx = 1\n```").parts == (
        Text((Span("First:"),)),
        Bullets(((Span("a"),), (Span("b", Style.CODE),))),
        Code("x = 1", "py"),
    )


def test_numbered_lists_stay_numbered() -> None:
    assert parse("1. a\n2. b").parts == (Bullets(((Span("a"),), (Span("b"),)), numbered=True),)


def test_characters_that_only_look_like_markup_stay_text() -> None:
    assert parse("2 * 3 * 4 and a_b_c and x < y").parts == (Text((Span("2 * 3 * 4 and a_b_c and x < y"),)),)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("# Title", "headings"),
        ("> quote", "quotes"),
        ("<b>x</b>", "HTML"),
        ("[x](http://example.org)", "links"),
        ("![x](y.png)", "images"),
        ("- a\n  - b", "a list inside a list"),
        ("a\n\n    indented", "indented code"),
        ("a | b\n--|--\n1 | 2", "tables"),
        ("call super().__init__() first", "an underscore marks no emphasis here"),
        ("_never_", "an underscore marks no emphasis here"),
        ("  \n ", "empty"),
    ],
)
def test_what_some_surface_could_not_show_is_refused(source: str, problem: str) -> None:
    with pytest.raises(MarkdownProblem, match=problem):
        parse(source)
