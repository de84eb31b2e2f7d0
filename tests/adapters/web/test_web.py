"""The conversation over real HTTP: who sees what, where a reply goes, and how a feed goes on."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.adapters.web.client import create_app, serve
from bot.adapters.web.conversation import MAX_REPLIES
from bot.core.address import Address
from bot.core.demo import DEMO_CHANNEL, DEMO_TENANT, demo_user
from bot.core.errors import ConfigError, Unavailable
from bot.core.runs import RunFile
from bot.core.views import Files, View
from tests.adapters.web.fakes import FakeDesk, FakeLog, png, result
from tests.adapters.web.visiting import DEADLINE, Feed, Page

XSS = (
    "<script>window.xss=1</script>",
    "<img src=x onerror=window.xss=1>",
    "</script><svg/onload=window.xss=1>",
    '" onfocus="window.xss=1" autofocus="',
    "javascript:window.xss=1",
    "{{constructor.constructor('window.xss=1')()}}",
    "data: x\n\nevent: hello\ndata: {}\n\n",
)


async def test_too_much_at_once_is_refused_and_then_works_again(page: Page, desk: FakeDesk) -> None:
    desk.gate.clear()
    for number in range(MAX_REPLIES):
        await page.say("Ada", f"/quiz {number}")
    refused = await page.post("/say", {"player": "Ada", "text": "/quiz 11"})
    desk.gate.set()

    assert refused.status == 503
    async with Feed(page.client, "Ada") as feed:
        await feed.until(lambda: sum("card" in each for each in feed.messages.values()) == MAX_REPLIES)
    await page.say("Ada", "/quiz 11")


# ---- the conversation


async def test_a_line_and_its_answer_arrive_on_the_feed(page: Page, desk: FakeDesk) -> None:
    async with Feed(page.client, "Ada") as feed:
        id = await page.say("Ada", "/quiz 11")
        card = await feed.message(id, "question 1 of 10")

    assert card["private"] is True
    assert [each["text"] for each in feed.messages.values() if "text" in each] == ["/quiz 11"]
    (caller,) = desk.callers
    assert (caller.tenant, caller.channel, caller.user) == (DEMO_TENANT, DEMO_CHANNEL, demo_user("Ada"))
    assert caller.event == caller.place == id


async def test_a_verdict_takes_the_place_of_its_question_and_the_next_question_comes_below(page: Page) -> None:
    async with Feed(page.client, "Ada") as feed:
        question = await feed.message(await page.say("Ada", "/quiz 11"))
        verdict = await feed.message(await page.press("Ada", question, "D"), "Right.")
        following = await feed.message(await page.press("Ada", verdict, "Next question"), "question 2 of 10")

    assert verdict["id"] == question["id"]
    assert following["id"] != question["id"]
    assert following["position"] > question["position"]


async def test_an_error_leaves_the_pressed_card_as_it_was(page: Page) -> None:
    async with Feed(page.client, "Ada") as feed:
        question = await feed.message(await page.say("Ada", "/quiz 11"))
        answer = await page.post("/press", {"player": "Ada", "wire": "r0.a.b.c", "message": question["id"]})
        trouble = await feed.message((await answer.json())["id"], "too old")

    assert trouble["id"] != question["id"]
    assert feed.messages[question["id"]] == question


async def test_another_player_cannot_press_a_private_button(page: Page) -> None:
    async with Feed(page.client, "Ada") as feed, Feed(page.client, "Bo") as other:
        question = await feed.message(await page.say("Ada", "/quiz 11"))
        await other.message(await page.press("Bo", question, "D"), "not yours")

    assert feed.messages[question["id"]] == question


async def test_private_cards_reach_only_their_player_and_public_ones_all(page: Page) -> None:
    async with Feed(page.client, "Ada") as ada, Feed(page.client, "Bo") as bo:
        await ada.message(await page.say("Ada", "/quiz 11"))
        public = await page.say("Ada", "/echo hello all")
        await ada.message(public)
        await bo.message(public)

    assert [each["card"]["fallback"] for each in bo.messages.values()] == ["hello all"]
    assert [each["asked_by"] for each in bo.messages.values()] == ["Ada"]


async def test_plain_talk_is_said_to_all(page: Page) -> None:
    async with Feed(page.client, "Bo") as bo:
        await page.say("Ada", "hello Bo")
        await bo.until(lambda: bool(bo.messages))

    assert [(each["author"], each["text"]) for each in bo.messages.values()] == [("Ada", "hello Bo")]


async def test_a_dialog_opens_for_the_one_who_asked_and_not_again_on_a_reload(page: Page, desk: FakeDesk) -> None:
    async with Feed(page.client, "Ada") as ada, Feed(page.client, "Bo") as bo:
        asked = await ada.message(await page.say("Ada", "/run"))
        await page.say("Bo", "/quiz 11")
        await bo.until(lambda: any("card" in each for each in bo.messages.values()))
        values = {"code": "print(1)"}
        await page.post("/submit", {"player": "Ada", "wire": asked["form"]["wire"], "values": values})
        await ada.until(lambda: bool(desk.codes))

    async with Feed(page.client, "Ada") as again:
        await again.until(lambda: any("card" in each for each in again.messages.values()))
    assert not [each for each in (*bo.messages.values(), *again.messages.values()) if "form" in each]
    assert desk.codes == ["print(1)"]


async def test_a_run_is_shown_to_all_and_ends_with_its_result_in_the_same_message(page: Page) -> None:
    async with Feed(page.client, "Bo") as bo:
        id = await page.say("Ada", "/run print(1)")
        done = await bo.message(id, "318 MiB")

    assert done["id"] == id
    assert done["card"]["final"] is True


async def test_deleting_a_run_replaces_it_for_all_but_only_with_its_own_button(page: Page) -> None:
    async with Feed(page.client, "Bo") as bo, Feed(page.client, "Ada") as ada:
        mine = await ada.message(await page.say("Ada", "/run print(1)"), "318 MiB")
        other = await bo.message(await page.say("Bo", "/echo keep this"))
        await ada.message(other["id"])
        stolen = {**mine, "id": other["id"]}
        await bo.message(await page.press("Ada", stolen, "Delete"), "deleted this result")
        await page.press("Ada", mine, "Delete")
        await bo.message(mine["id"], "Ada deleted this result")

    assert bo.messages[other["id"]] == other


async def test_a_result_whose_message_has_gone_comes_below(page: Page, desk: FakeDesk) -> None:
    await page.say("Ada", "/quiz")
    (caller,) = desk.callers
    address = Address(caller.tenant, caller.channel, caller.user, "Ada", caller.group, "gone-1")
    desk.finished.put_nowait((address, result()))

    async with Feed(page.client, "Bo") as bo:
        assert (await bo.message("gone-1"))["asked_by"] == "Ada"


async def test_deliveries_go_on_after_the_queue_was_away(log: FakeLog) -> None:
    desk = FailingOnce()
    app = create_app(desk, host="127.0.0.1", log=log, retry_seconds=0.01)
    async with TestClient(TestServer(app)) as client, Feed(client, "Ada") as feed:
        address = Address(DEMO_TENANT, DEMO_CHANNEL, demo_user("Ada"), "Ada", "g", "m-1")
        desk.finished.put_nowait((address, result()))
        await feed.message("m-1")

    assert log.events == ["web.deliveries_unavailable"]


class FailingOnce(FakeDesk):
    """Its queue is away at first."""

    failed = False

    async def deliver(self, group: str, consumer: str, show: Callable[[Address, View], Awaitable[None]]) -> None:
        if not self.failed:
            self.failed = True
            raise Unavailable
        await super().deliver(group, consumer, show)


# ---- the feed


async def test_a_broken_feed_goes_on_where_it_stopped(page: Page) -> None:
    async with Feed(page.client, "Ada") as feed:
        await feed.message(await page.say("Ada", "/quiz 11"))
        last = feed.last
    second = await page.say("Ada", "/leaderboard")

    async with Feed(page.client, "Ada", last) as again:
        await again.message(second)
    assert again.hello["resumed"] is True
    assert [each.get("text", "card") for each in again.messages.values()] == ["/leaderboard", "card"]


@pytest.mark.parametrize("last", ["other-start.5", "nonsense", ".", "٣.٣", "x" * 500])
async def test_a_feed_of_another_start_begins_afresh(page: Page, last: str) -> None:
    await page.say("Ada", "/quiz 11")
    last = last.encode().decode("latin-1")

    async with Feed(page.client, "Ada", last) as feed:
        await feed.until(lambda: any("card" in each for each in feed.messages.values()))
    assert feed.hello["resumed"] is False


async def test_a_quiet_feed_beats(page: Page) -> None:
    async with Feed(page.client, "Ada") as feed:
        await feed.until(lambda: feed.beats >= 2)


async def test_stopping_ends_the_feeds_and_every_reply(desk: FakeDesk, log: FakeLog) -> None:
    client = TestClient(TestServer(create_app(desk, host="127.0.0.1", log=log)))
    await client.start_server()
    html = await (await client.get("/")).text()
    page = Page(client, re.findall(r'token" content="([^"]+)"', html)[0])
    desk.gate.clear()
    async with Feed(client, "Ada") as feed:
        await page.say("Ada", "/quiz 11")
        async with asyncio.timeout(DEADLINE):
            closing = asyncio.create_task(client.server.close())
            with pytest.raises((ConnectionResetError, aiohttp.ClientError)):
                await feed.until(lambda: False)
            await closing
    await client.close()

    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith(("reply", "deliveries"))]


@pytest.mark.parametrize("text", XSS)
async def test_hostile_text_stays_text_on_the_feed(page: Page, text: str) -> None:
    async with Feed(page.client, "Ada") as feed:
        card = await feed.message(await page.say("Ada", f"/echo {text}"))

    (block,) = card["card"]["blocks"]
    assert block["line"] == [{"text": text.strip()}]


# ---- files


async def test_a_picture_is_served_as_a_picture_and_all_else_to_be_saved(page: Page, desk: FakeDesk) -> None:
    view = View((Files((RunFile("a.png", png(2, 2)), RunFile("b.html", b"<script>"))),), "files", private=True)
    desk.finished.put_nowait((Address(DEMO_TENANT, DEMO_CHANNEL, demo_user("Ada"), "Ada", "g", "m-1"), view))
    async with Feed(page.client, "Ada") as feed:
        picture, other = (await feed.message("m-1"))["card"]["blocks"][0]["files"]

    shown, saved = await page.client.get(picture["address"]), await page.client.get(other["address"])
    assert (shown.content_type, await shown.read()) == ("image/png", png(2, 2))
    assert (saved.content_type, saved.headers["Content-Disposition"]) == ("application/octet-stream", "attachment")
    assert shown.headers["Content-Security-Policy"] == saved.headers["Content-Security-Policy"]
    assert "sandbox" in saved.headers["Content-Security-Policy"]


# ---- serving


async def test_serve_tells_its_address_and_stops_when_told(desk: FakeDesk, log: FakeLog) -> None:
    stop, addresses = asyncio.Event(), list[str]()
    ready = asyncio.Event()

    def announce(address: str) -> None:
        addresses.append(address)
        ready.set()

    serving = asyncio.create_task(serve(desk, host="127.0.0.1", port=0, ready=announce, stop=stop, log=log))
    async with asyncio.timeout(DEADLINE):
        await ready.wait()
        async with aiohttp.ClientSession() as session, session.get(addresses[0] + "healthz") as answer:
            assert answer.status == 200
        stop.set()
        await serving


async def test_a_taken_port_says_how_to_choose_another(desk: FakeDesk, log: FakeLog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ConfigError, match=rf"^Port {port} is taken\. Choose another: PORT=\d+ make demo$"):
            await serve(desk, host="127.0.0.1", port=port, ready=print, stop=asyncio.Event(), log=log)


async def test_hostile_names_are_cleaned_or_refused(page: Page) -> None:
    for name in ("\u202eevil", "<!channel>", "@everyone", "`x`", "<b>Bo</b>", "Z\u0336\u0336\u0336\u0336\u0336"):
        async with Feed(page.client, name) as feed:
            await page.say(name, "/quiz 11")
            await feed.until(lambda feed=feed: bool(feed.messages))  # type: ignore[misc]
            (author,) = {each["author"] for each in feed.messages.values() if "text" in each}
            assert not set(author) & set("\u202e\n\0")
    for name in ("x" * 10_000, "\u200b", ""):
        assert (await page.client.get("/feed", params={"player": name})).status == 400
