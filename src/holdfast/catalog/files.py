"""What stands in a catalog file: the fields of `providers/*.toml` and `models/*.toml`.

The comments in the files that ship, and CONTRIBUTING.md, say how to add one.
"""

from collections.abc import Sequence

from msgspec import Struct

from holdfast.model import Capability


class PricingRow(Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars per million tokens, in text so that they stay exact."""

    input: str
    output: str
    cache_read: str | None = None
    cache_creation: str | None = None


class EndpointRow(Struct, frozen=True, forbid_unknown_fields=True):
    """What differs from the head of the file for deployments that name it."""

    dialect: str | None = None
    auth: str | None = None
    base_uri: str | None = None
    geography: str | None = None
    region: str | None = None


class DeploymentRow(Struct, frozen=True, forbid_unknown_fields=True):
    """One deployment. What is absent is the model's, or the head of the file's.

    Attributes:
        id: The pinned id. Absent: the provider's and the model's, joined.
        at: The name of an endpoint in the same file.
        provider_model: What to send. Absent: the model's name.
        pricing: Absent: unknown.
        trains_on_data: Absent: the head's; so is `retention_days`.
    """

    model: str
    id: str | None = None
    at: str | None = None
    provider_model: str | None = None
    geography: str | None = None
    region: str | None = None
    pricing: PricingRow | None = None
    context_window_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[Capability, ...] | None = None
    weight: float = 1.0
    trains_on_data: bool | None = None
    retention_days: int | None = None


class ProviderFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Who serves the deployments, and how to reach them. The file name is its id.

    Attributes:
        credential_env: Environment variables that usually hold the credential.
        base_uri: May hold `{region}`, and `{NAME}` for an environment variable.
        geography: What every deployment promises. Absent: nothing is known.
        trains_on_data: Whether models are trained on what is sent to any deployment.
            Absent: unknown.
        retention_days: For how many days it is kept at most. Absent: unknown.
    """

    display_name: str
    dialect: str
    auth: str
    base_uri: str
    credential_env: tuple[str, ...] = ()
    geography: str = ""
    region: str = ""
    trains_on_data: bool | None = None
    retention_days: int | None = None
    endpoint: dict[str, EndpointRow] = {}
    deployment: Sequence[DeploymentRow] = ()


class ModelRow(Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for a model wherever its deployments do not say otherwise."""

    display_name: str
    context_window_tokens: int = 0
    max_output_tokens: int = 0
    capabilities: tuple[Capability, ...] = ()
