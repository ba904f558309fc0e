"""The console in a real browser, against the running gateway."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from fakes.browser import browser_page
from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

ADMIN_KEY = "hf-admin-key"
ODD = "<img src=x onerror=alert(1)>"
PRICES = {"input": "3.00", "output": "15.00", "cache_read": "0.30"}


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Give a gateway with two places for one model, and keys of both kinds."""
    config = configuration(
        shared_sim,
        {
            "sonnet": [
                {"provider": "lab-eu", "geography": "eu", "pricing": PRICES},
                {"provider": "lab-us", "geography": "us", "pricing": PRICES},
            ],
            "haiku": [{"provider": "lab-us", "pricing": PRICES}],
        },
    )
    config["organizations"][0]["projects"] = [
        {
            "id": "web",
            "keys": [
                {"id": "web-1", "key": KEY},
                {"id": "boss", "key": ADMIN_KEY, "admin": True},
            ],
        },
        {"id": "europe", "policy": {"geographies": ["eu"]}, "keys": []},
    ]
    with Gateway(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(autouse=True)
def _well(shared_sim: SimulatedProviders) -> None:
    shared_sim.recover()


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """Give a page in a browser."""
    async with browser_page() as opened:
        yield opened


async def signed_in(page: Page, gateway: Gateway, key: str, path: str = "") -> None:
    """Open the console and sign in."""
    await page.goto(f"{gateway.base_url}/console{path}")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("navigation")).to_be_visible()


async def test_a_wrong_key_is_refused(page: Page, gateway: Gateway) -> None:
    """The form says so, and nothing is shown."""
    await page.goto(f"{gateway.base_url}/console")
    await page.get_by_label("API key").fill("hf-wrong")
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_role("alert")).to_contain_text("unknown")
    await expect(page.get_by_role("navigation")).to_be_hidden()


async def test_a_model_expands_to_its_deployments(page: Page, gateway: Gateway) -> None:
    """A row shows where a model runs, for how much, and how it is."""
    await signed_in(page, gateway, KEY)

    await page.get_by_label("Search").fill("sonnet")
    await page.locator("summary", has_text="sonnet").click()

    table = page.locator("details[open] table")
    await expect(table).to_contain_text("lab-eu/sonnet-eu")
    await expect(table).to_contain_text("lab-us/sonnet-us")
    await expect(table).to_contain_text("healthy")
    await expect(page.locator("details[open]")).to_contain_text("$15")


async def test_the_plan_of_a_model_is_explained(page: Page, gateway: Gateway) -> None:
    """A click shows in which order its deployments would be tried."""
    await signed_in(page, gateway, KEY)

    await page.locator("summary", has_text="sonnet").click()
    await page.get_by_role("button", name="Explain the plan").click()

    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("lab-eu/sonnet-eu")
    await expect(dialog).to_contain_text("rotated")


async def test_a_pinned_id_is_swapped_for_its_plain_name(
    page: Page, gateway: Gateway, shared_sim: SimulatedProviders
) -> None:
    """The pin fails with its place; the plain name falls back, as its trace says."""
    shared_sim.fail("lab-eu", "503")
    pinned = await called(gateway, "lab-eu/sonnet-eu")
    plain = await called(gateway, "sonnet", session="swap")

    await signed_in(
        page, gateway, KEY, f"/traces/{plain.headers['x-holdfast-trace-id']}"
    )

    assert pinned.status_code == 503
    assert plain.status_code == 200
    assert plain.headers["x-holdfast-deployment"] == "lab-us/sonnet-us"
    await expect(page.locator("main")).to_contain_text("lab-us/sonnet-us")
    await expect(page.locator(".waterfall")).to_contain_text("succeeded")


async def test_a_fallback_appears_while_one_looks(
    page: Page, gateway: Gateway, shared_sim: SimulatedProviders
) -> None:
    """The live list shows by itself that a request fell back."""
    await signed_in(page, gateway, KEY, "/traces")
    shared_sim.fail("lab-eu", "503")
    shared_sim.fail("lab-us", "429", times=1)
    for number in range(4):
        await called(gateway, "sonnet", session=f"live-{number}")

    await expect(page.locator("main")).to_contain_text("fell back")


async def test_an_alias_is_made_called_and_deleted(
    page: Page, gateway: Gateway
) -> None:
    """What a form makes shows its plan first, and can be called at once."""
    await signed_in(page, gateway, ADMIN_KEY, "/aliases")
    await page.get_by_role("button", name="New alias").click()
    await page.get_by_label("name", exact=True).fill("house-model")
    await page.get_by_label("fallback models").fill("sonnet\nhaiku")
    await page.get_by_role("button", name="Show it").click()
    await expect(page.locator("fieldset")).to_contain_text("lab-us/haiku")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("table")).to_contain_text("house-model")

    answer = await called(gateway, "house-model")

    assert answer.status_code == 200
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete").click()
    await expect(page.locator("main")).to_contain_text("No alias yet")


async def test_a_key_is_made_and_its_secret_shown_once(
    page: Page, gateway: Gateway
) -> None:
    """The secret works, and is gone when the page is looked at again."""
    await signed_in(page, gateway, ADMIN_KEY, "/keys")
    await page.get_by_role("button", name="New key").click()
    await page.get_by_label("project", exact=True).fill("europe")
    await page.get_by_label("id", exact=True).fill("eu-1")
    await page.get_by_role("button", name="Save").click()
    secret = await page.locator("pre").inner_text()

    answer = await called(gateway, "sonnet", key=secret)

    assert answer.headers["x-holdfast-geography"] == "eu"
    await page.reload()
    await expect(page.locator("table")).to_contain_text("eu-1")
    await expect(page.locator("main")).not_to_contain_text(secret)


async def test_a_policy_shows_the_plan_that_it_would_give(
    page: Page, gateway: Gateway
) -> None:
    """Before anything is saved the plan under the new policy is shown."""
    await signed_in(page, gateway, ADMIN_KEY, "/policies")
    await page.get_by_role("button", name="New policy").click()
    await page.get_by_label("project", exact=True).fill("web")
    await page.get_by_label("geographies").fill("us")
    await page.get_by_label("For").fill("sonnet")
    await page.get_by_role("button", name="Show it").click()

    plan = page.locator("fieldset")
    await expect(plan).to_contain_text("geography eu not in [us]")
    listed = await called(gateway, "lab-eu/sonnet-eu")
    assert listed.status_code == 200


async def test_spend_is_shown_by_tag(page: Page, gateway: Gateway) -> None:
    """What requests say they are for can be told apart."""
    await called(gateway, "sonnet", tags="team:search")
    await signed_in(page, gateway, KEY, "/usage?by=tag&tag=team")

    await expect(page.locator("table")).to_contain_text("search")
    await expect(page.get_by_role("img", name=re.compile("Spend"))).to_be_visible()


async def test_what_is_left_of_a_budget_stands_with_the_spend(
    page: Page, gateway: Gateway
) -> None:
    """An administrator sees budget, spend and rest on one page."""
    await called(gateway, "sonnet")
    async with httpx.AsyncClient(
        base_url=gateway.base_url, headers={"x-api-key": ADMIN_KEY}
    ) as client:
        made = await client.put(
            "/v2/budgets/projects/europe", json={"monthly_usd": "7.5"}
        )
    await signed_in(page, gateway, ADMIN_KEY, "/usage")

    assert made.is_success
    row = page.locator("tr", has_text="project europe")
    await expect(row).to_contain_text("$7.50")


async def test_nothing_that_callers_say_becomes_markup(
    page: Page, gateway: Gateway
) -> None:
    """Names, tags and errors are shown as the text they are."""
    refused = await called(gateway, ODD, tags=f"note:{ODD}", session=ODD)
    assert refused.status_code == 404

    await signed_in(page, gateway, KEY, "/traces")
    await expect(page.locator("main")).to_contain_text(ODD)
    await page.goto(
        f"{gateway.base_url}/console/traces/{refused.headers['x-holdfast-trace-id']}"
    )

    await expect(page.locator("main")).to_contain_text(ODD)
    assert await page.locator("main img").count() == 0


async def test_health_shows_who_rests(
    page: Page, gateway: Gateway, shared_sim: SimulatedProviders
) -> None:
    """A deployment that was ejected is shown as such, with its failures."""
    shared_sim.fail("lab-eu", "503")
    for number in range(8):
        await called(gateway, "sonnet", session=f"health-{number}")

    await signed_in(page, gateway, KEY, "/health")

    row = page.locator("tr", has_text="lab-eu/sonnet-eu")
    await expect(row).to_contain_text(re.compile("ejected|cooling|probing"))


async def test_a_runtime_key_is_offered_no_administration(
    page: Page, gateway: Gateway
) -> None:
    """Pages that only administrators may use are not in the way."""
    await signed_in(page, gateway, KEY)

    names = await page.get_by_role("navigation").get_by_role("link").all_inner_texts()

    assert {"Models", "Traces", "Usage", "Health", "Aliases"} <= set(names)
    assert not {"Keys", "Policies", "Budgets"} & set(names)


async def test_it_is_usable_by_keyboard(page: Page, gateway: Gateway) -> None:
    """One can skip to the content, and open a row, without a mouse."""
    await signed_in(page, gateway, KEY)
    await page.locator("body").press("Tab")
    await page.keyboard.press("Enter")
    await page.locator("summary").first.focus()
    await page.keyboard.press("Enter")

    await expect(page.locator("details[open] table")).to_be_visible()


@pytest.mark.parametrize("path", ["/models", "/traces", "/usage", "/health", "/keys"])
async def test_it_fits_a_phone(gateway: Gateway, path: str) -> None:
    """Nothing is wider than a narrow screen, and the pages are behind a button."""
    async with browser_page(viewport={"width": 390, "height": 780}) as page:
        await signed_in_narrow(page, gateway, path)

        widths: Any = await page.evaluate(
            "[document.documentElement.scrollWidth, window.innerWidth]"
        )
        await page.get_by_role("button", name="Menu").click()
        await expect(page.get_by_role("navigation")).to_be_visible()

    assert widths[0] <= widths[1]


async def signed_in_narrow(page: Page, gateway: Gateway, path: str) -> None:
    """Sign in where the navigation is behind a button."""
    await page.goto(f"{gateway.base_url}/console{path}")
    await page.get_by_label("API key").fill(ADMIN_KEY)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="Menu")).to_be_visible()
    await expect(page.locator("h1")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_light_or_dark_as_the_browser_is(
    gateway: Gateway, scheme: Any
) -> None:
    """Text stands out from its ground either way."""
    async with browser_page(color_scheme=scheme) as page:
        await signed_in(page, gateway, KEY)
        ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


async def test_a_session_changes_nothing_without_its_token(
    page: Page, gateway: Gateway
) -> None:
    """A request that another site makes a browser send is refused."""
    await signed_in(page, gateway, ADMIN_KEY)
    cookies = {each["name"]: each["value"] for each in await page.context.cookies()}

    async with httpx.AsyncClient(base_url=gateway.base_url, cookies=cookies) as thief:
        answer = await thief.post(
            "/v2/models/aliases", json={"name": "x", "fallback_models": ["haiku"]}
        )
        seen = await thief.get("/v2/models/aliases")

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "csrf_token_missing"
    assert seen.status_code == 200


async def test_the_session_is_out_of_scripts_reach(
    page: Page, gateway: Gateway
) -> None:
    """The cookie is for this site's own requests, and no script sees it."""
    await signed_in(page, gateway, KEY)

    (cookie,) = await page.context.cookies()
    seen = await page.evaluate("document.cookie")

    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert KEY not in cookie["value"]
    assert seen == ""


async def test_signing_out_ends_it(page: Page, gateway: Gateway) -> None:
    """Afterwards a key is asked for again."""
    await signed_in(page, gateway, KEY)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("API key")).to_be_visible()
    await page.reload()

    await expect(page.get_by_label("API key")).to_be_visible()


async def called(
    gateway: Gateway,
    model: str,
    *,
    key: str = KEY,
    session: str = "",
    tags: str = "",
) -> httpx.Response:
    """Call a model."""
    headers = {"authorization": f"Bearer {key}"}
    if session:
        headers["x-holdfast-session"] = session
    if tags:
        headers["x-holdfast-tags"] = tags
    asked = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    async with httpx.AsyncClient(base_url=gateway.base_url, timeout=30) as client:
        return await client.post("/v1/chat/completions", json=asked, headers=headers)
