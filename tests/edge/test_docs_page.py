"""The page that shows the API, in a real browser."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from fakes.browser import browser_page
from fakes.services import KEY, AnsweringExecutor

from .conftest import Edge, Serve


@pytest.fixture
async def edge(serve: Serve) -> Edge:
    """Give an edge."""
    return await serve(AnsweringExecutor())


@pytest.fixture
async def page(edge: Edge) -> AsyncIterator[Page]:
    """Give the page in a browser."""
    async with browser_page() as page:
        await page.goto(f"{edge.url}/docs")
        await page.wait_for_selector("details.operation")
        yield page


@pytest.mark.parametrize(
    ("file", "media_type"),
    [
        ("", "text/html"),
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/elements.js", "text/javascript"),
        ("/schema.js", "text/javascript"),
        ("/trying.js", "text/javascript"),
    ],
)
async def test_is_confined_to_what_the_edge_serves(
    edge: Edge, file: str, media_type: str
) -> None:
    """The browser is told to load nothing from elsewhere and to run nothing inline."""
    response = await edge.http.get(f"/docs{file}", headers={"authorization": ""})

    policy = response.headers["content-security-policy"]
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"https?://(?!127)", response.text)
    assert not re.search(r"<script>|<style|\son\w+=|style=", response.text)


async def test_shows_every_operation(page: Page, edge: Edge) -> None:
    """Each that is described, in the list and in the page."""
    paths = (await edge.http.get("/openapi.json")).json()["paths"]
    methods = ("get", "post", "put", "patch", "delete")
    described = {
        f"{m}:{path}" for path, item in paths.items() for m in item if m in methods
    }

    shown = await page.locator("details.operation").evaluate_all(
        "all => all.map(each => each.id)"
    )
    linked = await page.locator("nav a").evaluate_all(
        "all => all.map(each => each.getAttribute('href').slice(1))"
    )

    assert set(shown) == set(linked) == described


async def test_shows_what_an_operation_takes_and_answers(page: Page) -> None:
    """Fields with their types, what they are, and every failure."""
    await page.click("nav a[href='#post:/v2/models/aliases']")
    operation = page.locator("[id='post:/v2/models/aliases']")
    await operation.locator("form").wait_for()

    text = await operation.inner_text()

    assert "fallback_models" in text
    assert "array of string" in text
    assert "already_exists" in text
    assert await operation.evaluate("each => each.open")


async def test_every_operation_can_be_opened(page: Page) -> None:
    """Whatever its schemas are."""
    await page.evaluate(
        "document.querySelectorAll('details').forEach(each => each.open = true)"
    )
    forms = page.locator("details.operation form")
    await page.wait_for_function(
        "document.querySelectorAll('details.operation form').length"
        " === document.querySelectorAll('details.operation').length"
    )

    assert await forms.count() > 50
    assert "undefined" not in await page.inner_text("main")


async def test_tries_one_out(page: Page, edge: Edge) -> None:
    """With the key that is given, and the example as it stands."""
    await page.fill("#key", KEY)
    await page.click("nav a[href='#post:/v2/models/aliases']")
    operation = page.locator("[id='post:/v2/models/aliases']")
    await operation.locator("button.send").click()
    answer = operation.locator("pre[aria-live]")

    await answer.filter(has_text="fallback_models").wait_for()

    assert (await answer.inner_text()).startswith("200 ")
    aliases = [s for s in edge.administration.kept.values() if s.kind == "alias"]
    assert [each.resource.name for each in aliases] == ["default-llm"]
    assert KEY not in await page.inner_text("main")


async def test_shows_the_call_as_curl(page: Page) -> None:
    """To be pasted, with the key's variable in place of the key."""
    await page.fill("#key", KEY)
    await page.click("nav a[href='#get:/v2/models/aliases/{id}']")
    operation = page.locator("[id='get:/v2/models/aliases/{id}']")
    await operation.locator("input[name=id]").fill("it's/x")

    curl = await operation.locator("pre[aria-label='As curl']").inner_text()

    assert "/v2/models/aliases/it" in curl
    assert "%2Fx" in curl
    assert "$HOLDFAST_KEY" in curl
    assert KEY not in curl


async def test_a_streamed_answer_is_shown_whole(page: Page) -> None:
    """Events as they come."""
    await page.fill("#key", KEY)
    await page.click("nav a[href='#post:/v1/chat/completions']")
    operation = page.locator("[id='post:/v1/chat/completions']")
    await operation.locator("textarea").fill(
        '{"model": "claude-sonnet-4-5", "stream": true,'
        ' "messages": [{"role": "user", "content": "Hi"}]}'
    )
    await operation.locator("button.send").click()

    answer = operation.locator("pre[aria-live]").filter(has_text="[DONE]")
    await answer.wait_for()

    assert "Hello" in await answer.inner_text()


async def test_is_found_by_keyboard(page: Page) -> None:
    """`/` goes to the filter, which leaves what has the words; Tab and Enter go on."""
    await page.keyboard.press("/")
    await page.keyboard.type("alias name")
    links = page.locator("nav li:visible")
    await page.wait_for_function(
        "[...document.querySelectorAll('nav li')]"
        ".filter(each => each.offsetParent).length === 1"
    )

    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_function("location.hash.includes('by-name')")

    assert await links.count() == 1
    assert "by-name" in await page.evaluate("document.activeElement.parentElement.id")


async def test_is_dark_or_light(page: Page) -> None:
    """As the system is, or as one chooses."""
    ground = "getComputedStyle(document.body).backgroundColor"

    await page.emulate_media(color_scheme="dark")
    dark = await page.evaluate(ground)
    await page.emulate_media(color_scheme="light")
    light = await page.evaluate(ground)
    await page.click("#theme")

    assert dark != light
    assert await page.evaluate(ground) == dark
