"""A request goes to deployments that can do what it asks."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fakes.caller import Caller, served_by
from fakes.gateway import Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

MODELS = {
    "mixed": [
        {"id": "plain/mixed", "provider": "plain", "capabilities": ["reasoning"]},
        {"id": "tools/mixed", "provider": "tools", "capabilities": ["tools"]},
        {"id": "eyes/mixed", "provider": "eyes", "capabilities": ["image_input"]},
    ],
    "sized": [
        {"id": "small/sized", "provider": "small", "context_window_tokens": 1_000},
        {"id": "large/sized", "provider": "large", "context_window_tokens": 100_000},
    ],
    "misjudged": [
        {"id": "small/misjudged", "provider": "small", "context_window_tokens": 9_000},
        {"id": "large/misjudged", "provider": "large", "context_window_tokens": 90_000},
    ],
}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
        },
    }
]

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """Give simulated providers that the tests here share."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(scope="module")
def gateway(
    providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Give a gateway that the tests here share."""
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(configuration(providers, MODELS), folder) as started:
        yield started


@pytest.fixture
async def caller(
    gateway: Gateway, providers: SimulatedProviders
) -> AsyncIterator[Caller]:
    """Give a caller of it, with every provider well and nothing in the logs."""
    providers.recover()
    providers.forget()
    async with Caller(gateway.base_url) as asking:
        yield asking


def said(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


async def test_request_with_tools_goes_where_tools_are(
    caller: Caller, providers: SimulatedProviders
) -> None:
    """Whoever lists capabilities without tools gets no tools, not even to fall back."""
    providers.fail("tools", "503", times=1)
    failed = await caller.ask("mixed", tools=TOOLS)
    answers = [await caller.ask("mixed", tools=TOOLS, session="t") for _ in range(3)]

    assert [each["deployment"] for each in failed.error["attempts"]] == ["tools/mixed"]
    assert served_by(answers).keys() == {"tools/mixed"}
    assert {each.provider for each in providers.received()} == {"tools"}


async def test_request_with_an_image_goes_where_images_are_seen(caller: Caller) -> None:
    """An image is sent to nobody who lists capabilities without it."""
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    question = {"type": "text", "text": "What is this?"}
    answers = [
        await caller.ask("mixed", messages=said(question, picture), stream=n > 1)
        for n in range(4)
    ]

    assert served_by(answers).keys() == {"eyes/mixed"}


async def test_request_that_asks_for_nothing_special_goes_anywhere(
    caller: Caller,
) -> None:
    """Words alone are shared by all."""
    answers = [await caller.ask("mixed") for _ in range(6)]

    assert set(served_by(answers).values()) == {2}


async def test_request_for_what_nobody_can_do_says_so(caller: Caller) -> None:
    """A file, which no deployment of the model takes, is refused with the rule."""
    document = {"type": "file", "file": {"filename": "a.pdf", "file_data": PIXEL}}

    refused = await caller.ask("mixed", messages=said(document))

    assert refused.status in {400, 403}
    assert "pdf_input" in refused.error["message"]


async def test_long_request_goes_where_it_fits(
    caller: Caller, providers: SimulatedProviders
) -> None:
    """What is too long for the small window is not sent there at all."""
    long = said({"type": "text", "text": "word " * 2_000})
    answers = [await caller.ask("sized", messages=long, stream=n > 1) for n in range(4)]
    short = [await caller.ask("sized") for _ in range(4)]

    assert served_by(answers).keys() == {"large/sized"}
    assert served_by(short).keys() == {"small/sized", "large/sized"}
    assert len(providers.received("small")) == 2


async def test_long_answer_goes_where_it_fits(caller: Caller) -> None:
    """The answer asked for has to fit into the window too."""
    answers = [await caller.ask("sized", max_tokens=5_000) for _ in range(4)]

    assert served_by(answers).keys() == {"large/sized"}


async def test_request_that_turns_out_too_long_goes_to_a_larger_window(
    caller: Caller, providers: SimulatedProviders
) -> None:
    """A provider that counts more tokens than we guessed is no reason to fail."""
    providers.fail("small", "too-long")
    answers = [
        await caller.ask("misjudged", stream=n % 2 > 0, session=f"s{n}")
        for n in range(8)
    ]

    assert served_by(answers).keys() == {"large/misjudged"}
    assert await caller.cooling("misjudged") == set()
