"""Undoes what Slack does to text on its way from a keyboard: entities, link wrapping, smart quotes."""

from __future__ import annotations

import ast
import re
import warnings

from bot.core.text import snippet

_CONTROL = re.compile(
    r"<(?:(?P<mark>[@#!])(?P<id>[^<>|\n]{1,200})|(?P<url>(?:https?|ftp|mailto|tel):[^<>|\n]*))(?:\|(?P<label>[^<>\n]*))?>"
)
_ENTITY = re.compile("&(lt|gt|amp);")
_CHARACTERS = {"lt": "<", "gt": ">", "amp": "&"}
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "‟": '"', "‘": "'", "’": "'", "‚": "'", "‛": "'", "\u00a0": " "})
_CURLY = re.compile("[“”„‟‘’‚‛\u00a0]")


def typed(text: str) -> str:
    """What was typed: Slack wraps links and mentions in angle brackets and writes ``& < >`` as entities."""
    return _ENTITY.sub(lambda entity: _CHARACTERS[entity[1]], _CONTROL.sub(_unwrapped, text))


def straightened(code: str) -> str:
    """Code with straight quotes, unless it is good Python with the curly ones, which then stand inside strings."""
    if not _CURLY.search(code) or _parses(snippet(code)):
        return code
    return code.translate(_QUOTES)


def escaped(text: str) -> str:
    """Text as mrkdwn in which nothing is a mention, a link or an entity."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unwrapped(match: re.Match[str]) -> str:
    label = match["label"]
    if match["mark"] is None:
        return label or str(match["url"]).removeprefix("mailto:").removeprefix("tel:")
    sign = "#" if match["mark"] == "#" else "@"
    if label:
        return label if label.startswith(sign) or "^" in match["id"] else sign + label
    return sign + match["id"]


def _parses(code: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
