"""Formula: Unicode text that reads alone, what each symbol means, and a picture where a fraction or a sum needs one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.core.questions import Item, Prose, Side
from bot.core.runs import RunFile
from bot.core.views import Block, Bullets, Code, Files, Heading, Span, Style


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula(Item):
    """A formula worth knowing."""

    name: str
    text: str
    latex: str = ""
    """What the picture is drawn from; empty where the text is as good."""
    alt: str = ""
    where: Mapping[str, str]
    explanation: Prose
    picture: RunFile | None = None
    """Drawn from `latex` and found beside the file; never written by an author."""

    def title(self) -> str:
        """Its name."""
        return self.name

    def sides(self) -> tuple[Side, ...]:
        """Name; then the formula with its symbols and the explanation."""
        symbols = Bullets(
            tuple((Span(symbol, Style.CODE), Span(": " + meaning)) for symbol, meaning in self.where.items())
        )
        picture: tuple[Block, ...] = (Files((self.picture,)),) if self.picture else ()
        body = (
            Code(self.text, language="text", title="As text"),
            *picture,
            symbols,
            *self.explanation.parts,
            *self.notes(),
        )
        return (Side("Name", (Heading(self.name),)), Side("Formula", body))

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself."""
        yield from super(Formula, self).problems()
        if bool(self.latex.strip()) != bool(self.alt.strip()):
            yield "`latex` and `alt` go together: a picture needs words for those who cannot see it"
        if not self.where:
            yield "`where` names no symbol"
