"""The small Markdown of the bank: paragraphs, `code`, **strong**, *emphasis*, flat lists, fenced code. Nothing else."""

from __future__ import annotations

import re
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.core.questions import Part, Prose
from bot.core.views import Bullets, Code, Line, Span, Style, Text

_SPECIAL = re.compile(r"[`*_\[\]<>\\&#~|]|^\s*[-+=]|^\s*\d+[.)]|\n\s*\n|\n {4}", re.MULTILINE)
_BLOCKS = {
    "heading_open": "headings",
    "blockquote_open": "quotes",
    "html_block": "HTML",
    "hr": "rules",
    "code_block": "indented code (use a fence)",
    "table_open": "tables",
}
_INLINES = {"link_open": "links", "image": "images", "html_inline": "HTML"}


class MarkdownProblem(Exception):
    """The text uses something that the small Markdown does not have."""


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")


def parse(source: str) -> Prose:
    """The text as blocks. Raises MarkdownProblem for markup that not every surface can show."""
    text = source.strip()
    if not text:
        raise MarkdownProblem("the text is empty")
    if not _SPECIAL.search(text):  # most texts are one plain paragraph: a hundred times faster than the parser
        return Prose(source, (Text((Span(" ".join(text.split())),)),))
    return Prose(source, tuple(_parts(_parser().parse(text))))


def _parts(tokens: list[Token]) -> list[Part]:
    parts: list[Part] = []
    items: list[Line] | None = None
    for token in tokens:
        if token.type in _BLOCKS:
            raise MarkdownProblem(f"{_BLOCKS[token.type]} cannot be shown everywhere")
        if token.type in ("bullet_list_open", "ordered_list_open"):
            if items is not None:
                raise MarkdownProblem("a list inside a list cannot be shown everywhere")
            items = []
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            parts.append(Bullets(tuple(items or ()), numbered=token.type.startswith("ordered")))
            items = None
        elif token.type == "inline":
            line = _line(token.children or [])
            if items is None:
                parts.append(Text(line))
            else:
                items.append(line)
        elif token.type == "fence":
            if items is not None:
                raise MarkdownProblem("code inside a list cannot be shown everywhere")
            parts.append(Code(token.content.rstrip("\n"), language=token.info.strip() or "py"))
    return parts


def _line(tokens: list[Token]) -> Line:
    spans: list[Span] = []
    style = Style.PLAIN
    for token in tokens:
        if token.type in _INLINES:
            raise MarkdownProblem(f"{_INLINES[token.type]} cannot be shown everywhere; write `<` as code")
        if token.type in ("strong_open", "em_open") and token.markup.startswith("_"):
            raise MarkdownProblem(
                "an underscore marks no emphasis here; use `*`, and write names such as `__init__` as code"
            )
        if token.type in ("strong_open", "em_open"):
            style = Style.STRONG if token.type == "strong_open" else Style.EMPHASIS
        elif token.type in ("strong_close", "em_close"):
            style = Style.PLAIN
        elif token.type == "code_inline":
            spans.append(Span(token.content, Style.CODE))
        elif token.type in ("softbreak", "hardbreak"):
            spans.append(Span(" ", style))
        elif token.content:
            spans.append(Span(token.content, style))
    return tuple(_joined(spans))


def _joined(spans: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].style is span.style:
            joined[-1] = Span(joined[-1].text + span.text, span.style)
        else:
            joined.append(span)
    return joined
