"""What the demo page serves, whom it refuses, and what it says to bad input."""

from __future__ import annotations

import re

import pytest

from bot.adapters.web.client import suggestions
from bot.adapters.web.guard import Guard
from bot.adapters.web.parse import MAX_BODY_BYTES
from tests.adapters.web.fakes import FakeDesk
from tests.adapters.web.visiting import Feed, Page

# ---- the page


async def test_the_page_loads_little_and_nothing_from_elsewhere(page: Page) -> None:
    html = await (await page.client.get("/")).text()
    scripts = ["page.js", "cards.js", "composer.js", "dialog.js"]
    texts = [await (await page.client.get(f"/static/{name}")).text() for name in ["page.css", *scripts]]
    wire = 0
    for path in ["/", "/static/page.css", *(f"/static/{name}" for name in scripts)]:
        answer = await page.client.get(path, headers={"Accept-Encoding": "gzip"})
        wire += int(answer.headers["Content-Length"])

    assert wire <= 50_000
    assert not [text for text in [html, *texts] if re.search(r"(src|href|url\(|import|fetch\().{0,3}https?:", text)]
    assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]*src=)", html)


async def test_every_answer_carries_the_strict_headers(page: Page) -> None:
    for path in ("/", "/static/page.js", "/healthz", "/nowhere", "/feed?player="):
        answer = await page.client.get(path)

        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


async def test_healthz_answers(page: Page) -> None:
    answer = await page.client.get("/healthz")

    assert (answer.status, await answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "path", ["/static/client.py", "/static/../client.py", "/static/%2e%2e%2fclient.py", "/files/x"]
)
async def test_nothing_but_the_assets_is_served(page: Page, path: str) -> None:
    assert (await page.client.get(path)).status == 404


def test_every_suggested_line_is_a_command() -> None:
    assert [each["line"] for each in suggestions()][:3] == ["/quiz 11", "/setup", "/leaderboard"]
    assert all(each["about"] for each in suggestions())
    assert "/next" in [each["line"] for each in suggestions()]


# ---- who is let in


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:80", "10.0.0.7", "", "[::2]", "127.0.0.1.nip.io"]
)
async def test_another_host_name_is_refused(page: Page, host: str) -> None:
    for path in ("/", "/feed?player=Ada", "/healthz"):
        assert (await page.client.get(path, headers={"Host": host})).status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost", "http://localhost:1"])
async def test_another_origin_is_refused(page: Page, origin: str) -> None:
    answer = await page.post("/say", {"player": "Ada", "text": "/quiz"}, Origin=origin)

    assert answer.status == 403
    assert "own page" in (await answer.json())["error"]


async def test_another_site_is_refused_but_may_link_to_the_page(page: Page) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}

    assert (await page.client.get("/feed?player=Ada", headers=headers)).status == 403
    assert (await page.client.get("/", headers=headers)).status == 200


async def test_our_own_origin_is_let_in(page: Page) -> None:
    origin = str(page.client.make_url("/")).rstrip("/")

    answer = await page.post("/say", {"player": "Ada", "text": "/quiz"}, Origin=origin)

    assert answer.status == 202


@pytest.mark.parametrize("token", ["", "wrong", "é"])
@pytest.mark.parametrize("path", ["/say", "/press", "/submit"])
async def test_without_the_token_of_this_start_nothing_is_done(
    page: Page, desk: FakeDesk, path: str, token: str
) -> None:
    answer = await page.client.post(path, data=b"{}", headers={"X-Torchquiz-Token": token} if token else {})

    assert answer.status == 403
    assert "Reload the page" in (await answer.json())["error"]
    assert desk.callers == []


def test_bound_to_the_network_numeric_addresses_are_ours_and_names_are_not() -> None:
    guard = Guard("0.0.0.0", "token")

    assert guard.refusal("192.168.1.5:8000", None, None) == ""
    assert guard.refusal("[fe80::1]:8000", None, None) == ""
    assert guard.refusal("evil.example:8000", None, None)
    assert Guard("bot.example", "token").refusal("bot.example:8000", None, None) == ""


# ---- bad input


async def test_bad_input_is_answered_in_words(page: Page, desk: FakeDesk) -> None:
    for payload in (b"{", b"[]", {"player": "Ada"}, {"player": "", "text": "x"}):
        answer = await page.post("/say", payload)

        assert answer.status == 400
        assert " " in (await answer.json())["error"]
    assert desk.callers == []


async def test_a_body_over_the_limit_is_refused(page: Page) -> None:
    answer = await page.post("/say", {"player": "Ada", "text": "x" * MAX_BODY_BYTES})

    assert answer.status == 413
    assert "too long" in (await answer.json())["error"]


async def test_a_snippet_of_100_kb_reaches_the_desk(page: Page, desk: FakeDesk) -> None:
    await page.say("Ada", "/run " + "x" * 100_000)

    async with Feed(page.client, "Ada") as feed:
        await feed.until(lambda: bool(desk.codes))
    assert len(desk.codes[0]) == 100_000


async def test_a_feed_needs_a_player(page: Page) -> None:
    assert (await page.client.get("/feed")).status == 400
