"""What each generation of Claude takes, since a request must differ for it.

Read from the model's name, for no catalog says it. A model by another name,
such as one of another lab behind the same wire format, gets the plainest form.
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
    ADAPTIVE = "with an effort"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model takes.

    Attributes:
        efforts: The levels of `output_config.effort`, lowest first.
        always_thinks: Whether it thinks where nothing is said about thinking.
        hides_thinking: Whether its thinking is shown on request alone.
        samplers: How many of `temperature` and `top_p` may be given.
        takes_prefix: Whether the conversation may end with the assistant.
        takes_schema: Whether it takes `output_config.format` and strict tools.
        forces_tools: Whether it can be made to call a tool.
    """

    thinking: Thinking = Thinking.BUDGET
    efforts: tuple[str, ...] = ()
    always_thinks: bool = False
    hides_thinking: bool = False
    samplers: int = 2
    takes_prefix: bool = True
    takes_schema: bool = False
    forces_tools: bool = True


_UNKNOWN = Traits()
_LATEST = (99, 0)
_GENERATIONS: tuple[tuple[tuple[int, int], Traits], ...] = (
    # Anthropic's migration guides for Opus 4.7 and Fable 5: sampling and budgets
    # are refused; Fable 5 thinks always and refuses to have it switched off.
    (
        (5, 0),
        Traits(
            Thinking.ADAPTIVE,
            ("low", "medium", "high", "xhigh", "max"),
            always_thinks=True,
            hides_thinking=True,
            samplers=0,
            takes_prefix=False,
            takes_schema=True,
        ),
    ),
    (
        (4, 7),
        Traits(
            Thinking.ADAPTIVE,
            ("low", "medium", "high", "xhigh", "max"),
            hides_thinking=True,
            samplers=0,
            takes_prefix=False,
            takes_schema=True,
        ),
    ),
    # Opus 4.6 refuses `xhigh`, as recorded; `max` is not said to be for Sonnet 4.6.
    (
        (4, 6),
        Traits(
            Thinking.ADAPTIVE,
            ("low", "medium", "high"),
            samplers=1,
            takes_prefix=False,
            takes_schema=True,
        ),
    ),
    # Opus 4.5 takes an effort too, but an effort alone does not make it think.
    ((4, 1), Traits(samplers=1, takes_schema=True)),
    ((3, 7), Traits()),
    ((0, 0), Traits(Thinking.NONE)),
)
"""The traits from each version on, the newest first."""

_NAME = re.compile(
    r"claude-(?:(?P<early>\d)(?:[-.](?P<early_minor>\d))?-)?[a-z]+"
    r"(?:-?(?P<major>\d)(?!\d)(?:[-.](?P<minor>\d{1,2})(?!\d))?)?"
)
"""Both spellings, `claude-3-5-haiku` and `claude-haiku-4-5`, whatever stands around
them. A date of eight digits is no version."""


def traits_of(deployment: Deployment) -> Traits:
    """Return what a deployment's model takes.

    The name sent upstream decides; where that says nothing, as with the names
    people give to deployments on Azure, the model's plain name does.
    """
    for name in (deployment.provider_model, deployment.model_id):
        if (traits := _traits(name)) is not None:
            return traits
    return _UNKNOWN


@functools.lru_cache(maxsize=1024)
def _traits(name: str) -> Traits | None:
    found = _NAME.search(name.lower())
    if found is None:
        return None
    major = found["early"] or found["major"]
    minor = found["early_minor"] if found["early"] else found["minor"]
    version = (int(major), int(minor or 0)) if major else _LATEST
    return next(traits for least, traits in _GENERATIONS if version >= least)


def issuer_of(model: str) -> str:
    """Say who can verify a signature on the thinking of a model.

    Claude's are valid wherever Claude runs; another lab's only for its model.
    """
    model = model.lower()
    return "anthropic" if "claude" in model else model.rsplit("/", 1)[-1]
