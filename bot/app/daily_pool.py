"""What a schedule may ask, and which of it comes next."""

from __future__ import annotations

from datetime import datetime

from bot.core.bank import Bank
from bot.core.daily import Bag, NewPost
from bot.core.ids import ItemId
from bot.core.kinds.choosing import Choosable
from bot.core.picking import Candidate, Pick, die, pick
from bot.core.schedule import Content, Occurrence, Schedule, post_id
from bot.core.schedule_words import content_text


class Pool:
    """The questions of the bank that can be asked once a day: those answered by choosing an option."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._questions = {question.id: question for quiz in bank.quizzes.values() for question in quiz.questions}
        self._candidates: dict[Content, tuple[Candidate, ...]] = {}

    def question(self, id: ItemId) -> Choosable | None:
        """The question of that id."""
        return self._questions.get(id)

    def candidates(self, content: Content) -> tuple[Candidate, ...]:
        """What a schedule with that content draws from, in the order of the bank."""
        if content not in self._candidates:
            self._candidates[content] = tuple(
                Candidate(question.id, question.topic)
                for quiz in self._bank.quizzes.values()
                for question in quiz.questions
                if self._in(content, quiz.number, question)
            )
        return self._candidates[content]

    def _in(self, content: Content, quiz: int, question: Choosable) -> bool:
        if content.kinds and question.kind not in content.kinds:
            return False
        if not (content.quizzes or content.courses or content.topics):
            return True
        course = self._bank.course_of(quiz)
        return (
            quiz in content.quizzes
            or (course is not None and course.number in content.courses)
            or question.topic in content.topics
        )

    def together(self, settings: Schedule) -> str:
        """The name that channels share which ask the same question; empty for a question of their own."""
        return content_text(settings.content) if settings.content.together else ""

    def pick(self, settings: Schedule, due: Occurrence, bag: Bag, opens: datetime) -> NewPost | None:
        """The question of an occurrence; None when the content holds nothing."""
        pool = self.candidates(settings.content)
        seed = settings.tenant if settings.content.together else f"{settings.tenant}\0{settings.channel}"
        chance = die(seed, settings.id, f"{due.day}")
        chosen = pick(pool, bag.asked, bag.elsewhere, chance, in_order=settings.content.in_order)
        if chosen and bag.shared in self._questions:
            assert bag.shared is not None
            known = bag.asked.get(bag.shared)
            chosen = Pick(bag.shared, max(chosen.round, known.round if known else 1), begins_again=False)
        if chosen is None:
            return None
        question = self._questions[chosen.item]
        id = post_id(settings.channel, due.day, settings.id)
        return NewPost(
            id=id,
            tenant=settings.tenant,
            channel=settings.channel,
            schedule=settings.id,
            item=question.id,
            round=chosen.round,
            right=question.right(),
            order=question.order(f"{settings.tenant}\0{id}"),
            topic=question.topic,
            mode=settings.mode,
            zone=settings.zone,
            day=due.day,
            opens=opens,
            closes=due.closes,
            together=self.together(settings),
        )
