"""Which shape a reduction leaves. Sources: `torch.sum`, `torch.mean`, `torch.argmax`, `torch.amax` of the torch 2.13
docs."""

from __future__ import annotations

from random import Random

from bot.core.puzzles.puzzle import ERROR, Draft, Guess, shape, sizes


def reducing(dice: Random) -> Draft:
    """One reduction along one dimension, or along two."""
    of = sizes(dice, 3)
    name = dice.choice(("sum", "mean", "argmax", "amax"))
    keep = dice.random() < 0.4
    dims = dice.sample(range(3), 2 if name in ("sum", "mean", "amax") and dice.random() < 0.3 else 1)
    named = [dim if dice.random() < 0.6 else dim - 3 for dim in dims]
    text = str(tuple(named)) if len(named) > 1 else str(named[0])
    code = f"x = torch.rand{shape(of)}\nprint(tuple(x.{name}(dim={text}{', keepdim=True' * keep}).shape))"
    return Draft(
        code,
        Guess(
            shape(_reduced(of, dims, keep=keep)),
            f"Dimension {' and '.join(map(str, named))} is reduced"
            + (" and stays with size 1, as `keepdim=True` asks." if keep else "; the others stay as they are."),
        ),
        [
            Guess(
                shape(_reduced(of, dims, keep=not keep)),
                "With `keepdim=True` a reduced dimension stays with size 1; without it, it goes.",
            ),
            Guess(
                shape([of[dim] for dim in sorted(dims)]),
                "`dim` names what is reduced, not what is left.",
            ),
            Guess(
                shape(_reduced(of, [(dim - 1) % 3 for dim in dims], keep=keep)),
                "Dimensions are counted from 0, and negative ones from the end.",
            ),
            Guess(
                shape(_reduced(of, [(dim + 1) % 3 for dim in dims], keep=keep)),
                "Dimensions are counted from 0, and negative ones from the end.",
            ),
            Guess(shape([]), "A single number is left only when all dimensions are reduced."),
            Guess(ERROR, "The tensor has that dimension, and the values are floats, so all these reductions work."),
        ],
    )


def _reduced(of: list[int], dims: list[int], *, keep: bool) -> list[int]:
    return [1 if place in dims else size for place, size in enumerate(of) if keep or place not in dims]
