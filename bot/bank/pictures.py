"""Pictures of formulas: drawn from `latex` in the sandbox, kept beside the file of the formula, and each marked with
what it was drawn from, so that an old one is noticed and never shown."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from bot.core.kinds.formula import Formula
from bot.core.questions import Item
from bot.core.runs import RunFile

_MARK = b"Source\0"
_PNG = b"\x89PNG\r\n\x1a\n"

_DRAWING = """
import io, os
import matplotlib
from matplotlib.figure import Figure
from PIL import Image, ImageOps, PngImagePlugin

matplotlib.rcParams["mathtext.fontset"] = "stix"
figure = Figure(dpi=200)
# Dark on opaque white with a margin: as readable on a dark page as on a light one.
figure.text(0.5, 0.5, LATEX, fontsize=18, color="#1f1a17", ha="center", va="center", linespacing=2)
drawn = io.BytesIO()
figure.savefig(drawn, format="png", bbox_inches="tight", pad_inches=0.25, facecolor="white")
grey = Image.open(drawn).convert("L")
framed = ImageOps.expand(grey.crop(ImageOps.invert(grey).getbbox()), border=40, fill="white")
mark = PngImagePlugin.PngInfo()
mark.add_text("Source", DIGEST)
framed.quantize(16).save(os.path.join(os.environ["OUTPUT_DIR"], "formula.png"), pnginfo=mark, optimize=True)
"""


def path_of(folder: Path, file: str, formula: Formula) -> Path:
    """Where the picture of a formula stands that is written in `file` of the bank in `folder`."""
    return (folder / file).with_name(f"{formula.id}.png")


def pictured(item: Item, folder: Path, file: str) -> RunFile | None:
    """The picture of a formula as it is now; None for everything else, and for one that is missing or older."""
    if not isinstance(item, Formula) or not item.latex:
        return None
    path = path_of(folder, file, item)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return RunFile(path.name, content, item.alt) if source_of(content) == digest(item.latex) else None


def drawing(latex: str) -> str:
    """The snippet that draws `latex`, one line of it a line of the picture, to `formula.png`."""
    lines = "\n".join(f"${line.strip()}$" for line in latex.strip().splitlines())
    return f"LATEX, DIGEST = {lines!r}, {digest(latex)!r}\n{_DRAWING}"


def digest(latex: str) -> str:
    """What a picture is marked with: it changes with the formula and with the way of drawing."""
    return sha256(f"{_DRAWING}\0{latex.strip()}".encode()).hexdigest()[:16]


def source_of(png: bytes) -> str:
    """The mark of a picture; empty for a file that has none or is no PNG."""
    at = len(_PNG)
    while png.startswith(_PNG) and at + 8 <= len(png):
        length, name = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        if name == b"tEXt" and body.startswith(_MARK):
            return body.removeprefix(_MARK).decode("latin-1")
        at += length + 12  # length, name and checksum
    return ""
