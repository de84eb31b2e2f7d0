"""The question bank as the use cases see it: items, quizzes, courses and topics, by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.core.ids import ItemId
from bot.core.kinds.choosing import Choosable
from bot.core.questions import Item


@dataclass(frozen=True, slots=True)
class Quiz:
    """Questions in their order."""

    number: int
    title: str
    questions: tuple[Choosable, ...]
    ids: tuple[ItemId, ...] = field(init=False, repr=False)
    """The ids of its questions."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(question.id for question in self.questions))

    @property
    def name(self) -> str:
        """What people type after `/quiz`."""
        return str(self.number)


@dataclass(frozen=True, slots=True)
class Course:
    """Quizzes that build on one another."""

    number: int
    title: str
    quizzes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """What an item is about."""

    id: str
    title: str
    builds_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Items that stand together in one file and are no quiz: a deck of cards, a section of interview questions."""

    kind: str
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Bank:
    """Everything that was read, checked and in order."""

    courses: tuple[Course, ...]
    topics: tuple[Topic, ...]
    quizzes: Mapping[int, Quiz]
    sections: tuple[Section, ...]
    items: Mapping[ItemId, Item]
    """Every item by its id, follow-ups included."""
    files: Mapping[ItemId, str]
    """Where each item stands: ``file:line``."""
    places: Mapping[ItemId, tuple[Quiz, int]] = field(init=False, repr=False)
    """The quiz of each question and its place in it, counted from 0: a click must not search."""

    def __post_init__(self) -> None:
        places = {id: (quiz, place) for quiz in self.quizzes.values() for place, id in enumerate(quiz.ids)}
        object.__setattr__(self, "places", places)

    def quiz_of(self, id: ItemId) -> tuple[Quiz, int] | None:
        """The quiz that holds a question and the question's place in it, counted from 0."""
        return self.places.get(id)

    def sections_of(self, *kinds: str) -> tuple[Section, ...]:
        """The sections of these kinds, in order."""
        return tuple(section for section in self.sections if section.kind in kinds)

    def section_of(self, id: ItemId) -> tuple[Section, int] | None:
        """The section that holds an item and the item's place in it, counted from 0."""
        for section in self.sections:
            for index, item in enumerate(section.items):
                if item.id == id:
                    return section, index
        return None

    def course_of(self, quiz: int) -> Course | None:
        """The course a quiz belongs to."""
        return next((course for course in self.courses if quiz in course.quizzes), None)
