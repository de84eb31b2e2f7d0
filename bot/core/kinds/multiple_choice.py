"""Multiple choice: two to six options, one right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.core.kinds.choosing import Choosable


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleChoice(Choosable):
    """A stem and two to six options that are shuffled for each reader."""

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself."""
        if not 2 <= len(self.options) <= 6:
            yield f"a multiple_choice has two to six options, this one {len(self.options)}"
        else:
            yield from super(MultipleChoice, self).problems()
