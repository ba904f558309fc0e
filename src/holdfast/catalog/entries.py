"""What goes into the catalog's files, as values, before it is written."""

from dataclasses import dataclass

from holdfast.catalog.source import SourceCost
from holdfast.model import Capability


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how deployments are reached, and what that promises."""

    dialect: str
    auth: str
    base_uri: str
    geography: str = ""
    region: str = ""
    because: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentEntry:
    """A deployment of the catalog.

    Attributes:
        suffix: What its id ends with if the provider has several of the model.
        at: The name of its endpoint. Empty: the head of the file's.
        trains_on_data: None if unknown; so is `retention_days`.
    """

    model: str
    suffix: str
    at: str
    endpoint: Endpoint
    provider_model: str
    cost: SourceCost | None
    context_window_tokens: int
    max_output_tokens: int
    capabilities: frozenset[Capability]
    is_otherwise: bool = False
    needs_suffix: bool = False
    trains_on_data: bool | None = None
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """A provider of the catalog, and its deployments by model and id.

    Attributes:
        trains_on_data: What holds for all that it serves; so does `retention_days`.
        data_because: The evidence for how it treats data.
    """

    id: str
    display_name: str
    documentation_uri: str
    credential_env: tuple[str, ...]
    endpoint: Endpoint
    deployments: tuple[DeploymentEntry, ...]
    trains_on_data: bool | None = None
    retention_days: int | None = None
    data_because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model of the catalog, with what holds for most of its deployments."""

    id: str
    lab: str
    display_name: str
    context_window_tokens: int
    max_output_tokens: int
    capabilities: frozenset[Capability]


@dataclass(frozen=True, slots=True)
class CompiledCatalog:
    """Everything that goes into the catalog's files."""

    providers: tuple[ProviderEntry, ...]
    models: tuple[ModelEntry, ...]
