"""What each generation of Gemini takes, and where: on the Gemini API or on Vertex AI.

Read from the model's name and the address, for no catalog says it. A model by
another name, such as Gemma or a tuned one, gets the plainest form.
"""

import functools
import re
from dataclasses import dataclass
from enum import Enum

from holdfast.model import Deployment


class Thinking(Enum):
    """How a model is asked to think before it answers."""

    NONE = "not at all"
    BUDGET = "with a number of tokens"
    LEVEL = "with a level"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model takes.

    Attributes:
        levels: Of `thinkingLevel`, lowest first.
        budgets: The least and the most that `thinkingBudget` may be.
        can_rest: Whether a budget of nothing keeps it from thinking.
        takes_penalties: Whether it takes penalties.
        takes_logprobs: Whether it reports probabilities.
        answers_json_with_tools: Whether an answer may be bound to JSON where
            there are tools too.
        wants_signatures: Whether it refuses calls in the history that bear no
            signature on the thought that led to them.
        takes_media_results: Whether the result of a call may hold media.
    """

    thinking: Thinking = Thinking.NONE
    levels: tuple[str, ...] = ()
    budgets: tuple[int, int] = (0, 0)
    can_rest: bool = False
    takes_penalties: bool = False
    takes_logprobs: bool = False
    answers_json_with_tools: bool = False
    wants_signatures: bool = False
    takes_media_results: bool = False


_NAME = re.compile(
    r"gemini-(?:(?P<major>\d)(?:\.(?P<minor>\d))?-)?(?P<size>flash-lite|flash|pro)"
)
_LATEST = (99, 0)
_PRO_LEVELS: dict[tuple[int, int], tuple[str, ...]] = {
    (3, 0): ("low", "high"),
    (3, 1): ("low", "medium", "high"),
}
_FLASH_LEVELS = ("minimal", "low", "medium", "high")
"""ai.google.dev/gemini-api/docs/thinking, the table of levels."""

_BUDGETS = {"pro": (128, 32_768), "flash": (1, 24_576), "flash-lite": (512, 24_576)}
"""The same page, the table of budgets. Pro cannot be kept from thinking."""

_UNKNOWN = Traits()


def is_vertex(deployment: Deployment) -> bool:
    """Whether a deployment is on Vertex AI, whose addresses name a project."""
    return "/projects/" in deployment.base_uri


def traits_of(deployment: Deployment) -> Traits:
    """Return what a deployment's model takes.

    The name sent upstream decides; where that says nothing, the plain one does.
    """
    vertex = is_vertex(deployment)
    for name in (deployment.provider_model, deployment.model_id):
        if (traits := _traits(name, vertex=vertex)) is not None:
            return traits
    return _UNKNOWN


@functools.lru_cache(maxsize=1024)
def _traits(name: str, *, vertex: bool) -> Traits | None:
    found = _NAME.search(name.lower())
    if found is None:
        return None
    major, size = found["major"], found["size"]
    version = (int(major), int(found["minor"] or 0)) if major else _LATEST
    if version >= (3, 0) and version != _LATEST:
        pro = _PRO_LEVELS[min(version, max(_PRO_LEVELS))]
        return Traits(
            Thinking.LEVEL,
            levels=pro if size == "pro" else _FLASH_LEVELS,
            answers_json_with_tools=True,
            wants_signatures=True,
            takes_media_results=True,
        )
    if version == _LATEST:
        # "The latest" may be of either generation: the third takes budgets too,
        # and whatever either refuses is left alone.
        return Traits(
            Thinking.BUDGET,
            budgets=_BUDGETS[size],
            can_rest=size != "pro",
            wants_signatures=True,
        )
    if version >= (2, 5):
        return Traits(
            Thinking.BUDGET,
            budgets=_BUDGETS[size],
            can_rest=size != "pro",
            # The Gemini API answers "Penalty is not enabled for models/gemini-2.5-…"
            # (vercel/ai#8943); on Vertex both are on record as taken.
            takes_penalties=vertex,
            takes_logprobs=vertex,
        )
    return Traits(takes_penalties=True, takes_logprobs=vertex)


def issuer_of(model: str) -> str:
    """Say who can verify a signature on the thoughts of a model.

    That model alone, wherever it runs: another answers "Corrupted thought
    signature". So the name is taken without the provider and the place that a
    pinned id says too.
    """
    model = model.lower()
    found = _NAME.search(model)
    return found[0] if found else model.rsplit("/", 1)[-1]
