"""What is kept of a person: said plainly, handed out, hidden from others, or removed."""

from __future__ import annotations

from bot.app.answers import Answers, pressed, typed
from bot.app.cards import notice
from bot.core.actions import EraseData, ExportData, SetAnonymous
from bot.core.errors import BadInput, StaleButton
from bot.core.ids import Caller
from bot.core.runs import RunFile
from bot.core.text import display_name, line
from bot.core.views import Bullets, Button, Files, Heading, Look, Note, Text, View, plain
from bot.ports import PersonalData

WORDS = ("anonymous", "shown", "export", "erase")
KEPT = (
    "Your answers, points, streaks and cards, with your id and display name, until you remove them",
    "Code that you run: 24 hours. Its output: 15 minutes",
    "Nothing else: I don't read or keep your messages",
)


class Privacy:
    """Each person decides over what is kept of them, and nobody else does."""

    def __init__(self, data: PersonalData) -> None:
        self._data = data

    def answers(self) -> Answers:
        """Deciding over what is kept of oneself."""
        return Answers(
            {"privacy": typed(self.open)},
            {
                SetAnonymous: pressed(self.set_anonymous),
                ExportData: pressed(self.export),
                EraseData: pressed(self.erase),
            },
        )

    async def open(self, caller: Caller, text: str) -> View:
        """What is kept and what one can do about it; or do it at once. Raises BadInput for a word it does not know."""
        match text.lower().strip():
            case "":
                return await self._card(caller)
            case "anonymous" | "shown" as state:
                return await self.set_anonymous(caller, SetAnonymous("on" if state == "anonymous" else "off"))
            case "export":
                return await self.export(caller)
            case "erase":
                return self._ask()
            case word:
                known = ", ".join(f"`{each}`" for each in WORDS)
                raise BadInput(f"I don't know `/privacy {display_name(word)}`. Use {known}, or `/privacy` alone.")

    async def set_anonymous(self, caller: Caller, action: SetAnonymous) -> View:
        """Hide or show one's name; the card follows."""
        await self._data.set_anonymous(caller.tenant, caller.user, action.state == "on")
        return await self._card(caller, in_place=True)

    async def export(self, caller: Caller, _: ExportData | None = None) -> View:
        """A file with everything."""
        content = (await self._data.export(caller.tenant, caller.user)).encode()
        file = RunFile("torchquiz-my-data.json", content, "Everything that is kept of you here, as JSON")
        return View(
            blocks=(Text(line("Everything that is kept of you here:")), Files((file,))),
            fallback="Everything that is kept of you here, as a file",
        )

    async def erase(self, caller: Caller, action: EraseData) -> View:
        """Ask first; then remove everything."""
        if action.step == "ask":
            return self._ask()
        if action.step != "sure":
            raise StaleButton
        await self._data.erase(caller.tenant, caller.user)
        return notice("Done: nothing here names you any more. If you answer again, you start afresh.", in_place=True)

    async def _card(self, caller: Caller, *, in_place: bool = False) -> View:
        hidden = await self._data.is_anonymous(caller.tenant, caller.user)
        name = "someone" if hidden else display_name(caller.name)
        switch = Button("Show my name", SetAnonymous("off")) if hidden else Button("Hide my name", SetAnonymous("on"))
        return View(
            blocks=(
                Heading("What I keep of you"),
                Bullets(tuple(plain(each) for each in KEPT)),
                Text(line(f"On boards, others see you as **{name}**.")),
            ),
            fallback=f"What I keep of you; on boards, others see you as {name}",
            buttons=(
                switch,
                Button("Get my data", ExportData()),
                Button("Remove my data", EraseData("ask"), Look.DANGER),
            ),
            in_place=in_place,
        )

    def _ask(self) -> View:
        return View(
            blocks=(
                Heading("Remove everything that names you?"),
                Text(
                    line(
                        "Your answers, points, streaks, cards and reports here go for good, and you leave every board. "
                        "Counts of past questions stay, without you."
                    )
                ),
                Note("This cannot be undone. Get your data first if you want to keep it."),
            ),
            fallback="Remove everything that names you? This cannot be undone.",
            buttons=(
                Button("Remove it all", EraseData("sure"), Look.DANGER),
                Button("Get my data", ExportData()),
            ),
        )
