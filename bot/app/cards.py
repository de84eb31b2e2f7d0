"""Cards that several use cases need."""

from __future__ import annotations

from bot.core.text import line
from bot.core.views import Text, View


def trouble(message: str) -> View:
    """A private card that says what went wrong and what to do; `code` between backticks."""
    return notice(message)


def notice(message: str, *, private: bool = True, in_place: bool = False) -> View:
    """A card of one sentence."""
    return View(
        blocks=(Text(line(message)),),
        fallback=message.replace("`", "").replace("**", ""),
        private=private,
        in_place=in_place,
    )
