"""Tells: what gives an answer away to someone who knows nothing. Each is a way to guess, measured over the bank."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from bot.core.bank import Quiz
from bot.core.kinds.choosing import Choosable, Option
from bot.core.kinds.multiple_choice import MultipleChoice
from bot.core.views import Style, text_of

MOST_LONGEST_IN_QUIZ = 4
MOST_LONGEST = 0.30
LEAST_SHORTEST = 0.15
MOST_GUESSED = 0.40
"""Share of questions that a simple way to guess may get right; blind guessing among four gets a quarter."""
LETTER_SHARE = (0.20, 0.30)
ENOUGH = 40
"""Questions below which shares say nothing."""

_ABSOLUTE = re.compile(
    r"\b(?:all|always|any|cannot|completely|entirely|every|exactly|impossible|must|never|no|none|nothing|only|whole)\b",
    re.IGNORECASE,
)


def in_quiz(quiz: Quiz) -> Iterator[tuple[str, str]]:
    """What is wrong with the questions of one quiz together, and what to do."""
    longest = sum(strictly_longest(each) for each in quiz.questions)
    if longest > MOST_LONGEST_IN_QUIZ:
        yield f"the right option is the longest in {longest} questions", "trim it, or write the others as fully"


def over_all(questions: Sequence[MultipleChoice]) -> Iterator[tuple[str, str]]:
    """What is wrong with all questions together, and what to do."""
    if len(questions) < ENOUGH:
        return
    longest = share(questions, strictly_longest)
    if longest > MOST_LONGEST:
        yield f"the right option is the longest in {longest:.0%} of all questions", f"at most {MOST_LONGEST:.0%}"
    shortest = share(questions, strictly_shortest)
    if shortest < LEAST_SHORTEST:
        yield f"the right option is the shortest in {shortest:.0%} of all questions", f"at least {LEAST_SHORTEST:.0%}"
    for name, picks in GUESSES.items():
        guessed = sum(chance(question, picks) for question in questions) / len(questions)
        if guessed > MOST_GUESSED:
            yield f"“{name}” gets {guessed:.0%} of all questions right", f"at most {MOST_GUESSED:.0%}"
    letters = Counter(str(each.right()) for each in questions)
    low, high = LETTER_SHARE
    for letter in "abcd":
        if not low <= letters[letter] / len(questions) <= high:
            part = letters[letter] / len(questions)
            yield f"option {letter} is right in {part:.0%} of all questions", f"between {low:.0%} and {high:.0%}"


def strictly_longest(question: Choosable) -> bool:
    """Whether the right option is longer than every other."""
    right, others = _lengths(question)
    return right > max(others)


def strictly_shortest(question: Choosable) -> bool:
    """Whether the right option is shorter than every other."""
    right, others = _lengths(question)
    return right < min(others)


def share(questions: Sequence[MultipleChoice], is_so: Callable[[Choosable], bool]) -> float:
    """The part of the questions for which something is so."""
    return sum(map(is_so, questions)) / len(questions)


def chance(question: Choosable, picks: Callable[[Option], bool]) -> float:
    """How likely someone is right who draws among the options that `picks` likes, or among all when it likes none."""
    liked = [option for option in question.options if picks(option)] or list(question.options)
    return sum(option.right for option in liked) / len(liked)


def has_code(option: Option) -> bool:
    """Whether the option shows code."""
    return any(span.style is Style.CODE for span in option.line())


def is_modest(option: Option) -> bool:
    """Whether the option does without words such as “always” and “only”."""
    return not _ABSOLUTE.search(text_of(option.line()))


GUESSES = {"pick one with code": has_code, "avoid absolute words": is_modest}
"""Ways to guess that look at each option by itself."""


def _lengths(question: Choosable) -> tuple[int, list[int]]:
    lengths = [(option.right, len(text_of(option.line()))) for option in question.options]
    return next(length for right, length in lengths if right), [length for right, length in lengths if not right]
