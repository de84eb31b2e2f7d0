"""Practice: play a quiz question by question; the first answer of a round is final."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.app.answers import Answers, pressed, typed
from bot.app.decks import REVIEW
from bot.app.local_days import LocalDays
from bot.app.recent import Recent
from bot.core.actions import (
    Answer,
    AskQuiz,
    NextQuestion,
    OpenDeck,
    RestartQuiz,
    RunProof,
    ShareResult,
    ShowBoard,
    WhyNot,
)
from bot.core.bank import Bank, Quiz
from bot.core.daily import ANSWERS_PER_MINUTE
from bot.core.errors import BadInput, NotFound, StaleButton
from bot.core.ids import Caller, ItemId, OptionId
from bot.core.kinds.choosing import Choosable
from bot.core.reviews import SITTING
from bot.core.schedule_words import moment_text
from bot.core.scoring import PRACTICE_DAY_CAP, Progress, Recorded
from bot.core.text import clip, display_name, letter, line, plural
from bot.core.views import Block, Bullets, Button, Entry, Heading, Look, Menu, Note, Span, Text, View, plain
from bot.ports import PracticeAnswer, Scores

DIFFICULTY = {1: "recall", 2: "understand", 3: "tricky"}


class Quizzes:
    """Asks, grades, explains and sums up."""

    def __init__(self, bank: Bank, scores: Scores, days: LocalDays, recent: Recent | None = None) -> None:
        """Without `recent` there are no questions of the day."""
        self._bank = bank
        self._scores = scores
        self._days = days
        self._recent = recent
        self._right = {id: quiz.questions[place].right() for id, (quiz, place) in bank.places.items()}
        self._reveals: dict[tuple[ItemId, tuple[OptionId, ...], OptionId], _Reveal] = {}

    def answers(self) -> Answers:
        """Playing a quiz."""
        return Answers(
            {"quiz": typed(self.open)},
            {
                AskQuiz: pressed(self.act_open),
                RestartQuiz: pressed(self.restart),
                Answer: pressed(self.answer),
                NextQuestion: pressed(self.next),
                WhyNot: pressed(self.why_not),
                ShareResult: pressed(self.share),
            },
        )

    async def open(self, caller: Caller, what: str) -> View:
        """The menu, or the next question of a quiz. Raises BadInput or NotFound with what to type instead."""
        if not what:
            return self._menu()
        return await self.show(caller, self._named(what))

    async def show(self, caller: Caller, quiz: Quiz) -> View:
        """The first unanswered question of the caller's round, or the result. What is a question of the day right now
        waits until that has closed."""
        progress = await self._scores.progress(caller, quiz.name, quiz.ids)
        done = {item for item, _, _ in progress.choices}
        left = [question for question in quiz.questions if question.id not in done]
        if not left:
            return self._result(quiz, progress)
        held = await self._held(caller)
        waiting = next((question for question in left if question.id not in held), None)
        if waiting is None:
            return self._waits(quiz, progress, left, held)
        return self._question(caller, quiz, waiting, progress.round)

    async def _lately(self, caller: Caller) -> Mapping[ItemId, datetime]:
        return await self._recent.items(caller) if self._recent else {}

    async def _held(self, caller: Caller) -> Mapping[ItemId, datetime]:
        """The questions that are a question of the day right now, with the moment when each closes."""
        now = self._days.clock.now()
        return {item: closes for item, closes in (await self._lately(caller)).items() if closes > now}

    async def act_open(self, caller: Caller, action: AskQuiz) -> View:
        """A quiz was chosen from the menu."""
        return await self.open(caller, action.quiz)

    async def restart(self, caller: Caller, action: RestartQuiz) -> View:
        """Begin the round after the finished one; pressing twice begins only one."""
        quiz = self._named(action.quiz)
        progress = await self._scores.progress(caller, quiz.name, quiz.ids)
        if len(progress.choices) == len(quiz.questions):
            await self._scores.restart(caller, quiz.name, quiz.ids, progress.round)
        return await self.show(caller, quiz)

    async def answer(self, caller: Caller, action: Answer) -> View:
        """Grade and record an answer, and reveal. A second answer gets the first verdict again."""
        quiz, question = self._asked(action.item)
        if question.option(action.option) is None:
            raise StaleButton("That question has changed since. Type the command again for a fresh card.")
        lately = (await self._recent.items(caller)).get(question.id) if self._recent else None
        if lately and lately > self._days.clock.now():
            raise BadInput(f"This is a question of the day right now: `/daily`. Go on with `/quiz {quiz.name}`.")
        recorded = await self._scores.record_practice(
            PracticeAnswer(
                caller=caller,
                quiz=quiz.name,
                items=quiz.ids,
                item=question.id,
                option=action.option,
                correct=action.option == self._right[question.id],
                round=action.round,
                day=await self._days.today(caller),
                topic=question.topic,
                counts=lately is None,
            )
        )
        if recorded.stale:
            raise StaleButton(f"That card is from an earlier round. Type `/quiz {quiz.name}` to go on.")
        return self._verdict(caller, quiz, question, action, recorded, lately=lately is not None)

    async def next(self, caller: Caller, action: NextQuestion) -> View:
        """The next question, or the result after the last."""
        quiz, _ = self._asked(action.item)
        return await self.show(caller, quiz)

    async def why_not(self, caller: Caller, action: WhyNot) -> View:
        """The reason of every option, for a question already answered."""
        quiz, question = self._asked(action.item)
        progress = await self._scores.progress(caller, quiz.name, quiz.ids)
        chosen = next((option for item, option, _ in progress.choices if item == question.id), None)
        if chosen is None:
            raise BadInput(f"Answer it first: type `/quiz {quiz.name}`.")
        order = question.order(_seed(caller, progress.round))
        title = self._place(question)
        return View(
            blocks=(
                Heading(title),
                *question.accounted(order, OptionId(chosen)),
                _sources(question),
            ),
            fallback=f"{title}: every option explained",
            buttons=_after(question, why_not=False),
            in_place=True,
        )

    async def share(self, caller: Caller, action: ShareResult) -> View:
        """One public line about a finished quiz, without answers."""
        quiz = self._named(action.quiz)
        progress = await self._scores.progress(caller, quiz.name, quiz.ids)
        if len(progress.choices) < len(quiz.questions):
            raise BadInput(f"Finish the quiz first: type `/quiz {quiz.name}`.")
        right = sum(correct for _, _, correct in progress.choices)
        name = display_name(caller.name)
        where = f"Quiz {quiz.number} · {quiz.title}"
        text = f"{name} got {right} of {len(quiz.questions)} in {where} {_bar(progress)}"
        return View(
            blocks=(Text(plain(text)),),
            fallback=text,
            buttons=(Button(f"Play Quiz {quiz.number}", AskQuiz(quiz.name), Look.MAIN),),
            private=False,
        )

    def _named(self, what: str) -> Quiz:
        word, _, title = what.strip().partition(" ")
        known = self._bank.quizzes.get(int(word)) if word.isascii() and word.isdigit() and len(word) <= 4 else None
        if known and title.strip().lower() in ("", known.title.lower()):
            return known  # "11", or "11 Transformers" as it is suggested
        word = what.strip()
        if known or not word.isascii() or not word.isdigit():
            raise BadInput(
                f"`{clip(display_name(word), 30)}` is not a quiz number. Try `/quiz 11`, or `/quiz` for the list."
            )
        numbers = sorted(self._bank.quizzes)
        raise NotFound(
            f"There is no quiz {clip(word, 10)}. "
            f"There are {len(numbers)}: {_ranges(numbers)}. Type `/quiz` for the list."
        )

    def _asked(self, item: ItemId) -> tuple[Quiz, Choosable]:
        found = self._bank.quiz_of(item)
        if found is None:
            raise StaleButton("That question is no longer in the bank. Type `/quiz` for the list.")
        quiz, index = found
        return quiz, quiz.questions[index]

    def _place(self, question: Choosable) -> str:
        quiz, place = self._bank.places[question.id]
        return f"Quiz {quiz.number} · {quiz.title} · question {place + 1} of {len(quiz.questions)}"

    def _menu(self) -> View:
        lines = []
        entries = []
        for quiz in self._bank.quizzes.values():
            course = self._bank.course_of(quiz.number)
            lines.append(line(f"**{quiz.number}** {quiz.title}"))
            about = f"Course {course.number}: {course.title}" if course else ""
            entries.append(Entry(f"{quiz.number} · {quiz.title}", AskQuiz(quiz.name), about))
        return View(
            blocks=(Heading("Quizzes"), Bullets(tuple(lines)), Note("Choose one below, or type its number: /quiz 11")),
            fallback=f"{len(entries)} quizzes; type /quiz and a number",
            menu=Menu("Choose a quiz", tuple(entries[:25])),
        )

    def _question(self, caller: Caller, quiz: Quiz, question: Choosable, round: int) -> View:
        order = question.order(_seed(caller, round))
        title = self._place(question)
        topic = next((topic.title for topic in self._bank.topics if topic.id == question.topic), question.topic)
        return View(
            blocks=(Heading(title), *question.asked(order), Note(f"{topic} · {DIFFICULTY[question.difficulty]}")),
            fallback=f"{title}: {question.title()}",
            buttons=tuple(Button(letter(index), Answer(question.id, id, round)) for index, id in enumerate(order)),
        )

    def _verdict(
        self, caller: Caller, quiz: Quiz, question: Choosable, action: Answer, recorded: Recorded, *, lately: bool
    ) -> View:
        order = question.order(_seed(caller, action.round))
        chosen = OptionId(recorded.option)
        reveal = self._reveal(question, order, chosen)
        verdict = "Right." if recorded.correct else f"Not quite. It is {letter(order.index(self._right[question.id]))}."
        points = f" +{plural(recorded.points, 'point')}" if recorded.points else ""
        kept: tuple[Block, ...] = ()
        if not recorded.first and chosen != action.option:
            kept = (Text(line(f"Your first answer counts: **{letter(order.index(chosen))}**.")),)
        progress = f"{recorded.right} right of {recorded.answered} answered"
        why = _why_nothing(recorded, lately=lately) if recorded.correct and not recorded.points else ""
        standing = f"{plural(recorded.total, 'point')} this month, rank {recorded.rank}"
        return View(
            blocks=(
                Heading(verdict + points),
                *kept,
                *reveal.blocks,
                Note(f"{reveal.place} · {progress} · {standing}{why}"),
            ),
            fallback=f"{verdict}{points} {reveal.explanation}",
            buttons=reveal.last_buttons if recorded.answered == len(quiz.questions) else reveal.buttons,
            in_place=True,
        )

    def _reveal(self, question: Choosable, order: tuple[OptionId, ...], chosen: OptionId) -> _Reveal:
        key = (question.id, order, chosen)
        reveal = self._reveals.get(key)
        if reveal is None:
            reveal = self._reveals[key] = _Reveal(
                blocks=(*question.revealed(order, chosen), Note(question.sources())),
                place=self._place(question),
                explanation=" ".join(question.explanation.source.split()),
                buttons=_after(question, why_not=True),
                last_buttons=_after(question, why_not=True, last=True),
            )
        return reveal

    def _waits(
        self, quiz: Quiz, progress: Progress, left: Sequence[Choosable], held: Mapping[ItemId, datetime]
    ) -> View:
        """All that is left of a quiz is asked as questions of the day right now."""
        right = sum(correct for _, _, correct in progress.choices)
        title = f"Quiz {quiz.number} · {quiz.title}"
        zone = self._days.zone_name
        told = [
            (
                Span(f"Question {self._bank.places[each.id][1] + 1}, until "),
                Span(moment_text(held[each.id], zone), at=held[each.id]),
            )
            for each in left
        ]
        return View(
            blocks=(
                Heading(title),
                Text(line(f"You got **{right} of {len(progress.choices)}** so far {_bar(progress)}")),
                Text(
                    line("The rest is a question of the day right now. Answer it there: `/daily`. It comes here after.")
                ),
                Bullets(tuple(told)),
            ),
            fallback=f"{title}: the rest is a question of the day right now",
            buttons=(Button("Leaderboard", ShowBoard("month", "channel")),),
        )

    def _result(self, quiz: Quiz, progress: Progress) -> View:
        right = sum(correct for _, _, correct in progress.choices)
        wrong = {item for item, _, correct in progress.choices if not correct}
        title = f"Quiz {quiz.number} · {quiz.title}"
        blocks: list[Block] = [
            Heading(title),
            Text(line(f"You got **{right} of {len(quiz.questions)}** {_bar(progress)}")),
        ]
        if wrong:
            blocks.append(Text(line("Worth another look:")))
            missed = [(number, each) for number, each in enumerate(quiz.questions, 1) if each.id in wrong]
            blocks.append(Bullets(tuple(plain(f"Question {number}: {each.title()}") for number, each in missed)))
        else:
            blocks.append(Text(line("Every one of them. Well played.")))
        return View(
            blocks=tuple(blocks),
            fallback=f"{title}: {right} of {len(quiz.questions)} right",
            buttons=(
                Button("Share result", ShareResult(quiz.name), Look.MAIN),
                *((Button("Review what you missed", OpenDeck(REVIEW, SITTING)),) if wrong else ()),
                Button("Leaderboard", ShowBoard("month", "channel")),
                Button("Play again", RestartQuiz(quiz.name)),
            ),
        )


@dataclass(frozen=True, slots=True)
class _Reveal:
    """What a verdict shows that is the same for everyone with this order and choice. Built once: it takes longer than
    all else that we add to an answer. A bank of 120 questions has at most 120 * 24 * 4 of them, about 8 MB."""

    blocks: tuple[Block, ...]
    place: str
    explanation: str
    buttons: tuple[Button, ...]
    last_buttons: tuple[Button, ...]


def _why_nothing(recorded: Recorded, *, lately: bool) -> str:
    """Why a right answer earned nothing, where that is not plain."""
    if recorded.cooling:
        return f" · more than {ANSWERS_PER_MINUTE} answers in a minute: no points until the next"
    if lately:
        return " · a question of the day of the last ten days gives no practice points"
    if recorded.practice_today >= PRACTICE_DAY_CAP:
        return f" · today's {PRACTICE_DAY_CAP} practice points are reached"
    return ""


def _after(question: Choosable, *, why_not: bool, last: bool = False) -> tuple[Button, ...]:
    buttons = [Button("See result" if last else "Next question", NextQuestion(question.id), Look.MAIN)]
    if question.proof:
        buttons.append(Button("Run the proof", RunProof(question.id)))
    if why_not:
        buttons.append(Button("Why not the others?", WhyNot(question.id)))
    return tuple(buttons)


def _seed(caller: Caller, round: int) -> str:
    return f"{caller.tenant}\0{caller.user}\0{round}"


def _sources(question: Choosable) -> Note:
    return Note(question.sources())


def _bar(progress: Progress) -> str:
    return "".join("▰" for _, _, right in progress.choices if right) + "".join(
        "▱" for _, _, right in progress.choices if not right
    )


def _ranges(numbers: list[int]) -> str:
    """``1 to 4, 7`` for 1, 2, 3, 4, 7."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs) or "none yet"
