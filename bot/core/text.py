"""Small rules for text: our own short sentences as styled lines, code fences, clipping, names."""

from __future__ import annotations

import re
import unicodedata

from bot.core.runs import Capability
from bot.core.views import Line, Span, Style

_FENCE = re.compile(r"```[ \t]*(?:[A-Za-z0-9_+-]*[ \t]*\n)?(.*?)```", re.DOTALL)
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
MAX_NAME = 40
_REMEMBERED = 0x3000  # the alphabets; a program could print all million characters there are


def line(text: str) -> Line:
    """A sentence of ours as spans: `code` between backticks and **strong** words, nothing else."""
    spans: list[Span] = []
    for piece in re.split(r"(`[^`]+`|\*\*[^*]+\*\*)", text):
        if piece.startswith("`") and len(piece) > 2:
            spans.append(Span(piece[1:-1], Style.CODE))
        elif piece.startswith("**") and len(piece) > 4:
            spans.append(Span(piece[2:-2], Style.STRONG))
        elif piece:
            spans.append(Span(piece))
    return tuple(spans)


_DEVICE = re.compile(r"\s*(gpu|cpu)(?:\s+(?![=:,])|(?=```)|\s*$)", re.IGNORECASE)


def asked_device(text: str) -> tuple[Capability, str]:
    """What `/run gpu print(1)` and the like ask for, and the rest; code that begins with a name `gpu` stays code."""
    found = _DEVICE.match(text)
    if found is None:
        return Capability.CPU, text
    rest = text[found.end() :]
    newline = "\n" if "\n" in found[0] else ""  # what follows keeps its own first line, with its indentation
    return Capability(found[1].lower()), newline + rest


def snippet(text: str) -> str:
    """The code in what someone typed: the first fenced block, else what stands between single backticks, else all."""
    if fenced := _FENCE.search(text):
        return fenced[1].strip("\n")
    stripped = text.strip()
    if len(stripped) > 2 and stripped[0] == stripped[-1] == "`" and "`" not in stripped[1:-1]:
        return stripped[1:-1]
    return text.strip("\n") if "\n" in stripped else stripped


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, the last an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def display_name(name: str, fallback: str = "someone") -> str:
    """A person's name fit to show: short, one line, nothing invisible or direction-changing, few combining marks."""
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", " ".join(name[:400].split())):
        category = unicodedata.category(character)
        marks = marks + 1 if category.startswith("M") else 0
        if category in _INVISIBLE or marks > 2:
            continue
        kept.append(character)
    return clip(" ".join("".join(kept).split()), MAX_NAME) or fallback


def visible(text: str) -> str:
    """Output of a program fit to show: terminal escapes gone; other control, direction-changing and zero-width
    characters written as ``\\u202e`` and the like; tabs and line ends kept."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    without_escapes = re.sub(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])", "", text)
    lines_ended = without_escapes.replace("\r\n", "\n")
    return lines_ended.translate(_SHOWN)


class _Shown(dict[int, str]):
    """What to write for a character, by its number. What common text is made of is remembered."""

    def __missing__(self, code: int) -> str:
        shown = chr(code)
        if shown not in "\n\t" and unicodedata.category(shown) in _INVISIBLE:
            shown = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        if code < _REMEMBERED:
            self[code] = shown
        return shown


_SHOWN = _Shown()


def letter(index: int) -> str:
    """The letter of the option shown at `index`, counted from 0."""
    return "ABCDEF"[index]


def plural(count: float, noun: str) -> str:
    """``1 point``, ``2 points``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
