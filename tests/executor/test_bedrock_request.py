"""What Bedrock is sent for a caller's chat request: all but what has its own file.

Each request is also held against AWS's own service model, in `converse`.
"""

import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from fakes.anthropic_chats import PERSON, WEATHER, call, json_schema
from fakes.bedrock_chats import (
    GPT_OSS,
    LLAMA,
    MARK,
    MISTRAL,
    NOVA,
    PDF,
    PNG,
    QWEN,
    SONNET,
    USED,
    chat,
    converse,
    file,
    invoke,
    named,
    user,
)
from holdfast.errors import RequestMalformedError
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.anthropic_request import TRANSLATED
from holdfast_executor.dialects.bedrock_converse import BedrockConverse
from holdfast_executor.dialects.bedrock_invoke import BedrockInvoke
from holdfast_executor.dialects.bedrock_request import LEFT_OUT, OWN


class TestAddress:
    @pytest.mark.parametrize(
        ("model", "path"),
        [
            (
                "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
            ),
            (
                "arn:aws:bedrock:us-east-1:1:imported-model/a1",
                "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aimported-model%2Fa1/converse",
            ),
        ],
    )
    def test_the_model_is_in_the_path_percent_encoded(self, model, path) -> None:
        """Colons and an ARN's slashes too, as botocore writes them."""
        request = BedrockConverse().encode(chat(), named(model))

        assert request.path == path
        assert "model" not in json.loads(request.body)
        assert dict(request.headers) == {"content-type": "application/json"}

    def test_streams_have_a_path_of_their_own(self) -> None:
        """The body is the same."""
        whole, streamed = chat(), chat(stream=True)

        for dialect, ending in (
            (BedrockConverse(), "/converse-stream"),
            (BedrockInvoke(), "/invoke-with-response-stream"),
        ):
            asked = dialect.encode(streamed, SONNET)
            assert asked.path.endswith(ending)
            assert asked.body == dialect.encode(whole, SONNET).body

    def test_a_model_behind_an_opaque_arn_is_known_by_its_plain_name(self) -> None:
        """As with an application inference profile."""
        arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1"
        opaque = BedrockConverse().encode(
            chat(reasoning_effort="low"),
            type(SONNET)("a/c", "claude-sonnet-4-5", "aws", arn, "", "https://x"),
        )

        assert "thinking" in json.loads(opaque.body)["additionalModelRequestFields"]


class TestFields:
    def test_a_plain_request_says_no_more_than_it_must(self) -> None:
        """Bedrock takes each model's own limit as the default."""
        assert converse() == {
            "messages": [{"role": "user", "content": [{"text": "Hello"}]}]
        }

    def test_every_field_of_openai_has_a_rule(self) -> None:
        """Anthropic's, but for what Bedrock leaves out or adds."""
        known = set(CompletionCreateParamsBase.__annotations__)

        assert known & LEFT_OUT.keys() <= TRANSLATED
        assert not OWN & known

    @pytest.mark.parametrize(
        "field",
        [
            *LEFT_OUT,
            "frequency_penalty",
            "presence_penalty",
            "logit_bias",
            "seed",
            "store",
            "prompt_cache_key",
            "invented_tomorrow",
        ],
    )
    def test_fields_without_a_counterpart_are_left_out(self, field: str) -> None:
        """Bedrock answers 400 to a field it does not know."""
        assert converse(**{field: {}}) == converse()

    @pytest.mark.parametrize(
        ("field", "value"),
        [("n", 2), ("modalities", ["audio"]), ("web_search_options", {})],
    )
    def test_what_no_model_here_does_is_left_to_another_deployment(
        self, field: str, value: object
    ) -> None:
        """Half an answer would be worse than one from elsewhere."""
        with pytest.raises(CapabilityMissingError) as raised:
            converse(NOVA, **{field: value})

        assert raised.value.param == field

    def test_sampling(self) -> None:
        """Temperature is bounded to 1; the limit is the smaller of both."""
        sent = converse(
            QWEN, temperature=1.6, top_p=0.9, max_tokens=90_000, stop=["END", " "]
        )

        assert sent["inferenceConfig"] == {
            "stopSequences": ["END"],
            "temperature": 1,
            "topP": 0.9,
            "maxTokens": 64_000,
        }

    def test_claude_gets_the_samplers_it_takes(self) -> None:
        """From 4.1 on temperature and top_p exclude each other; from 4.7 none is."""
        both = {"temperature": 0.5, "top_p": 0.9}

        assert converse(**both)["inferenceConfig"] == {"temperature": 0.5}
        opus = converse(named("global.anthropic.claude-opus-4-8"), **both)
        assert "inferenceConfig" not in opus

    @pytest.mark.parametrize(
        ("deployment", "sent"),
        [
            (SONNET, {"top_k": 5}),
            (NOVA, {"inferenceConfig": {"topK": 5}}),
            (LLAMA, None),
        ],
    )
    def test_top_k_is_in_each_familys_own_place(self, deployment, sent) -> None:
        """And nowhere for a family that has none."""
        request = converse(deployment, top_k=5)

        assert request.get("additionalModelRequestFields") == sent

    @pytest.mark.parametrize(
        ("deployment", "tier", "sent"),
        [
            (GPT_OSS, "flex", {"type": "flex"}),
            (GPT_OSS, "priority", {"type": "priority"}),
            (GPT_OSS, "default", None),
            (GPT_OSS, "scale", None),
            (SONNET, "flex", None),
        ],
    )
    def test_tiers_are_asked_for_where_they_are(self, deployment, tier, sent) -> None:
        """Claude is served at the default alone."""
        assert converse(deployment, service_tier=tier).get("serviceTier") == sent

    def test_bedrocks_own_fields_pass(self) -> None:
        """A guardrail and faster hardware, and nothing unknown beside them."""
        guardrail = {
            "guardrailIdentifier": "5zwrmdlsra2e",
            "guardrailVersion": "DRAFT",
            "streamProcessingMode": "sync",
            "else": 1,
        }
        own = {
            "guardrailConfig": guardrail,
            "performanceConfig": {"latency": "optimized"},
        }

        whole, streamed = converse(**own), converse(**own, stream=True)

        assert whole["guardrailConfig"] == {
            "guardrailIdentifier": "5zwrmdlsra2e",
            "guardrailVersion": "DRAFT",
        }
        assert streamed["guardrailConfig"]["streamProcessingMode"] == "sync"
        assert whole["performanceConfig"] == {"latency": "optimized"}

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"guardrailConfig": "g"}, "guardrailConfig"),
            (
                {"guardrailConfig": {"guardrailVersion": 1}},
                "guardrailConfig.guardrailVersion",
            ),
            ({"performanceConfig": {}}, "performanceConfig.latency"),
            ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ],
    )
    def test_mistakes_are_named(self, fields: dict[str, Any], field: str) -> None:
        """The error names the field as a caller would write it."""
        with pytest.raises(RequestMalformedError) as raised:
            converse(NOVA, **fields)

        assert raised.value.metadata == {"field": field}

    def test_betas_of_claude_are_in_the_body(self) -> None:
        """They are a header at Anthropic's, and no other family knows them."""
        betas = {"betas": ["context-1m-2025-08-07"]}

        sent = converse(**betas)["additionalModelRequestFields"]

        assert sent == {"anthropic_beta": ["context-1m-2025-08-07"]}
        assert converse(NOVA, **betas) == converse(NOVA)


class TestInvoke:
    def test_version_and_betas_are_in_the_body(self) -> None:
        """Model and stream are not: they are the path's."""
        sent = invoke(stream=True, betas=["b-1"], service_tier="auto", max_tokens=9)

        assert sent == {
            "anthropic_version": "bedrock-2023-05-31",
            "anthropic_beta": ["b-1"],
            "max_tokens": 9,
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]}
            ],
        }

    def test_the_rest_is_anthropics(self) -> None:
        """Tools, thinking and all."""
        sent = invoke(tools=[WEATHER], parallel_tool_calls=False)

        assert sent["tools"][0]["name"] == "weather"
        assert sent["tool_choice"]["disable_parallel_tool_use"] is True


def test_the_callers_request_is_left_as_it_was() -> None:
    """The next attempt starts from the same request."""
    fields = {
        "messages": [
            {"role": "system", "content": "s", "cache_control": MARK},
            *USED,
            user({"type": "image_url", "image_url": {"url": PNG}}, file(PDF)),
        ],
        "tools": [WEATHER],
        "cache_control": MARK,
        "response_format": json_schema(PERSON),
    }
    asked = chat(**fields)
    before = json.dumps(asked.parsed)

    for dialect in (BedrockConverse(), BedrockInvoke()):
        dialect.encode(asked, SONNET)

        assert json.dumps(asked.parsed) == before


WORDS = st.text("ab .-_å", max_size=70)
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": WORDS}),
    st.just({"type": "image_url", "image_url": {"url": PNG}}),
    st.builds(file, st.sampled_from([PDF, "data:text/csv;base64,YQ=="]), WORDS),
)
MARKED = PARTS.flatmap(
    lambda part: st.sampled_from([part, {**part, "cache_control": MARK}])
)
CONTENT = WORDS | st.lists(MARKED, max_size=3)
CALLS = st.lists(WORDS.map(lambda tool_id: call(tool_id, {"a": 1})), max_size=2)
MESSAGES = st.one_of(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user"]), "content": CONTENT}
    ),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": WORDS, "tool_calls": CALLS}
    ),
    st.fixed_dictionaries(
        {"role": st.just("tool"), "tool_call_id": WORDS, "content": CONTENT}
    ),
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 100),
        "max_tokens": st.integers(1, 100_000),
        "stop": st.lists(WORDS, max_size=4),
        "tools": st.just([WEATHER]),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "parallel_tool_calls": st.booleans(),
        "reasoning_effort": st.sampled_from(["none", "minimal", "high", "max"]),
        "response_format": st.just(json_schema(PERSON)),
        "service_tier": st.sampled_from(["auto", "flex", "priority"]),
        "cache_control": st.just(MARK),
    },
)


@pytest.mark.parametrize("deployment", [SONNET, NOVA, LLAMA, MISTRAL, QWEN, GPT_OSS])
@settings(deadline=None, max_examples=80, derandomize=True, database=None)
@given(messages=st.lists(MESSAGES, min_size=1, max_size=4), fields=FIELDS)
def test_whatever_is_sent_is_what_aws_takes(deployment, messages, fields) -> None:
    """AWS's service model accepts every request, and calls are always declared."""
    with contextlib.suppress(CapabilityMissingError):
        sent = converse(deployment, **{**fields, "messages": messages})

        told = json.dumps(sent["messages"])
        if '"toolUse"' in told:
            assert sent["toolConfig"]["tools"]
        roles = [each["role"] for each in sent["messages"]]
        assert roles[0] == "user"
        assert all(one != other for one, other in itertools.pairwise(roles))
        assert all(each["content"] for each in sent["messages"])
