"""What every item of the bank has, whatever its kind. A kind adds its own fields and says how it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from bot.core.ids import ItemId
from bot.core.text import line
from bot.core.views import Block, Bullets, Code, Span, Style, Text

TORCH_DOCS = "torch 2.13 docs"
"""The documentation that pages name: that of the torch on which the proofs ran."""
MAX_PROOF_LINES = 15
MAX_PROOF_WIDTH = 88
Part = Text | Bullets | Code


@dataclass(frozen=True, slots=True)
class Prose:
    """Text of the bank: its Markdown source and the blocks it was parsed to, once, when the bank was read."""

    source: str
    parts: tuple[Part, ...]

    def words(self) -> int:
        """How many words a reader has before them."""
        return len(self.source.split())


@dataclass(frozen=True, slots=True)
class Reference:
    """Where to read on: a page of the documentation with a dotted name that imports, or a paper."""

    page: str = ""
    symbol: str = ""
    paper: str = ""

    def text(self) -> str:
        """A few words for the foot of a card: the symbol where the page is named after it, else the page."""
        if self.paper or not self.symbol:
            return self.paper or self.page
        if self.page.rpartition(".")[2] in self.symbol.split("."):
            return self.symbol
        return self.page if self.symbol.startswith("torch.") else f"{self.page} ({self.symbol})"

    def problems(self) -> Iterator[str]:
        """What is wrong with it."""
        if bool(self.paper) == bool(self.page):
            yield "a reference is either a page (with its symbol) or a paper"
        if self.page and not self.symbol:
            yield "a page needs the symbol it documents, such as torch.nn.Linear"


@dataclass(frozen=True, slots=True)
class Proof:
    """A snippet that shows the claim of its item by running. `torch`, `nn` and `F` are already imported."""

    code: str
    strength: Literal["direct", "partial"] = "direct"
    needs: tuple[str, ...] = ()
    """Packages the claim is about and that the proof does without."""

    def problems(self) -> Iterator[str]:
        """What is wrong with it, as far as can be said without running it."""
        lines = self.code.rstrip().splitlines()
        if not lines:
            yield "the proof is empty"
        if len(lines) > MAX_PROOF_LINES:
            yield f"the proof has {len(lines)} lines; at most {MAX_PROOF_LINES}"
        if any(len(each) > MAX_PROOF_WIDTH for each in lines):
            yield f"a line of the proof is longer than {MAX_PROOF_WIDTH} characters"
        if "assert" not in self.code:
            yield "the proof asserts nothing"


@dataclass(frozen=True, slots=True)
class Sample:
    """Code that runs exactly as shown after a preamble that is not shown, and prints something."""

    source: str
    about: str
    preamble: str = ""

    def shown(self) -> Code:
        """Its block on a card, without the line end that some surfaces show as an empty line."""
        return Code(self.source.rstrip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One fact, one item. Kinds derive from it."""

    recall_side: ClassVar[int | None] = None
    """The side after which a learner can say how well they knew it; None where there is nothing to recall."""
    id: ItemId
    kind: str = ""
    topic: str
    difficulty: Literal[1, 2, 3]
    fact: str = ""
    """Shared by all items that test the same fact, so that two forms of one never come close together; the id where
    nothing else is said."""
    references: tuple[Reference, ...]
    proof: Proof | None = None
    myth: Prose | None = None
    deeper: Prose | None = None
    volatile: bool = False

    def __post_init__(self) -> None:
        if not self.fact:
            object.__setattr__(self, "fact", str(self.id))

    def problems(self) -> Iterator[str]:
        """What is wrong with the item by itself; empty for a good one."""
        if not self.references:
            yield "there is no reference: name at least one documentation page or paper"
        for reference in self.references:
            yield from reference.problems()
        if self.proof:
            yield from self.proof.problems()

    def title(self) -> str:
        """A few words to list it by."""
        raise NotImplementedError

    def sides(self) -> tuple[Side, ...]:
        """What a learner is shown, step by step: first what is asked, then the rest."""
        raise NotImplementedError

    def notes(self) -> tuple[Block, ...]:
        """Myth, deeper note and references, as they stand under the answer of every kind."""
        blocks: list[Block] = []
        if self.myth:
            blocks.extend(labelled("Myth", self.myth))
        if self.deeper:
            blocks.extend(labelled("Deeper", self.deeper))
        return tuple(blocks)

    def sources(self) -> str:
        """The references in one line, each page once, those to torch with the version whose documentation is meant."""
        torch = dict.fromkeys(each.text() for each in self.references if each.symbol.startswith("torch."))
        others = [each.text() for each in self.references if not each.symbol.startswith("torch.")]
        pinned = [f"{', '.join(torch)} ({TORCH_DOCS})"] if torch else []
        return "Read on: " + "; ".join([*pinned, *others])


@dataclass(frozen=True, slots=True)
class Side:
    """One step of showing an item."""

    label: str
    blocks: tuple[Block, ...]
    of: Item | None = None
    """The item within the item that this step is about, such as a follow-up with references and a proof of its own."""
    asks: bool = False
    """Whether it asks something further: references and a proof would give the answer away."""


def labelled(label: str, prose: Prose) -> tuple[Block, ...]:
    """The prose with a strong label before its first paragraph."""
    head, rest = prose.parts[0], prose.parts[1:]
    lead = Span(label + ": ", Style.STRONG)
    if isinstance(head, Text):
        return (Text((lead, *head.line)), *rest)
    return (Text((lead,)), *prose.parts)


def one_line(prose: Prose) -> tuple[Span, ...]:
    """Prose of a single paragraph as a line. Anything else was refused when the bank was read."""
    part = prose.parts[0] if prose.parts else Text(())
    return part.line if isinstance(part, Text) else line(prose.source)


def single_paragraph(proses: Sequence[tuple[str, Prose]]) -> Iterator[str]:
    """Names those that are more than one paragraph of text."""
    for name, prose in proses:
        if len(prose.parts) != 1 or not isinstance(prose.parts[0], Text):
            yield f"{name} must be a single paragraph"
