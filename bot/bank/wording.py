"""How an item reads: how long, in which words, and whether every surface shows it as it was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations

from bot.core.kinds.choosing import Choosable, Option
from bot.core.kinds.concept import Concept
from bot.core.kinds.formula import Formula
from bot.core.kinds.multiple_choice import MultipleChoice
from bot.core.questions import Item, Prose
from bot.core.views import Block, Bullets, Choices, Code, Heading, Note, Span, Style, Table, Text, text_of

MOST_WORDS: Mapping[str, int] = {
    "stem": 60,
    "front": 45,
    "question": 60,
    "explanation": 80,
    "back": 60,
    "use": 40,
    "myth": 50,
    "deeper": 80,
    "answer": 260,
}
"""Most words of each text: what people read in a chat before they scroll on."""
MOST_REASON_WORDS = 35
LEAST_REASON_WORDS = 4
MOST_SENTENCE_WORDS = 40
LONGEST_TO_SHORTEST = 1.3
SLACK = 6
"""Characters that short options may differ by whatever their ratio."""
MOST_LABEL = 34
"""Characters of a button that Discord shows on a phone."""
MOST_NAME = 60
"""Characters of a name that is a heading and an entry of a menu."""

_LETTER_TALK = re.compile(
    r"\b(?:[Oo]ption [A-F]\b|[Aa]nswer [A-F]\b|(?:all|none|both|neither) of the above"
    r"|the (?:first|second|third|fourth|last) option\b)"
)
_TOGETHER = re.compile(
    r"\b(?:all|both|none|neither|any|some) of (?:these|the (?:above|others|options))\b", re.IGNORECASE
)
_MARKUP = re.compile(r"`|\*\*|~~|\]\(|</?[A-Za-z][^<>]*>|&#?\w+;|\\[\\`*_{}\[\]()#+.!-]")
_SPELLING = re.compile(
    r"\b(?:data sets?|behaviors?|centers?|colors?|gray|\w*(?:general|initial|normal|optim|quant|regular|standard|token)"
    r"iz(?:e|ed|es|er|ers|ing|ation))\b(?![.(])",
    re.IGNORECASE,
)
"""Words that the bank spells otherwise: one spelling for each, British as in the titles of the topics."""
_DEPRECATED = re.compile(
    r"\b(?:torch\.ao\.quantization|torch\.jit|torch\.cuda\.amp|clip_grad_norm\b(?!_)|dynamic_axes|do_constant_folding)"
    r"|\bToTensor\b"
)
"""What may be gone with the next torch or torchvision."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_ARTICLES = {"a", "an", "the", ".", ",", ";"}


def wording(item: Item) -> Iterator[tuple[str, str]]:
    """What is wrong with the words of an item, and what to do."""
    yield from _lengths(item)
    for side in item.sides():
        if talk := _LETTER_TALK.search(repr(side.blocks)):
            yield f"says “{talk[0]}”, but options are shuffled", "name the thing itself"
        for words in (each for block in side.blocks for each in _plain(block)):
            if markup := _MARKUP.search(words):
                yield f"shows “{markup[0]}” as it is in “{words[:60].strip()}”", "close the markup, or write it as code"
            if spelling := _SPELLING.search(words):
                yield (
                    f"says “{spelling[0]}”",
                    "dataset, optimiser, normalise, colour; names of code are written as code",
                )
    yield from _labels(item)
    if not item.volatile and (
        old := _DEPRECATED.search(repr([side.blocks for side in item.sides() if side.of is None]))
    ):
        yield f"speaks of `{old[0]}`, which is deprecated", "mark it `volatile: true`"
    if isinstance(item, Formula) and item.latex and not item.picture:
        yield "has no picture of its `latex` as it is now", "run `torchquiz content pictures`"
    if isinstance(item, Concept):
        yield from _points(item)
    if isinstance(item, Choosable):
        yield from _reasons(item)
    if isinstance(item, MultipleChoice):
        yield from _options(item)


def _lengths(item: Item) -> Iterator[tuple[str, str]]:
    for name, most in MOST_WORDS.items():
        prose = getattr(item, name, None)
        if not isinstance(prose, Prose):
            continue
        if prose.words() > most:
            yield f"`{name}` has {prose.words()} words", f"at most {most}"
        for sentence in _sentences(prose):
            if len(sentence.split()) > MOST_SENTENCE_WORDS:
                yield f"a sentence of {len(sentence.split())} words: “{sentence[:50]}…”", "make two of it"


def _sentences(prose: Prose) -> Iterator[str]:
    for part in prose.parts:
        lines = (part.line,) if isinstance(part, Text) else part.items if isinstance(part, Bullets) else ()
        for line in lines:
            yield from _SENTENCE.split(text_of(line))


def _labels(item: Item) -> Iterator[tuple[str, str]]:
    for side in item.sides()[1:]:
        if len(side.label) > MOST_LABEL:
            yield f"the button “{side.label}” has {len(side.label)} characters", f"at most {MOST_LABEL}"
    name = getattr(item, "name", "")
    if len(name) > MOST_NAME:
        yield f"the name has {len(name)} characters", f"at most {MOST_NAME}"


def _points(concept: Concept) -> Iterator[tuple[str, str]]:
    for number, point in enumerate(concept.key_points, 1):
        if not point.made_in(concept.answer.source):
            yield f"the answer makes key point {number} in none of its wordings", "add to `any_of` what the answer says"


def _reasons(question: Choosable) -> Iterator[tuple[str, str]]:
    for number, option in enumerate(question.options, 1):
        words = option.reason.words()
        if not LEAST_REASON_WORDS <= words <= MOST_REASON_WORDS:
            hint = f"say why in {LEAST_REASON_WORDS} to {MOST_REASON_WORDS}"
            yield f"the reason of option {number} has {words} words", hint


def _options(question: MultipleChoice) -> Iterator[tuple[str, str]]:
    texts = [text_of(option.line()) for option in question.options]
    shortest, longest = min(map(len, texts)), max(map(len, texts))
    if longest > LONGEST_TO_SHORTEST * shortest and longest - shortest > SLACK:
        yield f"options of {shortest} to {longest} characters", "the longest at most 1.3 times the shortest"
    for text in texts:
        if together := _TOGETHER.search(text):
            yield f"an option says “{together[0]}”", "each option stands for one misconception of its own"
    for (one, left), (other, right) in combinations(enumerate(question.options, 1), 2):
        if overlap := _overlap(left, right):
            yield f"options {one} and {other} {overlap}", "only one of them may be defensible"


def _overlap(left: Option, right: Option) -> str:
    if _is_code(left) and _is_code(right):
        return ""  # one character of code is all the difference that a question may be about
    one, other = (_words(option) for option in (left, right))
    if one == other:
        return "say the same"
    return "overlap: one says what the other says and more" if one in other or other in one else ""


def _words(option: Option) -> str:
    tokens = re.findall(r"\w+|[^\w\s]", text_of(option.line()).lower())
    return " ".join(["", *(token for token in tokens if token not in _ARTICLES), ""])


def _is_code(option: Option) -> bool:
    return all(span.style is Style.CODE for span in option.line())


def _plain(block: Block) -> Iterator[str]:
    """The words of a block that are shown as they are, code left out."""
    match block:
        case Heading(text) | Note(text):
            yield text
        case Text(line):
            yield from _unstyled(line)
        case Bullets(items):
            yield from (words for item in items for words in _unstyled(item))
        case Choices(choices):
            yield from (words for choice in choices for words in _unstyled(choice.line))
        case Table(columns, rows):
            yield from (cell for row in (columns, *rows) for cell in row)
        case Code(_, _, title):
            yield title
        case _:
            return


def _unstyled(line: tuple[Span, ...]) -> Iterator[str]:
    return (span.text for span in line if span.style is not Style.CODE)
