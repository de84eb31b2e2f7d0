"""Making text fit: what is too long for a message is shown in part, says so, and comes whole as a file. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.adapters.discord import markup


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that goes with a message, with its alt text."""

    name: str
    content: bytes
    alt: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a message that stays together: as Markdown, and as the words before any escape. An `elastic` one is
    code or output: it may be shown in part."""

    text: str
    words: str = ""
    title: str = ""
    language: str = ""
    elastic: bool = False

    def shown(self) -> str:
        """As Markdown with its title."""
        return f"{self.title}\n{self.text}" if self.title else self.text


_SHORTEST = 120
"""An elastic piece is not shown shorter than this; then it is only in its file."""
_NOTICE_ROOM = 90


def size(text: str) -> int:
    """Length as Discord counts it, in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fit(
    head: Sequence[Piece], tail: Sequence[Piece], limit: int, files: int, taken: Iterable[str]
) -> tuple[tuple[str, str], tuple[Upload, ...]]:
    """The texts of `head` and `tail`, together at most `limit` long, and at most `files` files with what was cut."""
    first, second = _joined(head), _joined(tail)
    if size(first) + size(second) <= limit:
        return (first, second), ()
    pieces = [*head, *tail]
    uploads: list[Upload] = []
    names = set(taken)
    pieces = _shrunk(pieces, limit, files, names, uploads)
    if _total(pieces) > limit:
        uploads = uploads[: max(files - 1, 0)]
        pieces = _cut([*head, *tail], pieces, limit, files, names, uploads)
    count = min(len(head), len(pieces))
    return (_joined(pieces[:count]), _joined(pieces[count:])), tuple(uploads)


def _shrunk(pieces: Sequence[Piece], limit: int, files: int, names: set[str], uploads: list[Upload]) -> list[Piece]:
    """Elastic pieces share what the others leave; the longest give first."""
    elastic = [index for index, piece in enumerate(pieces) if piece.elastic]
    fixed = _total([piece for piece in pieces if not piece.elastic]) + sum(
        size(pieces[index].title) + 2 for index in elastic
    )
    room = max(limit - fixed, 0)
    result = list(pieces)
    for rank, index in enumerate(sorted(elastic, key=lambda each: size(pieces[each].text))):
        piece = pieces[index]
        share = room // (len(elastic) - rank)
        if size(piece.text) <= share:
            room -= size(piece.text)
        elif len(uploads) < files:
            name = _name(piece, names)
            uploads.append(Upload(name, piece.words.encode("utf-8", "replace"), f"{_about(piece)}, whole"))
            result[index] = _part(piece, share, name)
            room -= size(result[index].text)
    return result


def _part(piece: Piece, room: int, name: str) -> Piece:
    whole = len(piece.words)
    notice = f"-# Shown in part: all {whole:,} characters are in {markup.escaped(name)}"
    space = room - size(notice) - 1
    if space < _SHORTEST:
        return replace(piece, text=notice, elastic=False)
    low, high = 0, min(whole, space)
    while low < high:  # markup makes text longer by an unknown amount
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(_block(piece, middle)) <= space else (low, middle - 1)
    return replace(piece, text=f"{_block(piece, low)}\n{notice}", elastic=False)


def _block(piece: Piece, length: int) -> str:
    part = piece.words[:length]
    lines, end, _ = part.rpartition("\n")
    return markup.block(lines if end and len(lines) > length // 2 else part, piece.language)


def _cut(
    whole: Sequence[Piece], pieces: Sequence[Piece], limit: int, files: int, names: set[str], uploads: list[Upload]
) -> list[Piece]:
    """As many pieces as fit, then a notice; everything is in a file."""
    notice = "-# There is more than fits here."
    if files > 0:
        name = _free("card.txt", names)
        notice = f"-# There is more than fits here: all of it is in {markup.escaped(name)}"
        text = "\n".join("\n".join(filter(None, (_title(piece), piece.words or piece.text))) for piece in whole)
        uploads.append(Upload(name, text.encode("utf-8", "replace"), "The whole card as text"))
    room = limit - size(notice) - 1
    kept: list[Piece] = []
    for piece in pieces:
        length = size(piece.shown()) + 1
        if length > room:
            if not kept:
                kept.append(_clipped(piece, room - 1))
            break
        room -= length
        kept.append(piece)
    return [*kept, Piece(notice)]


def _clipped(piece: Piece, room: int) -> Piece:
    words = piece.words or piece.text
    low, high = 0, min(len(words), room)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(markup.escaped(words[:middle]) + "…") <= room else (low, middle - 1)
    return Piece(markup.escaped(words[:low]) + "…", words)


def _name(piece: Piece, names: set[str]) -> str:
    about = _about(piece).lower()
    if about in ("output", "error"):
        return _free(f"{about}.txt", names)
    return _free("code.py" if piece.language == "py" else "text.txt", names)


def _about(piece: Piece) -> str:
    title = _title(piece)
    return title if title in ("Output", "Error") else "Output" if title.startswith("Output") else "Code"


def _title(piece: Piece) -> str:
    return piece.title.strip("*").replace("\\", "")


def _free(name: str, names: set[str]) -> str:
    stem, _, end = name.rpartition(".")
    candidates = (name, *(f"{stem}-{number}.{end}" for number in range(2, 99)))
    free = next(each for each in candidates if each not in names)
    names.add(free)
    return free


def _total(pieces: Sequence[Piece]) -> int:
    return sum(size(piece.shown()) + 1 for piece in pieces)


def _joined(pieces: Sequence[Piece]) -> str:
    return "\n".join(piece.shown() for piece in pieces).strip("\n")
