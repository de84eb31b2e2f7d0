"""One stage for one story: people who type, press and fill in on Slack or on Discord, through the real adapters."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from redis.asyncio import Redis

from bot.app.commands import COMMANDS
from bot.core.ids import ChannelId, ItemId, Platform, UserId
from bot.core.kinds.choosing import Choosable
from bot.core.schedule import PostId
from tests.adapters.discord import rules
from tests.adapters.discord.fake_discord import MANAGE_SERVER, Interaction, Message, Someone, discord
from tests.adapters.discord.server import Server
from tests.adapters.simulated import Simulated
from tests.adapters.slack.fake_slack import FakeSlack, Shown, words
from tests.adapters.slack.square import WORKSPACE, Square, TownTime
from tests.app.building import BANK
from tests.daily.building import Town

BEGIN = datetime(2031, 3, 3, 8, tzinfo=UTC)
PEOPLE = ("Ada", "Bob", "Cleo", "Dan", "Eve")


@dataclass
class Seen:
    """What someone saw as the answer to what they did."""

    text: str
    private: bool
    buttons: Mapping[str, str]
    """What each button carries, by its label."""
    source: Any
    """The platform's own message or dialog."""


class Stage(Protocol):
    """A platform with a team on it, in which a question of the day may be planned."""

    town: Town
    channel: ChannelId

    def id(self, who: str) -> UserId:
        """The platform's id of someone."""
        ...

    async def say(self, who: str, line: str) -> Seen:
        """Type a command."""
        ...

    async def press(self, who: str, seen: Seen, label: str) -> Seen:
        """Press a button."""
        ...

    async def send(self, who: str, form: Seen, **values: str) -> Seen:
        """Fill in a form and send it."""
        ...

    async def passes(self, length: timedelta) -> None:
        """Let time pass, and do what falls due on the way."""
        ...

    def asked(self) -> Sequence[Seen]:
        """The questions of the day in the channel, oldest first."""
        ...

    def threads(self) -> Sequence[Seen]:
        """What stands below them, oldest first."""
        ...


async def letter(stage: Stage, seen: Seen, *, right: bool) -> str:
    """The letter of the right option of a question, or of the first wrong one of the bank; found as no player could."""
    options = {}
    for label, wire in seen.buttons.items():
        verb, *arguments = wire.split(".")[1:]
        if verb in ("a", "d") and right == (arguments[1] == await _right(stage, verb, arguments[0])):
            options[arguments[1]] = label
    return options[min(options)]


async def _right(stage: Stage, verb: str, name: str) -> str:
    if verb == "d":
        post = await stage.town.dailies.post(stage.town.tenant, PostId(name))
        assert post
        return post.right
    item = BANK.items[ItemId(name)]
    assert isinstance(item, Choosable)
    return item.right()


# ---- Slack


@dataclass
class OnSlack:
    """The story on Slack."""

    square: Square
    channel: ChannelId = ChannelId("C1")

    def __post_init__(self) -> None:
        self.town, self.slack = self.square.town, self.square.slack
        self.slack.names = {self.id(who): who for who in PEOPLE}
        self.slack.admins = {self.id("Ada")}

    def id(self, who: str) -> UserId:
        return UserId(f"U{who.upper()}")

    async def say(self, who: str, line: str) -> Seen:
        name, _, rest = line.partition(" ")
        before = self._state()
        await self.slack.command(name, rest, user=self.id(who))
        return await self._news(who, before)

    async def press(self, who: str, seen: Seen, label: str) -> Seen:
        before = self._state()
        await self.slack.press(seen.source, label, user=self.id(who))
        return await self._news(who, before)

    async def send(self, who: str, form: Seen, **values: str) -> Seen:
        before = self._state()
        await self.slack.submit(form.source, {f"{name}.0": value for name, value in values.items()}, user=self.id(who))
        return await self._news(who, before)

    async def passes(self, length: timedelta) -> None:
        await self.square.simulated.pass_time(length)

    def asked(self) -> Sequence[Seen]:
        return [_on_slack(each) for each in self.square.posted() if each.metadata]

    def threads(self) -> Sequence[Seen]:
        return [_on_slack(each) for each in self.square.threads()]

    def _state(self) -> dict[object, int]:
        shown: dict[object, int] = {key: len(each.versions) for key, each in self.slack.messages.items()}
        return {**shown, **dict.fromkeys(self.slack.dialogs, 0)}

    async def _news(self, who: str, before: Mapping[object, int]) -> Seen:
        """What has appeared or changed for someone since."""

        def found() -> Seen | None:
            if dialogs := [id for id in self.slack.dialogs if id not in before]:
                return Seen("a form", True, {}, dialogs[0])
            for key, each in self.slack.messages.items():
                if before.get(key) != len(each.versions) and each.to in ("", self.id(who)) and each.channel == "C1":
                    return _on_slack(each)
            return None

        seen = await self.slack.until(found, f"an answer to {who}")
        assert isinstance(seen, Seen)
        return seen


def _on_slack(shown: Shown) -> Seen:
    blocks = shown.body["blocks"]
    buttons = {
        element["text"]["text"]: element["value"]
        for block in blocks
        if block["type"] == "actions"
        for element in block["elements"]
        if element["type"] == "button"
    }
    text = words([_dated(block) for block in blocks if block["type"] != "actions"])
    return Seen(text, bool(shown.to), buttons, shown)


def _dated(part: Any) -> Any:
    """Blocks in which each moment is written as the seconds it stands for."""
    if isinstance(part, list):
        return [_dated(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "date":
        return {"type": "text", "text": f"<{part['timestamp']}>"}
    return {key: _dated(value) for key, value in part.items()}


@asynccontextmanager
async def on_slack(redis: Redis) -> AsyncIterator[Stage]:
    """A workspace at whose end no limit was broken."""
    async with FakeSlack().running() as slack:
        town = Town(redis, WORKSPACE)
        town.clock.at = BEGIN
        slack.clock = TownTime(town.clock)  # type: ignore[assignment]  # read as FakeTime is
        square = Square(slack, Simulated(town, Platform.SLACK))
        async with square.served():
            yield OnSlack(square)
        assert slack.violations == []


# ---- Discord


@dataclass
class OnDiscord:
    """The story on Discord."""

    server: Server

    def __post_init__(self) -> None:
        self.town, self.channel = self.server.town, ChannelId(self.server.channel)

    def id(self, who: str) -> UserId:
        return UserId(self._someone(who).id)

    async def say(self, who: str, line: str) -> Seen:
        name, _, rest = line.removeprefix("/").partition(" ")
        arguments = [argument.name for argument in COMMANDS[name].arguments]
        given = dict(zip(arguments, rest.split(maxsplit=max(len(arguments) - 1, 0)), strict=False))
        return await self._seen(await self._someone(who).command(name, **given))

    async def press(self, who: str, seen: Seen, label: str) -> Seen:
        return await self._seen(await self._someone(who).press(seen.source, label))

    async def send(self, who: str, form: Seen, **values: str) -> Seen:
        return await self._seen(await self._someone(who).submit(form.source, **values))

    async def passes(self, length: timedelta) -> None:
        await self.server.passes(length)

    def asked(self) -> Sequence[Seen]:
        return [_message(each) for each in self.server.questions()]

    def threads(self) -> Sequence[Seen]:
        return [_message(each) for each in self.server.threads()]

    async def _seen(self, made: Interaction) -> Seen:
        """What stands there in the end; on a busy machine a message may say for a moment that it is thinking."""
        if made.original is None:
            return Seen("a form", True, {}, made)
        await self.server.fake.until(lambda: not made.message.loading)
        return _message(made.message)

    def _someone(self, who: str) -> Someone:
        return self.server.someone(who, 10 + PEOPLE.index(who), MANAGE_SERVER if who == "Ada" else 0)


def _message(message: Message) -> Seen:
    text = "\n".join(_written(part) for part in rules.walk(message.body["components"]))
    text = re.sub(r"<t:(\d+):f> \(<t:\d+:R>\)", r"<\1>", text.replace("\\", ""))
    live = {label: button for label, button in message.buttons.items() if not button.get("disabled")}
    buttons = {label: button["custom_id"] for label, button in live.items()}
    return Seen(text, bool(message.to), buttons, message)


def _written(part: Any) -> str:
    """The words of a component: a text, or what its pictures show."""
    pictures = part["items"] if part["type"] == 12 else ()
    return part["content"] if part["type"] == 10 else "\n".join(each["description"] for each in pictures)


@asynccontextmanager
async def on_discord(redis: Redis) -> AsyncIterator[Stage]:
    """A server at whose end no limit was broken."""
    async with discord() as fake:
        fake.skip(BEGIN.timestamp() - fake.now())
        server = Server(fake, redis)
        server.town.clock.at = BEGIN
        async with server.bot():
            yield OnDiscord(server)


STAGES = {Platform.SLACK: on_slack, Platform.DISCORD: on_discord}
"""One line a platform."""
