"""The answers of puzzles are computed without torch; here they meet the real one."""

from __future__ import annotations

import contextlib
import io

import pytest
import torch
from torch import nn
from torch.nn import functional

from bot.core.puzzles import ERROR, SUBJECTS, puzzle


@pytest.mark.parametrize("subject", SUBJECTS)
def test_torch_prints_the_right_guess(subject: str) -> None:
    for seed in range(300):
        made = puzzle(subject, seed)

        assert printed(made.code) == made.guesses[made.right].text, made.code


def printed(code: str) -> str:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(code, {"torch": torch, "nn": nn, "F": functional})
    except RuntimeError:
        return ERROR
    return out.getvalue().strip()
