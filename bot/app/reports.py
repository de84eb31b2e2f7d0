"""Mistakes in questions of the day: reported by anyone, judged by admins, put right on every board."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from bot.app.answers import Answers, pressed, sent, typed
from bot.app.cards import notice
from bot.app.corrections import PATIENCE
from bot.app.daily_pool import Pool
from bot.app.setup import admin_only
from bot.core.actions import JudgeReport, OpenReport, SubmitReport
from bot.core.daily import Later, Post, Task
from bot.core.errors import BadInput, StaleButton
from bot.core.ids import Caller
from bot.core.text import clip, display_name, line
from bot.core.views import Block, Bullets, Button, Field, Form, Heading, Look, Text, View, plain
from bot.ports import Dailies, Schedules

KINDS = ("wrong", "ambiguous", "typo", "outdated", "comment")
SHOWN = 5
MAX_TEXT = 500


class Reports:
    """Takes reports, shows them to admins, and carries out what they decide."""

    def __init__(self, pool: Pool, dailies: Dailies, schedules: Schedules) -> None:
        self._pool = pool
        self._dailies = dailies
        self._schedules = schedules

    def answers(self) -> Answers:
        """Reporting mistakes, and judging reports."""
        return Answers(
            {"reports": typed(self.overview)},
            {OpenReport: pressed(self.open), SubmitReport: sent(self.submit), JudgeReport: pressed(self.judge)},
        )

    async def open(self, caller: Caller, action: OpenReport) -> Form:
        """The form for a report."""
        return Form(
            "Report a mistake",
            SubmitReport(action.post),
            (
                Field("kind", "wrong, ambiguous, typo, outdated or comment", "wrong", max_length=20),
                Field("text", "What is the matter?", multiline=True, optional=True, max_length=MAX_TEXT),
            ),
        )

    async def submit(self, caller: Caller, action: SubmitReport, values: Mapping[str, str]) -> View:
        """Keep a report; one person's later report of a question replaces the earlier."""
        kind = values.get("kind", "").strip().lower()
        if kind not in KINDS:
            raise BadInput("Say what kind of mistake it is: " + ", ".join(f"`{each}`" for each in KINDS) + ".")
        text = clip(" ".join(values.get("text", "").split()), MAX_TEXT)
        if not await self._dailies.report(caller, action.post, f"{kind}: {text}"):
            raise StaleButton("That question is no longer there.")
        await self._note(await self._dailies.post(caller.tenant, action.post), Task.REPORT, PATIENCE)
        return notice("Thank you. The admins will see it; if the question is taken out, all boards are put right.")

    async def overview(self, caller: Caller, _: str = "") -> View:
        """The reported questions, for admins."""
        admin_only(caller)
        reported = await self._dailies.reports(caller.tenant)
        if not reported:
            return notice("Nobody has reported a mistake.")
        blocks: list[Block] = [Heading("Reported questions")]
        buttons: list[Button] = []
        for number, (id, said) in enumerate(list(reported.items())[:SHOWN], 1):
            post = await self._dailies.post(caller.tenant, id)
            item = self._pool.question(post.item) if post else None
            blocks.append(Text(line(f"**{number}** {item.title() if item else id}")))
            blocks.append(Bullets(tuple(plain(f"{display_name(each, 'comment')}") for each in said)))
            buttons += [
                Button(f"Void and rescore {number}", JudgeReport(id, "void"), Look.DANGER),
                Button(f"Fix noted {number}", JudgeReport(id, "fixed")),
                Button(f"Reject {number}", JudgeReport(id, "reject")),
            ]
        return View(tuple(blocks), f"{len(reported)} reported questions", tuple(buttons))

    async def judge(self, caller: Caller, action: JudgeReport) -> View:
        """Carry out a decision. Voiding leaves everyone who answered the try point, on every board."""
        admin_only(caller)
        post = await self._dailies.post(caller.tenant, action.post)
        if post is None or action.verdict not in ("void", "fixed", "reject"):
            raise StaleButton
        if action.verdict == "void":
            await self._dailies.void(post, "an admin found a mistake")
            await self._note(post, Task.AMEND, timedelta(0))
        await self._dailies.settle_reports(caller.tenant, action.post)
        said = {
            "void": "Taken out: everyone who answered keeps 1 point, and every board is right again.",
            "fixed": "Noted. The points stay as they are.",
            "reject": "Rejected. The points stay as they are.",
        }
        return notice(said[action.verdict], in_place=True)

    async def _note(self, post: Post | None, task: Task, wait: timedelta) -> None:
        if post:
            await self._schedules.add(post.tenant, post.channel, post.schedule, Later(task, post.day, wait))
