"""The kinds of items. To add one: a file here that derives from `Item`, a line below, and a YAML file in `content/`."""

from __future__ import annotations

from collections.abc import Mapping

from bot.core.kinds.concept import Concept
from bot.core.kinds.flashcard import Flashcard
from bot.core.kinds.formula import Formula
from bot.core.kinds.interview import Interview
from bot.core.kinds.multiple_choice import MultipleChoice
from bot.core.kinds.pattern import Pattern
from bot.core.kinds.true_false import TrueFalse
from bot.core.questions import Item

KINDS: Mapping[str, type[Item]] = {
    "multiple_choice": MultipleChoice,
    "true_false": TrueFalse,
    "flashcard": Flashcard,
    "interview": Interview,
    "concept": Concept,
    "formula": Formula,
    "pattern": Pattern,
}
