"""True or false: a statement and the two answers, in their usual order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bot.core.kinds.choosing import Choosable
from bot.core.views import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueFalse(Choosable):
    """A statement that is true or false; never shuffled."""

    shuffled: ClassVar[bool] = False

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself."""
        if [text_of(option.line()) for option in self.options] != ["True", "False"]:
            yield 'a true_false has exactly the options "True" and "False", in this order'
        else:
            yield from super(TrueFalse, self).problems()
