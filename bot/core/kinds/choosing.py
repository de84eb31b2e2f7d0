"""What all kinds share that are answered by choosing one option: grading, order, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import permutations
from typing import ClassVar

from bot.core.ids import OptionId
from bot.core.questions import Item, Prose, Side, labelled, one_line, single_paragraph
from bot.core.text import letter
from bot.core.views import Block, Bullets, Choice, Choices, Line, Mark, Span, Style, text_of

MAX_EXPLANATION_WORDS = 80
MAX_OPTION_LENGTH = 160
_IDS = tuple(map(OptionId, "abcdef"))


@cache
def _orders(count: int) -> tuple[tuple[OptionId, ...], ...]:
    return tuple(permutations(_IDS[:count]))


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a question, with the reason why it is right or wrong."""

    text: Prose
    reason: Prose
    right: bool = False

    def line(self) -> Line:
        """Its text as one line."""
        return one_line(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosable(Item):
    """An item answered by choosing one option. Options keep the ids a, b, c … of their order in the file."""

    shuffled: ClassVar[bool] = True
    recall_side: ClassVar[int | None] = 1
    stem: Prose
    options: tuple[Option, ...]
    explanation: Prose

    def option_ids(self) -> tuple[OptionId, ...]:
        """The ids in the order of the file."""
        return _IDS[: len(self.options)]

    def option(self, id: OptionId) -> Option | None:
        """The option with that id."""
        return self.options[_IDS.index(id)] if id in self.option_ids() else None

    def right(self) -> OptionId:
        """The id of the right option."""
        return next(id for id, option in zip(_IDS, self.options) if option.right)

    def order(self, seed: str) -> tuple[OptionId, ...]:
        """The options in the order in which the holder of `seed` sees them; the same seed gives the same order."""
        if not self.shuffled:
            return self.option_ids()
        orders = _orders(len(self.options))
        digest = blake2b(f"{seed}\0{self.id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return orders[int.from_bytes(digest) % len(orders)]

    def title(self) -> str:
        """The beginning of the stem."""
        return " ".join(self.stem.source.replace("`", "").split())[:80]

    def sides(self) -> tuple[Side, ...]:
        """The question, then the answer with every reason."""
        order = self.option_ids()
        return (
            Side("Question", self.asked(order)),
            Side("Answer", self.accounted(order, None)),
        )

    def asked(self, order: Sequence[OptionId]) -> tuple[Block, ...]:
        """Stem and lettered options."""
        return (*self.stem.parts, self._choices(order, None, reveal=False))

    def revealed(self, order: Sequence[OptionId], chosen: OptionId | None) -> tuple[Block, ...]:
        """Stem, options with the right one (and a wrong choice) marked, why each of them is, and the explanation."""
        option = self.option(chosen) if chosen else None
        return (
            *self.stem.parts,
            self._choices(order, chosen, reveal=True),
            *(labelled("Why not", option.reason) if option and not option.right else ()),
            *labelled("Why", self.options[_IDS.index(self.right())].reason),
            *self.explanation.parts,
            *self.notes(),
        )

    def accounted(self, order: Sequence[OptionId], chosen: OptionId | None) -> tuple[Block, ...]:
        """The same with the reason of every option, each once."""
        return (
            *self.stem.parts,
            self._choices(order, chosen, reveal=True),
            *labelled("Why", self.explanation),
            *self.notes(),
            *self.reasons(order),
        )

    def reasons(self, order: Sequence[OptionId]) -> tuple[Block, ...]:
        """The reason of every option, under the letters that the reader saw."""
        lines: list[Line] = []
        for index, id in enumerate(order):
            option = self.options[_IDS.index(id)]
            lines.append(
                (Span(f"{letter(index)} {'✓' if option.right else '✗'} ", Style.STRONG), *one_line(option.reason))
            )
        return (Bullets(tuple(lines)),)

    def _choices(self, order: Sequence[OptionId], chosen: OptionId | None, *, reveal: bool) -> Choices:
        choices = []
        for index, id in enumerate(order):
            option = self.options[_IDS.index(id)]
            mark = Mark.NONE
            if reveal:
                mark = Mark.RIGHT if option.right else Mark.WRONG if id == chosen else Mark.NONE
            choices.append(Choice(letter(index), one_line(option.text), mark))
        return Choices(tuple(choices))

    def problems(self) -> Iterator[str]:
        """What is wrong with it by itself."""
        yield from super(Choosable, self).problems()
        right = sum(option.right for option in self.options)
        if right != 1:
            yield f"{right} options are marked `right: true`; exactly one must be"
        texts = [text_of(option.line()).strip().casefold() for option in self.options]
        if len(set(texts)) != len(texts):
            yield "two options have the same text"
        if any(len(text) > MAX_OPTION_LENGTH for text in texts):
            yield f"an option is longer than {MAX_OPTION_LENGTH} characters"
        if self.explanation.words() > MAX_EXPLANATION_WORDS:
            yield f"the explanation has {self.explanation.words()} words; at most {MAX_EXPLANATION_WORDS}"
        for number, option in enumerate(self.options, 1):
            yield from single_paragraph(
                ((f"option {number}", option.text), (f"the reason of option {number}", option.reason))
            )
