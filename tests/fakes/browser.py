"""A real browser without a window, for pages that the edge serves.

async with browser_page() as page:
    await page.goto(...)

Whatever the page complains of in its console fails the test.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Dialog, Page, async_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_ANSWERED = "Failed to load resource: the server responded with a status of"
"""What a browser says of an answer that is an error: pages ask before they know."""


@asynccontextmanager
async def browser_page(**wanted: Any) -> AsyncIterator[Page]:
    """Open a browser with one page; skip the test where there is no browser.

    Args:
        wanted: Of the page, as playwright has it: `viewport`, `color_scheme`.
    """
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"there is no browser: none of {', '.join(_NAMES)}")
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_ANSWERED):
            complaints.append(message.text)

    async def heard_dialog(dialog: Dialog) -> None:
        # What a page asks is for the test to answer; what it cries out is not ours.
        if dialog.type == "alert":
            complaints.append(dialog.message)
            await dialog.dismiss()

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            # As root, as in a container, it refuses to start with its sandbox.
            executable_path=found,
            args=["--no-sandbox"],
        )
        page = await browser.new_page(**wanted)
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", heard_dialog)
        try:
            yield page
        finally:
            await browser.close()
    assert complaints == []
