"""What is decided about providers by hand: `data/curated.toml`, as values.

Used when the catalog is made from a source of facts, not when it is read.
"""

import re
import tomllib
from collections.abc import Iterable
from importlib.resources import files

import msgspec
from msgspec import Struct


class LeaveOut(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not taken over from the source, as patterns.

    Attributes:
        context_share: Of the median window of a model's deployments.
        names: Of canonical names; so is `not_chat`.
        spellings: Of a provider's own, lower-cased.
    """

    context_share: float
    names: tuple[str, ...]
    not_chat: tuple[str, ...]
    spellings: tuple[str, ...]


class Embeddings(Struct, frozen=True, forbid_unknown_fields=True):
    """How embedding models are told, as patterns of canonical names."""

    names: tuple[str, ...]


class Responses(Struct, frozen=True, forbid_unknown_fields=True):
    """Who speaks OpenAI's Responses, and of which models.

    Attributes:
        providers: By their ids here.
        models: Patterns of canonical names: served over chats too.
        only: Of those that are not. Whoever else claims to serve one is left out.
    """

    providers: tuple[str, ...]
    models: tuple[str, ...]
    only: tuple[str, ...]


class AssistantPrefix(Struct, frozen=True, forbid_unknown_fields=True):
    """Which models continue an assistant message, and on which dialects."""

    models: tuple[str, ...]
    dialects: tuple[str, ...]


class Client(Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider is spoken to, by the client package the source names.

    Attributes:
        dialect: Empty if it cannot be.
        without: What is cut off the end of the source's base URI.
    """

    dialect: str
    auth: str = ""
    without: str = ""


class CuratedProvider(Struct, frozen=True, forbid_unknown_fields=True):
    """What replaces or adds to the source's word on a provider."""

    id: str | None = None
    leave_out: str | None = None
    dialect: str | None = None
    auth: str | None = None
    base_uri: str | None = None
    credential_env: tuple[str, ...] | None = None
    geography: str = ""
    region: str = ""
    because: str = ""
    lacks: tuple[str, ...] = ()


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """Somewhere a provider serves a model, told apart by endpoint.

    Attributes:
        name: The endpoint's name in the file. Empty: the head of the file's.
        suffix: What a pinned id ends with. Absent: the name.
        because: The evidence for the geography.
    """

    name: str
    suffix: str | None = None
    dialect: str | None = None
    auth: str | None = None
    base_uri: str | None = None
    geography: str = ""
    region: str = ""
    because: str = ""


class PlaceRule(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a provider serves the models that match.

    Attributes:
        provider: By its id here.
        models: Patterns of canonical names. Empty: all; so is `spellings`.
        prefix: What is put in front of the provider's name for the model.
        otherwise: Whether it only holds where no other rule gave a place.
    """

    provider: str
    at: tuple[Place, ...]
    models: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    prefix: str = ""
    otherwise: bool = False

    def matches(self, model: str, spelling: str) -> bool:
        """Say whether a provider's row is meant."""
        return (not self.models or matches(self.models, model)) and (
            not self.spellings or matches(self.spellings, spelling)
        )


class DataRule(Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider treats what is sent to the models that match.

    Attributes:
        provider: By its id here.
        because: The evidence, in the provider's own terms.
        models: Patterns of canonical names. Empty: all, those yet to come too.
        but_not: Patterns of those that it does not hold for.
        trains_on_data: None if it says nothing of that; so is `retention_days`.
    """

    provider: str
    because: str
    models: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    trains_on_data: bool | None = None
    retention_days: int | None = None

    @property
    def is_of_all(self) -> bool:
        """Whether it holds for whatever the provider serves."""
        return not self.models and not self.but_not

    def matches(self, provider: str, model: str) -> bool:
        """Say whether a model of a provider is meant."""
        return (
            provider == self.provider
            and (not self.models or matches(self.models, model))
            and not matches(self.but_not, model)
        )


class Curation(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    leave_out: LeaveOut
    embeddings: Embeddings
    assistant_prefix: AssistantPrefix
    responses: Responses
    clients: dict[str, Client]
    provider: dict[str, CuratedProvider]
    places: tuple[PlaceRule, ...]
    data: tuple[DataRule, ...] = ()


def matches(patterns: Iterable[str], text: str) -> bool:
    """Say whether any of the patterns is found in the text."""
    return any(re.search(pattern, text) for pattern in patterns)


def parse_curation(text: str) -> Curation:
    """Read a curation from TOML.

    Raises:
        msgspec.ValidationError: A field is unknown, missing or of the wrong type.
    """
    return msgspec.convert(tomllib.loads(text), Curation)


def shipped_curation() -> Curation:
    """Return the curation that ships with the package."""
    file = files(__package__).joinpath("data", "curated.toml")
    return parse_curation(file.read_text("utf-8"))
