"""The clients that people use, unchanged but for an address and a key.

Each is tried by a script of its own, in `python` or `node`, where `make clients` has
installed it. What came of it is checked here, the same for all.
"""

import functools
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.gateway import KEY, Gateway
from fakes.provider import SimulatedProviders

from .conftest import ALIAS, MODELS

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-clients" / "bin" / "python"
NODE_MODULES = HERE / "node" / "node_modules"

CALLS = 3
"""How many calls of a tool a loop makes: one for each turn of its user."""

_PATIENCE_S = 200


@dataclass(frozen=True, slots=True)
class Client:
    """A client, and a script that tries it.

    Attributes:
        script: Its file; the folder says what it runs in.
        way: What the script is told: which API, and how.
    """

    script: str
    way: str

    def __str__(self) -> str:
        """Name it in a test's id."""
        return f"{Path(self.script).name}-{self.way}"

    @property
    def command(self) -> list[str]:
        """What runs the script."""
        by = "node" if self.script.endswith(".mjs") else str(PYTHON)
        return [by, str(HERE / self.script), self.way]

    @property
    def is_installed(self) -> bool:
        """Whether `make clients` has been here."""
        return (NODE_MODULES if self.script.endswith(".mjs") else PYTHON).exists()


CLIENTS = [
    Client("python/openai_sdk.py", "chat"),
    Client("python/openai_sdk.py", "chat-async"),
    Client("python/openai_sdk.py", "responses"),
    Client("python/openai_sdk.py", "responses-async"),
    Client("python/anthropic_sdk.py", "sync"),
    Client("python/anthropic_sdk.py", "async"),
    Client("python/langchain_chat_models.py", "chat"),
    Client("python/langchain_chat_models.py", "responses"),
    Client("python/langchain_chat_models.py", "messages"),
    Client("python/litellm_client.py", "chat"),
    Client("python/litellm_client.py", "responses"),
    Client("python/litellm_client.py", "messages"),
    Client("python/pydantic_agent.py", "chat"),
    Client("python/pydantic_agent.py", "responses"),
    Client("python/pydantic_agent.py", "messages"),
    Client("python/openai_agent.py", "chat"),
    Client("python/openai_agent.py", "responses"),
    Client("node/openai_sdk.mjs", "chat"),
    Client("node/openai_sdk.mjs", "responses"),
    Client("node/anthropic_sdk.mjs", "messages"),
    Client("node/ai_sdk.mjs", "chat"),
    Client("node/ai_sdk.mjs", "responses"),
    Client("node/ai_sdk.mjs", "compatible"),
    Client("node/ai_sdk.mjs", "messages"),
]

Came = dict[tuple[str, str], Any]
"""What came of each case with each model."""


@pytest.fixture(scope="session")
def tried(gateway: Gateway, simulated: SimulatedProviders) -> Callable[[Client], Came]:
    """Try a client, once for all tests."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(gateway.folder),
        "GATEWAY": gateway.base_url,
        "GATEWAY_KEY": KEY,
        "SIMULATOR": f"http://127.0.0.1:{simulated.port}",
        "MODELS": " ".join(MODELS),
        "ALIAS": ALIAS,
        # It would fetch prices.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }

    @functools.cache
    def once(client: Client) -> Came:
        done = subprocess.run(
            client.command,
            env=environ,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        lines = [json.loads(x) for x in done.stdout.splitlines() if x.startswith("{")]
        return {(each["case"], each["model"]): each["came"] for each in lines}

    return once


@pytest.fixture(params=CLIENTS, ids=str, scope="module")
def client(request: pytest.FixtureRequest) -> Client:
    """Give each client that is installed."""
    given: Client = request.param
    if not given.is_installed:
        pytest.skip("the client is not installed: `make clients`")
    return given


@pytest.fixture
def came(client: Client, tried: Callable[[Client], Came]) -> Came:
    """Give what came of trying it."""
    return tried(client)


def test_a_question_is_answered(came: Came) -> None:
    """Whoever serves, there is text, and the tokens that it took."""
    for model in MODELS:
        answer = came["plain", model]

        assert "simulated provider" in answer.get("text", ""), answer
        assert answer["input_tokens"] > 0
        assert answer["output_tokens"] > 0


def test_an_answer_is_streamed(came: Came) -> None:
    """Whoever serves, the pieces make the text that the client puts together."""
    for model in MODELS:
        answer = came["stream", model]

        assert "simulated provider" in answer.get("text", ""), answer
        assert len(answer["pieces"]) > 1
        assert "".join(answer["pieces"]) == answer["text"]
        assert answer["output_tokens"] > 0


def test_a_tool_loop_falls_back_at_every_step(came: Came) -> None:
    """Each step is served elsewhere than the last, and the loop comes to its end."""
    answer = came["tools", ALIAS]

    assert "simulated provider" in (answer.get("text") or ""), answer
    assert answer["calls"] == CALLS
    assert answer["served_by"] == ["gcp", "openai", "anthropic"] * 2


@pytest.mark.parametrize("case", ["structured", "structured_by_function"])
def test_an_answer_is_parsed(came: Came, case: str) -> None:
    """Whoever serves, the client gets an instance of the form that it asked for."""
    if (case, next(iter(MODELS))) not in came:
        pytest.skip("the client has no such way")
    for model in MODELS:
        answer = came[case, model]

        assert isinstance(answer.get("name"), str), answer
        assert isinstance(answer["population"], int)


def test_an_unknown_model_is_the_clients_own_error(came: Came) -> None:
    """The client raises what it has for something that is not found."""
    ((_, model),) = [each for each in came if each[0] == "error"]
    answer = came["error", model]

    assert answer.get("status") == 404, answer
    assert model in answer["says"]


def test_what_a_client_has_beside_answers_works(came: Came) -> None:
    """Tokens are counted and a model is shown, where the client can ask for it."""
    for model in MODELS:
        counted = came.get(("count", model))
        shown = came.get(("models", model))

        assert counted is None or counted["input_tokens"] > 0, counted
        assert shown is None or shown["id"] == model, shown
