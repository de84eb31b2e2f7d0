"""Rules about the bank as a whole, and about wording, that no single field can show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from bot.bank import tells
from bot.bank.findings import Finding
from bot.bank.wording import MOST_NAME, wording
from bot.core.bank import Bank
from bot.core.kinds.multiple_choice import MultipleChoice
from bot.core.questions import Item

SAME_STEM = 0.6
"""Share of words two stems may have in common (Jaccard)."""


def lint(bank: Bank) -> list[Finding]:
    """Everything that breaks a rule, in the order of the bank."""
    findings = [_finding(bank, item, *each) for item in bank.items.values() for each in dict.fromkeys(wording(item))]
    findings += [_finding(bank, *found) for found in _twins(bank)]
    for quiz in bank.quizzes.values():
        for problem, hint in (*tells.in_quiz(quiz), *_title(quiz.title)):
            findings.append(_finding(bank, quiz.questions[0], f"quiz {quiz.number}: {problem}", hint))
    for section in bank.sections:
        findings += [_finding(bank, section.items[0], *found) for found in _title(section.title)]
    questions = [each for quiz in bank.quizzes.values() for each in quiz.questions if isinstance(each, MultipleChoice)]
    findings += [Finding("quizzes", 0, 0, "", problem, hint) for problem, hint in tells.over_all(questions)]
    return [*findings, *_courses(bank), *_topics(bank)]


def _title(title: str) -> Iterator[tuple[str, str]]:
    if len(title) > MOST_NAME:
        yield f"the title “{title[:30]}…” has {len(title)} characters", f"at most {MOST_NAME}"


def _twins(bank: Bank) -> Iterator[tuple[Item, str, str]]:
    seen: list[tuple[frozenset[str], Item]] = []
    for item in bank.items.values():
        words = frozenset(re.findall(r"\w+", _asked(item).lower()))
        for others, other in seen:
            if SAME_STEM * max(len(words), len(others)) > min(len(words), len(others)):
                continue  # too unlike in length; most pairs are
            if len(words) > 3 and len(words & others) > SAME_STEM * len(words | others):
                yield item, f"asks almost the same as {other.id}", "find another angle"
        seen.append((words, item))


def _asked(item: Item) -> str:
    for name in ("stem", "front", "question"):
        prose = getattr(item, name, None)
        if prose is not None:
            return str(prose.source)
    return item.title()


def _courses(bank: Bank) -> Iterator[Finding]:
    listed = Counter(number for course in bank.courses for number in course.quizzes)
    for number, times in listed.items():
        if times > 1:
            yield Finding("courses.yaml", 0, 0, "", f"quiz {number} stands here {times} times", "keep one of them")
        if number not in bank.quizzes:
            yield Finding("courses.yaml", 0, 0, "", f"there is no quiz {number}", "remove it, or write the quiz")
    for number in bank.quizzes.keys() - listed.keys():
        yield Finding("courses.yaml", 0, 0, "", f"quiz {number} belongs to no course", "add it to one")


def _topics(bank: Bank) -> Iterator[Finding]:
    earlier: set[str] = set()
    for topic in bank.topics:
        for needed in topic.builds_on:
            if needed not in earlier:
                problem = f"`{topic.id}` builds on `{needed}`, which is no earlier topic"
                yield Finding("topics.yaml", 0, 0, "", problem, "list topics in the order in which they are learned")
        earlier.add(topic.id)


def _finding(bank: Bank, item: Item, problem: str, hint: str) -> Finding:
    file, _, line = bank.files[item.id].rpartition(":")
    return Finding(file, int(line), 1, item.id, problem, hint)


def counts(items: Iterable[Item]) -> Counter[str]:
    """How many items of each kind."""
    return Counter(item.kind or "follow_up" for item in items)
