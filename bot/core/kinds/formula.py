"""Formula: Unicode text that reads alone, its LaTeX for a picture, and what each symbol means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.questions import Item, Prose, Side
from bot.core.views import Bullets, Code, Heading, Span, Style


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula(Item):
    """A formula worth knowing."""

    name: str
    text: str
    latex: str
    alt: str
    where: Mapping[str, str]
    explanation: Prose

    def title(self) -> str:
        """Its name."""
        return self.name

    def sides(self) -> tuple[Side, ...]:
        """Name; then the formula with its symbols and the explanation."""
        symbols = Bullets(
            tuple((Span(symbol, Style.CODE), Span(": " + meaning)) for symbol, meaning in self.where.items())
        )
        body = (Code(self.text, language="text"), symbols, *self.explanation.parts, *self.notes())
        return (Side("Name", (Heading(self.name),)), Side("Formula", body))
