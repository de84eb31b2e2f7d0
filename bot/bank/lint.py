"""Rules about the bank as a whole, and about wording, that no single field can show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from bot.bank.findings import Finding
from bot.core.bank import Bank, Quiz
from bot.core.kinds.choosing import Choosable
from bot.core.kinds.formula import Formula
from bot.core.kinds.multiple_choice import MultipleChoice
from bot.core.questions import Item
from bot.core.views import text_of

MOST_LONGEST_IN_QUIZ = 4
MOST_LONGEST = 0.30
LETTER_SHARE = (0.20, 0.30)
LONGEST_TO_SHORTEST = 1.3
SLACK = 6
"""Characters that short options may differ by whatever their ratio."""
SAME_STEM = 0.8
"""Share of words two stems may have in common (Jaccard)."""
LETTERS_NEED = 40
"""Questions below which the spread of letters says nothing."""

_LETTER_TALK = re.compile(
    r"\b(?:[Oo]ption [A-F]\b|[Aa]nswer [A-F]\b|(?:all|none|both) of the above|the (?:first|second|third|last) option\b)"
)


def lint(bank: Bank) -> list[Finding]:
    """Everything that breaks a rule, in the order of the bank."""
    findings = [_finding(bank, item, problem, hint) for item in bank.items.values() for problem, hint in _wording(item)]
    findings += [_finding(bank, *found) for found in _twins(bank)]
    for quiz in bank.quizzes.values():
        findings += [
            _finding(bank, quiz.questions[0], f"quiz {quiz.number}: {problem}", hint) for problem, hint in _tells(quiz)
        ]
    questions = [each for quiz in bank.quizzes.values() for each in quiz.questions if isinstance(each, MultipleChoice)]
    findings += [Finding("quizzes", 0, 0, "", problem, hint) for problem, hint in _balance(questions)]
    return findings


def strictly_longest(question: Choosable) -> bool:
    """Whether the right option is longer than every other."""
    lengths = {
        id: len(text_of(option.line())) for id, option in zip(question.option_ids(), question.options, strict=True)
    }
    right = lengths.pop(question.right())
    return right > max(lengths.values())


def _wording(item: Item) -> Iterator[tuple[str, str]]:
    for side in item.sides():
        if talk := _LETTER_TALK.search(repr(side.blocks)):
            yield f"says “{talk[0]}”, but options are shuffled", "name the thing itself"
    if isinstance(item, Formula) and item.latex and not item.picture:
        yield "has no picture of its `latex` as it is now", "run `torchquiz content pictures`"
    if isinstance(item, MultipleChoice):
        lengths = [len(text_of(option.line())) for option in item.options]
        if max(lengths) > LONGEST_TO_SHORTEST * min(lengths) and max(lengths) - min(lengths) > SLACK:
            yield (
                f"options of {min(lengths)} to {max(lengths)} characters",
                "the longest at most 1.3 times the shortest",
            )


def _tells(quiz: Quiz) -> Iterator[tuple[str, str]]:
    longest = sum(strictly_longest(each) for each in quiz.questions)
    if longest > MOST_LONGEST_IN_QUIZ:
        yield f"the right option is the longest in {longest} questions", "trim it, or write the others as fully"


def _balance(questions: list[MultipleChoice]) -> Iterator[tuple[str, str]]:
    if len(questions) < LETTERS_NEED:
        return
    longest = sum(map(strictly_longest, questions)) / len(questions)
    if longest > MOST_LONGEST:
        yield f"the right option is the longest in {longest:.0%} of all questions", f"at most {MOST_LONGEST:.0%}"
    letters = Counter(str(each.right()) for each in questions)
    low, high = LETTER_SHARE
    for letter in "abcd":
        share = letters[letter] / len(questions)
        if not low <= share <= high:
            yield f"option {letter} is right in {share:.0%} of all questions", f"between {low:.0%} and {high:.0%}"


def _twins(bank: Bank) -> Iterator[tuple[Item, str, str]]:
    seen: list[tuple[frozenset[str], Item]] = []
    for item in bank.items.values():
        words = frozenset(re.findall(r"\w+", _asked(item).lower()))
        for others, other in seen:
            if len(words & others) > SAME_STEM * len(words | others) and len(words) > 3:
                yield item, f"asks almost the same as {other.id}", "find another angle"
        seen.append((words, item))


def _asked(item: Item) -> str:
    for name in ("stem", "front", "question"):
        prose = getattr(item, name, None)
        if prose is not None:
            return str(prose.source)
    return item.title()


def _finding(bank: Bank, item: Item, problem: str, hint: str) -> Finding:
    file, _, line = bank.files[item.id].rpartition(":")
    return Finding(file, int(line), 1, item.id, problem, hint)


def counts(items: Iterable[Item]) -> Counter[str]:
    """How many items of each kind."""
    return Counter(item.kind or "follow_up" for item in items)
