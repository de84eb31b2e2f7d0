"""What rearranging does to a shape. Sources: `torch.flatten`, `torch.permute`, `torch.squeeze`, `torch.unsqueeze` and
`torch.reshape` of the torch 2.13 docs."""

from __future__ import annotations

from math import prod
from random import Random

from bot.core.puzzles.puzzle import ERROR, Draft, Guess, shape, sizes


def reshaping(dice: Random) -> Draft:
    """One call that rearranges a tensor."""
    return dice.choice((_flatten, _permute, _squeeze, _unsqueeze, _reshape))(dice)


def _code(of: list[int], call: str) -> str:
    return f"x = torch.ones{shape(of)}\nprint(tuple(x.{call}.shape))"


def _flatten(dice: Random) -> Draft:
    of = sizes(dice, 4)
    start, end = dice.choice(((1, -1), (2, -1), (0, 1), (1, 2), (0, -2)))
    stop = end % 4
    call = f"flatten({start})" if end == -1 else f"flatten({start}, {end})"
    after = [*of[:start], prod(of[start : stop + 1]), *of[stop + 1 :]]
    short = Guess(
        shape([*of[:start], prod(of[start:stop]), *of[stop:]]), "Unlike that of a slice, the end is included."
    )
    ends = [] if end == -1 else [short]
    return Draft(
        _code(of, call),
        Guess(shape(after), f"Dimensions {start} to {stop}, both included, become one; the others stay."),
        [
            Guess(shape([prod(of)]), "That is `flatten()` without arguments; a start keeps what lies before it."),
            *ends,
            Guess(
                shape([*of[: start - 1], prod(of[start - 1 : stop + 1]), *of[stop + 1 :]])
                if start
                else shape([prod(of[: stop + 2]), *of[stop + 2 :]]),
                "Dimensions are counted from 0.",
            ),
            Guess(shape([*of[:start], *of[stop + 1 :]]), "The sizes are multiplied, none of them is dropped."),
            Guess(
                shape([*of[:start], sum(of[start : stop + 1]), *of[stop + 1 :]]),
                "The sizes are multiplied, not added: every element is kept.",
            ),
        ],
    )


def _permute(dice: Random) -> Draft:
    of = sizes(dice, 3)
    order = dice.choice(((1, 2, 0), (2, 0, 1)))
    after = [of[place] for place in order]
    back = [of[order.index(place)] for place in range(3)]
    swapped = [of[2], of[1], of[0]]
    return Draft(
        _code(of, f"permute{order}"),
        Guess(
            shape(after),
            f"New dimension 0 is old dimension {order[0]}, then come {order[1]} and {order[2]}.",
        ),
        [
            Guess(shape(back), "That reads the numbers as where each dimension goes; they say where each comes from."),
            Guess(shape(of), "`permute` returns a view with another shape; only the memory stays as it is."),
            Guess(shape(swapped), "This turns the order round; the numbers ask for a rotation."),
            Guess(ERROR, "Each dimension is named once, so the call is fine."),
        ],
    )


def _squeeze(dice: Random) -> Draft:
    n, m = sizes(dice, 2)
    of = dice.choice(([1, n, 1, m], [n, 1, m, 1], [1, n, m, 1]))
    dim = dice.choice((None, 0, 1, -1))
    everything = [size for size in of if size != 1]
    at = None if dim is None else dim % 4
    after = everything if at is None else [size for place, size in enumerate(of) if place != at or size != 1]
    reason = (
        "Without an argument all dimensions of size 1 go."
        if at is None
        else f"Dimension {dim} has size {of[at]}: " + ("it goes, the others stay." if of[at] == 1 else "it stays.")
    )
    others = [[size for place, size in enumerate(of) if place != each or size != 1] for each in range(4)]
    return Draft(
        _code(of, f"squeeze({'' if dim is None else dim})"),
        Guess(shape(after), reason),
        [
            Guess(shape(everything), "All of them go only when no dimension is named."),
            Guess(shape(of), "A dimension of size 1 that is meant does go."),
            Guess(ERROR, "Squeezing a dimension of another size is allowed and changes nothing."),
            *(Guess(shape(each), "Another dimension than the one that is meant is gone here.") for each in others),
            Guess(shape([n * m]), "Nothing is merged; only sizes of 1 can go."),
        ],
    )


def _unsqueeze(dice: Random) -> Draft:
    of = sizes(dice, 3)
    dim = dice.choice((0, 1, 2, -1, -2))
    at = dim % 4
    after = [*of[:at], 1, *of[at:]]
    return Draft(
        _code(of, f"unsqueeze({dim})"),
        Guess(
            shape(after),
            f"The new dimension of size 1 stands at place {dim} of the result, which has four dimensions.",
        ),
        [
            *(
                Guess(
                    shape([*of[:place], 1, *of[place:]]), "The place is counted in the result, from 0 or from its end."
                )
                for place in range(4)
            ),
            Guess(shape(of), "A dimension is added; that keeps the elements but not the shape."),
        ],
    )


def _reshape(dice: Random) -> Draft:
    of = sizes(dice, 3)
    fits = dice.random() < 0.7
    keep = of[dice.choice((0, 2))] if fits else next(size for size in range(2, 40) if prod(of) % size)
    first = dice.random() < 0.5
    rest = prod(of) // keep
    after = [keep, rest] if first else [rest, keep]
    call = f"reshape({keep}, -1)" if first else f"reshape(-1, {keep})"
    mistakes = [
        Guess(shape(after[::-1]), "The -1 stands for the size that is missing, and it keeps its place."),
        Guess(shape([keep, -1] if first else [-1, keep]), "The -1 is worked out from the number of elements."),
        Guess(shape([prod(of)]), "A -1 alone would do that; here a second size is given."),
        Guess(
            shape([keep, sum(of)] if first else [sum(of), keep]),
            "The number of elements counts, not the sum of the sizes.",
        ),
    ]
    if not fits:
        reason = f"The tensor has {prod(of)} elements, and {keep} does not divide {prod(of)}."
        return Draft(
            _code(of, call),
            Guess(ERROR, reason),
            [Guess(shape(after), "Elements that do not fit are not dropped; `reshape` keeps them all."), *mistakes],
        )
    return Draft(
        _code(of, call),
        Guess(shape(after), f"The tensor has {prod(of)} elements, so the -1 becomes {prod(of)} / {keep} = {rest}."),
        [Guess(ERROR, f"{keep} divides the number of elements, {prod(of)}, so a size can be found."), *mistakes],
    )
