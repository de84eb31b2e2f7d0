"""The ports of the store in memory, by the same rules: for tests and for trying things without a server."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from bot.core.daily import ANSWERS_PER_MINUTE
from bot.core.ids import Caller, ChannelId, ItemId, Tenant, UserId
from bot.core.periods import PERIODS, buckets
from bot.core.reviews import LoggedAnswer, LogPage, Notebook
from bot.core.scoring import BoardPage, Progress, Recorded, Standing, Team, board_score, points_of, practice_points
from bot.ports import Clock, PracticeAnswer
from bot.store.keys import TENANT_SCOPE, topic_scope
from bot.store.notebook_wire import fields, notebook
from bot.store.scores import NEIGHBOURS, clipped

_DAYS_KEPT = 3


@dataclass(frozen=True, slots=True)
class _Held:
    """An answer that stands."""

    round: int
    option: str
    correct: bool
    points: int
    event: str


@dataclass(slots=True)
class _Person:
    """What one person did in one tenant."""

    rounds: dict[str, int] = field(default_factory=dict)
    answers: dict[str, _Held] = field(default_factory=dict)
    once_right: set[str] = field(default_factory=set)
    days: dict[date, int] = field(default_factory=dict)
    minute: tuple[int, int] = (0, 0)
    """The newest minute with an answer, and how many."""

    def in_round(self, quiz: str, items: Sequence[str]) -> dict[str, _Held]:
        current = self.rounds.get(quiz, 1)
        return {i: self.answers[i] for i in items if i in self.answers and self.answers[i].round == current}


class MemoryScores:
    """Answers, points and boards in dictionaries; nothing expires."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """`now` gives seconds since 1970."""
        self._now = now
        self._people: defaultdict[tuple[str, str], _Person] = defaultdict(_Person)
        self._names: dict[tuple[str, str], str] = {}
        self._boards: defaultdict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
        self.log: defaultdict[str, list[PracticeAnswer]] = defaultdict(list)
        """What was recorded, by tenant."""

    async def record_practice(self, answer: PracticeAnswer) -> Recorded:
        """Record a first answer of this round, or return what stands."""
        caller, person = answer.caller, self._people[answer.caller.tenant, answer.caller.user]
        stands = person.answers.get(answer.item)
        if answer.round != person.rounds.get(answer.quiz, 1):
            return self._recorded(answer, person, stands or _Held(0, "", False, 0, ""), first=False, stale=True)
        if stands and stands.round == answer.round:
            same = bool(caller.event) and (stands.event, stands.option) == (caller.event, answer.option)
            return self._recorded(answer, person, stands, first=same)
        minute, count = int(self._now()) // 60, person.minute[1] + 1
        person.minute = (minute, count if person.minute[0] == minute else 1)
        cooling = person.minute[1] > ANSWERS_PER_MINUTE
        points = self._earn(person, answer) if answer.counts and not cooling else 0
        held = _Held(answer.round, answer.option, answer.correct, points, caller.event)
        person.answers[answer.item] = held
        self.log[caller.tenant].append(answer)
        self._names[caller.tenant, caller.user] = clipped(caller.name)
        for scope in (caller.channel, TENANT_SCOPE, topic_scope(answer.topic)):
            for bucket in buckets(answer.day):
                board = self._boards[caller.tenant, scope, bucket.label]
                board[caller.user] = board.get(caller.user, 0) + board_score(points, 0, 0)
        return self._recorded(answer, person, held, first=True)._replace(cooling=cooling)

    async def progress(self, caller: Caller, quiz: str, items: Sequence[ItemId]) -> Progress:
        """How far the caller is in a quiz."""
        person = self._people[caller.tenant, caller.user]
        held = person.in_round(quiz, items)
        return Progress(person.rounds.get(quiz, 1), tuple((i, h.option, h.correct) for i, h in held.items()))

    async def restart(self, caller: Caller, quiz: str, items: Sequence[ItemId], finished_round: int) -> int:
        """Begin the round after `finished_round`; a round without an answer is not left."""
        person = self._people[caller.tenant, caller.user]
        current = person.rounds.get(quiz, 1)
        if current == finished_round and person.in_round(quiz, items):
            person.rounds[quiz] = current = finished_round + 1
        return current

    async def board(self, caller: Caller, scope: str, label: str, size: int) -> BoardPage:
        """The top `size` of a board, and the caller's row with its neighbours."""
        scores = self._boards.get((caller.tenant, scope, label), {})
        order = sorted(scores, key=lambda user: (scores[user], user.encode()), reverse=True)
        rows = [self._standing(caller.tenant, scores, user) for user in order]
        if caller.user not in scores:
            return BoardPage(tuple(rows[:size]), None, (), len(rows))
        position = order.index(caller.user)
        around = rows[max(0, position - NEIGHBOURS) : position + NEIGHBOURS + 1]
        return BoardPage(tuple(rows[:size]), rows[position], tuple(around), len(rows))

    async def teams(self, tenant: Tenant, label: str) -> Sequence[Team]:
        """What the channels of a tenant earned."""
        boards = {
            scope: scores
            for (held, scope, named), scores in self._boards.items()
            if (held, named) == (tenant, label) and scope != TENANT_SCOPE and ":" not in scope
        }
        teams = (Team(ChannelId(id), sum(map(points_of, held.values())), len(held)) for id, held in boards.items())
        return [team for team in teams if team.points]

    def _earn(self, person: _Person, answer: PracticeAnswer) -> int:
        """Points of an answer that counts; notes that the question has been right and what the day has brought."""
        days = person.days
        forgotten = answer.day not in days and len(days) == _DAYS_KEPT and answer.day < min(days)
        right_before = answer.item in person.once_right
        points = 0 if forgotten else practice_points(answer.correct, right_before, days.get(answer.day, 0))
        if answer.correct:
            person.once_right.add(answer.item)
        if points:
            days[answer.day] = days.get(answer.day, 0) + points
            while len(days) > _DAYS_KEPT:
                del days[min(days)]
        return points

    def _recorded(
        self, answer: PracticeAnswer, person: _Person, held: _Held, *, first: bool, stale: bool = False
    ) -> Recorded:
        caller = answer.caller
        month = self._boards.get((caller.tenant, caller.channel, PERIODS["month"].label(answer.day)), {})
        seen = person.in_round(answer.quiz, answer.items)
        mine = month.get(caller.user, 0)
        return Recorded(
            first=first,
            option=held.option,
            correct=held.correct,
            points=held.points,
            total=points_of(mine),
            rank=_rank(month, mine),
            answered=len(seen),
            right=sum(answer_held.correct for answer_held in seen.values()),
            stale=stale,
            practice_today=person.days.get(answer.day, 0),
        )

    def _standing(self, tenant: str, scores: dict[str, int], user: str) -> Standing:
        name = self._names.get((tenant, user)) or user
        return Standing(user, name, points_of(scores[user]), _rank(scores, scores[user]))


def _rank(scores: dict[str, int], score: int) -> int:
    """Shared rank: one more than the people with a higher score."""
    return 1 + sum(other > score for other in scores.values())


class MemoryNotebooks:
    """Notebooks as the same fields that Redis holds, and the log of `scores`. An answer's time is when it is read."""

    def __init__(self, scores: MemoryScores, clock: Clock) -> None:
        self._scores = scores
        self._clock = clock
        self._held: dict[tuple[str, str], dict[bytes, bytes]] = {}
        self._taken: defaultdict[str, int] = defaultdict(int)

    async def read(self, tenant: Tenant, users: Sequence[UserId]) -> Mapping[UserId, Notebook]:
        """The notebooks of these people."""
        return {user: notebook(self._held.get((tenant, user), {})) for user in users}

    async def write(self, tenant: Tenant, user: UserId, before: Notebook, after: Notebook) -> bool:
        """Replace `before` by `after`; False when it has changed since."""
        if self._held.get((tenant, user), {}) != fields(before):
            return False
        self._held[tenant, user] = fields(after)
        return True

    async def page(self, tenant: Tenant) -> LogPage:
        """The next answers of the log to take in."""
        since = self._taken[tenant]
        new = self._scores.log[tenant][since:]
        answers = [
            LoggedAnswer(each.caller.user, each.item, each.option, self._clock.now(), each.correct, each.round)
            for each in new
        ]
        return LogPage(tenant, str(since), str(since + len(new)), answers, more=False)

    async def take_in(self, page: LogPage, changed: Mapping[UserId, tuple[Notebook, Notebook]]) -> bool:
        """Write the notebooks that a page changes, and that it has been taken in."""
        fits = all(self._held.get((page.tenant, user), {}) == fields(before) for user, (before, _) in changed.items())
        if not fits or str(self._taken[page.tenant]) != page.since:
            return False
        self._taken[page.tenant] = int(page.until)
        for user, (_, after) in changed.items():
            self._held[page.tenant, user] = fields(after)
        return True
