"""Which requests somebody asks about, within what he may see: as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose requests are meant. Empty projects are all of the organizations'."""

    organizations: frozenset[str]
    projects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time in Unix milliseconds. The end is not part of it; None is open."""

    start_ms: int | None = None
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests are meant. What is empty leaves nothing out.

    Attributes:
        model: The one that answered, or that was asked for.
        outcome: How one of their attempts ended.
        answered: Whether they were. None: both.
        session_keys: What the session may be called.
        fell_back: Whether only those are meant that were tried at more than one
            deployment.
    """

    scope: Scope
    api_key_id: str = ""
    model: str = ""
    requested_model: str = ""
    deployment_id: str = ""
    provider_id: str = ""
    outcome: str = ""
    answered: bool | None = None
    error_reason: str = ""
    session_keys: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    span: Span = Span()
    fell_back: bool = False
