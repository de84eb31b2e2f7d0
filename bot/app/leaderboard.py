"""Who has how many points, by period and place."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from bot.app.answers import Answers, pressed, typed
from bot.core.actions import AskQuiz, ShowBoard
from bot.core.errors import BadInput
from bot.core.ids import Caller
from bot.core.periods import DEFAULT, PERIODS
from bot.core.scoring import RULE, BoardPage, Standing
from bot.core.text import clip, display_name, line, plural
from bot.core.views import Block, Board, Button, Heading, Look, Note, Ranking, Text, View
from bot.ports import Clock, Scores

SCOPES = {"channel": "this channel", "workspace": "the whole workspace"}
SIZE = 10
WHOLE_TENANT = "t"


class Leaderboards:
    """Shows boards. The reader's own row is always there."""

    def __init__(self, scores: Scores, clock: Clock, zone: ZoneInfo) -> None:
        self._scores = scores
        self._clock = clock
        self._zone = zone

    def answers(self) -> Answers:
        """Looking at boards."""
        return Answers({"leaderboard": typed(self.open)}, {ShowBoard: pressed(self.act)})

    async def open(self, caller: Caller, text: str) -> View:
        """The board that was asked for in any order of words. Raises BadInput for a word it does not know."""
        period, scope = DEFAULT, "channel"
        for word in text.lower().split():
            if word in PERIODS:
                period = word
            elif word in SCOPES:
                scope = word
            else:
                known = ", ".join(f"`{name}`" for name in (*PERIODS, *SCOPES))
                raise BadInput(
                    f"I don't know `{clip(display_name(word), 30)}` here. Use {known}, such as `/leaderboard week`."
                )
        return await self.show(caller, period, scope)

    async def act(self, caller: Caller, action: ShowBoard) -> View:
        """A period or place was pressed."""
        if action.period not in PERIODS or action.scope not in SCOPES:
            raise BadInput("That board is no longer kept. Type `/leaderboard`.")
        return await self.show(caller, action.period, action.scope, in_place=True)

    async def show(self, caller: Caller, period: str, scope: str, *, in_place: bool = False) -> View:
        """Top ten, the reader's own row, and buttons to the other boards."""
        label = PERIODS[period].label(self._clock.now().astimezone(self._zone).date())
        where = WHOLE_TENANT if scope == "workspace" else caller.channel
        page = await self._scores.board(caller, where, label, SIZE)
        title = f"Leaderboard · {PERIODS[period].title} · {SCOPES[scope]}"
        others: list[Button] = [
            Button(
                name.capitalize(), ShowBoard(name, scope), Look.MAIN if name == period else Look.PLAIN, name != period
            )
            for name in PERIODS
        ]
        other_scope = next(name for name in SCOPES if name != scope)
        return View(
            blocks=(Heading(title), *_body(caller, page), Note(RULE)),
            fallback=f"{title}: {_summary(page)}",
            buttons=(*others, Button(SCOPES[other_scope].capitalize(), ShowBoard(period, other_scope)))
            if page.members
            else (Button("Play Quiz 1", AskQuiz("1"), Look.MAIN), *others),
            in_place=in_place,
        )


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
        return "nobody yet"
    best = page.top[0]
    own = f"; you are number {page.mine.rank} with {plural(page.mine.points, 'point')}" if page.mine else ""
    return f"{display_name(best.name)} leads with {plural(best.points, 'point')}{own}"
