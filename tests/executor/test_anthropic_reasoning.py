"""How hard Claude is asked to think."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.anthropic_chats import HELLO, SONNET, WEATHER, call, encoded, named


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 1024), ("medium", 4096), ("high", 16_384)],
)
def test_effort_as_a_budget(effort: str, budget: int) -> None:
    """The budget stays under `max_tokens`, and excludes sampling."""
    sent = encoded(reasoning_effort=effort, temperature=0.5, top_k=5)

    assert sent["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert sent["max_tokens"] > budget
    assert not sent.keys() & {"temperature", "top_k"}


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("claude-opus-4-6", "low", "low"),
        ("claude-opus-4-6", "minimal", "low"),
        ("claude-opus-4-6", "xhigh", "high"),
        ("claude-opus-4-8", "xhigh", "xhigh"),
        ("eu.anthropic.claude-sonnet-5-v1:0", "max", "max"),
    ],
)
def test_effort_as_an_effort(model: str, effort: str, sent: str) -> None:
    """Newer models decide for themselves how long they think."""
    request = encoded(named(model), reasoning_effort=effort)

    assert request["output_config"] == {"effort": sent}
    assert request["thinking"]["type"] == "adaptive"


def test_an_early_model_does_not_think() -> None:
    """Claude 3.5 refuses to be asked."""
    sent = encoded(named("claude-3-5-haiku-20241022"), reasoning_effort="high")

    assert "thinking" not in sent
    assert "output_config" not in sent


@pytest.mark.parametrize(
    ("model", "output_config"),
    [
        ("claude-sonnet-4-5", None),
        ("claude-opus-4-8", None),
        ("claude-fable-5", {"effort": "low"}),
    ],
)
def test_effort_none(model: str, output_config: object) -> None:
    """Silence means no thinking, but for models that always think."""
    sent = encoded(named(model), reasoning_effort="none")

    assert "thinking" not in sent
    assert sent.get("output_config") == output_config


@pytest.mark.parametrize(
    ("asked", "budget"), [(2000, 1500), (30_000, 16_384), (1100, None)]
)
def test_the_callers_limit_bounds_the_budget(asked: int, budget: int | None) -> None:
    """A quarter is left for the answer; below 1,024 there is no thinking at all."""
    sent = encoded(reasoning_effort="high", max_completion_tokens=asked)

    assert sent["max_tokens"] == asked
    assert sent.get("thinking", {}).get("budget_tokens") == budget


def test_a_default_limit_grows_by_the_budget() -> None:
    """Where neither caller nor deployment sets a limit, thinking costs no answer."""
    unlimited = replace(SONNET, max_output_tokens=0)

    sent = encoded(unlimited, reasoning_effort="medium")

    assert sent["max_tokens"] == 4096 + 4096


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [WEATHER], "tool_choice": "required"},
        {"messages": [*HELLO, {"role": "assistant", "content": "It"}]},
        {
            "messages": [
                {"role": "assistant", "tool_calls": [call("1")]},
                {"role": "tool", "tool_call_id": "1", "content": "x"},
            ]
        },
    ],
    ids=["forced tool", "begun answer", "calls without thinking"],
)
def test_what_excludes_thinking(fields: dict[str, Any]) -> None:
    """The conversation and the tools come before the wish to think."""
    assert "thinking" not in encoded(reasoning_effort="high", **fields)


def test_calls_with_their_thinking_may_be_thought_on() -> None:
    """The caller has handed back what Anthropic demands."""
    signed = {"type": "thinking", "thinking": "hm", "signature": "s"}

    sent = encoded(
        reasoning_effort="low",
        messages=[
            {
                "role": "assistant",
                "thinking_blocks": [signed],
                "tool_calls": [call("1")],
            },
            {"role": "tool", "tool_call_id": "1", "content": "x"},
        ],
    )

    assert sent["thinking"]["budget_tokens"] == 1024


@pytest.mark.parametrize(
    ("model", "thinking", "sent"),
    [
        (
            "claude-sonnet-4-5",
            {"type": "enabled", "budget_tokens": 2048},
            {"type": "enabled", "budget_tokens": 2048},
        ),
        (
            "claude-opus-4-6",
            {"type": "enabled", "budget_tokens": 2048},
            {"type": "adaptive"},
        ),
        (
            "claude-sonnet-4-5",
            {"type": "adaptive"},
            {"type": "enabled", "budget_tokens": 4096},
        ),
        ("claude-sonnet-4-5", {"type": "disabled"}, None),
    ],
)
def test_anthropics_own_word_for_thinking(
    model: str, thinking: object, sent: object
) -> None:
    """It is understood, and said as the model takes it."""
    assert encoded(named(model), thinking=thinking).get("thinking") == sent
