"""Guardrails over the running gateway, with OpenAI's own client."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from fakes import event_stream
from fakes.gateway import Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

BOTH_MODELS = pytest.mark.parametrize("model", ["gpt", "claude"])
BOTH_WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])

MAIL = "someone@example.com"
"""What the simulated models say that they stand in for, since that is their name."""

SAYS = f"This is a simulated provider, standing in for {MAIL}: no model was called."

DIALECTS = {"openai": "openai-chat", "anthropic": "anthropic-messages"}

GUARDRAILS: list[dict[str, Any]] = [
    {"name": "in-block", "applies_to": ["input"], "action": "block"},
    {"name": "in-redact", "applies_to": ["input"], "action": "redact"},
    {"name": "in-flag", "applies_to": ["input"], "action": "flag"},
    {"name": "out-block", "applies_to": ["output"], "action": "block"},
    {"name": "out-redact", "applies_to": ["output"], "action": "redact"},
    {"name": "out-flag", "applies_to": ["output"], "action": "flag"},
]
"""Each holds in the project of its name."""

ACROSS = {
    "name": "across",
    "applies_to": ["output"],
    "action": "redact",
    "patterns": [{"name": "words", "regex": "a simulated provider,", "flags": "i"}],
    "replacement": "[gone]",
}
JUDGES: list[dict[str, Any]] = [
    {"name": f"{stage}-{verdict}", "applies_to": [stage], "action": "block"}
    | {"judge": {"model": f"judge-{verdict}", "prompt": "Is it rude?"}}
    for stage in ("input", "output")
    for verdict in ("yes", "no")
]


def project(name: str) -> dict[str, Any]:
    return {"id": name, "keys": [{"id": name, "key": f"hf-{name}"}]}


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway with a project for each guardrail, and one without any."""
    verdicts = {"yes": '{"flagged":true}', "no": '{"flagged":false}'}
    models: dict[str, list[dict[str, Any]]] = {
        "gpt": [{"provider": "openai", "provider_model": MAIL}],
        "claude": [{"provider": "anthropic", "provider_model": MAIL}],
        "vectors": [{"provider": "openai", "capabilities": ["embeddings"]}],
    } | {
        f"judge-{verdict}": [{"provider": "judge", "provider_model": said}]
        for verdict, said in verdicts.items()
    }
    config = configuration(shared_sim, models, dialects=DIALECTS)
    guardrails = [
        *({**each, "presets": ["email"]} for each in GUARDRAILS),
        ACROSS,
        *JUDGES,
    ]
    config["organizations"] = [
        {
            "id": "acme",
            "guardrails": [{**each, "projects": [each["name"]]} for each in guardrails],
            "projects": [
                project("free"),
                *(project(each["name"]) for each in guardrails),
            ],
        }
    ]
    folder = tmp_path_factory.mktemp("guardrails")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture
def sim(shared_sim: SimulatedProviders) -> SimulatedProviders:
    """Give the simulated providers, with nothing received."""
    shared_sim.forget()
    return shared_sim


def client(gateway: Gateway, name: str) -> openai.OpenAI:
    return gateway.openai(f"hf-{name}")


def ask(
    gateway: Gateway, name: str, model: str, *, stream: bool, content: str = "Hi"
) -> str:
    """Ask as a project, and return what is answered."""
    asked: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
    }
    chats = client(gateway, name).chat.completions
    if not stream:
        return chats.create(**asked).choices[0].message.content or ""
    return "".join(
        choice.delta.content or ""
        for chunk in chats.create(**asked, stream=True)
        for choice in chunk.choices
    )


def received(sim: SimulatedProviders) -> str:
    """Return all that providers were sent."""
    return " ".join(json.dumps(each.parsed) for each in sim.received())


class TestRequests:
    @BOTH_MODELS
    @BOTH_WAYS
    def test_a_blocked_one_reaches_no_provider(
        self, gateway: Gateway, sim: SimulatedProviders, model: str, stream: bool
    ) -> None:
        """A 403 that names the guardrail, and not what it found."""
        with pytest.raises(openai.PermissionDeniedError) as raised:
            ask(gateway, "in-block", model, stream=stream, content=f"I am {MAIL}")

        error = raised.value
        assert error.code == "guardrail_blocked"
        assert error.message.count("in-block")
        assert MAIL not in error.response.text
        assert error.response.headers["x-should-retry"] == "false"
        assert sim.received() == []

    @BOTH_MODELS
    @BOTH_WAYS
    def test_a_redacted_one_is_sent_without_what_was_found(
        self, gateway: Gateway, sim: SimulatedProviders, model: str, stream: bool
    ) -> None:
        """And it is answered."""
        said = ask(gateway, "in-redact", model, stream=stream, content=f"I am {MAIL}!")

        assert "Hello from" in said
        (sent,) = sim.received()
        assert "I am ***!" in json.dumps(sent.parsed["messages"])

    @BOTH_WAYS
    def test_a_flagged_one_is_sent_as_it_came(
        self, gateway: Gateway, sim: SimulatedProviders, stream: bool
    ) -> None:
        """What was found is noted, and changes nothing."""
        ask(gateway, "in-flag", "gpt", stream=stream, content=f"I am {MAIL}!")

        assert f"I am {MAIL}!" in received(sim)

    def test_texts_that_are_to_become_vectors_are_looked_into(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """Blocked or redacted as a chat's are."""
        with pytest.raises(openai.PermissionDeniedError):
            client(gateway, "in-block").embeddings.create(model="vectors", input=MAIL)
        client(gateway, "in-redact").embeddings.create(
            model="vectors", input=["a", f"I am {MAIL}"]
        )

        (sent,) = sim.received()
        assert sent.parsed["input"] == ["a", "I am ***"]

    def test_other_projects_are_not_guarded(
        self, gateway: Gateway, sim: SimulatedProviders
    ) -> None:
        """A guardrail holds where it says."""
        said = ask(gateway, "free", "gpt", stream=False, content=f"I am {MAIL}")

        assert SAYS in said
        assert f"I am {MAIL}" in received(sim)


class TestAnswers:
    @BOTH_MODELS
    @BOTH_WAYS
    def test_a_redacted_one_is_whole_but_for_what_was_found(
        self, gateway: Gateway, model: str, stream: bool
    ) -> None:
        """Words before and after are the model's own."""
        said = ask(gateway, "out-redact", model, stream=stream)

        assert said.endswith(SAYS.replace(MAIL, "***"))

    @BOTH_MODELS
    @BOTH_WAYS
    def test_a_match_may_lie_across_events(
        self, gateway: Gateway, model: str, stream: bool
    ) -> None:
        """A pattern of one's own, over three words."""
        said = ask(gateway, "across", model, stream=stream)

        assert said.endswith(SAYS.replace("a simulated provider,", "[gone]"))

    @BOTH_WAYS
    def test_a_flagged_one_is_as_it_came(self, gateway: Gateway, stream: bool) -> None:
        """Nothing is changed."""
        assert ask(gateway, "out-flag", "gpt", stream=stream).endswith(SAYS)

    @BOTH_MODELS
    def test_a_blocked_one_is_not_returned(self, gateway: Gateway, model: str) -> None:
        """The attempt was made, and its outcome says why it is none."""
        with pytest.raises(openai.PermissionDeniedError) as raised:
            ask(gateway, "out-block", model, stream=False)

        (attempt,) = raised.value.response.json()["error"]["attempts"]
        assert raised.value.code == "guardrail_blocked"
        assert attempt["outcome"] == "blocked"
        assert MAIL not in raised.value.response.text

    @BOTH_MODELS
    def test_a_blocked_stream_ends_with_an_error_and_not_with_done(
        self, gateway: Gateway, model: str
    ) -> None:
        """What came before the match may have gone out; the match has not."""
        answer = gateway.http.post(
            "/v1/chat/completions",
            headers={"x-api-key": "hf-out-block"},
            json={
                "model": model,
                "messages": [{"role": "user", "content": "Hi"}],
                "stream": True,
            },
        )

        assert MAIL not in answer.text
        assert event_stream.DONE not in answer.text
        assert answer.status_code in {200, 403}
        last = (
            answer.json()
            if answer.status_code == 403
            else event_stream.chunks(answer.text)[-1]
        )
        assert last["error"]["code"] == "guardrail_blocked"

    def test_a_blocked_stream_is_an_error_to_its_reader(self, gateway: Gateway) -> None:
        """OpenAI's client raises it, however far the answer had come."""
        with pytest.raises(openai.APIError) as raised:
            ask(gateway, "out-block", "gpt", stream=True)

        assert raised.value.code == "guardrail_blocked"

    @BOTH_WAYS
    def test_what_a_tool_is_called_with_is_looked_into(
        self, gateway: Gateway, stream: bool
    ) -> None:
        """What is left is JSON."""
        schema = {
            "type": "object",
            "properties": {"to": {"type": "string", "format": "email"}},
            "required": ["to"],
        }
        asked: dict[str, Any] = {
            "model": "gpt",
            "messages": [{"role": "user", "content": "Use a tool"}],
            "tools": [
                {"type": "function", "function": {"name": "mail", "parameters": schema}}
            ],
        }
        chats = client(gateway, "out-redact").chat.completions

        if stream:
            calls = [
                call
                for chunk in chats.create(**asked, stream=True)
                for choice in chunk.choices
                for call in choice.delta.tool_calls or ()
            ]
        else:
            calls = chats.create(**asked).choices[0].message.tool_calls or []

        functions = [call.function for call in calls if call.function]
        assert functions[0].name == "mail"
        arguments = "".join(function.arguments or "" for function in functions)
        assert json.loads(arguments) == {"to": "***"}


class TestJudges:
    @BOTH_WAYS
    def test_one_that_says_yes_blocks_a_request(
        self, gateway: Gateway, sim: SimulatedProviders, stream: bool
    ) -> None:
        """The judge's model was called through the gateway, and nothing else."""
        with pytest.raises(openai.PermissionDeniedError) as raised:
            ask(gateway, "input-yes", "gpt", stream=stream, content="You fool")

        assert raised.value.code == "guardrail_blocked"
        (asked,) = sim.received()
        assert asked.provider == "judge"
        assert "Is it rude?" in json.dumps(asked.parsed)
        assert "You fool" in json.dumps(asked.parsed)

    @pytest.mark.parametrize("stage", ["input", "output"])
    @BOTH_WAYS
    def test_one_that_says_no_lets_all_pass(
        self, gateway: Gateway, sim: SimulatedProviders, stage: str, stream: bool
    ) -> None:
        """A request or an answer, each as it came."""
        said = ask(gateway, f"{stage}-no", "gpt", stream=stream)

        assert said.endswith(SAYS)
        assert sorted(each.provider for each in sim.received()) == ["judge", "openai"]

    @BOTH_WAYS
    def test_one_that_says_yes_blocks_an_answer(
        self, gateway: Gateway, sim: SimulatedProviders, stream: bool
    ) -> None:
        """Nothing of it has gone out, in a stream either."""
        with pytest.raises(openai.APIError) as raised:
            ask(gateway, "output-yes", "gpt", stream=stream)

        assert raised.value.code == "guardrail_blocked"
        assert (
            SAYS
            in json.loads(sim.received("judge")[0].parsed["messages"][1]["content"])[
                "texts"
            ][0]
        )
