"""Planning questions of the day: `/setup`, `/schedules`, and the admins' half of `/daily`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from bot.app.answers import Answers, pressed, sent, typed
from bot.app.cards import notice
from bot.app.daily import Daily
from bot.app.daily_pool import Pool
from bot.app.posting import moment_of
from bot.core.actions import ChangeSchedule, OpenSetup, SaveSchedule, SubmitSetup
from bot.core.bank import Bank
from bot.core.daily import Entry
from bot.core.errors import BadInput, NotFound, StaleButton
from bot.core.ids import Caller, ChannelId
from bot.core.schedule import WORKDAYS, Schedule, ScheduleId, next_due, skipping_next, upcoming
from bot.core.schedule_words import (
    content_named,
    content_text,
    days_text,
    due_text,
    holidays,
    mode_named,
    moment_text,
    summary,
    wall_time,
    weekdays,
    zone_named,
)
from bot.core.text import display_name, line
from bot.core.views import (
    Block,
    Bullets,
    Button,
    Field,
    Form,
    Heading,
    Line,
    Look,
    Note,
    Reply,
    Span,
    Text,
    View,
    plain,
)
from bot.ports import Schedules

CHANGED = "Someone else has changed this schedule in the meantime. Type `/schedules` to see it as it is now."
NEXT_SHOWN = 3
MOST_LISTED = 20
MOST = 10
"""Schedules in one channel."""
ADMINS = "Only admins of this workspace can plan questions (on Discord: Manage Server). Ask one of them."
VERBS = ("now", "skip", "pause", "resume", "holidays", "remove", "audit")


class Setup:
    """Plans, changes and lists schedules. Everything here is for admins."""

    def __init__(self, bank: Bank, pool: Pool, schedules: Schedules, daily: Daily, zone: str) -> None:
        """`zone` is offered where a team has no schedule yet."""
        self._bank = bank
        self._pool = pool
        self._schedules = schedules
        self._daily = daily
        self._zone = zone

    def answers(self) -> Answers:
        """Planning questions of the day."""
        return Answers(
            {"setup": typed(self.open), "schedules": typed(self.overview), "daily": typed(self.daily)},
            {
                OpenSetup: pressed(self.edit_or_open),
                SubmitSetup: sent(self.submit),
                SaveSchedule: pressed(self.save),
                ChangeSchedule: pressed(self.change),
            },
        )

    # -- /setup: the form, the next three, saved

    async def open(self, caller: Caller, text: str) -> Reply:
        """The form; or, with words such as ``9:30 Europe/Berlin mon-fri``, the plan at once."""
        admin_only(caller)
        if text:
            at, _, rest = text.partition(" ")
            zone, _, days = rest.strip().partition(" ")
            fresh = await self._fresh(caller)
            return await self._confirm(
                replace(
                    fresh,
                    at=wall_time(at),
                    closes=wall_time(at),
                    zone=zone_named(zone) if zone else fresh.zone,
                    weekdays=weekdays(days) if days else WORKDAYS,
                )
            )
        return _form(ScheduleId(""), await self._fresh(caller))

    async def edit_or_open(self, caller: Caller, action: OpenSetup) -> Reply:
        """The form: empty, or filled with a schedule."""
        return await self.edit(caller, action) if action.schedule else await self.open(caller, "")

    async def edit(self, caller: Caller, action: OpenSetup) -> Form:
        """The form, filled with a schedule."""
        admin_only(caller)
        return _form(action.schedule, await self._one(caller, action.schedule))

    async def submit(self, caller: Caller, action: SubmitSetup, values: Mapping[str, str]) -> View:
        """What the form says, as a plan with its next three posts, to be saved or changed."""
        admin_only(caller)
        base = await self._one(caller, action.schedule) if action.schedule else await self._fresh(caller)
        mode, _, closes = values.get("mode", "").partition(",")
        at = wall_time(values.get("at", ""))
        topics = [topic.id for topic in self._bank.topics]
        courses = [course.number for course in self._bank.courses]
        return await self._confirm(
            replace(
                base,
                at=at,
                zone=zone_named(values.get("zone", "")),
                weekdays=weekdays(values.get("days", "")),
                content=content_named(values.get("content", ""), list(self._bank.quizzes), courses, topics),
                mode=mode_named(mode),
                closes=wall_time(closes.lower().replace("closes", "")) if closes.strip() else at,
            )
        )

    async def _confirm(self, draft: Schedule) -> View:
        if not self._pool.candidates(draft.content):
            raise BadInput(f"There is no question to ask in `{content_text(draft.content)}`. Choose something wider.")
        now = await self._schedules.now()
        id = draft.id or await self._schedules.new_id(draft.tenant, draft.channel)
        planned = replace(draft, id=id, since=now, early=None)
        token = await self._schedules.keep_draft(draft.tenant, planned)
        ahead = upcoming(planned, now, NEXT_SHOWN)
        return View(
            blocks=(
                Heading("Question of the day: is this right?"),
                Text(plain(summary(planned))),
                Text(line("The next three:")),
                Bullets(tuple(plain(due_text(due, planned.zone)) for due in ahead)),
            ),
            fallback=summary(planned),
            buttons=(
                Button("Save", SaveSchedule(token), Look.MAIN),
                Button("Change", OpenSetup(draft.id if draft.version else ScheduleId(""))),
            ),
        )

    async def save(self, caller: Caller, action: SaveSchedule) -> View:
        """Save the plan that was shown. Pressing twice saves it once."""
        admin_only(caller)
        draft = await self._schedules.draft(caller.tenant, action.draft)
        if draft is None:
            raise StaleButton("That plan has waited too long. Type `/setup` again.")
        last = await self._schedules.last_day(draft)
        what = ("changed: " if draft.version else "created: ") + summary(draft)
        saved = await self._save(draft, last, caller, what)
        due = next_due(saved, saved.since, last)
        first = f" The next question comes {moment_text(due.due, saved.zone)}." if due else ""
        return notice(f"Saved.{first} See all with `/schedules`.", in_place=True)

    # -- /schedules

    async def overview(self, caller: Caller, _: str = "") -> View:
        """The schedules of this channel, with what can be done to them; where there are none, those of the team."""
        admin_only(caller)
        mine = await self._of_channel(caller)
        if not mine:
            return _team(await self._schedules.of_tenant(caller.tenant))
        now = await self._schedules.now()
        blocks: list[Block] = [Heading("Questions of the day in this channel")]
        buttons: list[Button] = []
        for each in mine:
            last = await self._schedules.last_day(each)
            ahead = upcoming(each, now, NEXT_SHOWN, last)
            blocks.append(Text(line(f"**{each.id}** {summary(each)}")))
            blocks.append(Bullets(tuple(plain(moment_text(due.due, each.zone)) for due in ahead)))
            verb = "resume" if each.paused else "pause"
            buttons += [
                Button(f"{verb.capitalize()} {each.id}", ChangeSchedule(each.id, verb, each.version)),
                Button(f"Skip next {each.id}", ChangeSchedule(each.id, "skip", each.version), enabled=bool(ahead)),
                Button(f"Edit {each.id}", OpenSetup(each.id)),
                Button(f"Remove {each.id}", ChangeSchedule(each.id, "remove", each.version), Look.DANGER),
            ]
        return View(tuple(blocks), f"{len(mine)} planned here", tuple(buttons[:20]))

    async def change(self, caller: Caller, action: ChangeSchedule) -> View:
        """A button under a schedule was pressed. Raises BadInput when the schedule has changed since it was shown."""
        admin_only(caller)
        held = await self._one(caller, action.schedule)
        done_before = held.paused == (action.verb == "pause") and action.verb in ("pause", "resume")
        if held.version != action.version and not done_before:
            raise BadInput(CHANGED)
        return await self._apply(caller, held, action.verb, "")

    # -- /daily

    async def daily(self, caller: Caller, text: str) -> View:
        """Today's question; or for admins ``now``, ``skip``, ``pause [until]``, ``resume``, ``holidays dates``,
        ``remove``, ``audit``, each with the number of a schedule where there are several."""
        words = text.lower().split()
        if not words or words[0] == "show":
            return await self._daily.show(caller)
        if words[0] not in VERBS:
            known = ", ".join(f"`{verb}`" for verb in VERBS)
            raise BadInput(f"I don't know `/daily {display_name(words[0])}`. Use {known}, or `/daily` alone.")
        admin_only(caller)
        if words[0] == "audit":
            return _audit(await self._schedules.audit(caller.tenant, 15))
        mine = await self._of_channel(caller)
        if not mine:
            raise NotFound("No question of the day is planned in this channel. Plan one with `/setup`.")
        rest = words[1:]
        if rest and rest[0].isdigit() and len(rest[0]) < 4:
            mine = [await self._one(caller, ScheduleId(rest.pop(0)))]
        if len(mine) > 1:
            numbers = ", ".join(f"`/daily {words[0]} {each.id}`" for each in mine)
            raise BadInput(f"There are {len(mine)} schedules here: say which, {numbers}. `/schedules` shows them.")
        return await self._apply(caller, mine[0], words[0], " ".join(rest))

    async def _apply(self, caller: Caller, held: Schedule, verb: str, rest: str) -> View:
        now, last = await self._schedules.now(), await self._schedules.last_day(held)
        match verb:
            case "remove":
                await self._schedules.remove(held, _who(caller))
                return notice("Removed. Its questions so far and their points stay.", in_place=True)
            case "pause":
                until = _date(rest.replace("until", "")) if rest else None
                changed, what = replace(held, paused=True, resumes=until), f"paused {f'until {until}' if until else ''}"
            case "resume":
                changed, what = replace(held, paused=False, resumes=None, since=now), "resumed"
            case "skip":
                changed = skipping_next(held, now, last)
                what = "skipped " + ", ".join(sorted(map(str, changed.skipped - held.skipped)))
            case "holidays":
                changed, what = replace(held, holidays=held.holidays | holidays(rest)), f"holidays {rest}"
            case "now":
                changed, what = self._early(held, now, last), "asked for now"
            case _:
                raise StaleButton
        saved = await self._save(changed, last, caller, what.strip())
        due = next_due(saved, now, last)
        then = f"The next question comes {moment_text(due.due, saved.zone)}." if due else "No question is planned now."
        return notice("It comes in a moment." if verb == "now" else then, in_place=True)

    def _early(self, held: Schedule, now: datetime, last: date | None) -> Schedule:
        due = next_due(replace(held, paused=False), now, last)
        if due is None or due.due - now > timedelta(days=1):
            raise BadInput("Today's question is out already, and the next one is more than a day away.")
        return replace(held, paused=False, resumes=None, early=due.day, since=min(now, due.due))

    async def _save(self, changed: Schedule, last: date | None, caller: Caller, what: str) -> Schedule:
        due = next_due(changed, await self._schedules.now(), last)
        at = moment_of(changed, due) if due else None
        return await self._schedules.save(replace(changed, planner=caller.user), at, _who(caller), what)

    async def _of_channel(self, caller: Caller) -> list[Schedule]:
        return [each for each in await self._schedules.of_tenant(caller.tenant) if each.channel == caller.channel]

    async def _one(self, caller: Caller, id: ScheduleId) -> Schedule:
        found = next((each for each in await self._of_channel(caller) if each.id == id), None)
        if found is None:
            raise NotFound(f"There is no schedule {display_name(id)} in this channel. `/schedules` shows them.")
        return found

    async def _fresh(self, caller: Caller) -> Schedule:
        everywhere = await self._schedules.of_tenant(caller.tenant)
        if sum(each.channel == caller.channel for each in everywhere) >= MOST:
            raise BadInput(f"There are {MOST} schedules in this channel already. Remove one first: `/schedules`.")
        zone = everywhere[-1].zone if everywhere else self._zone
        return Schedule(ScheduleId(""), caller.tenant, caller.channel, zone, time(9), time(9))


def _form(id: ScheduleId, shown: Schedule) -> Form:
    closes = "" if shown.closes == shown.at else f", closes {shown.closes:%H:%M}"
    return Form(
        "Question of the day",
        SubmitSetup(id),
        (
            Field("at", "Time, such as 09:30", f"{shown.at:%H:%M}", max_length=10),
            Field("zone", "Time zone or city", shown.zone, max_length=40),
            Field("days", "Days: mon-fri, daily, or mon, wed, fri", days_text(shown.weekdays), max_length=60),
            Field("content", "What: everything, quiz 11, topic:autograd", content_text(shown.content), max_length=200),
            Field("mode", "instant or sealed, closing time", f"{shown.mode.value}{closes}", max_length=40),
        ),
        "Next",
    )


def _team(schedules: Sequence[Schedule]) -> View:
    if not schedules:
        return notice("No question of the day is planned in this channel. Plan one with `/setup`.")
    lines = tuple((_channel(each.channel), Span(f" · {summary(each)}")) for each in schedules[:MOST_LISTED])
    return View(
        (
            Heading("Questions of the day of this team"),
            Bullets(lines),
            Text(line("Type `/setup` in a channel to plan one there, `/schedules` to change what is planned.")),
        ),
        f"{len(schedules)} planned in this team",
    )


def _channel(id: ChannelId) -> Span:
    return Span(id, channel=id)


def _audit(entries: Sequence[Entry]) -> View:
    lines = tuple(_entry(entry) for entry in entries)
    if not lines:
        return notice("Nothing has been planned or changed yet.")
    return View((Heading("Who changed what"), Bullets(lines), Note("Times are UTC")), f"{len(lines)} changes")


def _entry(entry: Entry) -> Line:
    head = Span(f"{entry.at:%d %b %H:%M} {display_name(entry.who)} · ")
    return (head, _channel(entry.channel), Span(f" {entry.schedule} · {entry.what}"))


def admin_only(caller: Caller) -> None:
    """Raises BadInput for whoever is no admin."""
    if not caller.is_admin:
        raise BadInput(ADMINS)


def _who(caller: Caller) -> str:
    return f"{display_name(caller.name)} ({caller.user})"


def _date(text: str) -> date:
    return min(holidays(text.strip()), default=date.min)
