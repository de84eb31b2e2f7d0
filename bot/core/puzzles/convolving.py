"""What a convolution and a pooling make of an image. Sources: `torch.nn.Conv2d`, `torch.nn.MaxPool2d` of the torch 2.13
docs."""

from __future__ import annotations

from math import ceil
from random import Random

from bot.core.puzzles.puzzle import ERROR, Draft, Guess, shape


def convolving(dice: Random) -> Draft:
    """One layer, perhaps with a pooling behind it."""
    batch, inside, outside = dice.sample((2, 4, 8), 1)[0], *dice.sample((1, 3, 6, 12), 2)
    size, kernel = dice.randint(9, 32), dice.choice((3, 3, 5, 7))
    stride, padding = dice.choice((1, 1, 2, 3)), dice.choice((0, 1, 2))
    pooled = dice.random() < 0.4
    expects = inside if dice.random() < 0.85 else outside + 1
    more = f", stride={stride}" * (stride > 1) + f", padding={padding}" * (padding > 0)
    code = (
        f"x = torch.ones({batch}, {inside}, {size}, {size})\nlayer = nn.Conv2d({expects}, {outside}, {kernel}{more})\n"
    )
    code += f"print(tuple({'F.max_pool2d(layer(x), 2)' if pooled else 'layer(x)'}.shape))"
    exact = (size + 2 * padding - kernel) / stride + 1
    after = int(exact)

    def result(side: float, channels: int = outside, *, then: bool = pooled) -> str:
        side = int(side) // 2 if then else int(side)
        return shape([batch, channels, side, side])

    mistakes = [
        Guess(result(after, inside), "The number of filters decides on the channels of the output."),
        Guess(result((size - kernel) / stride + 1), "The padding of each side is missing here; it is added twice."),
        Guess(result((size + padding - kernel) / stride + 1), "Padding is added on both sides of each dimension."),
        Guess(result(after - 1), "One is missing: the first position of the kernel counts as well."),
        Guess(result(ceil(exact)), "A kernel that would reach over the edge does not count: the size is rounded down."),
        Guess(result(size + 2 * padding - kernel + 1), "The kernel moves by its stride, so there are fewer positions."),
        Guess(result(size), "The size stays only when the padding makes up for the kernel, at a stride of 1."),
    ]
    if pooled:
        mistakes.append(Guess(result(after, then=False), "The pooling halves height and width once more."))
    if expects == inside:
        mistakes.append(
            Guess(ERROR, "The layer gets the channels that it expects, and the image is larger than its kernel.")
        )
    else:
        reason = f"The layer expects {expects} channels, and the images have {inside}."
        wrong = Guess(result(after), "The channels of the input do not become those of the layer by themselves.")
        return Draft(code, Guess(ERROR, reason), [wrong, *mistakes])
    half = " The pooling halves that and drops a last odd row and column." if pooled else ""
    sum_ = f"({size} + 2 · {padding} − {kernel}) / {stride} + 1"
    return Draft(
        code,
        Guess(
            result(after), f"Height and width are {sum_}, rounded down: {after}. Each filter makes one channel.{half}"
        ),
        mistakes,
    )
