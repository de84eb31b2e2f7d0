"""What is wrong with the bank, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing to mend. `line` and `column` count from 1; 0 where the whole file is meant."""

    file: str
    line: int
    column: int
    item: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        item = f" {self.item}:" if self.item else ""
        return f"{where}:{item} {self.problem}" + (f" ({self.hint})" if self.hint else "")
