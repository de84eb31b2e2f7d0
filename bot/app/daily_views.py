"""How a question of the day looks: while it is open, to whoever answered, at the close, and in its digest."""

from __future__ import annotations

from collections.abc import Sequence

from bot.core.actions import DailyAnswer, OpenReport, RunProof, ShowBoard
from bot.core.daily import Answered, Post, Status
from bot.core.ids import OptionId, UserId
from bot.core.kinds.choosing import Choosable
from bot.core.questions import one_line
from bot.core.schedule import Mode
from bot.core.schedule_words import moment_text
from bot.core.scoring import DAILY_TRY
from bot.core.text import display_name, letter, line, plural
from bot.core.views import Block, Bullets, Button, Heading, Line, Look, Note, Span, Style, Text, View, plain

HOW = {
    Mode.INSTANT: "The first answer counts. You alone see your verdict.",
    Mode.SEALED: "You may change your answer until the close. The solution comes then.",
}


def question(post: Post, item: Choosable, *, private: bool = False) -> View:
    """The open question. It says how many answered, and nothing of who or what."""
    title = f"Question of the day · {post.day:%d %b}"
    return View(
        blocks=(
            Heading(title),
            *item.asked(post.order),
            Text(_closing(post)),
            Note(f"{post.answered} answered · {HOW[post.mode]}"),
        ),
        fallback=f"{title}: {item.title()}",
        buttons=tuple(Button(letter(index), DailyAnswer(post.id, id)) for index, id in enumerate(post.order)),
        private=private,
    )


def reveal(post: Post, item: Choosable) -> View:
    """The same message once the question has closed: with its key."""
    title = f"Question of the day · {post.day:%d %b} · closed"
    return View(
        blocks=(
            Heading(title),
            *_void(post),
            *item.revealed(post.order, None),
            Note(item.sources()),
            Note(_share(post)),
        ),
        fallback=f"{title}: it is {letter(post.order.index(post.right))}",
        buttons=_after(post, item),
        private=False,
    )


def digest(post: Post, item: Choosable, milestones: Sequence[tuple[str, UserId, int]]) -> View:
    """What the thread gets: how many were right, what misled most, whose streaks grew."""
    blocks: list[Block] = [Heading("How it went"), *_void(post), Text(line(f"**{_share(post)}**"))]
    if misled := _most_chosen_wrong(post):
        option, count = misled
        chosen = item.option(option)
        assert chosen is not None
        blocks.append(Text(line(f"Most chosen wrong: **{letter(post.order.index(option))}**, by {count}")))
        blocks.append(Text((Span("Why not: ", Style.STRONG), *one_line(chosen.reason))))
    if milestones:
        named = ", ".join(f"{display_name(name)} {length}" for name, _, length in milestones)
        blocks.append(Text((Span("Days in a row: ", Style.STRONG), Span(named))))
    blocks.append(Note(item.sources()))
    return View(
        blocks=tuple(blocks),
        fallback=f"How it went: {_share(post)}",
        buttons=(*_after(post, item), Button("Leaderboard", ShowBoard("month", "channel"))),
        private=False,
    )


def taken_out(post: Post) -> View:
    """What the thread gets when a closed question is taken out."""
    return View((Heading("This question was taken out"), *_void(post)), "This question was taken out", private=False)


def reported(post: Post, said: Sequence[str]) -> View:
    """What whoever planned a question hears when someone reported a mistake in it."""
    title = f"A mistake was reported in the question of {post.day:%d %b}"
    return View(
        blocks=(
            Heading(title),
            Bullets(tuple(plain(display_name(each, "comment")) for each in said)),
            Text(line("Judge it in that channel: `/reports`. Taking the question out puts every board right.")),
        ),
        fallback=title,
    )


def verdict(answered: Answered, post: Post, item: Choosable, pressed: OptionId) -> View:
    """What the person who answered sees, alone."""
    match answered.status:
        case Status.LATE:
            return _late(answered, post, item)
        case Status.RECORDED | Status.CHANGED | Status.STANDS if post.mode is Mode.SEALED:
            return _locked(answered, post)
        case _:
            return _told(answered, post, item, pressed)


def _told(answered: Answered, post: Post, item: Choosable, pressed: OptionId) -> View:
    right = letter(post.order.index(post.right))
    chosen = answered.option or pressed
    head = "Right." if answered.correct else f"Not quite. It is {right}."
    if post.void:
        head = "This question does not count."
    points = f" +{plural(answered.points, 'point')}" if answered.points else ""
    kept: tuple[Block, ...] = ()
    if chosen != pressed:
        kept = (Text(line(f"Your first answer counts: **{letter(post.order.index(chosen))}**.")),)
    standing = f"{plural(answered.total, 'point')} this month, rank {answered.rank}"
    return View(
        blocks=(
            Heading(head + points),
            *kept,
            *_void(post),
            *item.revealed(post.order, chosen),
            Note(item.sources()),
            Note(f"{_streak(answered)}{standing}"),
        ),
        fallback=f"{head}{points}",
        buttons=_after(post, item),
    )


def _locked(answered: Answered, post: Post) -> View:
    chosen = letter(post.order.index(answered.option)) if answered.option else "?"
    return View(
        blocks=(
            Heading(f"Locked in: {chosen}"),
            Text((Span("You can change it until "), Span(moment_text(post.closes, post.zone), at=post.closes))),
            Note(f"{_streak(answered)}the solution comes at the close"),
        ),
        fallback=f"Locked in: {chosen}. You can change it until the close.",
    )


def _late(answered: Answered, post: Post, item: Choosable) -> View:
    mine = f"Your answer was **{letter(post.order.index(answered.option))}**. " if answered.option else ""
    sorry = "It gives no points any more, but here is the solution." if not answered.option else "Here is the solution."
    return View(
        blocks=(
            Heading("This question has closed"),
            Text(line(mine + sorry)),
            *item.revealed(post.order, answered.option),
            Note(item.sources()),
        ),
        fallback=f"This question has closed. It was {letter(post.order.index(post.right))}.",
        buttons=_after(post, item),
    )


def _after(post: Post, item: Choosable) -> tuple[Button, ...]:
    proof = (Button("Run the proof", RunProof(item.id), Look.MAIN),) if item.proof else ()
    return (*proof, Button("Report a mistake", OpenReport(post.id)))


def _void(post: Post) -> tuple[Block, ...]:
    if not post.void:
        return ()
    text = f"This question was taken out: {display_name(post.void, 'a mistake')}. "
    return (Text((Span(text), Span(f"Everyone who answered keeps {plural(DAILY_TRY, 'point')}."))),)


def _share(post: Post) -> str:
    if not post.answered:
        return "Nobody answered"
    right = post.chosen.get(post.right, 0)
    return f"{right} of {post.answered} right ({100 * right // post.answered} %)"


def _most_chosen_wrong(post: Post) -> tuple[OptionId, int] | None:
    wrong = [
        (count, -index, id) for index, id in enumerate(post.order) if (count := post.chosen[id]) and id != post.right
    ]
    if not wrong:
        return None
    count, _, option = max(wrong)
    return option, count


def _streak(answered: Answered) -> str:
    if answered.streak.length < 2:
        return ""
    saved = ", kept by this week's free day" if answered.saved else ""
    return f"🔥 {answered.streak.length} days in a row{saved} · "


def _closing(post: Post) -> Line:
    return (Span("Closes "), Span(moment_text(post.closes, post.zone), at=post.closes))
