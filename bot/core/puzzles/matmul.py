"""Which shape a matrix product has. Source: `torch.matmul` of the torch 2.13 docs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from bot.core.puzzles.broadcasting import together
from bot.core.puzzles.puzzle import ERROR, Draft, Guess, shape, sizes

_ADD_DIMENSION = "A vector lends the product a dimension for the calculation only; it is gone from the result."


def matmul(dice: Random) -> Draft:
    """Two matrices, a stack of them, or a matrix and a vector."""
    n, k, m, batch = sizes(dice, 4, 2, 7)
    a, b = dice.choice(
        (
            ([n, k], [k, m]),
            ([n, k], [k]),
            ([k], [k, m]),
            ([batch, n, k], [k, m]),
            ([batch, n, k], [batch, k, m]),
            ([batch, 1, n, k], [m, k, n]),
            ([batch, n, k], [k]),
        )
    )
    if len(b) > 1 and dice.random() < 0.25:
        b = [*b[:-2], b[-1], b[-2]]
    code = f"a = torch.ones({_inside(a)})\nb = torch.ones({_inside(b)})\nprint(tuple((a @ b).shape))"
    return Draft(code, _right(a, b), [*_mistakes(a, b)])


def product(a: Sequence[int], b: Sequence[int]) -> list[int] | None:
    """The shape of ``a @ b``; None where there is none."""
    left, right = [1, *a] if len(a) == 1 else [*a], [*b, 1] if len(b) == 1 else [*b]
    stack = together(left[:-2], right[:-2])
    if left[-1] != right[-2] or stack is None:
        return None
    return [*stack, *([left[-2]] if len(a) > 1 else []), *([right[-1]] if len(b) > 1 else [])]


def _right(a: Sequence[int], b: Sequence[int]) -> Guess:
    inner = b[-2] if len(b) > 1 else b[-1]
    fit = product(a, b)
    if fit is None:
        return Guess(
            ERROR, f"The last size of `a` is {a[-1]} and must meet the same number of rows in `b`, which has {inner}."
        )
    stacked = " The dimensions in front are broadcast." if max(len(a), len(b)) > 2 else ""
    vector = f" {_ADD_DIMENSION}" if 1 in (len(a), len(b)) else ""
    return Guess(
        shape(fit), f"The inner size {inner} is summed over and disappears; the outer sizes stay.{stacked}{vector}"
    )


def _mistakes(a: Sequence[int], b: Sequence[int]) -> list[Guess]:
    fit = product(a, b)
    found = [
        Guess(shape(a), "An elementwise product keeps its shape; `@` sums over the inner size."),
        Guess(shape([*a[:-1], *b[-1:]]), "This reads the last sizes alone, whether the inner ones match or not."),
        Guess(shape([*a, *b]), "That is the outer product, in which nothing is summed."),
        Guess(shape([*a, *b[-1:]]), "The inner size is summed over, so it is not in the result."),
    ]
    if fit is None:
        return [*found, Guess(shape([*a[:-1], *b[-2:-1]]), "`@` does not transpose `b` to make it fit.")]
    wrong = [Guess(ERROR, "The inner sizes are equal, so the product exists.")]
    if 1 in (len(a), len(b)):
        wrong += [Guess(shape([*fit, 1]), _ADD_DIMENSION), Guess(shape([1, *fit]), _ADD_DIMENSION)]
    if len(fit) > 1:
        wrong.append(Guess(shape([*fit[:-2], fit[-1], fit[-2]]), "The rows come from `a` and the columns from `b`."))
    if len(fit) > 2:
        wrong.append(Guess(shape(fit[-2:]), "The dimensions in front are not summed: one product each."))
    return [*wrong, *found]


def _inside(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))
