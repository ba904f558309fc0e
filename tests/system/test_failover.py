"""A deployment fails, in each way there is; the caller gets a whole answer.

Each way to fail has providers of its own, so that none rests for another's
failure. All are asked at once, because the silent ones take a second each.
"""

import asyncio
import itertools
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from fakes import event_stream
from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

FAULTS: dict[str, dict[str, Any]] = {
    "rate-limited": {"fault": "429"},
    "rate-limited-for-30-s": {"fault": "429", "retry_after": 30},
    "quota-used-up": {"fault": "quota"},
    "internal-error": {"fault": "500"},
    "bad-gateway": {"fault": "502"},
    "unavailable": {"fault": "503"},
    "overloaded": {"fault": "529"},
    "credential-refused": {"fault": "401"},
    "model-unknown": {"fault": "404"},
    "connection-reset": {"fault": "reset"},
    "silent": {"fault": "hang"},
    "success-without-a-body": {"fault": "blank"},
    "success-without-a-choice": {"fault": "empty"},
    "error-in-a-success": {"fault": "error-in-stream"},
    "web-page": {"fault": "html"},
    "cut-before-content": {"fault": "cut", "after": 0},
    "silent-before-content": {"fault": "stall", "after": 0},
}
UNREACHABLE = ("connection-refused", "no-tls")
DIALECTS = ("openai-chat", "anthropic-messages")
WAYS = ("whole", "streamed")

FAILURES = [
    (fault, dialect)
    for fault, dialect in itertools.product((*FAULTS, *UNREACHABLE), DIALECTS)
    # Claude may choose to say nothing; then that is the answer.
    if (fault, dialect) != ("success-without-a-choice", "anthropic-messages")
]
"""How the first deployment fails, and what it speaks."""

CASES = [(*failure, way) for failure in FAILURES for way in WAYS]
"""The same, and how the caller asks."""

OTHER = dict(zip(DIALECTS, reversed(DIALECTS), strict=True))

Answers = dict[str, httpx.Response]


def first(fault: str, dialect: str, way: str) -> str:
    """Name the provider that fails in one case."""
    return f"{fault}-{dialect}-{way}"


def second(dialect: str) -> str:
    """Name the provider that answers then; it speaks the other dialect."""
    return f"well-{OTHER[dialect]}"


def whole_text(dialect: str) -> str:
    """Say what the second provider answers."""
    return (
        f"Hello from {second(dialect)}. This is a simulated provider, "
        "standing in for m: no model was called."
    )


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """Give a port that nobody listens on, nor will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="module")
def answers(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    closed_port: int,
    separate: bool,
) -> Iterator[Answers]:
    """Give what the caller got in each case, by the name of what failed."""
    shared_sim.recover()
    shared_sim.forget()
    for fault, dialect, way in CASES:
        if fault in FAULTS:
            shared_sim.fail(first(fault, dialect, way), **FAULTS[fault])
    config = failing(shared_sim, closed_port)
    folder = tmp_path_factory.mktemp("failover")
    with Gateway(config, folder, separate=separate) as gateway:
        yield asyncio.run(ask_all(gateway.base_url))


def failing(sim: SimulatedProviders, closed_port: int) -> dict[str, Any]:
    """Write a configuration with an alias a case: who fails, then who is well."""
    dialects = {first(*case): case[1] for case in CASES}
    dialects |= {second(dialect): OTHER[dialect] for dialect in DIALECTS}
    config = configuration(
        sim,
        {"m": [{"id": f"{provider}/m", "provider": provider} for provider in dialects]},
        dialects=dialects,
        defaults={"attempt": {"first_token_timeout_s": 1, "idle_timeout_s": 1}},
    )
    for dialect, way in itertools.product(DIALECTS, WAYS):
        refused = config["providers"][first("connection-refused", dialect, way)]
        refused["base_uri"] = f"http://127.0.0.1:{closed_port}"
        no_tls = config["providers"][first("no-tls", dialect, way)]
        no_tls["base_uri"] = f"https://127.0.0.1:{sim.port}"
    config["organizations"][0]["aliases"] = [
        {
            "name": first(*case),
            "fallback_models": [f"{first(*case)}/m", f"{second(case[1])}/m"],
        }
        for case in CASES
    ]
    return config


async def ask_all(base_url: str) -> Answers:
    """Ask for each case's alias."""

    async def ask(case: tuple[str, str, str]) -> httpx.Response:
        return await client.post(
            "/v1/chat/completions",
            json={
                "model": first(*case),
                "messages": [{"role": "user", "content": "Hello"}],
                "max_tokens": 100,
                "stream": case[2] == "streamed",
            },
        )

    async with httpx.AsyncClient(
        base_url=base_url, headers={"x-api-key": KEY}, timeout=30
    ) as client:
        responses = await asyncio.gather(*map(ask, CASES))
    return {first(*case): got for case, got in zip(CASES, responses, strict=True)}


@pytest.mark.parametrize(("fault", "dialect"), FAILURES)
class TestFailover:
    """One deployment fails and the next one answers."""

    def test_a_whole_answer_comes_from_the_next_deployment(
        self, answers: Answers, fault: str, dialect: str
    ) -> None:
        """The caller sees a complete answer and, in a header, that it took two."""
        answer = answers[first(fault, dialect, "whole")]

        assert answer.status_code == 200, answer.text
        assert answer.headers["x-holdfast-attempts"] == "2"
        assert answer.headers["x-holdfast-provider"] == second(dialect)
        completion = ChatCompletion.model_validate_json(answer.content, strict=True)
        assert completion.model == f"{second(dialect)}/m"
        assert completion.choices[0].message.content == whole_text(dialect)
        assert completion.choices[0].finish_reason == "stop"

    def test_a_stream_holds_the_next_deployments_chunks_and_no_others(
        self, answers: Answers, fault: str, dialect: str
    ) -> None:
        """One id, one role, one finish reason, one `[DONE]` and nothing after it."""
        answer = answers[first(fault, dialect, "streamed")]

        assert answer.status_code == 200, answer.text
        assert answer.headers["x-holdfast-attempts"] == "2"
        assert answer.headers["x-holdfast-provider"] == second(dialect)
        *events, done = event_stream.events(answer.text)
        assert done == event_stream.DONE
        chunks = [
            ChatCompletionChunk.model_validate_json(event, strict=True)
            for event in events
        ]
        assert len({(chunk.id, chunk.model) for chunk in chunks}) == 1
        deltas = [chunk.choices[0].delta for chunk in chunks]
        assert [delta.role for delta in deltas if delta.role] == ["assistant"]
        assert event_stream.text(list(map(json.loads, events))) == whole_text(dialect)
        finishes = [chunk.choices[0].finish_reason for chunk in chunks]
        assert finishes == [None] * (len(chunks) - 1) + ["stop"]


@pytest.mark.parametrize(
    ("fault", "dialect", "way"), [case for case in CASES if case[0] in FAULTS]
)
def test_a_deployment_that_failed_is_asked_once(
    answers: Answers, shared_sim: SimulatedProviders, fault: str, dialect: str, way: str
) -> None:
    """Nothing between the caller and the provider tries again of its own."""
    received = shared_sim.received(first(fault, dialect, way))

    assert len(received) == 1
