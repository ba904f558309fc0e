"""What the scripts beside it have in common: each tries one client.

A script hands over what it does in each case. The cases are carried out one after
another, and what came of each is a line of JSON on standard output; the tests in
`test_clients.py` say what it should be. It runs where the client is installed, and
nothing else of the project is there.
"""

import asyncio
import inspect
import json
import os
import traceback
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import BaseModel

BASE_URL = os.environ["GATEWAY"]
KEY = os.environ["GATEWAY_KEY"]
MODELS = os.environ["MODELS"].split()
ALIAS = os.environ["ALIAS"]
"""A name whose members are of other dialects."""

_SIMULATOR = os.environ["SIMULATOR"]
_PROVIDERS = ("gcp", "openai", "anthropic")
"""Who serves the alias, in the order in which they are well."""

HELLO = "Hello"
PLACE = "Which place?"
TOOL = "Use the tool: what is the weather in Paris?"
SUNNY = "Sunny"
NO_MODEL = "no-such-model"
TURNS = 3
"""Of a user in a tool loop. Each makes two requests: a call and what it led to."""

Case = Callable[[str], Any]


class Place(BaseModel):
    """What a structured answer holds."""

    name: str
    population: int


def run(cases: Mapping[str, Case]) -> None:
    """Carry all cases out: of a plain name with each model, else as it says."""
    asyncio.run(_run(cases))


async def _run(cases: Mapping[str, Case]) -> None:
    for name, case in cases.items():
        for model in _models(name):
            _control("POST", "recover", {})
            _control("DELETE", "log")
            try:
                came: Any = case(model)
                if inspect.isawaitable(came):
                    came = await came
            except Exception as error:  # noqa: BLE001 - the test shows it
                came = {"raised": _failure(error)}
            if name == "tools" and "raised" not in came:
                came["served_by"] = _served_by()
            print(json.dumps({"case": name, "model": model, "came": came}))  # noqa: T201


def _models(case: str) -> list[str]:
    return {"tools": [ALIAS], "error": [NO_MODEL]}.get(case, MODELS)


def fail_over() -> None:
    """Have all fail but one, who is not the one that answered last."""
    well = _PROVIDERS[len(_served_by()) % len(_PROVIDERS)]
    _control("POST", "recover", {})
    for provider in _PROVIDERS:
        if provider != well:
            _control("POST", "fail", {"provider": provider, "fault": "503"})


def weather(place: str) -> str:
    """Tell the weather of a place; the next request has to be served elsewhere."""
    fail_over()
    return SUNNY


def raised(error: Exception) -> dict[str, Any]:
    """Describe an error that was to be."""
    return {
        "kind": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "says": str(error),
    }


async def raised_by(asking: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    """Ask for what fails, and describe the error."""
    try:
        await asking()
    except Exception as error:  # noqa: BLE001 - which one is for the test to say
        return raised(error)
    return {}


def _failure(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-3000:]


def _served_by() -> list[str]:
    received = _control("GET", "log")["received"]
    return [each["provider"] for each in received if not each["fault"]]


def _control(method: str, what: str, body: Any = None) -> Any:
    asked = urllib.request.Request(
        f"{_SIMULATOR}/control/{what}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
    )
    with urllib.request.urlopen(asked) as answered:
        return json.load(answered)
