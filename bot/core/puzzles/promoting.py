"""Which dtype an operation gives. Source: "Type promotion" in `torch.dtype` of the torch 2.13 docs."""

from __future__ import annotations

from random import Random

from bot.core.puzzles.puzzle import ERROR, Draft, Guess

_WHOLE = ("bool", "uint8", "int32", "int64")
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_SCALARS = {"True": "bool", "2": "int64", "0.5": "float32"}
"""Python's numbers, and what each is where the tensor is of a lower category."""


def promoting(dice: Random) -> Draft:
    """Two tensors, or a tensor and a number."""
    a = dice.choice((*_WHOLE, *_FLOATS))
    operator = dice.choice("+*/")
    scalar = dice.random() < 0.4
    b = dice.choice((*_SCALARS,)) if scalar else dice.choice((*_WHOLE, *_FLOATS))
    code = f"a = torch.ones(3, dtype=torch.{a})\n"
    code += "" if scalar else f"b = torch.ones(3, dtype=torch.{b})\n"
    code += f"print((a {operator} {b if scalar else 'b'}).dtype)"
    other = _SCALARS[b] if scalar else b
    both = _with_number(a, other) if scalar else promoted(a, b)
    divided = operator == "/" and both in _WHOLE
    right = "float32" if divided else both
    return Draft(
        code,
        Guess(f"torch.{right}", _why(a, other, both, scalar=scalar, divided=divided)),
        _mistakes(a, other, scalar=scalar),
    )


def promoted(a: str, b: str) -> str:
    """The dtype that two tensors with dimensions are computed in."""
    if (a in _FLOATS) != (b in _FLOATS):
        return a if a in _FLOATS else b
    if {a, b} == {"float16", "bfloat16"}:
        return "float32"
    order = _FLOATS if a in _FLOATS else _WHOLE
    return max(a, b, key=order.index)


def _with_number(a: str, number: str) -> str:
    """A number changes the dtype of a tensor only if it is of a higher category: bool, then whole, then float."""
    return number if _category(number) > _category(a) else a


def _category(dtype: str) -> int:
    return 2 if dtype in _FLOATS else int(dtype != "bool")


def _why(a: str, other: str, both: str, *, scalar: bool, divided: bool) -> str:
    if divided:
        return "`/` of whole numbers or Booleans gives the default floating type, which is `torch.float32`."
    if scalar and both == a:
        return "A Python number of the same or a lower category leaves the dtype of the tensor as it is."
    if scalar:
        return "The number is of a higher category (Boolean, whole, float), so the result takes its default dtype."
    if a == other:
        return "Both have the same dtype, and the result keeps it."
    if (a in _FLOATS) != (other in _FLOATS):
        return "A floating type beside a whole one decides alone, however many bits the whole one has."
    if {a, other} == {"float16", "bfloat16"}:
        return "Neither of the two holds all values of the other, so the result is the smallest type that does."
    return "Of two types of one category the larger one holds the values of both."


def _mistakes(a: str, other: str, *, scalar: bool) -> list[Guess]:
    second = (
        "A Python number counts by its category (Boolean, whole, float), not by a number of bits."
        if scalar
        else "The second operand does not decide alone."
    )
    return [
        Guess("torch.float64", "Double precision comes only from an operand that has it; NumPy widens more often."),
        Guess(f"torch.{a}", "The first operand does not decide alone."),
        Guess(f"torch.{other}", second),
        Guess(
            "torch.float32",
            "The default floating type comes in where whole numbers are divided or meet a float number.",
        ),
        Guess(
            "torch.int64",
            "Whole numbers are widened to 64 bits only if one operand is that wide, or a number meets Booleans.",
        ),
        Guess(ERROR, "Different dtypes are promoted to a common one; no error is raised."),
    ]
