"""What models are called, and what happens to a name that is not quite one."""

import pytest

from holdfast.catalog import canonical_name, known_name, near_names


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        (
            "claude-sonnet-4-5",
            [
                "claude-sonnet-4-5",
                "claude-sonnet-4.5",
                "Claude-Sonnet-4-5",
                "claude-4.5-sonnet",
                "claude-4-5-sonnet",
                "claude-sonnet-4-5-20250929",
                "claude-sonnet-4-5@20250929",
                "anthropic/claude-sonnet-4-5",
                "anthropic--claude-4.5-sonnet",
                "databricks-claude-sonnet-4-5",
                "anthropic.claude-sonnet-4-5-20250929-v1:0",
                "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            ],
        ),
        (
            "claude-opus-4-7",
            [
                "claude-opus-4.7",
                "claude-opus4-7",
                "claude-opus-4-7@default",
                "jp.anthropic.claude-opus-4-7",
            ],
        ),
        ("claude-opus-4-6", ["eu.anthropic.claude-opus-4-6-v1"]),
        ("claude-sonnet-4", ["claude-sonnet-4-0", "claude-sonnet-4-20250514"]),
        ("claude-3-7-sonnet", ["claude-3.7-sonnet", "claude-sonnet-3.7"]),
        (
            "mistral-medium-3.5",
            [
                "mistral-medium-2604",
                "mistral-medium-3-5",
                "mistral-medium-3.5-128b",
                "mistralai/Mistral-Medium-3.5-128B",
            ],
        ),
        (
            "gpt-oss-120b",
            [
                "openai/gpt-oss-120b-maas",
                "openai.gpt-oss-120b-1:0",
                "accounts/fireworks/models/gpt-oss-120b",
                "@cf/openai/gpt-oss-120b",
                "gpt-oss:120b",
                "openai-gpt-oss-120b",
                "hf:openai/gpt-oss-120b",
            ],
        ),
        ("gpt-5.1", ["databricks-gpt-5-1", "gpt-5.1-2025-11-13"]),
        ("gpt-5.2", ["openai-gpt-52"]),
        ("glm-4.7", ["zai-org/GLM-4.7", "glm-4p7", "zai.glm-4.7"]),
        ("kimi-k2.6", ["moonshotai/chat-completion/models/Kimi-K2_6", "kimi-k2p6"]),
        ("qwen3.5-397b-a17b", ["qwen35-397b-a17b", "Qwen/Qwen3.5-397B-A17B-FP8"]),
        (
            "llama-3.3-70b-instruct",
            ["meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b-versatile"],
        ),
        ("gemini-2.5-pro", ["gemini-2-5-pro", "google/gemini-2.5-pro"]),
        ("deepseek-v3.1", ["deepseek.v3-v1:0", "deepseek-chat-v3.1"]),
    ],
)
def test_every_spelling_is_the_same_model(name: str, spellings: list[str]) -> None:
    """Providers' spellings of one model all lead to one name."""
    assert {canonical_name(spelling) for spelling in spellings} == {name}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-oss-120b", "gpt-oss-120b-high-throughput"),
        ("gpt-oss-120b", "openai/gpt-oss-120b:free"),
        ("claude-opus-4-7", "claude-opus-4.7-fast"),
        ("claude-opus-4-6", "claude-opus-4.6:thinking"),
        ("claude-sonnet-4", "claude-sonnet-4-5"),
        ("claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022"),
        ("gpt-4o", "gpt-4o-2024-05-13"),
        ("deepseek-r1", "deepseek-r1-distill-qwen-32b"),
        ("deepseek-v3", "deepseek-v3-0324"),
        ("kimi-k2-0711", "kimi-k2-0905"),
        ("qwen3-235b-a22b", "qwen3-235b-a22b-instruct-2507"),
        ("mistral-medium-3", "mistral-medium-3.5"),
        ("llama-3.3-70b-instruct", "llama-3.3-70b-instruct-turbo"),
    ],
)
def test_different_models_keep_different_names(one: str, other: str) -> None:
    """A faster, free, thinking, distilled or differently dated kind is another."""
    assert canonical_name(one) != canonical_name(other)


@pytest.mark.parametrize(
    "name", ["qwen3.5-flash-02-23", "command-r7b-12-2024", "gemma-3-27b-it", "phi-4"]
)
def test_dates_and_sizes_are_not_versions(name: str) -> None:
    """Digits that are no version stay as they are."""
    assert canonical_name(name) == name


def test_name_as_written_comes_first() -> None:
    """A known name is never replaced by what it would be canonically."""
    known = {"claude-sonnet-4.5", "claude-sonnet-4-5"}

    assert known_name("claude-sonnet-4.5", known) == "claude-sonnet-4.5"


def test_other_spelling_of_a_known_name_is_found() -> None:
    """Dots for dashes, or a provider's spelling, name the same model."""
    known = {"claude-sonnet-4-5", "mistral-medium-3.5"}

    assert known_name("claude-sonnet-4.5", known) == "claude-sonnet-4-5"
    assert known_name("mistral-medium-3-5", known) == "mistral-medium-3.5"
    assert known_name("claude-sonnet-9", known) is None


def test_near_names_are_offered_for_a_misspelt_one() -> None:
    """The nearest known name comes first, and what is far is not offered."""
    known = ["gpt-5", "claude-opus-4-5", "claude-sonnet-4-6", "claude-sonnet-4-5"]

    near = near_names("claude-sonet-4.5", known, limit=4)

    assert near[0] == "claude-sonnet-4-5"
    assert "gpt-5" not in near


def test_no_more_near_names_than_asked_for() -> None:
    """The hint stays short however many names are alike."""
    known = [f"claude-sonnet-4-{minor}" for minor in range(9)]

    assert len(near_names("claude-sonnet-4", known, limit=2)) == 2
    assert near_names("", known) == []
