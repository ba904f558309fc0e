"""What each family of models takes of Bedrock's one format for all of them.

Converse hides much of how families differ and not all: which can be made to
call a tool, which compile a schema, how each is told to think. Read from the
name, for no catalog says it. A family that is not known is asked for all there
is; what it then refuses is another deployment's to answer.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from holdfast.model import Deployment
from holdfast_executor.dialects.anthropic_models import Thinking, Traits, traits_of

_FORCED = frozenset({"any", "tool"})


@dataclass(frozen=True, slots=True)
class Family:
    """What the models of one family take.

    Attributes:
        traits: In the terms of the request that Bedrock's is made from.
        is_claude: Whether Anthropic's own fields are understood.
        forced: The kinds of `toolChoice` beside `auto`.
        effort: From a level of effort to the fields that ask for it. None if
            none do.
        fixes_sampling: The effort at which nothing else may be said about
            sampling or length. Empty if there is none.
        top_k: Where the field is. Empty if there is none.
        cached: What a cache point may stand in: `system`, `messages`, `tools`.
        has_tiers: Whether it is served at other tiers than the default.
    """

    traits: Traits
    is_claude: bool = False
    forced: frozenset[str] = _FORCED
    effort: Callable[[str], dict[str, Any]] | None = None
    fixes_sampling: str = ""
    top_k: tuple[str, ...] = ()
    cached: frozenset[str] = frozenset()
    has_tiers: bool = False


def _three_levels(effort: str) -> str:
    levels = {"minimal": "low", "xhigh": "high", "max": "high"}
    return levels.get(effort, effort)


def _of_nova(effort: str) -> dict[str, Any]:
    config = {"type": "enabled", "maxReasoningEffort": _three_levels(effort)}
    return {"reasoningConfig": config}


def _of_gpt_oss(effort: str) -> dict[str, Any]:
    return {"reasoning_effort": _three_levels(effort)}


def _of_qwen(effort: str) -> dict[str, Any]:
    return {"reasoning_config": _three_levels(effort)}


_PLAIN = Traits(Thinking.NONE, forces_tools=False)
_FORCING = Traits(Thinking.NONE)
_COMPILING = Traits(Thinking.NONE, takes_schema=True)

_UNKNOWN = Family(_COMPILING)
"""Most open weights that came to Bedrock in 2025 and later compile schemas
(docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html)."""

_NOVA = Family(
    _FORCING,
    top_k=("inferenceConfig", "topK"),
    cached=frozenset({"system", "messages"}),
    has_tiers=True,
)
_FAMILIES: tuple[tuple[re.Pattern[str], Family], ...] = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        # Nova refuses a temperature, a top_p and a limit beside the highest effort
        # (docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html).
        ("nova-2", replace(_NOVA, effort=_of_nova, fixes_sampling="high")),
        ("nova", _NOVA),
        ("gpt-oss", Family(_COMPILING, effort=_of_gpt_oss, has_tiers=True)),
        ("qwen", Family(_COMPILING, effort=_of_qwen, has_tiers=True)),
        (r"deepseek[.-]r1", Family(_PLAIN, forced=frozenset())),
        ("deepseek", Family(_COMPILING, has_tiers=True)),
        # `any` of Mistral Large, and nothing of Llama and the older ones, as
        # API_runtime_ToolChoice.html and langchain-aws#620 have it.
        (
            r"mistral-large-(?:2402|2407|2411)|pixtral-large",
            Family(_FORCING, forced=frozenset({"any"}), top_k=("top_k",)),
        ),
        (
            r"llama|mistral-7b|mixtral|mistral-small-2402|titan|command|jamba|palmyra",
            Family(_PLAIN, forced=frozenset()),
        ),
    )
)
"""The first that is found in a model's name."""

_BEFORE_SCHEMAS = re.compile(r"opus-4-1(?!\d)")
"""Compiles schemas at Anthropic's, and not on Bedrock, where 4.5 is the first."""


def family_of(deployment: Deployment) -> Family:
    """Return what a deployment's model takes.

    The id that is called decides; where that says nothing, as with the ARN of
    an application inference profile, the model's plain name does.
    """
    for name in (deployment.provider_model.lower(), deployment.model_id.lower()):
        if "claude" in name:
            return Family(
                claude_traits(deployment),
                is_claude=True,
                top_k=("top_k",),
                cached=frozenset({"system", "messages", "tools"}),
            )
        for pattern, family in _FAMILIES:
            if pattern.search(name):
                return family
    return _UNKNOWN


def claude_traits(deployment: Deployment) -> Traits:
    """Return what a model of Anthropic's takes where AWS serves it."""
    traits = traits_of(deployment)
    names = f"{deployment.provider_model} {deployment.model_id}"
    if traits.takes_schema and _BEFORE_SCHEMAS.search(names):
        return replace(traits, takes_schema=False)
    return traits
