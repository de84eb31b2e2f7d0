"""Puzzles without end: code from a seed, its answer computed here by the rules, wrong guesses from typical mistakes.

No torch is needed to make one, and none of them is written down: the tests compare them with what torch prints. A new
subject is a file with one maker, and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from bot.core.puzzles.broadcasting import broadcasting
from bot.core.puzzles.convolving import convolving
from bot.core.puzzles.differentiating import differentiating
from bot.core.puzzles.matmul import matmul
from bot.core.puzzles.promoting import promoting
from bot.core.puzzles.puzzle import ERROR, MAX_SEED, Guess, Maker, Puzzle, build
from bot.core.puzzles.reducing import reducing
from bot.core.puzzles.reshaping import reshaping

__all__ = ["ERROR", "MAX_SEED", "SUBJECTS", "Guess", "Puzzle", "puzzle"]

SUBJECTS: Mapping[str, Maker] = {
    "broadcasting": broadcasting,
    "matmul": matmul,
    "reshape": reshaping,
    "reduce": reducing,
    "conv": convolving,
    "dtype": promoting,
    "grad": differentiating,
}
"""The makers by the word that people type."""


@lru_cache(maxsize=512)
def puzzle(subject: str, seed: int) -> Puzzle:
    """The puzzle of a subject and a seed, always the same one. Raises KeyError for an unknown subject."""
    return build(SUBJECTS[subject], subject, seed)
