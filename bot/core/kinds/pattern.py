"""Pattern: code worth knowing by heart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.core.questions import Item, Prose, Sample, Side, one_line, single_paragraph
from bot.core.text import line
from bot.core.views import Bullets, Heading, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern(Item):
    """A way of doing that comes up again and again."""

    name: str
    use: Prose
    code: Sample
    hints: tuple[Prose, ...]

    def title(self) -> str:
        """Its name."""
        return self.name

    def sides(self) -> tuple[Side, ...]:
        """When to use it; then the code and the hints."""
        hints = Bullets(tuple(one_line(hint) for hint in self.hints))
        body = (self.code.shown(), Text(line(self.code.about)), hints, *self.notes())
        return (Side("Use", (Heading(self.name), *self.use.parts)), Side("Code", body))

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself."""
        yield from super(Pattern, self).problems()
        if not 2 <= len(self.hints) <= 5:
            yield f"a pattern has two to five hints, this one {len(self.hints)}"
        yield from single_paragraph([(f"hint {number}", hint) for number, hint in enumerate(self.hints, 1)])
