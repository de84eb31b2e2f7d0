"""The newcomer's first minutes, for real: the demo's processes, a browser, a quiz to its end, a run, a crash."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.processes import WORKER_SECONDS, belonging_to, demo, nobody_left, torchquiz

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


async def say(page: Page, line: str) -> None:
    """Type a line into the composer and send it."""
    box = page.get_by_label("Message to torch-quiz")
    await box.fill(line)
    await box.press("Enter")


async def enter(browser: Browser, url: str, name: str = "Ada") -> Page:
    """A window on the page, as a player of that name."""
    context = await browser.new_context(base_url=url)
    await context.add_init_script(f"try {{ localStorage.setItem('player', {name!r}) }} catch {{}}")
    page = await context.new_page()
    page.set_default_timeout(20_000)
    await page.goto(url)
    return page


async def play_to_the_end(page: Page) -> None:
    """Answer all ten questions of Quiz 11, each with its first letter."""
    await say(page, "/quiz 11")
    for number in range(1, 11):
        card = page.locator("article, [role=article], li.message").filter(has_text=f"question {number} of 10").last
        await card.get_by_role("button", name="A", exact=True).click()
        onwards = "Next question" if number < 10 else "See result"
        await page.get_by_role("button", name=onwards).last.click()


async def test_a_newcomer_plays_a_quiz_to_its_end_runs_code_and_keeps_the_score_over_a_crash(
    browser: Browser, tmp_path: Path
) -> None:
    async with demo(tmp_path) as first:
        page = await enter(browser, first.url)
        await play_to_the_end(page)
        await expect(page.get_by_text("You got").last).to_be_visible()
        await say(page, "/leaderboard")
        row = page.get_by_text("Ada").last
        await expect(row).to_be_visible()
        await first.line(r"worker +ready", WORKER_SECONDS)
        await say(page, "/run print(torch.arange(3).sum())")
        await expect(page.get_by_text("tensor(3)").last).to_be_visible()
        before = await torchquiz(tmp_path, "chat", "--name", "Ada", stdin="/leaderboard\n")
        await page.context.close()
        await first.stop(signal.SIGKILL)

    async with demo(tmp_path) as second:
        after = await torchquiz(tmp_path, "chat", "--name", "Ada", stdin="/leaderboard\n")
        status = await second.stop(signal.SIGINT)

    assert "(you)" in before[1]
    assert after == before
    assert status == 0
    assert await nobody_left(tmp_path) == []


async def test_ctrl_c_stops_everything_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with demo(tmp_path) as running:
        await running.line(r"worker +ready", WORKER_SECONDS)
        assert len(belonging_to(tmp_path)) > 2
        status = await running.stop(signal.SIGINT)

        assert status == 0
        assert await nobody_left(tmp_path) == []


async def test_while_torch_is_being_installed_the_quiz_works_and_run_says_why_not(tmp_path: Path) -> None:
    async with demo(tmp_path, "--install", "sleep 600") as running:
        _, played, _ = await torchquiz(tmp_path, "chat", "--name", "Ada", stdin="/quiz 11\nA\n/run 1\n")
        status = await running.stop(signal.SIGINT)

    assert "Why:" in played
    assert "PyTorch is still being installed on this machine." in played
    assert status == 0
    assert await nobody_left(tmp_path) == []


async def test_the_worker_comes_once_the_installation_is_done(tmp_path: Path) -> None:
    async with demo(tmp_path, "--install", "true") as running:
        await running.line(r"worker +ready", WORKER_SECONDS)
        status, printed, _ = await torchquiz(tmp_path, "run", "-", stdin="print(torch.arange(3).sum())")

    assert (status, printed) == (0, "tensor(3)\n")


async def test_a_failed_installation_is_told_to_whoever_wants_to_run(tmp_path: Path) -> None:
    async with demo(tmp_path, "--install", "false") as running:
        await running.line(r"worker +off: the installation ended with status 1", WORKER_SECONDS)
        _, printed, _ = await torchquiz(tmp_path, "chat", stdin="/run 1\n")

    assert "PyTorch could not be installed on this machine." in printed


async def test_a_port_in_use_is_named_with_what_to_type(tmp_path: Path) -> None:
    async with demo(tmp_path) as running:
        port = running.url.rstrip("/").rpartition(":")[2]
        status, _, errors = await torchquiz(tmp_path / "other", "demo", extra={"PORT": port})

    assert status == 1
    assert f"Port {port} is taken" in errors
    assert "PORT=" in errors
