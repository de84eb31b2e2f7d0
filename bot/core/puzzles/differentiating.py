"""Which gradient is left in `.grad`. Source: the page "Autograd mechanics" of the torch 2.13 docs."""

from __future__ import annotations

from random import Random

from bot.core.puzzles.puzzle import ERROR, Draft, Guess


def differentiating(dice: Random) -> Draft:
    """A number, a small formula, and one or more backward passes."""
    return dice.choice((_accumulated, _detached, _shared, _inside_no_grad, _walked_twice))(dice)


def _code(x: int, *lines: str) -> str:
    return "\n".join((f"x = torch.tensor({x}.0, requires_grad=True)", *lines, "print(x.grad.item())"))


def _accumulated(dice: Random) -> Draft:
    x, factor, times = dice.randint(2, 5), dice.randint(2, 4), dice.randint(2, 4)
    once = 2.0 * factor * x
    return Draft(
        _code(x, f"for _ in range({times}):", f"    ({factor} * x ** 2).backward()"),
        Guess(
            str(once * times),
            f"Each pass adds 2 · {factor} · {x} = {once:g} to `.grad`, and there are {times} of them.",
        ),
        [
            Guess(
                str(once), "`backward` adds to `.grad`; the gradient of the last pass alone needs a cleared `.grad`."
            ),
            Guess(str(once**times), "The gradients of several passes are added, not multiplied."),
            Guess(str(float(factor * x * x * times)), "That adds the values; `.grad` holds derivatives."),
            Guess(str(float(factor * x * times)), "The derivative of x² is 2x."),
            Guess(ERROR, "Each pass has a graph of its own, so none is walked twice."),
        ],
    )


def _detached(dice: Random) -> Draft:
    x, factor = dice.randint(3, 6), dice.randint(2, 5)
    right = float(x + factor)
    return Draft(
        _code(x, f"y = x.detach() * x + {factor} * x", "y.backward()"),
        Guess(str(right), f"The detached factor counts as the constant {x}, so the derivative is {x} + {factor}."),
        [
            Guess(str(2.0 * x + factor), "`x.detach()` is cut off: the derivative does not flow through it."),
            Guess(str(float(factor)), "The product still has one factor that is not detached."),
            Guess(str(float(x * x + factor * x)), "That is the value of `y`; `.grad` holds the derivative."),
            Guess(ERROR, "`y` still depends on `x` through the factors that are not detached."),
            Guess("0.0", "`detach` makes a new tensor; `x` itself goes on recording."),
        ],
    )


def _shared(dice: Random) -> Draft:
    x, a, b = dice.randint(2, 5), dice.randint(2, 5), dice.randint(2, 4)
    right = float(a + 2 * b * x)
    return Draft(
        _code(x, f"left, right = {a} * x, {b} * x ** 2", "(left + right).backward()"),
        Guess(str(right), f"`x` is used on two paths, and what they bring is added: {a} + 2 · {b} · {x}."),
        [
            Guess(str(float(2 * b * x)), "The second path does not replace the first: both are added."),
            Guess(str(float(a)), "The first path is not the only one: both are added."),
            Guess(str(float(a * 2 * b * x)), "Derivatives along a path are multiplied; two paths are added."),
            Guess(str(float(a * x + b * x * x)), "That is the value of the sum; `.grad` holds the derivative."),
            Guess(str(float(a + b * x)), "The derivative of x² is 2x."),
        ],
    )


def _inside_no_grad(dice: Random) -> Draft:
    x, factor = dice.randint(2, 5), dice.randint(2, 5)
    right = float(factor * x)
    return Draft(
        _code(x, "with torch.no_grad():", f"    scale = {factor} * x", "(scale * x).backward()"),
        Guess(str(right), f"`scale` was not recorded, so it is the constant {factor} · {x} for the derivative."),
        [
            Guess(
                str(2.0 * factor * x), f"That is the derivative of {factor}x²; the block cuts off one of the factors."
            ),
            Guess(str(float(factor)), "`scale` has a value, and the other factor is multiplied by it."),
            Guess(ERROR, "The product is computed outside the block and is recorded."),
            Guess(str(float(factor * x * x)), "That is the value of the product; `.grad` holds the derivative."),
            Guess("0.0", "Only what runs inside the block is not recorded."),
        ],
    )


def _walked_twice(dice: Random) -> Draft:
    x, factor, times = dice.randint(2, 5), dice.randint(2, 4), dice.randint(2, 3)
    once = 2.0 * factor * x
    return Draft(
        _code(x, f"y = {factor} * x ** 2", f"for _ in range({times}):", "    y.backward()"),
        Guess(ERROR, "The first pass frees what the graph of `y` had saved; a second one needs `retain_graph=True`."),
        [
            Guess(str(once * times), "Gradients would add up like this if the formula stood inside the loop."),
            Guess(str(once), "The second pass is not skipped in silence."),
            Guess(
                str(once**times), "Gradients of several passes are added, never multiplied; and here the graph is gone."
            ),
            Guess(str(float(factor * x * x)), "That is the value of `y`; `.grad` holds derivatives."),
        ],
    )
