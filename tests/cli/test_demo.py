"""What a caller sees of the simulated providers, and an operator of the demo."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
import yaml
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from fakes.provider import SimulatedProviders
from holdfast import config_file
from holdfast.catalog import load_shipped
from holdfast.model import Catalog, Deployment, Model, Provider
from holdfast_cli.demo.control import (
    DemoControl,
    DemoError,
    FaultOptions,
    status_table,
)
from holdfast_cli.demo.faults import FAULTS, Behaviour
from holdfast_cli.demo.process import SimulatorProcess
from holdfast_cli.demo.prompt_cache import LIFE_SECONDS, PromptCache
from holdfast_cli.demo.scenario import MODELS, scenario
from holdfast_cli.demo.state import DemoState, Place

HI: list[Any] = [{"role": "user", "content": "hi"}]
MODEL = "eu.anthropic.claude-sonnet-4-5"
WEATHER_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 3},
        "days": {"type": "integer", "minimum": 2},
        "unit": {"enum": ["C", "F"]},
        "note": {"type": "string"},
    },
    "required": ["city", "days", "unit"],
    "additionalProperties": False,
}
FITTING = {"city": "example", "days": 2, "unit": "C"}


@pytest.fixture
def sim() -> Iterator[SimulatedProviders]:
    with SimulatedProviders() as providers:
        yield providers


@pytest.fixture
def gpt(sim: SimulatedProviders) -> Iterator[openai.OpenAI]:
    """OpenAI's own client of provider `aws`, which asks once."""
    with openai.OpenAI(
        base_url=sim.base_uri("aws", region="eu-north-1"),
        api_key="demo",
        max_retries=0,
        timeout=10,
    ) as client:
        yield client


@pytest.fixture
def claude(sim: SimulatedProviders) -> Iterator[anthropic.Anthropic]:
    """Anthropic's own client of provider `anthropic`, which asks once."""
    with anthropic.Anthropic(
        base_url=sim.base_uri("anthropic", "anthropic-messages"),
        api_key="demo",
        max_retries=0,
        timeout=10,
    ) as client:
        yield client


def chunks(gpt: openai.OpenAI, **fields: Any) -> list[ChatCompletionChunk]:
    with gpt.chat.completions.create(
        model=MODEL, messages=HI, stream=True, **fields
    ) as stream:
        return list(stream)


FORM = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
}


def _formed(sim: SimulatedProviders, dialect: str, *, stream: bool) -> str:
    """Ask for JSON in a form; return what is said."""
    asked: dict[str, Any] = {"model": MODEL, "messages": HI, "stream": stream}
    if dialect == "openai-chat":
        named = {"name": "n", "schema": FORM}
        asked["response_format"] = {"type": "json_schema", "json_schema": named}
        path = "/chat/completions"
    else:
        wanted = {"type": "json_schema", "schema": FORM}
        asked |= {"max_tokens": 99, "output_config": {"format": wanted}}
        path = "/v1/messages"
    uri, headers = sim.base_uri("aws", dialect) + path, {"anthropic-version": "1"}
    answered = httpx.post(uri, json=asked, headers=headers)
    assert answered.status_code == 200, answered.text
    if not stream:
        whole = answered.json()
        message = whole["choices"][0]["message"] if "choices" in whole else whole
        content = message["content"]
        return str(content if isinstance(content, str) else content[0]["text"])
    events = [
        json.loads(line.removeprefix("data: "))
        for line in answered.text.splitlines()
        if line.startswith("data: {")
    ]
    if dialect == "openai-chat":
        deltas = [each["choices"][0]["delta"] for each in events if each["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)
    return "".join(each.get("delta", {}).get("text", "") for each in events)


class TestOpenAI:
    def test_the_answer_says_who_answered(self, gpt: openai.OpenAI) -> None:
        """Provider and region are in the text, the model is the one asked for."""
        answer = gpt.chat.completions.create(model=MODEL, messages=HI)

        assert answer.choices[0].message.content is not None
        assert answer.choices[0].message.content.startswith(
            "Hello from aws (eu-north-1)."
        )
        assert (answer.model, answer.choices[0].finish_reason) == (MODEL, "stop")
        ChatCompletion.model_validate(answer.model_dump(), strict=True)

    def test_a_stream_says_the_same(self, gpt: openai.OpenAI) -> None:
        """A stream is the whole answer in valid pieces."""
        whole = gpt.chat.completions.create(model=MODEL, messages=HI)
        stream = chunks(gpt, stream_options={"include_usage": True})

        text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
        assert text == whole.choices[0].message.content
        assert stream[-1].choices == []
        assert stream[-1].usage is not None
        for chunk in stream:
            ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)

    def test_several_answers_and_logprobs(self, gpt: openai.OpenAI) -> None:
        """`n` and `logprobs` are answered in both forms."""
        answer = gpt.chat.completions.create(
            model=MODEL, messages=HI, n=2, logprobs=True
        )
        stream = chunks(gpt, n=2, logprobs=True)

        assert [choice.index for choice in answer.choices] == [0, 1]
        assert answer.choices[0].logprobs is not None
        assert {c.choices[0].index for c in stream} == {0, 1}
        assert any(c.choices[0].logprobs for c in stream)

    @pytest.mark.parametrize(
        ("words", "choice"),
        [("use a tool please", "auto"), ("hi", "required")],
    )
    def test_a_tool_is_called(
        self, gpt: openai.OpenAI, words: str, choice: Any
    ) -> None:
        """A tool is called with arguments that fit when one asks for it."""
        tools: Any = [
            {
                "type": "function",
                "function": {"name": "weather", "parameters": WEATHER_SCHEMA},
            }
        ]
        messages: Any = [{"role": "user", "content": words}]
        asked: Any = {
            "model": MODEL,
            "messages": messages,
            "tools": tools,
            "tool_choice": choice,
        }
        answer = gpt.chat.completions.create(**asked)
        with gpt.chat.completions.create(**asked, stream=True) as stream:
            deltas = [c.choices[0].delta for c in stream]

        assert answer.choices[0].finish_reason == "tool_calls"
        (call,) = answer.choices[0].message.tool_calls or ()
        assert call.type == "function"
        assert call.function.name == "weather"
        assert json.loads(call.function.arguments) == FITTING
        streamed = "".join(
            part.function.arguments or ""
            for delta in deltas
            for part in delta.tool_calls or ()
            if part.function
        )
        assert json.loads(streamed) == FITTING

    def test_structured_output_fits(self, gpt: openai.OpenAI) -> None:
        """A schema gets an instance, and JSON mode gets an object."""
        fitting = gpt.chat.completions.create(
            model=MODEL,
            messages=HI,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "w", "schema": WEATHER_SCHEMA},
            },
        )
        free = gpt.chat.completions.create(
            model=MODEL, messages=HI, response_format={"type": "json_object"}
        )

        assert json.loads(fitting.choices[0].message.content or "") == FITTING
        assert isinstance(json.loads(free.choices[0].message.content or ""), dict)

    def test_max_tokens_cuts_short(self, gpt: openai.OpenAI) -> None:
        """An answer is no longer than it may be, and says that it was cut."""
        answer = gpt.chat.completions.create(model=MODEL, messages=HI, max_tokens=2)

        assert answer.choices[0].message.content == "Hello from"
        assert answer.choices[0].finish_reason == "length"

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"messages": "hi"}', b"{}"])
    def test_a_malformed_request_is_refused(
        self, sim: SimulatedProviders, body: bytes
    ) -> None:
        """What no provider takes, the simulated ones do not take either."""
        uri = f"{sim.base_uri('aws')}/chat/completions"
        response = httpx.post(uri, content=body)

        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"

    def test_models_are_those_asked_for(self, gpt: openai.OpenAI) -> None:
        """The list has what the provider has been called with."""
        gpt.chat.completions.create(model=MODEL, messages=HI)

        assert [model.id for model in gpt.models.list()] == [MODEL]


class TestAnthropic:
    def test_the_answer_says_who_answered(self, claude: anthropic.Anthropic) -> None:
        """The same words as in the other format, in Anthropic's own."""
        answer = claude.messages.create(model=MODEL, messages=HI, max_tokens=100)

        assert answer.content[0].type == "text"
        assert answer.content[0].text.startswith("Hello from anthropic.")
        assert (answer.model, answer.stop_reason) == (MODEL, "end_turn")

    def test_a_stream_says_the_same(self, claude: anthropic.Anthropic) -> None:
        """Anthropic's client puts the same message together from the events."""
        whole = claude.messages.create(model=MODEL, messages=HI, max_tokens=100)
        with claude.messages.stream(model=MODEL, messages=HI, max_tokens=100) as stream:
            streamed = stream.get_final_message()

        assert streamed.content[0].type == whole.content[0].type == "text"
        assert streamed.content[0].text == whole.content[0].text
        assert streamed.usage.output_tokens == whole.usage.output_tokens
        assert streamed.stop_reason == "end_turn"

    def test_a_tool_is_called(self, claude: anthropic.Anthropic) -> None:
        """A named tool is called, streamed or not, with arguments that fit."""
        asked: Any = {
            "model": MODEL,
            "messages": HI,
            "max_tokens": 100,
            "tools": [{"name": "weather", "input_schema": WEATHER_SCHEMA}],
            "tool_choice": {"type": "tool", "name": "weather"},
        }
        whole = claude.messages.create(**asked)
        with claude.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()

        for message in (whole, streamed):
            assert message.stop_reason == "tool_use"
            assert message.content[0].type == "tool_use"
            assert message.content[0].input == FITTING

    @pytest.mark.parametrize(
        "fields",
        [
            {"max_tokens": None},
            {"messages": []},
            {"messages": [{"role": "system", "content": "be brief"}]},
            {"messages": [{"role": "user", "content": ""}]},
        ],
        ids=["no max_tokens", "no messages", "system role", "empty content"],
    )
    def test_what_anthropic_refuses_is_refused(
        self, sim: SimulatedProviders, fields: dict[str, Any]
    ) -> None:
        """A bad translation is found here and not first in production."""
        body = {"model": MODEL, "messages": HI, "max_tokens": 9, **fields}
        response = httpx.post(
            f"{sim.base_uri('aws', 'anthropic-messages')}/v1/messages",
            json=body,
            headers={"anthropic-version": "2023-06-01"},
        )

        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"


class TestPromptCache:
    def test_a_second_turn_is_read_from_the_cache(self, gpt: openai.OpenAI) -> None:
        """What a deployment has seen before is cached, what is new is not."""
        first = gpt.chat.completions.create(model=MODEL, messages=HI)
        more: Any = [
            *HI,
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "and now?"},
        ]
        second = gpt.chat.completions.create(model=MODEL, messages=more)

        assert first.usage is not None
        assert second.usage is not None
        assert first.usage.prompt_tokens_details is not None
        assert second.usage.prompt_tokens_details is not None
        assert first.usage.prompt_tokens_details.cached_tokens == 0
        cached = second.usage.prompt_tokens_details.cached_tokens
        assert cached == first.usage.prompt_tokens
        assert cached < second.usage.prompt_tokens

    def test_another_deployment_is_cold(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """A conversation that moves finds nothing where it arrives."""
        gpt.chat.completions.create(model=MODEL, messages=HI)
        response = httpx.post(
            f"{sim.base_uri('gcp', 'anthropic-messages')}/v1/messages",
            json={"model": MODEL, "messages": HI, "max_tokens": 9},
            headers={"anthropic-version": "2023-06-01"},
        )

        assert response.json()["usage"]["cache_read_input_tokens"] == 0
        assert response.json()["usage"]["input_tokens"] > 0

    def test_a_prefix_grows_cold(self) -> None:
        """After five minutes without use, nothing is left; use keeps it warm."""
        now = 0.0
        cache = PromptCache(lambda: now)
        cache.read("aws", [b"system", b"hi"])
        now = LIFE_SECONDS - 1
        warm = cache.read("aws", [b"system", b"hi", b"more"])
        now = 2 * LIFE_SECONDS - 2
        still_warm = cache.read("aws", [b"system", b"hi"])
        now = 4 * LIFE_SECONDS
        cold = cache.read("aws", [b"system", b"hi"])

        assert (warm, still_warm, cold) == (2, 2, 0)


UNFIT = {name for name, fault in FAULTS.items() if fault.behaviour is Behaviour.UNFIT}
STATUSES = {name: fault.status for name, fault in FAULTS.items() if fault.status != 200}


class TestFaults:
    @pytest.mark.parametrize(("fault", "status"), STATUSES.items())
    @pytest.mark.parametrize("stream", [False, True])
    def test_an_error_status(
        self,
        sim: SimulatedProviders,
        gpt: openai.OpenAI,
        fault: str,
        status: int,
        stream: bool,
    ) -> None:
        """Errors come before a stream begins, with OpenAI's body."""
        sim.fail("aws", fault)
        with pytest.raises(openai.APIStatusError) as caught:
            gpt.chat.completions.create(model=MODEL, messages=HI, stream=stream)

        assert caught.value.status_code == status
        assert caught.value.body is not None

    @pytest.mark.parametrize(
        ("fault", "status"),
        [each for each in STATUSES.items() if each[0] != "filtered"],
    )
    def test_an_error_status_of_anthropics(
        self,
        sim: SimulatedProviders,
        claude: anthropic.Anthropic,
        fault: str,
        status: int,
    ) -> None:
        """The same errors in Anthropic's format."""
        sim.fail("anthropic", fault)
        with pytest.raises(anthropic.APIStatusError) as caught:
            claude.messages.create(model=MODEL, messages=HI, max_tokens=9)

        assert caught.value.status_code == status
        assert isinstance(caught.value.body, dict)
        assert caught.value.body["error"]["type"] == FAULTS[fault].anthropic

    def test_retry_after(self, sim: SimulatedProviders, gpt: openai.OpenAI) -> None:
        """An error carries the headers it was given."""
        sim.fail("aws", "429", retry_after=7, headers={"retry-after-ms": "7000"})
        with pytest.raises(openai.RateLimitError) as caught:
            gpt.chat.completions.create(model=MODEL, messages=HI)

        headers = caught.value.response.headers
        assert (headers["retry-after"], headers["retry-after-ms"]) == ("7", "7000")

    def test_a_reset(self, sim: SimulatedProviders, gpt: openai.OpenAI) -> None:
        """The connection breaks before there is an answer."""
        sim.fail("aws", "reset")

        with pytest.raises(openai.APIConnectionError):
            gpt.chat.completions.create(model=MODEL, messages=HI)

    @pytest.mark.parametrize("fault", ["hang", "slow", "stall"])
    def test_an_answer_that_does_not_come(
        self, sim: SimulatedProviders, gpt: openai.OpenAI, fault: str
    ) -> None:
        """A caller waits as long as it likes, and is not answered."""
        sim.fail("aws", fault)

        with pytest.raises(openai.APITimeoutError):
            gpt.chat.completions.create(model=MODEL, messages=HI, timeout=0.2)

    def test_a_slow_answer_comes(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """A slow provider answers in the end."""
        sim.fail("aws", "slow", seconds=0.01)

        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices

    @pytest.mark.parametrize("after", [0, 2])
    def test_a_cut_stream(self, sim: SimulatedProviders, after: int) -> None:
        """So many events with content arrive, and then the connection breaks."""
        sim.fail("aws", "cut", after=after)
        heard: list[str] = []
        with (
            httpx.stream(
                "POST",
                f"{sim.base_uri('aws')}/chat/completions",
                json={"model": MODEL, "messages": HI, "stream": True},
            ) as response,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            heard.extend(response.iter_text())

        assert "".join(heard).count("data: ") == 1 + after

    def test_a_cut_answer(self, sim: SimulatedProviders) -> None:
        """An answer in one piece is shorter than it said."""
        sim.fail("aws", "cut")

        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(
                f"{sim.base_uri('aws')}/chat/completions",
                json={"model": MODEL, "messages": HI},
            )

    @pytest.mark.parametrize(
        ("fault", "words"), [("error-in-stream", 0), ("error-mid-stream", 3)]
    )
    def test_an_error_within_a_stream(
        self,
        sim: SimulatedProviders,
        gpt: openai.OpenAI,
        fault: str,
        words: int,
    ) -> None:
        """The stream begins well and turns into an error event."""
        sim.fail("aws", fault)
        heard: list[str] = []
        with (
            gpt.chat.completions.create(
                model=MODEL, messages=HI, stream=True
            ) as stream,
            pytest.raises(openai.APIError, match="overloaded"),
        ):
            heard.extend(c.choices[0].delta.content or "" for c in stream)

        assert len([word for word in heard if word]) == words

    def test_an_error_within_a_stream_of_anthropics(
        self, sim: SimulatedProviders, claude: anthropic.Anthropic
    ) -> None:
        """Anthropic's client raises on the error event."""
        sim.fail("anthropic", "error-mid-stream")

        with (
            pytest.raises(anthropic.APIStatusError),
            claude.messages.stream(model=MODEL, messages=HI, max_tokens=99) as stream,
        ):
            stream.until_done()

    def test_an_empty_success(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """A success may hold no answer at all."""
        sim.fail("aws", "empty")

        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices == []
        assert [c.choices for c in chunks(gpt)] == [[]]

    def test_a_stream_without_its_last_event(self, sim: SimulatedProviders) -> None:
        """The answer is whole, and only the mark of the end is missing."""
        sim.fail("aws", "no-done")
        text = httpx.post(
            f"{sim.base_uri('aws')}/chat/completions",
            json={"model": MODEL, "messages": HI, "stream": True},
        ).text

        assert '"finish_reason": "stop"' in text
        assert "[DONE]" not in text

    def test_a_web_page(self, sim: SimulatedProviders) -> None:
        """A proxy's page is a success to HTTP and no answer."""
        sim.fail("aws", "html")
        response = httpx.post(
            f"{sim.base_uri('aws')}/chat/completions",
            json={"model": MODEL, "messages": HI},
        )

        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html"

    def test_anthropic_filters_within_the_answer(
        self, sim: SimulatedProviders, claude: anthropic.Anthropic
    ) -> None:
        """Anthropic's refusal is a success with a stop reason."""
        sim.fail("anthropic", "filtered")
        answer = claude.messages.create(model=MODEL, messages=HI, max_tokens=9)

        assert (answer.stop_reason, answer.content) == ("refusal", [])

    def test_every_fault_shows_in_both_formats(self, sim: SimulatedProviders) -> None:
        """No fault of the table is left without an effect on an answer in words."""
        lasting = {"hang", "slow", "stall", "cut", "reset", *UNFIT}
        for fault in FAULTS.keys() - lasting:
            for dialect, path in (
                ("openai-chat", "/chat/completions"),
                ("anthropic-messages", "/v1/messages"),
            ):
                for stream in (False, True):
                    body = {"model": MODEL, "messages": HI, "max_tokens": 99}
                    uri = sim.base_uri("aws", dialect) + path
                    sim.fail("aws", fault)
                    headers = {"anthropic-version": "2023-06-01"}
                    failed = httpx.post(
                        uri, json={**body, "stream": stream}, headers=headers
                    )
                    sim.recover("aws")
                    fine = httpx.post(
                        uri, json={**body, "stream": stream}, headers=headers
                    )

                    assert fine.status_code == 200
                    if (fault, stream) != ("no-done", False):
                        assert len(failed.content) != len(fine.content), fault

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages"])
    @pytest.mark.parametrize(
        ("fault", "fits"),
        [
            ("fenced", "```json\n{}\n```"),
            ("prose", "Of course, here it is: {}\nIs there anything else?"),
            ("misfit", "[{}]"),
        ],
    )
    def test_an_answer_may_lack_its_form(
        self, sim: SimulatedProviders, fault: str, fits: str, dialect: str, stream: bool
    ) -> None:
        """What is right within is not right as the whole, streamed or not."""
        said = _formed(sim, dialect, stream=stream)

        sim.fail("aws", fault)

        assert _formed(sim, dialect, stream=stream) == fits.format(said)
        assert json.loads(said) == {"n": 0}

    def test_an_answer_may_be_half_of_what_it_should_be(
        self, sim: SimulatedProviders
    ) -> None:
        """It ends as if it were whole."""
        sim.fail("aws", "broken")

        said = _formed(sim, "openai-chat", stream=False)

        with pytest.raises(json.JSONDecodeError):
            json.loads(said)

    def test_what_is_wrong_with_forms_takes_turns(
        self, sim: SimulatedProviders
    ) -> None:
        """One fault stands for all of that kind."""
        sim.fail("aws", "unfit")

        said = {_formed(sim, "openai-chat", stream=False) for _ in range(8)}

        assert len(said) == 4

    def test_an_answer_in_words_needs_no_form(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """Where none is asked for, nothing is wrong."""
        asked = {"model": MODEL, "messages": HI}
        fine = gpt.chat.completions.create(**asked)

        sim.fail("aws", "unfit")
        said = gpt.chat.completions.create(**asked)

        assert said.choices[0].message.content == fine.choices[0].message.content

    def test_a_fault_of_a_share_of_the_requests(self) -> None:
        """It shows as often as chance has it, and is counted when it does."""
        drawn = iter([0.49, 0.5, 0.9, 0.0, 0.2])
        with SimulatedProviders(chance=lambda: next(drawn)) as sim:
            sim.fail("aws", "500", share=0.5, times=2)
            body = {"model": MODEL, "messages": HI}
            uri = sim.base_uri("aws") + "/chat/completions"

            statuses = [httpx.post(uri, json=body).status_code for _ in range(5)]

        assert statuses == [500, 200, 200, 500, 200]

    def test_a_fault_for_the_next_requests_only(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """After so many failures the provider is well again."""
        sim.fail("aws", "500", times=2)
        for _ in range(2):
            with pytest.raises(openai.InternalServerError):
                gpt.chat.completions.create(model=MODEL, messages=HI)

        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices

    def test_a_fault_of_one_model_or_region(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """A fault shows where it was switched on and the narrowest one counts."""
        sim.fail("aws", "500", model="other")
        sim.fail("aws", "500", region="us-east-1")
        fine = gpt.chat.completions.create(model=MODEL, messages=HI)
        sim.fail("aws", "500")
        sim.fail("aws", "429", model=MODEL)
        with pytest.raises(openai.RateLimitError):
            gpt.chat.completions.create(model=MODEL, messages=HI)
        sim.recover("aws")

        assert fine.choices
        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices


class TestLog:
    def test_what_a_provider_received(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """The bytes of a request and its headers can be asserted on."""
        gpt.chat.completions.create(model=MODEL, messages=HI, seed=7)
        (received,) = sim.received("aws")

        assert (received.model, received.region) == (MODEL, "eu-north-1")
        assert received.parsed["seed"] == 7
        assert received.headers["authorization"] == "Bearer demo"
        assert sim.received("gcp") == []

    def test_a_caller_that_leaves_is_counted(self, sim: SimulatedProviders) -> None:
        """A provider knows whether a request was cancelled or answered."""
        sim.fail("aws", "stall", after=1)
        with httpx.stream(
            "POST",
            f"{sim.base_uri('aws')}/chat/completions",
            json={"model": MODEL, "messages": HI, "stream": True},
        ) as response:
            next(response.iter_bytes())
        while not sim.tally("aws").abandoned:
            pass

        assert sim.tally("aws").served == 0


class TestControl:
    @pytest.fixture
    def control(self, sim: SimulatedProviders, tmp_path: Path) -> DemoControl:
        places = {"aws/claude-sonnet-4-5-eu": Place("aws", MODEL, "eu-north-1")}
        DemoState(f"http://127.0.0.1:{sim.port}", places).write(tmp_path)
        return DemoControl(tmp_path)

    def test_failing_and_recovering(
        self, control: DemoControl, gpt: openai.OpenAI
    ) -> None:
        """A deployment named as callers name it fails, and recovers."""
        said = control.fail(
            "aws/claude-sonnet-4-5-eu", "429", FaultOptions(retry_after="9")
        )
        with pytest.raises(openai.RateLimitError) as caught:
            gpt.chat.completions.create(model=MODEL, messages=HI)
        table = status_table(control.status())
        control.recover("aws")

        assert said == "aws/claude-sonnet-4-5-eu fails with 429 until it recovers"
        assert caught.value.response.headers["retry-after"] == "9"
        assert f"429 at {MODEL} eu-north-1" in table
        assert gpt.chat.completions.create(model=MODEL, messages=HI).choices

    def test_failing_now_and_then(self, control: DemoControl) -> None:
        """What is said and shown has how often."""
        said = control.fail("aws", "unfit", FaultOptions(share=0.5, times=3))

        assert said == "aws fails with unfit in 50% of cases for 3 requests"
        assert "unfit in 50% (3 more)" in status_table(control.status())

    def test_an_unknown_provider_is_told_apart(self, control: DemoControl) -> None:
        """A slip of the finger gets a hint, and what there is."""
        with pytest.raises(DemoError, match=r"did you mean aws/claude-sonnet-4-5-eu"):
            control.fail("aws/claude-sonnet-45-eu", "429")
        with pytest.raises(DemoError, match=r"providers: aws"):
            control.recover("gpc")

    def test_an_unknown_fault_names_what_exists(self, control: DemoControl) -> None:
        """Every fault is listed where one is misspelt."""
        with pytest.raises(DemoError, match=r"error-mid-stream"):
            control.fail("aws", "boom")

    def test_no_demo_runs(self, tmp_path: Path) -> None:
        """Without a demo, it says how to start one."""
        with pytest.raises(DemoError, match="make run"):
            DemoControl(tmp_path)

    def test_a_demo_that_has_ended(self, tmp_path: Path) -> None:
        """A demo that was killed left its file, and is not there."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
            DemoState(uri, {"aws/x": Place("aws", "x")}).write(tmp_path)

            with pytest.raises(DemoError, match="does not answer"):
                DemoControl(tmp_path).status()

    @pytest.mark.parametrize(
        "wanted",
        [
            {"fault": "429"},
            {"provider": "aws", "fault": "boom"},
            {"provider": "aws", "fault": "429", "times": 0},
            {"provider": "aws", "fault": "429", "share": 0},
            {"provider": "aws", "fault": "429", "share": 1.5},
            {"provider": "aws", "fault": "429", "share": "half"},
            {"provider": "aws", "fault": "429", "tims": 1},
        ],
    )
    def test_a_wrong_order_is_refused(
        self, sim: SimulatedProviders, wanted: dict[str, Any]
    ) -> None:
        """The control API says what is wrong and changes nothing."""
        uri = f"http://127.0.0.1:{sim.port}/control"
        response = httpx.post(f"{uri}/fail", json=wanted)

        assert response.status_code == 400
        assert response.json()["error"]
        assert httpx.get(f"{uri}/status").json() == {"providers": {}}


class TestProcess:
    async def test_it_answers_and_stops(self) -> None:
        """A process of its own serves as soon as it has started."""
        process = await SimulatorProcess.start(providers=["aws", "gcp"])
        async with httpx.AsyncClient() as client:
            status = await client.get(f"http://127.0.0.1:{process.port}/control/status")
        await process.stop()

        assert list(status.json()["providers"]) == ["aws", "gcp"]

    async def test_it_dies_with_its_parent(self) -> None:
        """Killing whoever started it, even with -9, leaves nothing behind."""
        program = (
            "import asyncio\n"
            "from holdfast_cli.demo.process import SimulatorProcess\n"
            "async def main():\n"
            "    process = await SimulatorProcess.start()\n"
            "    print(process.port, flush=True)\n"
            "    await asyncio.Event().wait()\n"
            "asyncio.run(main())\n"
        )
        parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE
        )
        assert parent.stdout is not None
        port = int(await parent.stdout.readline())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        os.kill(parent.pid, signal.SIGKILL)
        await parent.wait()
        end = await asyncio.wait_for(reader.read(), 10)
        writer.close()

        assert end == b""


class TestScenario:
    @staticmethod
    def catalog() -> Catalog:
        def deployment(provider: str, region: str) -> Deployment:
            return Deployment(
                id=f"{provider}/claude-sonnet-4-5-{region or 'any'}",
                model_id="claude-sonnet-4-5",
                provider_id=provider,
                provider_model=f"{region}.claude",
                dialect="",
                base_uri="",
                region=region,
            )

        def provider(name: str, dialect: str, *variables: str) -> Provider:
            auth = "sigv4" if dialect == "bedrock-converse" else "bearer"
            return Provider(name, name, dialect, auth, "https://x", variables)

        providers = [
            provider("anthropic", "anthropic-messages", "ANTHROPIC_API_KEY"),
            provider("aws", "bedrock-converse", "AWS_ACCESS_KEY_ID"),
            provider("groq", "openai-chat", "GROQ_API_KEY"),
            provider("elsewhere", "openai-chat", "ELSEWHERE_API_KEY"),
            Provider(
                *("azure", "Azure", "openai-chat", "api-key"),
                "https://{AZURE_RESOURCE_NAME}.example.com/v1",
                ("AZURE_API_KEY",),
            ),
        ]
        places = [("anthropic", ""), ("aws", "eu-north-1"), ("groq", "")]
        deployments = tuple(deployment(*place) for place in places)
        model = Model("claude-sonnet-4-5", deployments=deployments)
        return Catalog(
            models={model.id: model}, providers={each.id: each for each in providers}
        )

    def test_without_credentials_everything_is_simulated(self) -> None:
        """Each provider of the demo has its endpoint in the simulator."""
        demo = scenario(
            self.catalog(), simulator_port=9, key="k", admin_key="a", environ={}
        )
        written = yaml.safe_load(demo.configuration)

        assert demo.simulated == ("anthropic", "aws", "azure", "groq")
        assert {
            name: (each["dialect"], each["base_uri"])
            for name, each in written["providers"].items()
        } == {
            "anthropic": ("anthropic-messages", "http://127.0.0.1:9/anthropic"),
            "aws": ("bedrock-converse", "http://127.0.0.1:9/aws/{region}"),
            "azure": ("openai-chat", "http://127.0.0.1:9/azure/v1"),
            "groq": ("openai-chat", "http://127.0.0.1:9/groq/v1"),
        }
        assert demo.state.places["aws/claude-sonnet-4-5-eu-north-1"] == Place(
            "aws", "eu-north-1.claude", "eu-north-1"
        )

    def test_a_credential_makes_a_provider_real(self) -> None:
        """A usual credential is used, unless more than a key is needed."""
        demo = scenario(
            self.catalog(),
            simulator_port=9,
            key="k",
            admin_key="a",
            environ={
                "ANTHROPIC_API_KEY": "sk-real",
                "AWS_ACCESS_KEY_ID": "AKIA",
                "ELSEWHERE_API_KEY": "e",
                "AZURE_API_KEY": "a key, and no resource to use it for",
            },
        )
        written = yaml.safe_load(demo.configuration)

        assert (demo.simulated, demo.real) == (
            ("aws", "azure", "groq"),
            ("anthropic", "elsewhere"),
        )
        assert written["providers"]["anthropic"] == {
            "credential": {"env": "ANTHROPIC_API_KEY"}
        }
        assert "sk-real" not in demo.configuration

    def test_the_shipped_catalog_carries_the_demo(self) -> None:
        """Each model of the demo has several homes, and one in the EU to fall to."""
        catalog = load_shipped()
        demo = scenario(catalog, simulator_port=9, key="k", admin_key="a", environ={})
        loaded = config_file.parse(
            demo.configuration,
            Path("demo.yaml"),
            known_providers=catalog.providers,
            environ={},
        )
        homes = {
            model: [
                deployment
                for deployment in catalog.models[model].deployments
                if deployment.id in demo.state.places
            ]
            for model in MODELS
        }

        assert loaded.warnings == ()
        assert "aws/claude-sonnet-4-5-eu" in demo.state.places
        for model, deployments in homes.items():
            assert len({each.provider_id for each in deployments}) >= 2, model
            assert any(each.geography == "eu" for each in deployments), model

    def test_no_two_deployments_are_the_same_to_the_simulator(self) -> None:
        """Telling one deployment to fail leaves every other as it is."""
        demo = scenario(
            load_shipped(), simulator_port=9, key="k", admin_key="a", environ={}
        )

        assert len(set(demo.state.places.values())) == len(demo.state.places)
