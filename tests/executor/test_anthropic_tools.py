"""What Anthropic is sent of a caller's tools."""

from typing import Any

import pytest

from fakes.anthropic_chats import PERSON, SONNET, WEATHER, call, encoded, named
from holdfast.model import Deployment
from holdfast_executor.dialects import CapabilityMissingError


def test_a_tool_without_parameters_takes_an_object() -> None:
    """Anthropic demands a schema."""
    sent = encoded(tools=[{"type": "function", "function": {"name": "now"}}])

    assert sent["tools"] == [{"name": "now", "input_schema": {"type": "object"}}]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"type": "tool", "name": "weather"},
        ),
    ],
)
def test_tool_choice(choice: object, sent: object) -> None:
    """Each of OpenAI's words has one of Anthropic's."""
    assert encoded(tools=[WEATHER], tool_choice=choice)["tool_choice"] == sent


def test_allowed_tools_are_the_only_ones_sent() -> None:
    """Anthropic has no such list: what may not be called is not declared."""
    other = {"type": "function", "function": {"name": "other"}}
    allowed = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [other]},
    }

    sent = encoded(tools=[WEATHER, other], tool_choice=allowed)

    assert [tool["name"] for tool in sent["tools"]] == ["other"]
    assert sent["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
    ],
)
def test_one_call_at_a_time(choice: object, sent: object) -> None:
    """It is said in the choice of tools, which must be there for it."""
    fields = {"tool_choice": choice, "parallel_tool_calls": False}

    assert encoded(SONNET, tools=[WEATHER], **fields)["tool_choice"] == sent


def test_without_tools_there_is_no_choice_of_them() -> None:
    """Anthropic refuses a choice without tools."""
    assert encoded(tool_choice="auto", parallel_tool_calls=False) == encoded()


def test_tools_of_the_past_are_declared_and_not_called() -> None:
    """A conversation that has called tools goes on without them."""
    sent = encoded(
        messages=[
            {"role": "assistant", "tool_calls": [call("1"), call("2")]},
            {"role": "tool", "tool_call_id": "1", "content": "x"},
            {"role": "tool", "tool_call_id": "2", "content": "y"},
        ]
    )

    assert sent["tools"] == [{"name": "weather", "input_schema": {"type": "object"}}]
    assert sent["tool_choice"] == {"type": "none"}


def test_tools_of_anthropics_own_pass_and_others_do_not() -> None:
    """`custom` tools are OpenAI's own."""
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 1}

    assert encoded(tools=[search])["tools"] == [search]
    with pytest.raises(CapabilityMissingError):
        encoded(tools=[{"type": "custom", "custom": {"name": "sql"}}])


def test_strict_tools_stay_strict_where_anthropic_is_sure_to_take_them() -> None:
    """Not on older models, nor many at once, nor with an open schema."""

    def strict(schema: dict[str, Any]) -> dict[str, Any]:
        function = {"name": "f", "strict": True, "parameters": schema}
        return {"type": "function", "function": function}

    def is_strict(deployment: Deployment, tools: list[dict[str, Any]]) -> bool:
        sent = encoded(deployment, tools=tools)["tools"]
        return any("strict" in tool for tool in sent)

    assert is_strict(SONNET, [strict(PERSON)])
    assert not is_strict(named("claude-sonnet-4-0"), [strict(PERSON)])
    assert not is_strict(SONNET, [strict(PERSON)] * 6)
    assert not is_strict(SONNET, [strict({"type": "object"})])
