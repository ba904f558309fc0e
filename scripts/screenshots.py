"""Makes the pictures of the console in docs/images. Run by `make screenshots`.

Starts the demo in a folder of its own, calls it for a while with a provider down in
between, and photographs the pages with Debian's Chromium.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.async_api import Page, async_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
HOLDFAST = Path(sys.executable).with_name("holdfast")
START_S = 60
SIZE = {"width": 1200, "height": 760}
SYSTEM = "You are a careful assistant who answers at length and cites sources. " * 20


@dataclass(frozen=True)
class Demo:
    """A running demo."""

    folder: Path
    url: str

    def key(self, name: str) -> str:
        """Return one of its keys."""
        return (self.folder / ".holdfast" / name).read_text(encoding="utf-8").strip()

    def drill(self, *words: str) -> None:
        """Make a provider fail, or recover."""
        command = [HOLDFAST, "demo", *words]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)


@contextmanager
def demo() -> Iterator[Demo]:
    """Run the demo."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [HOLDFAST, "up"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            ready = re.search(r"http://\S+", process.stdout.readline())
            if ready is None:
                raise SystemExit("screenshots: the demo did not start")
            yield Demo(Path(folder), ready[0])
        finally:
            process.terminate()
            process.wait(START_S)


async def call(running: Demo) -> None:
    """Call models for a while, with a provider down in between."""
    headers = {"authorization": f"Bearer {running.key('demo.key')}"}
    async with httpx.AsyncClient(base_url=running.url, headers=headers) as client:

        async def ask(session: str, model: str, team: str) -> None:
            await client.post(
                "/v1/chat/completions",
                json={
                    "model": model,
                    "messages": [
                        {"role": "system", "content": SYSTEM},
                        {"role": "user", "content": f"Question of {session}"},
                    ],
                },
                headers={
                    "x-holdfast-session": session,
                    "x-holdfast-tags": f"team:{team}",
                },
            )

        models = ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-sonnet-4-5")
        for turn in range(24):
            if turn == 12:
                running.drill("fail", "aws", "503")
            await ask(
                f"chat-{turn % 5}", models[turn % 3], ("search", "chat")[turn % 2]
            )


async def photograph(page: Page, running: Demo) -> None:
    """Take the pictures."""
    await page.goto(f"{running.url}/console")
    await page.get_by_label("API key").fill(running.key("demo.admin.key"))
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_label("Search").fill("claude-sonnet-4-5")
    await page.locator("summary", has_text="claude-sonnet-4-5").first.click()
    await picture(page, "models")
    await page.goto(f"{running.url}/console/traces")
    await page.locator("tbody tr").first.wait_for()
    await picture(page, "traces")
    await page.locator("tr", has_text="fell back").first.get_by_role("link").click()
    await page.locator(".waterfall").wait_for()
    await picture(page, "trace")
    await page.goto(f"{running.url}/console/usage?range=1h&by=deployment")
    await page.locator("figure").first.wait_for()
    await picture(page, "usage")
    await page.goto(f"{running.url}/console/health")
    await page.locator(".strip").first.wait_for()
    await picture(page, "health")


async def picture(page: Page, name: str) -> None:
    """Take one picture."""
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=IMAGES / f"console-{name}.png")


async def main() -> None:
    """Make all of them."""
    browser_path = shutil.which("chromium")
    if browser_path is None:
        raise SystemExit("screenshots: chromium is missing: apt-get install chromium")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with demo() as running:
        await call(running)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=browser_path, args=["--no-sandbox"]
            )
            await photograph(await browser.new_page(viewport=SIZE), running)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
