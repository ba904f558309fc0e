"""How hard Gemini is asked to think."""

from typing import Any

import pytest

from fakes.gemini_chats import VERTEX, config, named


def thinking(model: str, **fields: Any) -> Any:
    return config(named(model), **fields).get("thinkingConfig")


@pytest.mark.parametrize(
    ("model", "effort", "level"),
    [
        ("gemini-3-pro-preview", "minimal", "LOW"),
        ("gemini-3-pro-preview", "low", "LOW"),
        ("gemini-3-pro-preview", "medium", "LOW"),
        ("gemini-3-pro-preview", "high", "HIGH"),
        ("gemini-3.1-pro-preview", "medium", "MEDIUM"),
        ("gemini-3.5-pro", "xhigh", "HIGH"),
        ("gemini-3-flash-preview", "minimal", "MINIMAL"),
        ("gemini-3-flash-preview", "max", "HIGH"),
        ("gemini-3.1-flash-lite", "medium", "MEDIUM"),
    ],
)
def test_the_third_generation_thinks_by_levels(
    model: str, effort: str, level: str
) -> None:
    """The one that is asked for, or the next one down that the model has."""
    assert thinking(model, reasoning_effort=effort) == {
        "includeThoughts": True,
        "thinkingLevel": level,
    }


@pytest.mark.parametrize(
    ("model", "effort", "budget"),
    [
        ("gemini-2.5-flash", "minimal", 1_024),
        ("gemini-2.5-flash", "low", 1_024),
        ("gemini-2.5-flash", "medium", 8_192),
        ("gemini-2.5-flash", "high", 24_576),
        ("gemini-2.5-flash", "max", 24_576),
        ("gemini-2.5-pro", "max", 32_768),
        ("gemini-2.5-flash-lite", "low", 1_024),
        ("gemini-flash-latest", "low", 1_024),
    ],
)
def test_the_second_generation_thinks_by_budgets(
    model: str, effort: str, budget: int
) -> None:
    """As many tokens as Google itself makes of the effort, within the model's range."""
    assert thinking(model, reasoning_effort=effort) == {
        "includeThoughts": True,
        "thinkingBudget": budget,
    }


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemini-2.5-flash-lite", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("gemini-3-pro-preview", {"thinkingLevel": "LOW"}),
        ("gemini-3-flash-preview", {"thinkingLevel": "MINIMAL"}),
    ],
)
@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_effort": "none"},
        {"thinking": {"type": "disabled"}},
        {"thinking_config": {"thinking_budget": 0}},
    ],
)
def test_a_model_that_is_not_to_think_thinks_as_little_as_it_can(
    model: str, sent: Any, fields: Any
) -> None:
    """Some cannot be kept from it."""
    assert thinking(model, **fields) == {"includeThoughts": False, **sent}


def test_who_says_nothing_leaves_it_to_the_model() -> None:
    """And is shown no thoughts."""
    assert thinking("gemini-2.5-flash") is None
    assert thinking("gemini-3-pro-preview") is None


@pytest.mark.parametrize("model", ["gemini-2.0-flash", "gemma-4-31b-it"])
def test_a_model_that_does_not_think_is_not_asked_to(model: str) -> None:
    """It would refuse the field."""
    assert thinking(model, reasoning_effort="high") is None


def test_thoughts_leave_room_for_the_answer() -> None:
    """They count towards the same limit."""
    sent = thinking("gemini-2.5-flash", reasoning_effort="high", max_tokens=1_000)

    assert sent["thinkingBudget"] == 750


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        (
            {"thinking_budget": 512, "include_thoughts": False},
            {"includeThoughts": False, "thinkingBudget": 512},
        ),
        (
            {"thinkingBudget": 99_999},
            {"includeThoughts": True, "thinkingBudget": 24_576},
        ),
        ({"thinkingLevel": "LOW"}, {"includeThoughts": True, "thinkingBudget": 1_024}),
        ({"includeThoughts": True}, {"includeThoughts": True}),
        ({"thinking_budget": -1}, {"includeThoughts": True}),
    ],
)
def test_googles_own_field_is_understood(own: Any, sent: Any) -> None:
    """In either spelling, and as what the model takes."""
    fields = {"extra_body": {"google": {"thinking_config": own}}}

    assert thinking("gemini-2.5-flash", **fields) == sent
    assert thinking("gemini-2.5-flash", thinking_config=own) == sent


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"thinking_config": {"thinking_budget": 900}}, "LOW"),
        ({"thinking_config": {"thinking_budget": 9_000}}, "MEDIUM"),
        ({"thinking": {"type": "enabled", "budget_tokens": 30_000}}, "HIGH"),
        ({"output_config": {"effort": "low"}}, "LOW"),
    ],
)
def test_tokens_become_a_level_and_anthropics_words_are_understood(
    fields: Any, level: str
) -> None:
    """A fallback may have changed the model since the caller wrote them."""
    assert thinking("gemini-3.1-pro-preview", **fields)["thinkingLevel"] == level


def test_thinking_without_a_measure_is_shown() -> None:
    """Anthropic's `adaptive` leaves the measure to the model."""
    sent = thinking("gemini-3-pro-preview", thinking={"type": "adaptive"})

    assert sent == {"includeThoughts": True}


def test_vertex_is_asked_alike() -> None:
    """The model decides, not the place."""
    sent = config(named("gemini-3-pro-preview", VERTEX), reasoning_effort="low")

    assert sent["thinkingConfig"]["thinkingLevel"] == "LOW"
