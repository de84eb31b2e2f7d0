"""The demo page in a real browser: played by keyboard, small and zoomed, without accessibility violations."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.adapters.web.fakes import FakeDesk
from tests.adapters.web.serving import served

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = {"width": 1280, "height": 860}
PHONE = {"width": 320, "height": 640}
QUESTIONS = 10
DEADLINE_MS = 20_000
EVIL_NAME = "<img src=x onerror=xss=1>"


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
    context.set_default_timeout(DEADLINE_MS)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext, page_url: str) -> AsyncIterator[Page]:
    """The page as its first visitor sees it. Whatever it complains about in the console fails the test."""
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await visit(page, page_url)
    yield page
    assert complaints == []


async def visit(page: Page, url: str) -> None:
    """Open the page as somebody new, so that a store which remembers earlier tests does not matter."""
    names = json.dumps([f"Ada {secrets.token_hex(4)}", "Grace"])
    await page.add_init_script(f"localStorage.setItem('torchquiz-players', {json.dumps(names)})")
    await page.goto(url)
    await expect(page.locator("#link")).to_have_text("Connected", timeout=DEADLINE_MS)


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Message to torch-quiz").fill(text)
    await page.keyboard.press("Enter")


async def newest(page: Page, text: str) -> Any:
    """The newest card that holds the text."""
    card = page.locator(".message.bot").filter(has_text=text).last
    await card.wait_for()
    return card


async def name_of(page: Page) -> str:
    """Who plays in this window."""
    return await page.locator("#players label:has(:checked) bdi").inner_text()


async def ran(page: Page) -> None:
    """Wait until a run of this window's player has ended."""
    card = page.locator(".message.bot").filter(has_text=f"asked by {await name_of(page)}")
    await card.get_by_role("button", name="Run again").last.wait_for()


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(await page.evaluate("document.scrollingElement.scrollWidth - innerWidth"))


async def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Move the focus with the Tab key alone until the element of that name has it."""
    for _ in range(40):
        await page.keyboard.press("Shift+Tab" if back else "Tab")
        if await page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel") == name:
            return
    pytest.fail(f"{name!r} cannot be reached with the Tab key")


async def press_and_wait(page: Page) -> None:
    """Press the focused button; its answer takes the focus."""
    await page.keyboard.press("Enter")
    await expect(page.locator(".message:focus")).to_have_count(1)


async def violations(page: Page) -> list[str]:
    """What axe-core finds wrong, one line each."""
    source = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    await page.evaluate(source)
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']}: {node['html'][:120]}" for each in found["violations"] for node in each["nodes"]]


async def fill_the_channel(page: Page) -> None:
    """Cards of every kind: a verdict, the next question, a board, two runs with pictures, a menu."""
    await say(page, "/quiz 11")
    await (await newest(page, "question 1 of 10")).get_by_role("button", name="A", exact=True).click()
    await page.get_by_role("button", name="Next question").last.click()
    await newest(page, "question 2 of 10")
    await say(page, "/leaderboard")
    await newest(page, "Leaderboard")
    for _ in range(2):
        await say(page, "/run print(torch.ones(2))")
        await ran(page)
    await say(page, "/quiz")
    await newest(page, "Quizzes")


async def test_a_newcomer_plays_a_quiz_to_its_end_with_the_keyboard_alone(page: Page) -> None:
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the message box")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Message to torch-quiz")).to_be_focused()
    await page.keyboard.type("/quiz 11")
    await page.keyboard.press("Enter")
    await newest(page, "question 1 of 10")
    await tab_to(page, "A", back=True)
    for number in range(1, QUESTIONS + 1):
        await press_and_wait(page)
        await tab_to(page, "See result" if number == QUESTIONS else "Next question")
        await press_and_wait(page)
        await tab_to(page, "Share result" if number == QUESTIONS else "A")

    await expect(page.locator(".message.bot").last).to_contain_text("of 10")


async def test_after_a_press_the_focus_is_on_the_answer(page: Page) -> None:
    await say(page, "/quiz 11")
    await newest(page, "question 1 of 10")
    await tab_to(page, "D", back=True)
    await press_and_wait(page)

    await expect(page.locator(".message:focus")).to_contain_text("Next question")


async def test_a_click_on_an_option_presses_its_letter(page: Page) -> None:
    await say(page, "/quiz 11")
    await (await newest(page, "question 1 of 10")).locator(".choice").nth(3).click()

    await page.get_by_role("button", name="Next question").wait_for()


async def test_a_pressed_button_waits_for_its_answer(page: Page, desk: FakeDesk) -> None:
    await say(page, "/quiz 11")
    card = await newest(page, "question 1 of 10")
    desk.gate.clear()
    await card.get_by_role("button", name="B", exact=True).click()

    await expect(card.locator(".action[aria-disabled=true]")).to_have_count(4)
    await expect(card.locator("[data-pressed]")).to_have_text("B")
    desk.gate.set()
    await page.get_by_role("button", name="Next question").wait_for()


async def test_code_is_run_from_the_dialog_and_shows_its_progress(page: Page, desk: FakeDesk) -> None:
    await say(page, "/run")
    box = page.get_by_role("dialog", name="Run PyTorch code").get_by_role("textbox")
    await expect(box).to_be_focused()
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("Write something first")
    await box.fill("x" * 4001)
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("Too long: 4001 of at most 4000")
    desk.gate.clear()
    await box.fill("print(torch.ones(2))")
    await page.keyboard.press("Control+Enter")
    await page.get_by_role("progressbar", name="Working").wait_for()
    desk.gate.set()

    await ran(page)
    await expect(page.get_by_role("progressbar")).to_have_count(0)
    assert desk.codes == ["print(torch.ones(2))"]


async def test_code_is_shown_to_its_last_line_and_only_output_scrolls(page: Page) -> None:
    await say(page, "/run print(torch.ones(2))")
    await ran(page)

    hidden = await page.evaluate("""[".code:not(.output) pre", ".output pre"].map((which) => {
        const pre = [...document.querySelectorAll(which)].pop();
        pre.textContent = "print(1)\\n".repeat(60);
        return pre.scrollHeight > pre.clientHeight;
    })""")

    assert hidden == [False, True]


async def test_escape_closes_the_dialog_and_gives_the_focus_back(page: Page) -> None:
    await say(page, "/run")
    await page.get_by_role("dialog").wait_for()
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_label("Message to torch-quiz")).to_be_focused()


async def test_commands_are_offered_and_chosen_by_keyboard(page: Page) -> None:
    line = page.get_by_label("Message to torch-quiz")
    await line.focus()
    await page.keyboard.type("/qu")
    await page.get_by_role("option", name="/quiz 11").wait_for()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")

    await expect(line).to_have_value("/quiz 11")
    await expect(page.get_by_role("option")).to_have_count(0)


async def test_a_starter_plays_at_once(page: Page) -> None:
    await page.get_by_role("list", name="Commands to try").get_by_role("button").first.click()

    await newest(page, "question 1 of 10")


async def test_new_answers_are_announced(page: Page) -> None:
    await say(page, "/quiz 11")
    await newest(page, "question 1 of 10")

    await expect(page.get_by_role("status")).to_contain_text("Torchquiz: ")


async def test_players_see_their_own_cards_and_share_the_public_ones(page: Page) -> None:
    me = await name_of(page)
    await say(page, "/quiz 11")
    await newest(page, "question 1 of 10")
    await say(page, "/run print(1)")
    await ran(page)
    await page.get_by_text("Grace", exact=True).click()

    await newest(page, f"asked by {me}")
    await expect(page.get_by_text("question 1 of 10")).to_have_count(0)
    await page.get_by_text("Add a player").click()
    await page.get_by_label("Name of the new player").fill("Margaret")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("radio", name="Margaret")).to_be_checked()
    await page.locator("#players").get_by_text(me).click()
    await newest(page, "question 1 of 10")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [SIZE, PHONE], ids=["wide", "phone"])
async def test_axe_finds_nothing(browser: Browser, page_url: str, scheme: Any, viewport: Any) -> None:
    page = await browser.new_page(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    page.set_default_timeout(DEADLINE_MS)
    await visit(page, page_url)
    assert await violations(page) == []

    await fill_the_channel(page)
    assert await violations(page) == []

    await say(page, "/run")
    await page.get_by_role("dialog").wait_for()
    assert await violations(page) == []
    await page.close()


async def test_axe_would_find_something(page: Page) -> None:
    await page.evaluate("document.querySelector('label[for=line]').remove()")

    assert any(line.startswith("label") for line in await violations(page))


@pytest.mark.parametrize(
    "viewport", [PHONE, {"width": 640, "height": 430}, {"width": 320, "height": 256}], ids=["phone", "zoom 2", "zoom 4"]
)
async def test_nothing_is_wider_than_a_small_or_zoomed_window(browser: Browser, page_url: str, viewport: Any) -> None:
    page = await browser.new_page(viewport=viewport)
    page.set_default_timeout(DEADLINE_MS)
    await visit(page, page_url)
    assert await overflow(page) <= 0

    await fill_the_channel(page)
    assert await overflow(page) <= 0
    wide = (
        "[...document.querySelectorAll('.card, .card > *')].filter((e) => e.getBoundingClientRect().right > innerWidth)"
    )
    assert await page.evaluate(f"{wide}.length") == 0

    await say(page, "/run")
    await page.get_by_role("dialog").wait_for()
    assert await overflow(page) <= 0
    await page.close()


async def test_hostile_text_never_becomes_markup(page: Page) -> None:
    await page.get_by_text("Add a player").click()
    await page.get_by_label("Name of the new player").fill(EVIL_NAME)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("radio", name=EVIL_NAME)).to_be_checked()
    await expect(page.locator("#link")).to_have_text("Connected")
    for text in ("<script>xss=1</script>", "<img src=x onerror=xss=1>", "</p><svg onload=xss=1>", "\u202etxet"):
        await say(page, f"/echo {text}")
        await newest(page, text)

    assert await page.evaluate("typeof xss") == "undefined"
    assert await page.locator(".message script, .message img, .message p svg, .player img").count() == 0


async def test_the_page_loads_eight_files_at_most_and_none_from_elsewhere(browser: Browser, page_url: str) -> None:
    page = await browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await visit(page, page_url)
    sizes = await page.evaluate("performance.getEntries().map((e) => e.transferSize || 0).reduce((a, b) => a + b)")

    requests = [url for url in asked if not url.startswith("data:")]
    assert len(requests) <= 8
    assert all(url.startswith(page_url) for url in requests)
    assert sizes <= 50_000
    await page.close()


async def test_a_refusal_is_shown_and_the_line_is_kept(context: BrowserContext, page_url: str) -> None:
    page = await context.new_page()
    await visit(page, page_url)
    await page.evaluate("document.querySelector('meta[name=torchquiz-token]').content = 'old'")
    await say(page, "/quiz 11")

    await expect(page.get_by_role("alert")).to_contain_text("Reload the page")
    await expect(page.get_by_label("Message to torch-quiz")).to_have_value("/quiz 11")


async def test_a_restarted_demo_is_found_again(context: BrowserContext, desk: FakeDesk) -> None:
    page = await context.new_page()
    async with served(desk) as url:
        await visit(page, url)
        start = await page.locator("meta[name=torchquiz-start]").get_attribute("content")
    await expect(page.locator("#link")).to_have_text("Reconnecting", timeout=DEADLINE_MS)
    await say(page, "/quiz 11")
    await expect(page.get_by_role("alert")).to_contain_text("Is it still running?")

    async with served(desk, port=int(url.rstrip("/").rpartition(":")[2])):
        meta = page.locator("meta[name=torchquiz-start]")
        await expect(meta).not_to_have_attribute("content", str(start), timeout=DEADLINE_MS)
        await expect(page.locator("#link")).to_have_text("Connected", timeout=DEADLINE_MS)
        await expect(page.get_by_label("Message to torch-quiz")).to_have_value("/quiz 11")
        await page.get_by_role("button", name="Send").click()
        await newest(page, "question 1 of 10")


async def test_nothing_moves_where_motion_is_unwanted(browser: Browser, page_url: str, desk: FakeDesk) -> None:
    page = await browser.new_page(reduced_motion="reduce")
    await visit(page, page_url)
    desk.gate.clear()
    await say(page, "/run print(1)")
    await page.locator("#thinking").wait_for()

    assert await page.evaluate("document.getAnimations().length") == 0
    desk.gate.set()
    await page.close()


async def test_a_picture_of_the_page_is_made(page: Page, tmp_path: Path) -> None:
    await say(page, "/quiz 11")
    await (await newest(page, "question 1 of 10")).get_by_role("button", name="B", exact=True).click()
    await page.get_by_role("button", name="Next question").wait_for()
    target = Path(os.environ.get("TORCHQUIZ_SCREENSHOT", tmp_path / "page.png"))
    await page.screenshot(path=target)

    assert await asyncio.to_thread(lambda: target.stat().st_size) > 10_000
