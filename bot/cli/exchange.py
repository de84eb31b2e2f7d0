"""`torchquiz content export` and `import`: the bank for Anki and spreadsheets, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.bank.export import CsvProblem, as_csv, from_csv, select, write_anki
from bot.bank.load import load
from bot.core.errors import ContentError, NotFound
from bot.core.kinds.multiple_choice import MultipleChoice
from bot.core.text import plural


def export_items(folder: Path, path: Path, words: Sequence[str]) -> str:
    """Write the selection to `path`; returns what was done. Raises NotFound or ContentError with what to do."""
    items = select(load(folder), words)
    if not items:
        raise NotFound(
            f"Nothing in the bank matches {' '.join(words)!r}; use a kind, a topic or the beginning of an id."
        )
    if path.suffix not in (".csv", ".apkg"):
        raise NotFound(f"I can write .apkg and .csv, not {path.suffix or 'a file without an ending'}.")
    try:
        if path.suffix == ".csv":
            questions = [item for item in items if isinstance(item, MultipleChoice)]
            path.write_text(as_csv(questions), "utf-8", newline="")
            return f"{plural(len(questions), 'question')} in {path}"
        return f"{plural(write_anki(path, items, 'Torchquiz'), 'card')} in {path}"
    except ImportError:
        raise NotFound("Anki packages need one more package: pip install 'torchquiz[anki]'") from None
    except OSError as error:
        raise ContentError(f"{path} cannot be written: {error.strerror or error}") from None


def import_questions(source: Path, target: Path, quiz: int, title: str) -> str:
    """Write the questions of a CSV as a quiz file. Raises ContentError that names the row."""
    if not title.strip():
        raise ContentError("The quiz needs a title.")
    if target.exists():
        raise ContentError(f"{target} is there already; choose another name.")
    try:
        text = from_csv(source.read_text("utf-8-sig"), quiz, title)
    except CsvProblem as error:
        raise ContentError(f"{source}: {error}") from None
    except UnicodeDecodeError:
        raise ContentError(f"{source} is not UTF-8; save it as CSV in UTF-8.") from None
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise ContentError(f"{target} cannot be written: {error.strerror or error}") from None
    return f"wrote {target}; add quiz {quiz} to courses.yaml and run: torchquiz content check"
