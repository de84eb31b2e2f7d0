"""A small bank on disk whose files are all right, to be made wrong one thing at a time."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

QUESTION = """
id: {id}
kind: multiple_choice
topic: tensors
difficulty: 1
stem: What does `x.view(2, 2)` share with `x`?
options:
  - {{text: its storage, right: true, reason: A view is another look at the same storage.}}
  - {{text: its shape, reason: The shape is what a view changes.}}
explanation: A view has its own shape and strides over the same storage.
references: [{{page: Tensor.view, symbol: torch.Tensor.view}}]
proof:
  code: |
    x = torch.zeros(4)
    assert x.view(2, 2).data_ptr() == x.data_ptr()
    print("same storage")
"""


def question(id: str = "quiz-01-q01", **changes: str) -> str:
    """A valid question as YAML; a change replaces the text of its key, an empty one removes nothing else."""
    text = QUESTION.format(id=id).strip("\n")
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def replaced(old: str, new: str) -> str:
    """A valid question with one stretch of its YAML replaced."""
    text = QUESTION.format(id="quiz-01-q01").strip("\n")
    assert old in text
    return text.replace(old, new)


def bank(folder: Path, *questions: str, name: str = "01-basics.yaml", head: str = "quiz: 1\ntitle: Basics\n") -> Path:
    """Write a bank with one quiz of these questions."""
    (folder / "quizzes").mkdir(parents=True, exist_ok=True)
    (folder / "courses.yaml").write_text("courses:\n  - {number: 1, title: First, quizzes: [1]}\n")
    (folder / "topics.yaml").write_text("topics:\n  - {id: tensors, title: Tensors, builds_on: []}\n")
    items = "".join(indent(dedent(each), "    ").replace("    ", "  - ", 1) + "\n" for each in questions)
    (folder / "quizzes" / name).write_text(f"{head}questions:\n{items}")
    return folder
