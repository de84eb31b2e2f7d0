"""One scripted conversation, two platforms, the same state: the same people do the same things through the real Slack
and Discord adapters, over the wire, and what is stored and what they read is the same."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from redis.asyncio import Redis

from bot.app.leaderboard import WHOLE_TENANT
from bot.core.ids import Caller, Platform
from bot.core.periods import PERIODS
from bot.store.scores import RedisScores
from tests.adapters.staging import PEOPLE, STAGES, Seen, Stage, letter
from tests.redis_server import lonely, lonely_url

__all__ = ["lonely", "lonely_url"]

HOUR, DAY, SOON = timedelta(hours=1), timedelta(days=1), timedelta(seconds=20)
LAST = date(2031, 3, 5)


@dataclass
class Story:
    """What happened, in words that are the same on every platform."""

    stage: Stage
    lines: list[str] = field(default_factory=list)
    right: str = ""
    """The letter of the right option of the question in hand: letters differ, options are shuffled by team."""

    async def say(self, who: str, line: str) -> Seen:
        return self._told(f"{who} types {line}", await self.stage.say(who, line))

    async def press(self, who: str, seen: Seen, label: str) -> Seen:
        return self._told(f"{who} presses {self._named(label)}", await self.stage.press(who, seen, label))

    async def answer(self, who: str, seen: Seen, *, right: bool) -> Seen:
        """Answer a question, rightly or not."""
        self.right = await letter(self.stage, seen, right=True)
        return await self.press(who, seen, await letter(self.stage, seen, right=right))

    async def send(self, who: str, form: Seen, **values: str) -> Seen:
        return self._told(f"{who} sends", await self.stage.send(who, form, **values))

    async def passes(self, length: timedelta) -> None:
        """Time passes; whatever then stands in the channel is told."""
        await self.stage.passes(length)
        for seen in (*self.stage.asked(), *self.stage.threads()):
            self.right = await letter(self.stage, seen, right=True) if "A" in seen.buttons else ""
            self._told("the channel shows", seen)

    def _told(self, what: str, seen: Seen) -> Seen:
        buttons = sorted({self._named(label) for label in seen.buttons})
        self.lines += [f"--- {what}", "for one" if seen.private else "for all", *self._meaning(seen.text), *buttons]
        return seen

    def _named(self, label: str) -> str:
        if not re.fullmatch("[A-F]", label):
            return label
        return "the right option" if label == self.right else "a wrong option"

    def _meaning(self, text: str) -> list[str]:
        """The lines of a card without signs of markup, its options in one order, letters by what they are."""
        lines, options = [], []
        for raw in text.splitlines():
            plain = re.sub(r"[`*]|^\s*(#{1,3}|-#|-) ", "", re.sub("\u200b", "", raw))
            plain = " ".join(plain.replace(" · ", " ").replace("weeks.png", "").split())
            if option := re.match(r"([✓✗] )?[A-F]\. (.*)", plain):
                options.append((option[1] or "") + option[2])
            elif plain:
                lines.append(re.sub(r"(?:(?<=t is )|(?<=: ))[A-F]\b", lambda found: self._named(found[0]), plain))
        return [*lines, *sorted(options)]


async def planned(story: Story, mode: str) -> None:
    """Ada plans a question for half past nine, and it comes."""
    form = await story.say("Ada", "/setup")
    values = {"at": "9:30", "zone": "Europe/Berlin", "days": "mon-fri", "content": "quiz 11, in order", "mode": mode}
    await story.press("Ada", await story.send("Ada", form, **values), "Save")
    await story.passes(HOUR)


async def a_sealed_day(story: Story) -> None:
    """Answers that may be changed until the close, and one that comes too late."""
    stage = story.stage
    await planned(story, "sealed, closes 17:00")
    (asked,) = stage.asked()
    await story.answer("Bob", asked, right=False)
    await story.answer("Bob", asked, right=True)
    await story.answer("Cleo", asked, right=False)
    await story.passes(SOON)
    await story.say("Bob", "/leaderboard month channel")
    slow = await story.say("Dan", "/daily")
    await story.passes(8 * HOUR)
    await story.answer("Dan", slow, right=True)
    await story.say("Bob", "/leaderboard month channel")
    await story.say("Eve", "/daily")


async def a_workweek(story: Story) -> None:
    """Its beginning, in a team of five."""
    stage = story.stage
    await story.say("Bob", "/setup 9:30 Europe/Berlin")
    await planned(story, "instant")

    # the first day: everyone answers, one of them twice and one of them by `/daily`
    (asked,) = stage.asked()
    await story.answer("Bob", asked, right=True)
    await story.answer("Cleo", asked, right=False)
    await story.answer("Cleo", asked, right=True)
    await story.answer("Dan", await story.say("Dan", "/daily"), right=True)
    await story.passes(SOON)

    # practice: a quiz is begun, left and taken up again; the board
    card = await story.say("Cleo", "/quiz 11")
    verdict = await story.answer("Cleo", card, right=True)
    card = await story.press("Cleo", verdict, "Next question")
    await story.answer("Cleo", card, right=False)
    await story.say("Cleo", "/quiz 11")
    await story.say("Cleo", "/leaderboard month workspace")
    await story.say("Eve", "/leaderboard")
    await story.say("Eve", "/quiz 99")

    # the close, a late answer, a report that an admin finds right
    await story.passes(DAY)
    first = stage.asked()[0]
    report = await story.press("Cleo", first, "Report a mistake")
    await story.send("Cleo", report, kind="wrong", text="Two of them are right")
    reports = await story.say("Ada", "/reports")
    await story.press("Ada", reports, "Void and rescore 1")
    await story.say("Bob", "/leaderboard month workspace")

    # two more days make a streak for Bob
    for _ in range(2):
        await story.answer("Bob", stage.asked()[-1], right=True)
        await story.answer("Eve", stage.asked()[-1], right=False)
        await story.passes(DAY)
    # cards for Dan, a hidden name for Eve
    card = await story.say("Dan", "/flashcards autograd 2")
    sides = await story.press("Dan", card, "Show")
    rated = next(label for label in sides.buttons if label.startswith("4"))
    await story.press("Dan", await story.press("Dan", sides, rated), "Undo")
    await story.press("Eve", await story.say("Eve", "/privacy"), "Hide my name")

    await story.say("Bob", "/stats")
    await story.say("Eve", "/schedules")
    await story.say("Ada", "/daily pause")
    await story.say("Eve", "/leaderboard month channel")


async def stored(stage: Stage) -> Mapping[str, object]:
    """Everything that counts, by people's names."""
    town, kept = stage.town, RedisScores(stage.town.redis)
    callers = {who: Caller(town.tenant, stage.channel, stage.id(who), who, f"look {who}") for who in PEOPLE}
    found: dict[str, object] = {}
    for period in PERIODS.values():
        for scope in (WHOLE_TENANT, stage.channel):
            page = await kept.board(callers["Ada"], scope, period.label(LAST), 10)
            name = "workspace" if scope == WHOLE_TENANT else "channel"
            found[f"{period.title}, {name}"] = [(each.rank, each.name, each.points) for each in page.top]
    for who, caller in callers.items():
        person = await town.dailies.person(caller)
        found[who] = (person.answered, person.right, person.points, dict(person.topics), list(person.streaks.values()))
    schedules = await town.schedules.of_tenant(town.tenant)
    found["schedules"] = [(each.at, each.zone, each.weekdays, each.mode, each.paused) for each in schedules]
    return found


@pytest.mark.parametrize("told", [a_workweek, a_sealed_day])
async def test_the_same_story_is_stored_and_read_alike_on_slack_and_on_discord(
    lonely: Redis, told: Callable[[Story], Awaitable[None]]
) -> None:
    states, transcripts = {}, {}
    for platform, stage_of in STAGES.items():
        async with stage_of(lonely) as stage:
            story = Story(stage)
            await told(story)
            states[platform], transcripts[platform] = await stored(stage), story.lines

    assert states[Platform.SLACK] == states[Platform.DISCORD]
    assert transcripts[Platform.SLACK] == transcripts[Platform.DISCORD]
    assert states[Platform.SLACK]["Bob"]
    assert len(transcripts[Platform.SLACK]) > 80
