"""Interview: a question with an outline, a long answer, code that runs as shown, and two follow-ups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bot.core.questions import Item, Prose, Sample, Side, one_line, single_paragraph
from bot.core.text import line
from bot.core.views import Block, Bullets, Table, Text


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp(Item):
    """The question that comes after a good answer."""

    question: Prose
    answer: Prose

    def title(self) -> str:
        """The beginning of the question."""
        return " ".join(self.question.source.replace("`", "").split())[:80]

    def sides(self) -> tuple[Side, ...]:
        """Question, answer."""
        return (Side("Follow-up", self.question.parts), Side("Answer", (*self.answer.parts, *self.notes())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interview(Item):
    """A question as it comes up in interviews."""

    recall_side: ClassVar[int | None] = 2
    question: Prose
    outline: tuple[Prose, ...]
    answer: Prose
    code: Sample
    follow_ups: tuple[FollowUp, ...]
    table: Grid | None = None

    def title(self) -> str:
        """The beginning of the question."""
        return " ".join(self.question.source.replace("`", "").split())[:80]

    def sides(self) -> tuple[Side, ...]:
        """Question, outline, full answer, code, and each follow-up."""
        outline = Bullets(tuple(one_line(point) for point in self.outline))
        table: tuple[Block, ...] = (Table(self.table.columns, self.table.rows),) if self.table else ()
        return (
            Side("Question", self.question.parts),
            Side("Outline", (outline,)),
            Side("Full answer", (*self.answer.parts, *table, *self.notes())),
            Side("Code", (self.code.shown(), Text(line(self.code.about)))),
            *(side for number, follow_up in enumerate(self.follow_ups, 1) for side in _numbered(follow_up, number)),
        )

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself."""
        yield from super(Interview, self).problems()
        if len(self.follow_ups) != 2:
            yield f"an interview has exactly two follow-ups, this one {len(self.follow_ups)}"
        if not 3 <= len(self.outline) <= 6:
            yield f"an outline has three to six points, this one {len(self.outline)}"
        yield from single_paragraph(
            [(f"outline point {number}", point) for number, point in enumerate(self.outline, 1)]
        )
        if self.table and any(len(row) != len(self.table.columns) for row in self.table.rows):
            yield "a row of the table has another number of cells than there are columns"
        for follow_up in self.follow_ups:
            yield from (f"{follow_up.id}: {problem}" for problem in follow_up.problems())


def _numbered(follow_up: FollowUp, number: int) -> tuple[Side, Side]:
    question, answer = follow_up.sides()
    whole = (*question.blocks, *answer.blocks)
    asked = Side(f"Follow-up {number}", question.blocks, follow_up, asks=True)
    return asked, Side(f"Answer {number}", whole, follow_up)
