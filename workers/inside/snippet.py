"""A snippet as a notebook cell: compile it, find its last value, cut its traceback to its own lines."""

from __future__ import annotations

import ast
import linecache
import re
import traceback
from dataclasses import dataclass
from types import CodeType

FILE = "<snippet>"
_STDIN = re.compile(r"#\s*stdin:[ \t]*(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The statements, and the last expression apart when its value is to be shown."""

    body: CodeType
    value: CodeType | None


def compiled(source: str) -> Compiled:
    """Compile; raises SyntaxError, or whatever else the compiler has to say about hostile text. Runs nothing."""
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    tree = ast.parse(source, FILE)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr) or _is_silenced(source, last):
        return Compiled(compile(tree, FILE, "exec"), None)
    tree.body.pop()
    return Compiled(compile(tree, FILE, "exec"), compile(ast.Expression(last.value), FILE, "eval"))


def typed(source: str) -> str | None:
    """What the snippet shall read on standard input: the comment that ends it, after a line ``# stdin:``; None for
    nothing. A comment, so that it travels with the code through every chat and the code stays plain Python."""
    lines = source.rstrip().split("\n")
    for position in range(len(lines) - 1, -1, -1):
        if not lines[position].startswith("#"):
            return None
        if found := _STDIN.match(lines[position]):
            first = [found[1]] if found[1] else []
            rest = [line[2:] if line.startswith("# ") else line[1:] for line in lines[position + 1 :]]
            return "".join(f"{line}\n" for line in (*first, *rest))
    return None


def described(error: BaseException) -> tuple[str, int | None]:
    """The traceback as the author should see it, and the line of the snippet that failed."""
    told = traceback.TracebackException.from_exception(error)
    line = int(told.lineno) if isinstance(error, SyntaxError) and error.filename == FILE and told.lineno else None
    own = [frame.lineno for frame in told.stack if frame.filename == FILE]
    _keep_own_frames(told)
    return "".join(told.format()), line or (own[-1] if own else None)


def _keep_own_frames(told: traceback.TracebackException) -> None:
    """Cut library frames out; an error that a library caught from itself goes with them."""
    told.stack = _own_frames(told)
    for other in getattr(told, "exceptions", None) or ():
        _keep_own_frames(other)
    if told.__cause__ is not None:
        told.__cause__ = _kept(told.__cause__)
    if told.__context__ is not None:
        told.__context__ = _kept(told.__context__)


def _kept(earlier: traceback.TracebackException) -> traceback.TracebackException | None:
    if not _own_frames(earlier):
        return None
    _keep_own_frames(earlier)
    return earlier


def _own_frames(told: traceback.TracebackException) -> traceback.StackSummary:
    return traceback.StackSummary.from_list([frame for frame in told.stack if frame.filename == FILE])


def _is_silenced(source: str, last: ast.Expr) -> bool:
    """A semicolon after the last expression hides its value, as in a notebook."""
    end_line, end_column = last.end_lineno or 0, last.end_col_offset or 0
    rest = source.splitlines()[end_line - 1].encode()[end_column:] if end_line else b""
    return b";" in rest.split(b"#")[0]
