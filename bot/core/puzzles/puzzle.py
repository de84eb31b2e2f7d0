"""A puzzle: a few lines of code, what they print, and what typical mistakes would have them print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

ERROR = "RuntimeError"
"""What a guess says when the code stops with one instead of printing."""
MAX_SEED = 2**32
GUESSES = 4


@dataclass(frozen=True, slots=True)
class Guess:
    """What the code may print, and why it does or which mistake leads there. The reason is in our markup."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A puzzle before its guesses are chosen. Some that are `wrong` may say the same, or what is right."""

    code: str
    right: Guess
    wrong: Sequence[Guess]


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Code, and four guesses at what it prints, of which one is right."""

    code: str
    guesses: tuple[Guess, ...]
    right: int
    """The place of the right one."""

    @property
    def mark(self) -> str:
        """Changes with its text, so that a button of another version of the bot is told apart."""
        whole = "\0".join((self.code, *(guess.text for guess in self.guesses)))
        return blake2b(whole.encode(), digest_size=2).hexdigest()


Maker = Callable[[Random], Draft]


def build(maker: Maker, name: str, seed: int) -> Puzzle:
    """The puzzle of a seed: always the same one. Raises RuntimeError for a maker that finds too few wrong guesses."""
    dice = Random(f"{name} {seed}")  # noqa: S311  a game, not a secret
    for _ in range(1000):
        draft = maker(dice)
        wrong = _different(dice.sample(draft.wrong, len(draft.wrong)), draft.right)
        if len(wrong) >= GUESSES - 1:
            guesses = [draft.right, *wrong[: GUESSES - 1]]
            dice.shuffle(guesses)
            return Puzzle(draft.code, tuple(guesses), guesses.index(draft.right))
    raise RuntimeError(f"{name} has too few wrong guesses")


def _different(wrong: Sequence[Guess], right: Guess) -> list[Guess]:
    """Those that differ from the right one and from each other, in what they say and in why."""
    found: list[Guess] = []
    for guess in wrong:
        if all(guess.text != each.text and guess.reason != each.reason for each in (right, *found)):
            found.append(guess)
    return found


def shape(sizes: Sequence[int]) -> str:
    """Sizes as Python prints a tuple."""
    return str(tuple(sizes))


def sizes(dice: Random, count: int, low: int = 2, high: int = 6) -> list[int]:
    """So many different sizes."""
    return dice.sample(range(low, high + 1), count)
