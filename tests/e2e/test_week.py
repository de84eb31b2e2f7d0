"""A newcomer sees a week in a minute: the demo's processes, a browser, seven days of questions, a restart."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.processes import demo, torchquiz
from tests.e2e.test_browser import PHONE, overflow, say, tab_to, violations

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]
DEADLINE_MS = 30_000
AT = f"{datetime.now(UTC) + timedelta(hours=12):%H:00}"
"""Half a day away, so that no question comes by itself while a test runs."""


async def enter(browser: Browser, url: str) -> Page:
    page = await browser.new_page(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    page.set_default_timeout(DEADLINE_MS)
    await page.goto(url)
    await expect(page.locator("#link")).to_have_text("Connected", timeout=DEADLINE_MS)
    return page


def questions(page: Page) -> Locator:
    """The questions of the day that stand in the channel."""
    return page.locator(".message.bot").filter(has=page.get_by_role("heading", name="Question of the day"))


async def next_day(page: Page) -> None:
    """Press the control and wait until the day has passed."""
    before = await page.locator("#today").get_attribute("datetime")
    await page.get_by_role("button", name="Next day").click()
    await expect(page.locator("#today")).not_to_have_attribute("datetime", str(before), timeout=DEADLINE_MS)
    await expect(page.get_by_role("button", name="Next day")).not_to_have_attribute("aria-disabled", "true")


async def answer(page: Page, letter: str) -> Locator:
    """Answer the newest open question; returns the verdict, which takes the focus."""
    button = questions(page).get_by_role("button", name=letter, exact=True).last
    await button.click()
    verdict = page.locator(".message:focus")
    await expect(verdict).to_contain_text("rank", timeout=DEADLINE_MS)
    return verdict


async def plan_by_keyboard(page: Page) -> None:
    """Type the command, fill the form, confirm the plan, with the keyboard alone."""
    await page.get_by_label("Message to torch-quiz").focus()
    await page.keyboard.type("/setup")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Question of the day")
    await expect(dialog.get_by_label("Time, such as 09:30")).to_be_focused(timeout=DEADLINE_MS)
    await page.keyboard.press("Control+A")
    await page.keyboard.type(AT)
    await dialog.get_by_label("Days").fill("daily")
    await page.keyboard.press("Control+Enter")
    await page.get_by_role("button", name="Save").wait_for()
    await tab_to(page, "Save", back=True)
    await page.keyboard.press("Enter")
    await page.locator(".card").filter(has_text="Saved. The next question comes").wait_for()


async def test_a_week_passes_in_a_minute_and_goes_on_after_a_restart(browser: Browser, tmp_path: Path) -> None:
    async with demo(tmp_path) as first:
        page = await enter(browser, first.url)
        await plan_by_keyboard(page)
        for day in range(1, 8):
            await next_day(page)
            await expect(questions(page)).to_have_count(day, timeout=DEADLINE_MS)
            verdict = await answer(page, "A")
        await expect(verdict).to_contain_text("7 days in a row")
        await expect(questions(page).filter(has_text="closed")).to_have_count(6)
        await expect(page.locator(".thread")).to_have_count(6)
        await expect(page.locator(".thread").first).to_contain_text("How it went")

        assert await violations(page) == []
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert await overflow(page) <= 0
        assert await violations(page) == []
        day_shown = await page.locator("#today").inner_text()
        await page.close()
        await first.stop(signal.SIGKILL)

    async with demo(tmp_path) as second:
        page = await enter(browser, second.url)
        await expect(page.locator("#today")).to_have_text(day_shown, timeout=DEADLINE_MS)
        await expect(questions(page)).to_have_count(1, timeout=DEADLINE_MS)
        await next_day(page)
        await expect(questions(page)).to_have_count(2, timeout=DEADLINE_MS)
        await say(page, "/leaderboard all")
        await page.locator(".board .me").wait_for()
        await page.close()


async def test_the_next_day_is_reached_by_keyboard_and_its_thread_folds(browser: Browser, tmp_path: Path) -> None:
    async with demo(tmp_path) as running:
        page = await enter(browser, running.url)
        await say(page, f"/setup {AT} UTC daily")
        await page.get_by_role("button", name="Save").click()
        await page.locator(".card").filter(has_text="Saved. The next question comes").wait_for()
        await tab_to(page, "Next day", back=True)
        await page.keyboard.press("Enter")
        await expect(questions(page)).to_have_count(1, timeout=DEADLINE_MS)
        await answer(page, "B")
        await next_day(page)
        thread = page.locator(".thread")
        await expect(thread).to_contain_text("How it went", timeout=DEADLINE_MS)
        await thread.locator("summary").focus()
        await page.keyboard.press("Enter")

        await expect(thread.get_by_text("How it went")).to_be_hidden()
        await page.close()


async def test_the_terminal_plays_the_same_week(tmp_path: Path) -> None:
    lines = [f"/setup {AT} UTC daily", "!1", *["/next", "A"] * 7, "/leaderboard", ""]
    status, printed, _ = await torchquiz(tmp_path, "chat", "--name", "Ada", stdin="\n".join(lines))

    assert status == 0
    assert [printed.count(text) for text in ("How it went", "· closed", "A new question of the day")] == [6, 6, 7]
    assert "7 days in a row" in printed
    assert "(you)" in printed
