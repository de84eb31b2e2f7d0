"""Who has how many points, by period and place."""

from __future__ import annotations

from collections.abc import Sequence

from bot.app.answers import Answers, pressed, typed
from bot.app.local_days import LocalDays
from bot.core.actions import AskQuiz, ShowBoard
from bot.core.bank import Bank
from bot.core.errors import BadInput
from bot.core.ids import Caller
from bot.core.periods import DEFAULT, PERIODS
from bot.core.scoring import RULE, TEAM_LEAST, BoardPage, Standing, Team, ranked_teams
from bot.core.text import clip, display_name, line, plural
from bot.core.views import Block, Board, Button, Heading, Look, Note, Ranking, Text, View
from bot.ports import Scores

SCOPES = {"channel": "this channel", "workspace": "the whole workspace", "teams": "channels as teams"}
"""Beside them stands each topic, by its id."""
SIZE = 10
NOBODY = "nobody yet"
WHOLE_TENANT = "t"
TEAM_RULE = f"Points for each person who answered. {TEAM_LEAST} people make a team."


class Leaderboards:
    """Shows boards. The reader's own row is always there."""

    def __init__(self, scores: Scores, days: LocalDays, bank: Bank) -> None:
        self._scores = scores
        self._days = days
        self._scopes = {**SCOPES, **{topic.id: topic.title for topic in bank.topics}}

    def answers(self) -> Answers:
        """Looking at boards."""
        return Answers({"leaderboard": typed(self.open)}, {ShowBoard: pressed(self.act)})

    async def open(self, caller: Caller, text: str) -> View:
        """The board that was asked for in any order of words. Raises BadInput for a word it does not know."""
        period, scope = DEFAULT, "channel"
        for word in text.lower().replace("topic:", "").split():
            if word in PERIODS:
                period = word
            elif word in self._scopes:
                scope = word
            elif word != "topic":
                known = ", ".join(f"`{name}`" for name in (*PERIODS, *SCOPES))
                raise BadInput(
                    f"I don't know `{clip(display_name(word), 30)}` here. Use {known} or a topic, such as "
                    "`/leaderboard week autograd`."
                )
        return await self.show(caller, period, scope)

    async def act(self, caller: Caller, action: ShowBoard) -> View:
        """A period or place was pressed."""
        if action.period not in PERIODS or action.scope not in self._scopes:
            raise BadInput("That board is no longer kept. Type `/leaderboard`.")
        return await self.show(caller, action.period, action.scope, in_place=True)

    async def show(self, caller: Caller, period: str, scope: str, *, in_place: bool = False) -> View:
        """The best, the reader's own row, and buttons to the other boards."""
        label = PERIODS[period].label(await self._days.today(caller))
        title = f"Leaderboard · {PERIODS[period].title} · {self._scopes[scope]}"
        if scope == "teams":
            teams = await self._scores.teams(caller.tenant, label)
            blocks, summary = _compared(caller, teams), _best_team(teams)
        else:
            page = await self._scores.board(caller, _stored(caller, scope), label, SIZE)
            blocks, summary = (*_body(caller, page), Note(RULE)), _summary(page)
        return View(
            blocks=(Heading(title), *blocks),
            fallback=f"{title}: {summary}",
            buttons=_buttons(period, scope, empty=summary == NOBODY),
            in_place=in_place,
        )


def _stored(caller: Caller, scope: str) -> str:
    """What the store calls a scope."""
    return {"channel": caller.channel, "workspace": WHOLE_TENANT}.get(scope, f"topic:{scope}")


def _buttons(period: str, scope: str, *, empty: bool) -> tuple[Button, ...]:
    periods = [
        Button(name.capitalize(), ShowBoard(name, scope), Look.MAIN if name == period else Look.PLAIN, name != period)
        for name in PERIODS
    ]
    places = [Button(SCOPES[name].capitalize(), ShowBoard(period, name)) for name in SCOPES if name != scope]
    play = (Button("Play Quiz 1", AskQuiz("1"), Look.MAIN),) if empty else ()
    return (*play, *periods, *places)


def _compared(caller: Caller, teams: Sequence[Team]) -> tuple[Block, ...]:
    """Channels by their mean; the reader's own is always told."""
    ranking = ranked_teams(teams)
    shown = [
        (rank, team) for place, (rank, team) in enumerate(ranking) if place < SIZE or team.channel == caller.channel
    ]
    blocks: list[Block] = [Board(tuple(_team_row(caller, rank, team) for rank, team in shown))] if shown else []
    if caller.channel not in {team.channel for _, team in shown}:
        people = next((team.people for team in teams if team.channel == caller.channel), 0)
        more = plural(TEAM_LEAST - people, "more person").replace("persons", "people")
        blocks.append(Text(line(f"This channel is no team yet: {more} must answer a question, such as `/quiz 11`.")))
    return (*blocks, Note(f"{TEAM_RULE} {RULE}"))


def _team_row(caller: Caller, rank: int, team: Team) -> Ranking:
    people, mine = plural(team.people, "person").replace("persons", "people"), team.channel == caller.channel
    return Ranking(rank, f"#{team.channel}", round(team.mean, 1), people, mine, team.channel)


def _best_team(teams: Sequence[Team]) -> str:
    ranking = ranked_teams(teams)
    return f"#{ranking[0][1].channel} leads with {ranking[0][1].mean:.1f} points a person" if ranking else NOBODY


def _body(caller: Caller, page: BoardPage) -> tuple[Block, ...]:
    if not page.members:
        return (Text(line("Nobody is here yet. Answer a question and the first row is yours: `/quiz 11`")),)
    rows = [_row(caller, standing) for standing in page.top]
    shown = {standing.user for standing in page.top}
    rest = [_row(caller, standing) for standing in page.around if standing.user not in shown]
    blocks: list[Block] = [Board(tuple(rows))]
    if rest:
        blocks += [Text(line("…")), Board(tuple(rest))]
    if page.mine is None:
        blocks.append(Text(line("You are not on this board yet: answer a question, such as `/quiz 11`.")))
    elif page.members > len(page.top):
        blocks.append(Text(line(f"You are number **{page.mine.rank}** of {page.members}.")))
    return tuple(blocks)


def _row(caller: Caller, standing: Standing) -> Ranking:
    me = standing.user == caller.user
    hidden = "others see no name" if me and standing.anonymous else ""
    return Ranking(standing.rank, display_name(standing.name), standing.points, hidden, me)


def _summary(page: BoardPage) -> str:
    if not page.members:
        return NOBODY
    best = page.top[0]
    own = f"; you are number {page.mine.rank} with {plural(page.mine.points, 'point')}" if page.mine else ""
    return f"{display_name(best.name)} leads with {plural(best.points, 'point')}{own}"
