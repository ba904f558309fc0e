"""Catalog files, read into the nouns of the gateway."""

import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TypeVar

import msgspec

from holdfast.catalog.files import (
    DeploymentRow,
    EndpointRow,
    ModelRow,
    PricingRow,
    ProviderFile,
)
from holdfast.model import Catalog, Deployment, Model, Pricing, Provider

_MICROS = 1_000_000
"""A price in a file is in dollars; `Pricing` holds millionths of one."""

_AS_THE_HEAD = EndpointRow()

_T = TypeVar("_T")


class CatalogInvalidError(ValueError):
    """A catalog file says something that cannot be. Names the file and the field."""


def load_shipped() -> Catalog:
    """Read the catalog that ships with the package.

    `{region}` in an endpoint is filled in where the region is known; `{NAME}`
    stays, for whoever has the environment.

    Raises:
        CatalogInvalidError: A file is not what it should be.
    """
    return load(files(__package__).joinpath("data"))


def load(directory: Traversable) -> Catalog:
    """Read every `providers/*.toml` and `models/*.toml` below a directory.

    Raises:
        CatalogInvalidError: A file is not what it should be.
    """
    labs = {
        lab: _parse(file, dict[str, ModelRow])
        for lab, file in _toml_files(directory.joinpath("models"))
    }
    lab_of = {model: lab for lab, rows in labs.items() for model in rows}
    facts = {model: row for rows in labs.values() for model, row in rows.items()}
    pools: dict[str, list[Deployment]] = {}
    providers: dict[str, Provider] = {}
    for provider_id, file in _toml_files(directory.joinpath("providers")):
        contents = _parse(file, ProviderFile)
        providers[provider_id] = Provider(
            id=provider_id,
            display_name=contents.display_name,
            dialect=contents.dialect,
            auth=contents.auth,
            base_uri=contents.base_uri,
            credential_env=contents.credential_env,
            trains_on_data=contents.trains_on_data,
            retention_days=contents.retention_days,
        )
        for number, row in enumerate(contents.deployment, start=1):
            try:
                deployment = _deployment(provider_id, contents, row, facts)
            except (KeyError, InvalidOperation, ValueError) as error:
                raise CatalogInvalidError(
                    f"{file.name}: deployment {number} ({row.model}): {error}"
                ) from error
            pools.setdefault(row.model, []).append(deployment)
    models = {
        model: Model(
            id=model,
            display_name=facts[model].display_name,
            lab_id=lab_of[model],
            deployments=tuple(pools[model]),
        )
        for model in sorted(pools)
    }
    return Catalog(
        models=MappingProxyType(models), providers=MappingProxyType(providers)
    )


def _toml_files(directory: Traversable) -> Iterator[tuple[str, Traversable]]:
    for file in sorted(directory.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            yield file.name.removesuffix(".toml"), file


def _parse(file: Traversable, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), kind)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogInvalidError(f"{file.name}: {error}") from error


def _deployment(
    provider_id: str,
    file: ProviderFile,
    row: DeploymentRow,
    facts: Mapping[str, ModelRow],
) -> Deployment:
    if row.model not in facts:
        raise CatalogInvalidError("no file in models/ describes the model")
    if row.at is not None and row.at not in file.endpoint:
        raise CatalogInvalidError(f"no endpoint is named {row.at}")
    model = facts[row.model]
    endpoint = _AS_THE_HEAD if row.at is None else file.endpoint[row.at]
    region = _first(row.region, endpoint.region, file.region)
    return Deployment(
        id=row.id or f"{provider_id}/{row.model}",
        model_id=row.model,
        provider_id=provider_id,
        provider_model=_first(row.provider_model, row.model),
        dialect=_first(endpoint.dialect, file.dialect),
        base_uri=_in_region(_first(endpoint.base_uri, file.base_uri), region),
        auth=_first(endpoint.auth, file.auth),
        credential_id=provider_id,
        geography=_first(row.geography, endpoint.geography, file.geography),
        region=region,
        pricing=None if row.pricing is None else pricing(row.pricing),
        capabilities=frozenset(_first(row.capabilities, model.capabilities)),
        context_window_tokens=_first(
            row.context_window_tokens, model.context_window_tokens
        ),
        max_output_tokens=_first(row.max_output_tokens, model.max_output_tokens),
        weight=row.weight,
        provider_display_name=file.display_name,
        trains_on_data=_known(row.trains_on_data, file.trains_on_data),
        retention_days=_known(row.retention_days, file.retention_days),
    )


def _first(*values: _T | None) -> _T:
    """Return the first that is there; the last one always is."""
    return next(value for value in values if value is not None)


def _known(*values: _T | None) -> _T | None:
    """Return the first that is there, if any is."""
    return next((value for value in values if value is not None), None)


def _in_region(base_uri: str, region: str) -> str:
    return base_uri.replace("{region}", region) if region else base_uri


def pricing(row: PricingRow) -> Pricing:
    """Read prices. A provider without a price for its cache charges input tokens.

    Raises:
        ValueError: A price is no number of millionths of a dollar.
        InvalidOperation: A price is no number.
    """
    return Pricing(
        input=_micros(row.input),
        output=_micros(row.output),
        cache_read=_micros(_first(row.cache_read, row.input)),
        cache_creation=_micros(_first(row.cache_creation, row.input)),
    )


def _micros(usd: str) -> int:
    micros = Decimal(usd) * _MICROS
    if micros != int(micros) or micros < 0:
        raise CatalogInvalidError(f"{usd} is no price in millionths of a dollar")
    return int(micros)
