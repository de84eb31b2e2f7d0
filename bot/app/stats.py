"""One's own progress: points, accuracy, streak, what is due, weak topics, and the last weeks. Private."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from bot.app.answers import Answers, pressed, typed
from bot.app.decks import REVIEW, Decks
from bot.app.leaderboard import WHOLE_TENANT
from bot.app.local_days import LocalDays
from bot.app.memory import Memory
from bot.app.review_views import nothing_until
from bot.core.actions import OpenDeck, ShowBoard, ShowStats
from bot.core.activity import DAYS, WEEKS, Week
from bot.core.bank import Bank
from bot.core.daily import Person
from bot.core.ids import Caller
from bot.core.periods import PERIODS
from bot.core.reviews import ENOUGH_EVIDENCE, SITTING, Notebook, Tally, next_due, queue, weakest
from bot.core.runs import RunFile
from bot.core.scoring import Standing
from bot.core.text import line, plural
from bot.core.views import Block, Bullets, Button, Files, Heading, Line, Look, Note, Text, View, text_of
from bot.ports import Dailies, Drawing, Scores

WEAK_TOPICS = 3
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class _Standings(NamedTuple):
    month: Standing | None
    ever: Standing | None


class Stats:
    """Shows people their own progress and nobody else's."""

    def __init__(
        self,
        bank: Bank,
        memory: Memory,
        scores: Scores,
        days: LocalDays,
        draw: Drawing,
        dailies: Dailies | None = None,
    ) -> None:
        """Without `dailies` there are no questions of the day to count."""
        self._decks = Decks(bank)
        self._titles = {topic.id: topic.title for topic in bank.topics}
        self._memory = memory
        self._scores = scores
        self._days = days
        self._draw = draw
        self._dailies = dailies

    def answers(self) -> Answers:
        """One's own progress."""
        return Answers({"stats": typed(self.open)}, {ShowStats: pressed(self.open)})

    async def open(self, caller: Caller, _: str | ShowStats = "") -> View:
        """Everything on one card."""
        book = await self._memory.latest(caller)
        person = await self._dailies.person(caller) if self._dailies else None
        standings = await self._standings(caller)
        moment = await self._memory.moment(caller)
        deck = self._decks.deck(REVIEW)
        assert deck is not None
        subjects = (await self._memory.open_to(caller, book, deck)).subjects()
        waiting = len(queue(book, subjects, moment.now))
        facts = [
            _points(standings),
            *_accuracy(book, person),
            *_streak(caller, person),
            line(f"**{plural(waiting, 'card')}** due for review")
            if waiting
            else nothing_until(next_due(book, subjects, moment.now), moment.zone),
        ]
        weeks = book.activity.weeks(moment.day)
        picture = await asyncio.to_thread(self._draw, weeks, 6 - moment.day.weekday())
        return View(
            blocks=(
                Heading("Your progress"),
                Bullets(tuple(facts)),
                *self._weak(_topics(book, person)),
                Heading(f"The last {WEEKS} weeks"),
                Files((RunFile("weeks.png", picture, _alt(weeks, moment.day)),)),
                *_weeks_words(weeks),
                Note("Answers and ratings a day. Only you see this."),
            ),
            fallback="Your progress: " + "; ".join(text_of(fact).rstrip(".") for fact in facts),
            buttons=(
                Button("Review", OpenDeck(REVIEW, SITTING), Look.MAIN if waiting else Look.PLAIN),
                Button("Leaderboard", ShowBoard("month", "channel")),
            ),
        )

    async def _standings(self, caller: Caller) -> _Standings:
        day = await self._days.today(caller)
        month = await self._scores.board(caller, caller.channel, PERIODS["month"].label(day), 1)
        ever = await self._scores.board(caller, WHOLE_TENANT, PERIODS["all"].label(day), 1)
        return _Standings(month.mine, ever.mine)

    def _weak(self, topics: Mapping[str, Tally]) -> tuple[Block, ...]:
        weak = weakest(topics, WEAK_TOPICS)
        if not weak:
            words = f"No weak topic yet: a topic is judged after {ENOUGH_EVIDENCE} answers."
            return (Heading("Weakest topics"), Text(line(words)))
        lines = tuple(
            line(f"**{self._titles.get(topic, topic)}** {tally.right} of {tally.asked} right") for topic, tally in weak
        )
        return (Heading("Weakest topics"), Bullets(lines))


def _points(standings: _Standings) -> Line:
    month, ever = standings
    if ever is None:
        return line("**0 points** so far: answer a question, such as `/quiz 11`.")
    here = f"**{plural(month.points, 'point')}** here this month, rank {month.rank}" if month else "**0 points** here"
    return line(f"{here} · {ever.points} in all")


def _accuracy(book: Notebook, person: Person | None) -> Sequence[Line]:
    daily = Tally(person.right, person.answered) if person else Tally()
    both = book.first_tries + daily
    if not both.asked:
        return ()
    return [line(f"**{both.right} of {both.asked}** right at the first try ({round(100 * both.share)} %)")]


def _streak(caller: Caller, person: Person | None) -> Sequence[Line]:
    if person is None or not person.streaks:
        return ()
    here = person.running.get(caller.channel)
    now = here if here is not None else max(person.running.values(), default=0)
    best = max(streak.best for streak in person.streaks.values())
    return [line(f"Streak: **{plural(now, 'day')}**, best {best}")]


def _topics(book: Notebook, person: Person | None) -> Mapping[str, Tally]:
    topics = dict(book.topics)
    for topic, (right, asked) in (person.topics if person else {}).items():
        topics[topic] = topics.get(topic, Tally()) + Tally(right, asked)
    return topics


def _alt(weeks: Sequence[Week], today: date) -> str:
    total, active = sum(week.total for week in weeks), sum(week.active for week in weeks)
    if not total:
        return f"A calendar of the last {WEEKS} weeks, still empty."
    days = [(count, week, place) for week in weeks for place, count in enumerate(week.counts)]
    count, week, place = max(days, key=lambda day: day[0])
    busiest = date.fromordinal(week.start.toordinal() + place)
    return (
        f"A calendar of the last {WEEKS} weeks. Answers and ratings: {total}, on {active} of {DAYS} days up to "
        f"{_day(today)}; most on {_WEEKDAYS[place]} {_day(busiest)}, {count}."
    )


def _weeks_words(weeks: Sequence[Week]) -> tuple[Block, ...]:
    lines = tuple(_week_words(week) for week in reversed(weeks) if week.total)
    return (Bullets(lines),) if lines else (Text(line("Nothing yet: today is a good day to begin.")),)


def _week_words(week: Week) -> Line:
    days = ", ".join(f"{_WEEKDAYS[place]} {count}" for place, count in enumerate(week.counts) if count)
    return line(f"Week of {_day(week.start)}: **{week.total}**{f' ({days})' if days else ''}")


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]}"
