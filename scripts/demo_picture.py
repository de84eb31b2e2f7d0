"""Takes the README's picture of the demo page: the real demo, played in a real browser. `make picture` runs it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from tests.e2e.conftest import FLAGS, NAMES
from tests.e2e.processes import WORKER_SECONDS, demo
from tests.e2e.test_demo import enter, say

TARGET = Path("docs/demo.png")


async def main() -> None:
    """Answer a question, run its proof, and take the picture."""
    path = next(found for name in NAMES if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory() as home:
        async with demo(Path(home)) as running, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = await enter(browser, running.url)
            await page.set_viewport_size({"width": 1200, "height": 1680})
            await say(page, "/quiz 11")
            await page.get_by_role("button", name="B", exact=True).last.click()
            await running.line(r"worker +ready", WORKER_SECONDS)
            await page.get_by_role("button", name="Run the proof").last.click()
            await page.get_by_role("button", name="Run again").last.wait_for()
            await page.screenshot(path=TARGET)
            await browser.close()
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    asyncio.run(main())
