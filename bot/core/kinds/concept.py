"""Concept: a free answer, measured against two to five key points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bot.core.questions import Item, Prose, Side, one_line, single_paragraph
from bot.core.views import Bullets


@dataclass(frozen=True, slots=True)
class KeyPoint:
    """Something a good answer says. `any_of` lists wordings that show it was said."""

    point: Prose
    any_of: tuple[str, ...]

    def made_in(self, answer: str) -> bool:
        """Whether an answer makes the point in one of these wordings, whatever its capitals, spaces and backticks."""
        said = " ".join(answer.replace("`", "").casefold().split())
        return any(wording.casefold() in said for wording in self.any_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept(Item):
    """A question to answer in one's own words."""

    recall_side: ClassVar[int | None] = 2
    question: Prose
    answer: Prose
    key_points: tuple[KeyPoint, ...]

    def title(self) -> str:
        """The beginning of the question."""
        return " ".join(self.question.source.replace("`", "").split())[:80]

    def sides(self) -> tuple[Side, ...]:
        """Question, key points, model answer."""
        points = Bullets(tuple(one_line(point.point) for point in self.key_points))
        return (
            Side("Question", self.question.parts),
            Side("Key points", (points,)),
            Side("Answer", (*self.answer.parts, *self.notes())),
        )

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself."""
        yield from super(Concept, self).problems()
        if not 2 <= len(self.key_points) <= 5:
            yield f"a concept has two to five key points, this one {len(self.key_points)}"
        yield from single_paragraph(
            [(f"key point {number}", point.point) for number, point in enumerate(self.key_points, 1)]
        )
        if not all(point.any_of for point in self.key_points):
            yield "each key point needs `any_of`: wordings that show it was said"
