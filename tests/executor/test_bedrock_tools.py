"""The tools of a Bedrock request, the form of its answer, and how hard it thinks."""

import json

import pytest

from fakes.anthropic_chats import PERSON, WEATHER, call, json_schema
from fakes.bedrock_chats import (
    GPT_OSS,
    HELLO,
    LLAMA,
    MISTRAL,
    NOVA,
    QWEN,
    SONNET,
    USED,
    converse,
    named,
)
from holdfast_executor.dialects import CapabilityMissingError

SONNET_46 = named("us.anthropic.claude-sonnet-4-6")


class TestTools:
    def test_tools_are_specified(self) -> None:
        """A schema is an object's, a description is none or not empty."""
        tool = {"type": "function", "function": {"name": "f", "description": ""}}

        assert converse(tools=[tool])["toolConfig"] == {
            "tools": [
                {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}
            ]
        }

    @pytest.mark.parametrize(
        ("choice", "sent"),
        [
            ("auto", None),
            ("required", {"any": {}}),
            (
                {"type": "function", "function": {"name": "weather"}},
                {"tool": {"name": "weather"}},
            ),
        ],
    )
    @pytest.mark.parametrize("deployment", [SONNET, NOVA])
    def test_tool_choice(self, deployment, choice, sent) -> None:
        """`auto` is what is had without a word."""
        request = converse(deployment, tools=[WEATHER], tool_choice=choice)

        assert request["toolConfig"].get("toolChoice") == sent

    def test_a_named_tool_is_the_only_one_where_none_can_be_named(self) -> None:
        """To have to call one, with one to call, is to have to call it."""
        other = {"type": "function", "function": {"name": "other"}}
        named = {"type": "function", "function": {"name": "weather"}}

        sent = converse(MISTRAL, tools=[other, WEATHER], tool_choice=named)

        [tool] = sent["toolConfig"]["tools"]
        assert tool["toolSpec"]["name"] == "weather"
        assert sent["toolConfig"]["toolChoice"] == {"any": {}}

    def test_a_model_that_cannot_be_forced_is_passed_over(self) -> None:
        """Another deployment may well do as the caller says."""
        with pytest.raises(CapabilityMissingError) as raised:
            converse(LLAMA, tools=[WEATHER], tool_choice="required")

        assert raised.value.param == "tool_choice"

    def test_no_tools_are_sent_where_none_may_be_called(self) -> None:
        """Bedrock has no word for none."""
        assert converse(tools=[WEATHER], tool_choice="none") == converse()

    @pytest.mark.parametrize(
        "fields", [{"tools": [WEATHER], "tool_choice": "none"}, {}]
    )
    def test_tools_that_were_called_are_declared(self, fields) -> None:
        """Bedrock demands it of every conversation with calls in it, as after a
        fallback; that none may be called now is said in words."""
        sent = converse(messages=USED, **fields)

        [tool] = sent["toolConfig"]["tools"]
        assert tool["toolSpec"]["name"] == "weather"
        assert "toolChoice" not in sent["toolConfig"]
        assert "Do not call" in sent["system"][0]["text"]

    def test_one_call_at_a_time_is_asked_of_claude(self) -> None:
        """In its own words, and never beside a forced choice: a contradiction."""
        alone = {"tools": [WEATHER], "parallel_tool_calls": False}

        assert converse(**alone)["additionalModelRequestFields"] == {
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}
        }
        forced = converse(**alone, tool_choice="required")
        assert "additionalModelRequestFields" not in forced
        assert "additionalModelRequestFields" not in converse(QWEN, **alone)

    @pytest.mark.parametrize("name", ["a.b", "x" * 65])
    def test_names_that_aws_refuses_are_left_to_another_deployment(self, name) -> None:
        """In the tools and in what was called: the caller's name cannot change."""
        tool = {"type": "function", "function": {"name": name}}
        for fields in (
            {"tools": [tool]},
            {"messages": [*HELLO, {"role": "assistant", "tool_calls": [call("c")]}]},
        ):
            if "messages" in fields:
                fields["messages"][1]["tool_calls"][0]["function"]["name"] = name
            with pytest.raises(CapabilityMissingError):
                converse(**fields)

    def test_anthropics_own_tools_go_to_claude_alone(self) -> None:
        """Other families have none of that kind."""
        own = [{"type": "computer_20250124", "name": "computer"}]

        assert converse(tools=own)["additionalModelRequestFields"] == {"tools": own}
        with pytest.raises(CapabilityMissingError):
            converse(NOVA, tools=own)

    def test_strict_tools_are_strict_where_schemas_are_compiled(self) -> None:
        """Claude from 4.5 on and newer open weights; elsewhere they still work."""
        function = {"name": "f", "parameters": PERSON, "strict": True}
        tools = [{"type": "function", "function": function}]

        def is_strict(deployment) -> bool:
            [tool] = converse(deployment, tools=tools)["toolConfig"]["tools"]
            return tool["toolSpec"].get("strict", False)

        assert is_strict(SONNET)
        assert is_strict(QWEN)
        assert not is_strict(NOVA)
        assert not is_strict(named("us.anthropic.claude-opus-4-1-20250805-v1:0"))


class TestForm:
    def test_a_schema_is_compiled_where_it_can_be(self) -> None:
        """As text, with the name it had."""
        sent = converse(QWEN, response_format=json_schema(PERSON))

        structure = sent["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        assert structure["name"] == "person"
        assert json.loads(structure["schema"])["required"] == ["age"]
        assert "toolConfig" not in sent

    @pytest.mark.parametrize(
        "deployment", [NOVA, named("us.anthropic.claude-3-7-sonnet-20250219-v1:0")]
    )
    def test_a_tool_is_forced_where_it_cannot(self, deployment) -> None:
        """Its input is the answer."""
        sent = converse(deployment, response_format=json_schema(PERSON))

        assert "outputConfig" not in sent
        assert sent["toolConfig"]["toolChoice"] == {"any": {}}

    def test_words_are_what_is_left(self) -> None:
        """Llama can neither compile a schema nor be forced."""
        sent = converse(LLAMA, response_format=json_schema(PERSON))

        assert sent.keys() == {"messages", "system"}
        assert '"age"' in sent["system"][0]["text"]

    def test_json_without_a_schema_is_asked_for_in_words(self) -> None:
        """Bedrock has no such mode."""
        sent = converse(NOVA, response_format={"type": "json_object"})

        assert "JSON" in sent["system"][0]["text"]


class TestReasoning:
    @pytest.mark.parametrize(
        ("deployment", "sent"),
        [
            (
                NOVA,
                {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
            ),
            (GPT_OSS, {"reasoning_effort": "low"}),
            (QWEN, {"reasoning_config": "low"}),
            (SONNET, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            (
                SONNET_46,
                {"thinking": {"type": "adaptive"}},
            ),
            (LLAMA, None),
        ],
    )
    def test_each_family_is_told_in_its_own_words(self, deployment, sent) -> None:
        """And one that does not think is told nothing."""
        request = converse(deployment, reasoning_effort="low")

        assert request.get("additionalModelRequestFields") == sent

    @pytest.mark.parametrize("effort", ["minimal", "xhigh", "max"])
    def test_levels_a_family_has_not_become_the_nearest(self, effort: str) -> None:
        """There are three everywhere but at Anthropic's and OpenAI's."""
        request = converse(GPT_OSS, reasoning_effort=effort)

        level = request["additionalModelRequestFields"]["reasoning_effort"]
        assert level == ("low" if effort == "minimal" else "high")

    def test_an_effort_of_claudes_is_bedrocks_own_field(self) -> None:
        """For models that take one."""
        sent = converse(SONNET_46, reasoning_effort="high")

        assert sent["outputConfig"] == {"effort": "high"}

    def test_a_budget_brings_the_limit_that_it_fits_into(self) -> None:
        """Anthropic demands that the one is smaller than the other."""
        sent = converse(thinking={"type": "enabled", "budget_tokens": 9_000})

        assert sent["inferenceConfig"] == {"maxTokens": 64_000}

    def test_novas_highest_effort_stands_alone(self) -> None:
        """It refuses a temperature, a top_p and a limit beside it."""
        sampling = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 100}

        high = converse(NOVA, reasoning_effort="max", **sampling)
        low = converse(NOVA, reasoning_effort="low", **sampling)

        assert "inferenceConfig" not in high
        assert low["inferenceConfig"].keys() == {"temperature", "topP", "maxTokens"}

    def test_a_budget_of_claudes_is_a_level_to_others(self) -> None:
        """A fallback may change the model."""
        thinking = {"type": "enabled", "budget_tokens": 5_000}

        sent = converse(GPT_OSS, thinking=thinking)
        off = converse(GPT_OSS, thinking={"type": "disabled"})

        assert sent["additionalModelRequestFields"] == {"reasoning_effort": "medium"}
        assert "additionalModelRequestFields" not in off

    def test_a_forced_tool_and_thinking_exclude_each_other(self) -> None:
        """The tool is what the answer cannot do without."""
        sent = converse(tools=[WEATHER], tool_choice="required", reasoning_effort="low")

        assert "additionalModelRequestFields" not in sent
        assert sent["toolConfig"]["toolChoice"] == {"any": {}}
