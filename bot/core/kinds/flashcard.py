"""Flashcard: a front, a back, and a rating by the learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bot.core.questions import Item, Prose, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Flashcard(Item):
    """Recall the back from the front."""

    recall_side: ClassVar[int | None] = 1
    front: Prose
    back: Prose

    def title(self) -> str:
        """The beginning of the front."""
        return " ".join(self.front.source.replace("`", "").split())[:80]

    def sides(self) -> tuple[Side, ...]:
        """Front, then the back under the word that its button carries."""
        return (Side("Front", self.front.parts), Side("Answer", (*self.back.parts, *self.notes())))
