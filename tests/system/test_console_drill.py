"""The demo's console: a button takes a provider down, and one sees who serves."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.async_api import expect

from fakes.browser import browser_page
from fakes.demo import Demo

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Give a demo."""
    with Demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


def url(demo: Demo) -> str:
    """Return where the demo is."""
    return demo.greeting.splitlines()[0].removeprefix("ready ")


def key(demo: Demo) -> str:
    """Return its runtime key."""
    written = demo.folder / ".holdfast" / "demo.key"
    return written.read_text(encoding="utf-8").strip()


async def test_a_drill_shows_who_serves_instead(demo: Demo) -> None:
    """Down, a fallback that the trace shows, and up again, all with the mouse."""
    async with browser_page() as page:
        await page.goto(f"{url(demo)}/console/health")
        await page.get_by_label("API key").fill(key(demo))
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="Take aws down").click()
        await expect(page.locator("tr", has_text="aws").first).to_contain_text("down")

        async with httpx.AsyncClient(
            base_url=url(demo), headers={"x-api-key": key(demo)}, timeout=30
        ) as client:
            answers = [
                await client.post(
                    "/v1/chat/completions",
                    json={
                        "model": "claude-sonnet-4-5",
                        "messages": [{"role": "user", "content": "Hello"}],
                    },
                )
                for _ in range(12)
            ]
        await page.get_by_role("link", name="Traces").click()
        await expect(page.locator("main")).to_contain_text("fell back")
        await page.locator("tr", has_text="fell back").first.get_by_role("link").click()
        await expect(page.locator(".waterfall")).to_contain_text("server error 503")
        await page.get_by_role("link", name="Health").click()
        await page.get_by_role("button", name="Bring aws up").click()
        await expect(page.get_by_role("button", name="Take aws down")).to_be_visible()

    assert {answer.status_code for answer in answers} == {200}
    assert not any(answer.headers["x-holdfast-provider"] == "aws" for answer in answers)
