"""What a caller is told when there is no answer: by whom, why, and what now."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

HURRIED_KEY = "hf-hurried"
TOLERANT_KEY = "hf-tolerant"

DIALECTS = {"openai": "openai-chat", "anthropic": "anthropic-messages"}

BOTH_DIALECTS = pytest.mark.parametrize("speaking", DIALECTS)
BOTH_WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


class Calls:
    """A running gateway and the providers behind it."""

    def __init__(self, gateway: Gateway, sim: SimulatedProviders) -> None:
        self.sim = sim
        self._client = httpx.Client(base_url=gateway.base_url, timeout=30)

    def ask(
        self, model: str, *, stream: bool = False, key: str = KEY, **headers: str
    ) -> httpx.Response:
        return self._client.post(
            "/v1/chat/completions",
            json={
                "model": model,
                "messages": [{"role": "user", "content": "Hello"}],
                "max_tokens": 100,
                "stream": stream,
            },
            headers={"x-api-key": key}
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )

    def asked(self) -> list[str]:
        """Return the providers that were called, in turn."""
        return [each.provider for each in self.sim.received()]

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def running(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Calls]:
    """Give a gateway that the module's tests share."""
    providers = {
        f"{role}-{speaking}-{scene}": DIALECTS[speaking]
        for scene in SCENES
        for speaking in DIALECTS
        for role in ("first", "second")
    }
    models: dict[str, list[dict[str, Any]]] = {
        "m": [{"id": f"{name}/m", "provider": name} for name in providers],
        "windows": [
            {"id": f"{name}/w", "provider": name, "context_window_tokens": size}
            for name, size in WINDOWS.items()
        ],
    }
    dialects = {**providers, "large": "anthropic-messages"}
    config = configuration(shared_sim, models, dialects=dialects)
    config["organizations"] = [
        {
            "id": "acme",
            "aliases": [
                {
                    "name": f"{speaking}-{scene}",
                    "fallback_models": [
                        f"first-{speaking}-{scene}/m",
                        f"second-{speaking}-{scene}/m",
                    ],
                }
                for scene in SCENES
                for speaking in DIALECTS
            ]
            + [{"name": "by-window", "fallback_models": [f"{w}/w" for w in WINDOWS]}],
            "projects": [
                project("web", KEY),
                project("hurried", HURRIED_KEY, attempt={"first_token_timeout_s": 0.5}),
                project("tolerant", TOLERANT_KEY, on_content_filter="fallback"),
            ],
        }
    ]
    folder = tmp_path_factory.mktemp("refusals")
    with Gateway(config, folder, separate=separate) as gateway:
        calls = Calls(gateway, shared_sim)
        yield calls
        calls.close()


def project(name: str, key: str, **defaults: Any) -> dict[str, Any]:
    return {"id": name, "defaults": defaults, "keys": [{"id": name, "key": key}]}


SCENES = (
    *("refused", "refused-in-a-stream", "filtered", "filtered-in-a-stream"),
    *("tolerated", "rate-limited", "unavailable", "broken", "silent", "late"),
)
"""Each has providers of its own: none rests for what another test did to it."""

WINDOWS = {"small": 8_000, "as-small": 8_000, "large": 200_000}


@pytest.fixture
def calls(running: Calls) -> Calls:
    """Give the gateway, with nothing wrong and nothing received."""
    running.sim.recover()
    running.sim.forget()
    return running


def fails(calls: Calls, speaking: str, scene: str, fault: str, **how: Any) -> None:
    """Make both deployments of a scene fail."""
    for role in ("first", "second"):
        calls.sim.fail(f"{role}-{speaking}-{scene}", fault, **how)


class TestTheCallersOwnFault:
    """What no other deployment would take either is told at once."""

    @BOTH_DIALECTS
    @BOTH_WAYS
    def test_a_refused_request_is_told_in_the_providers_words(
        self, calls: Calls, speaking: str, stream: bool
    ) -> None:
        """A 400 ends it: one deployment was asked, and its message is passed on."""
        scene = "refused-in-a-stream" if stream else "refused"
        fails(calls, speaking, scene, "400")

        answer = calls.ask(f"{speaking}-{scene}", stream=stream)

        assert answer.status_code == 400
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-holdfast-attempts"] == "1"
        error = answer.json()["error"]
        assert error["message"] == "A field of the request is not valid."
        assert error["code"] == "invalid_request"
        assert error["trace_id"] == answer.headers["x-holdfast-trace-id"]
        assert calls.asked() == [f"first-{speaking}-{scene}"]

    @BOTH_WAYS
    def test_a_content_filters_error_is_returned(
        self, calls: Calls, stream: bool
    ) -> None:
        """A refusal is an answer of its own kind, and is not routed around."""
        scene = "filtered-in-a-stream" if stream else "filtered"
        fails(calls, "openai", scene, "filtered")

        answer = calls.ask(f"openai-{scene}", stream=stream)

        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "content_filter"
        assert calls.asked() == [f"first-openai-{scene}"]

    @BOTH_WAYS
    def test_a_refusal_within_a_success_is_returned(
        self, calls: Calls, stream: bool
    ) -> None:
        """Claude refuses with a message that says so; nobody else is asked."""
        scene = "filtered-in-a-stream" if stream else "filtered"
        fails(calls, "anthropic", scene, "filtered")

        answer = calls.ask(f"anthropic-{scene}", stream=stream)

        assert "content_filter" in answer.text
        assert calls.asked() == [f"first-anthropic-{scene}"]

    @BOTH_DIALECTS
    @BOTH_WAYS
    def test_a_project_may_have_refusals_routed_around(
        self, calls: Calls, speaking: str, stream: bool
    ) -> None:
        """With `on_content_filter: fallback` the next deployment answers."""
        calls.sim.fail(f"first-{speaking}-tolerated", "filtered")

        answer = calls.ask(f"{speaking}-tolerated", stream=stream, key=TOLERANT_KEY)

        assert answer.status_code == 200
        assert answer.headers["x-holdfast-provider"] == f"second-{speaking}-tolerated"


class TestTooLong:
    """A request that is too long goes to a larger window or back to the caller."""

    @BOTH_WAYS
    def test_only_a_larger_window_is_tried(self, calls: Calls, stream: bool) -> None:
        """One as small as what refused would refuse it too, and is left out."""
        for name in ("small", "as-small"):
            calls.sim.fail(name, "too-long")

        answer = calls.ask("by-window", stream=stream)

        assert answer.status_code == 200
        assert answer.headers["x-holdfast-attempts"] == "2"
        assert calls.asked() == ["small", "large"]

    def test_what_is_too_long_for_all_is_the_callers_to_shorten(
        self, calls: Calls
    ) -> None:
        """The code is the one that OpenAI's clients look for."""
        for name in WINDOWS:
            calls.sim.fail(name, "too-long")

        answer = calls.ask("by-window")

        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "context_length_exceeded"
        assert error["message"] == "prompt is too long: 300000 tokens > 200000 maximum"
        assert [attempt["outcome"] for attempt in error["attempts"]] == [
            "too-long",
            "too-long",
        ]


class TestEveryDeploymentFails:
    """The status says whether waiting helps, and the body who was asked."""

    @BOTH_DIALECTS
    @BOTH_WAYS
    def test_all_rate_limited_says_when_the_soonest_is_back(
        self, calls: Calls, speaking: str, stream: bool
    ) -> None:
        """A 429 with the shortest of the waits that providers asked for."""
        scene = "rate-limited"
        calls.sim.fail(f"first-{speaking}-{scene}", "429", retry_after=30)
        calls.sim.fail(f"second-{speaking}-{scene}", "429", retry_after=7)

        answer = calls.ask(f"{speaking}-{scene}", stream=stream)

        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "7"
        assert answer.headers["x-should-retry"] == "true"
        assert answer.json()["error"]["code"] == "rate_limited"
        assert attempts(answer) == {
            (f"first-{speaking}-{scene}/m", "rate-limited", 429),
            (f"second-{speaking}-{scene}/m", "rate-limited", 429),
        }

    @BOTH_DIALECTS
    @BOTH_WAYS
    def test_all_unavailable_is_a_503(
        self, calls: Calls, speaking: str, stream: bool
    ) -> None:
        """It may be asked again, after a while."""
        scene = "unavailable"
        calls.sim.fail(f"first-{speaking}-{scene}", "503")
        calls.sim.fail(f"second-{speaking}-{scene}", "reset")

        answer = calls.ask(f"{speaking}-{scene}", stream=stream)

        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["x-should-retry"] == "true"
        assert answer.json()["error"]["code"] == "all_deployments_unavailable"
        assert attempts(answer) == {
            (f"first-{speaking}-{scene}/m", "server-error", 503),
            (f"second-{speaking}-{scene}/m", "connection-failed", None),
        }

    @BOTH_DIALECTS
    @BOTH_WAYS
    def test_failures_of_different_kinds_are_a_502(
        self, calls: Calls, speaking: str, stream: bool
    ) -> None:
        """Every attempt is listed; one of them may pass, so waiting may help."""
        scene = "broken"
        calls.sim.fail(f"first-{speaking}-{scene}", "500")
        calls.sim.fail(f"second-{speaking}-{scene}", "401")

        answer = calls.ask(f"{speaking}-{scene}", stream=stream)

        assert answer.status_code == 502
        assert answer.headers["x-should-retry"] == "true"
        assert answer.headers["retry-after"] == "5"
        assert answer.headers["x-holdfast-attempts"] == "2"
        assert answer.json()["error"]["code"] == "all_attempts_failed"
        assert attempts(answer) == {
            (f"first-{speaking}-{scene}/m", "server-error", 500),
            (f"second-{speaking}-{scene}/m", "unusable", 401),
        }

    @BOTH_WAYS
    def test_all_silent_is_a_503(self, calls: Calls, stream: bool) -> None:
        """Each was given its time, and none used it."""
        fails(calls, "openai", "silent", "hang")

        answer = calls.ask("openai-silent", stream=stream, key=HURRIED_KEY)

        assert answer.status_code == 503
        outcomes = {outcome for _, outcome, _ in attempts(answer)}
        assert outcomes == {"timed-out"}

    @BOTH_WAYS
    def test_the_callers_time_running_out_is_a_504(
        self, calls: Calls, stream: bool
    ) -> None:
        """The deployment had more time than the caller gave the request."""
        fails(calls, "openai", "late", "hang")

        answer = calls.ask("openai-late", stream=stream, x_request_timeout="1")

        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == "deadline_exceeded"
        assert answer.headers["x-should-retry"] == "false"
        assert len(attempts(answer)) == 1


def attempts(answer: httpx.Response) -> set[tuple[str, str, int | None]]:
    """Return what the error says of each attempt, in no order.

    Who failed before stands further back the next time.
    """
    return {
        (attempt["deployment"], attempt["outcome"], attempt["status"])
        for attempt in answer.json()["error"]["attempts"]
    }
