"""Text to Discord's Markdown, so that nothing people or programs wrote becomes markup, a link or a mention. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from bot.core.text import visible
from bot.core.views import Line, Span, Style

_BREAK = "\u200b"  # zero-width space: the only way to keep backticks apart, which cannot be escaped inside code
_PUNCTUATION = re.compile(r"([\\`*_~|<>\[\]()#:])")
_LIST_SIGN = re.compile(r"^([ \t]*)([-+])", re.MULTILINE)
_LIST_NUMBER = re.compile(r"^([ \t]*\d+)\.", re.MULTILINE)
_EVERYONE = re.compile(r"@(?=everyone|here|&|!|\d)", re.IGNORECASE)
_FENCE = re.compile(r"`(?=``)")
_CACHED = 1000
_SNOWFLAKE = re.compile(r"[0-9]{1,20}")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+-]{1,20}")


def shown(text: str) -> str:
    """Text with everything invisible made visible; the common text has nothing of the kind."""
    return text if text.isprintable() or text.replace("\n", "").isprintable() else visible(text)


def escaped(text: str) -> str:
    """Plain text: every character stands for itself."""
    return _short(text) if len(text) < _CACHED else _escaped(text)


def _escaped(text: str) -> str:
    plain = _PUNCTUATION.sub(r"\\\1", shown(text))
    plain = _LIST_SIGN.sub(r"\1\\\2", _LIST_NUMBER.sub(r"\1\\.", plain))
    return _EVERYONE.sub("@" + _BREAK, plain) if "@" in plain else plain


_short = lru_cache(maxsize=8192)(_escaped)  # the bank says the same things again and again


def inline_code(text: str) -> str:
    """A word of code within a line."""
    flat = " ".join(shown(text).split("\n")) or " "
    if "`" not in flat:
        return f"`{flat}`"
    apart = re.sub(r"`(?=`)", "`" + _BREAK, flat)
    return f"`` {apart} ``"


def block(source: str, language: str) -> str:
    """A block of code."""
    apart = _FENCE.sub("`" + _BREAK, shown(source))
    name = language if _LANGUAGE.fullmatch(language) else ""
    return f"```{name}\n{apart or ' '}\n```"


def line(spans: Line) -> str:
    """A line of styled text."""
    return "".join(map(_span, spans))


def _moment(at: datetime) -> str:
    """A moment in its reader's own zone and language, and how far away it is."""
    seconds = int(at.timestamp())
    return f"<t:{seconds}:f> (<t:{seconds}:R>)"


def _span(span: Span) -> str:
    if span.at is not None:
        return _moment(span.at)
    if span.channel and _SNOWFLAKE.fullmatch(span.channel):
        return f"<#{span.channel}>"
    if span.style is Style.CODE:
        return inline_code(span.text)
    text = escaped(span.text)
    core = text.strip()
    if span.style is Style.PLAIN or not core:
        return text
    sign = "**" if span.style is Style.STRONG else "*"
    head, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]  # `** x**` would not be strong
    return f"{head}{sign}{core}{sign}{tail}"
