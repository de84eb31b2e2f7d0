"""What is kept of a person: they see it, take it along, hide it, and remove it without a trace."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from bot.core.ids import Tenant, UserId
from bot.core.views import Files, View
from bot.store.personal_data import RedisPersonalData
from tests.app.building import labels, words
from tests.daily.building import Town, letters
from tests.store.contents import everything

DAY = timedelta(days=1)


@pytest.fixture
async def town(redis: Redis, tenant: Tenant) -> Town:
    """Ada and Bob have played for five days; Ada plans the questions and found a mistake."""
    town = Town(redis, tenant)
    form = await town.say("Ada", "/setup", admin=True)
    card = await town.send("Ada", form, admin=True, at="09:30", days="daily")
    await town.press("Ada", card, "Save", admin=True)
    for _ in range(5):
        await town.pass_time(DAY)
        post = town.posted()[-1]
        right, wrong = await letters(town, post)
        verdict = await town.press("Ada", post.view, right)
        await town.press("Bob", post.view, wrong)
    report = await town.press("Ada", verdict, "Report a mistake")
    await town.send("Ada", report)
    for name in ("Ada", "Bob"):
        await town.press(name, await town.say(name, "/quiz 11"), "A")
        card = await town.press(name, await town.say(name, "/flashcards tensors"), "Show")
        await town.press(name, card, next(label for label in labels(card) if label.startswith("4")))
    return town


def exported(view: object) -> object:
    assert isinstance(view, View)
    (file,) = next(block.files for block in view.blocks if isinstance(block, Files))
    return json.loads(file.content)["kept"]


async def traces(town: Town, name: str) -> list[str]:
    """The lines of all that the server holds in which a person appears."""
    whole = (await everything(town.redis)).decode("utf-8", "replace")
    return [line for line in whole.splitlines() if town.tenant in line and f"u-{name}" in line]


async def test_the_card_says_what_is_kept_and_what_one_can_do(town: Town) -> None:
    card = await town.say("Ada", "/privacy")

    assert "On boards, others see you as Ada." in words(card)
    assert labels(card) == ["Hide my name", "Get my data", "Remove my data"]


async def test_a_hidden_name_is_seen_by_nobody_else_and_comes_back(town: Town) -> None:
    hidden = await town.press("Ada", await town.say("Ada", "/privacy"), "Hide my name")
    theirs, ours = await town.say("Bob", "/leaderboard all"), await town.say("Ada", "/leaderboard all")
    await town.pass_time(DAY)
    digest = words(town.threads()[-1].view)
    shown = await town.press("Ada", hidden, "Show my name")

    assert "others see you as someone" in words(hidden)
    assert "Ada" not in words(theirs)
    assert "someone" in words(theirs)
    assert "Ada" in words(ours)
    assert "someone 5" in digest
    assert "others see you as Ada" in words(shown)
    assert "Ada" in words(await town.say("Bob", "/leaderboard all"))


async def test_everything_that_is_kept_comes_as_a_file(town: Town) -> None:
    before = await traces(town, "Ada")
    kept = exported(await town.press("Ada", await town.say("Ada", "/privacy"), "Get my data"))

    assert isinstance(kept, dict)
    assert {"pr:u-Ada", "u:u-Ada", "names", "rp", "log"} <= set(kept)
    assert sum(key.startswith("a:") for key in kept) == 5
    assert kept["names"] == {"u-Ada": "Ada"}
    assert "u-Bob" not in json.dumps(kept)
    assert len(kept) >= len(before) - 2  # but for the schedule and the admins' log, which stand elsewhere


async def test_whoever_removes_themselves_leaves_no_trace_and_harms_nobody(town: Town) -> None:
    others = exported(await town.say("Bob", "/privacy export"))
    ask = await town.say("Ada", "/privacy erase")
    done = await town.press("Ada", ask, "Remove it all")

    assert "This cannot be undone" in words(ask)
    assert "nothing here names you any more" in words(done)
    assert await traces(town, "Ada") == []
    assert exported(await town.say("Bob", "/privacy export")) == others
    assert "Ada" not in words(await town.say("Bob", "/leaderboard all"))
    assert "someone who left" in words(await town.say("Bob", "/daily audit", admin=True))
    (schedule,) = await town.schedules.of_tenant(town.tenant)
    assert schedule.planner == ""
    await town.pass_time(DAY)
    right, _ = await letters(town, town.posted()[-1])
    assert "+10 points" in words(await town.press("Ada", town.posted()[-1].view, right))


async def test_an_interrupted_removal_is_finished_by_asking_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    data = RedisPersonalData(town.redis)
    left, remove = 5, data._remove

    async def failing(*args: object) -> None:
        nonlocal left
        if not left:
            raise RedisConnectionError("cut")
        left -= 1
        await remove(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(data, "_remove", failing)
    with pytest.raises(Exception, match="does not answer"):
        await data.erase(town.tenant, UserId("u-Ada"))
    assert await traces(town, "Ada")
    left = 10_000
    await data.erase(town.tenant, UserId("u-Ada"))

    assert await traces(town, "Ada") == []


async def test_an_unknown_word_gets_the_known_ones(town: Town) -> None:
    told = words(await town.say("Ada", "/privacy please"))

    assert "I don't know /privacy please. Use anonymous, shown, export, erase" in told
