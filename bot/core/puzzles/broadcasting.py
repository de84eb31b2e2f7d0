"""Which shape two tensors give together. Source: the page "Broadcasting semantics" of the torch 2.13 docs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from random import Random

from bot.core.puzzles.puzzle import ERROR, Draft, Guess, shape, sizes


def broadcasting(dice: Random) -> Draft:
    """Two shapes and one operator between them."""
    whole = sizes(dice, 3)
    a = [1 if dice.random() < 0.35 else size for size in whole]
    b = [1 if dice.random() < 0.35 else size for size in whole[dice.randrange(3) :]]
    if dice.random() < 0.3:
        place = -dice.randint(1, len(b))
        a[place], b[place] = whole[place], whole[place] + dice.choice((1, 2))
    code = f"a = torch.ones{shape(a)}\nb = torch.ones{_call(b)}\nprint(tuple((a {dice.choice('+-*')} b).shape))"
    fit = together(a, b)
    return Draft(code, _right(a, b, fit), [*_mistakes(a, b, fit)])


def together(a: Sequence[int], b: Sequence[int]) -> list[int] | None:
    """The shape that both are stretched to; None where they do not fit."""
    pairs = list(zip_longest(reversed(a), reversed(b), fillvalue=1))
    if any(left != right and 1 not in (left, right) for left, right in pairs):
        return None
    return [left if right == 1 else right for left, right in reversed(pairs)]


def _right(a: Sequence[int], b: Sequence[int], fit: list[int] | None) -> Guess:
    if fit is not None:
        return Guess(
            shape(fit),
            "The shapes are aligned at their last dimension. Where one has size 1 or no dimension, it is stretched "
            "to the size of the other.",
        )
    place, left, right = next(
        (-number, left, right)
        for number, (left, right) in enumerate(zip(reversed(a), reversed(b), strict=False), 1)
        if left != right and 1 not in (left, right)
    )
    return Guess(
        ERROR,
        f"In dimension {place}, counted from the end, {left} meets {right}. They differ, and neither of them is 1.",
    )


def _mistakes(a: Sequence[int], b: Sequence[int], fit: list[int] | None) -> list[Guess]:
    longest = max(len(a), len(b))
    at_the_end = [[1] * (longest - len(each)) + [*each] for each in (a, b)]
    at_the_front = [[*each] + [1] * (longest - len(each)) for each in (a, b)]
    largest = Guess(
        shape(list(map(max, *at_the_end))),
        "A size is stretched only if it is 1; a smaller size is not filled up to a larger one.",
    )
    found = [
        Guess(
            shape(list(map(max, *at_the_front))),
            "This aligns the shapes at their first dimension; broadcasting begins at the last one.",
        ),
        Guess(shape(a), "Both tensors may be stretched, not only the second one to fit the first."),
        Guess(shape(b), "The result does not take the shape of the second tensor: both may be stretched."),
        Guess(
            shape([x + y for x, y in zip(*at_the_end, strict=True)]),
            "Sizes are compared, not added up; adding them is what `torch.cat` does along one dimension.",
        ),
        Guess(
            shape(list(map(min, *at_the_end))),
            "Stretching makes a size of 1 larger; it makes no other size smaller.",
        ),
    ]
    if fit is None:
        return [largest, *found]
    return [Guess(ERROR, "An error needs two different sizes in one place, neither of them 1."), *found]


def _call(b: Sequence[int]) -> str:
    return f"({b[0]})" if len(b) == 1 else shape(b)
