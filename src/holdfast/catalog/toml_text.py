"""Compiled catalogs, written as the files that `loader` reads."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from holdfast.catalog.entries import (
    CompiledCatalog,
    DeploymentEntry,
    Endpoint,
    ModelEntry,
    ProviderEntry,
)
from holdfast.catalog.source import SourceCost
from holdfast.model import Capability

_SMALLEST_PRICE = Decimal("0.000001")
"""What `Pricing` can hold; binary fractions in a source end up next to it."""

_MODELS_HEAD = """\
# What holds for each model wherever a deployment in ../providers does not say
# otherwise. Made by scripts/generate_catalog.py.
"""


def catalog_files(catalog: CompiledCatalog) -> dict[str, str]:
    """Return the text of every file by its path below the data folder."""
    facts = {model.id: model for model in catalog.models}
    texts = {
        f"providers/{provider.id}.toml": _provider_text(provider, facts)
        for provider in catalog.providers
    }
    labs: dict[str, list[ModelEntry]] = defaultdict(list)
    for model in catalog.models:
        labs[model.lab].append(model)
    for lab, models in sorted(labs.items()):
        rows = "\n".join(_model_text(model) for model in models)
        texts[f"models/{lab}.toml"] = f"{_MODELS_HEAD}\n{rows}"
    return texts


def _model_text(model: ModelEntry) -> str:
    lines = [
        f"[{_text(model.id)}]",
        f"display_name = {_text(model.display_name)}",
        f"context_window_tokens = {_number(model.context_window_tokens)}",
        f"max_output_tokens = {_number(model.max_output_tokens)}",
        f"capabilities = {_capabilities(model.capabilities)}",
    ]
    return "\n".join(lines) + "\n"


def _provider_text(provider: ProviderEntry, facts: Mapping[str, ModelEntry]) -> str:
    head = provider.endpoint
    lines = [f"# {provider.documentation_uri}"] if provider.documentation_uri else []
    lines += [
        "# Made by scripts/generate_catalog.py.",
        f"display_name = {_text(provider.display_name)}",
        f"dialect = {_text(head.dialect)}",
        f"auth = {_text(head.auth)}",
        f"credential_env = {_texts(provider.credential_env)}",
        f"base_uri = {_text(head.base_uri)}",
    ]
    if head.geography:
        lines += [f"# {head.because}.", f"geography = {_text(head.geography)}"]
    if head.region:
        lines.append(f"region = {_text(head.region)}")
    lines += [f"# {because}." for because in provider.data_because]
    lines += [f"{name} = {value}" for name, value in _treatment(provider).items()]
    endpoints = {entry.at: entry.endpoint for entry in provider.deployments if entry.at}
    if endpoints:
        lines.append("")
    for name, endpoint in sorted(endpoints.items()):
        lines += _endpoint_lines(name, endpoint, head)
    lines += ["", "# Prices in US dollars per million tokens.", "deployment = ["]
    lines += [
        _deployment_line(provider, entry, facts[entry.model])
        for entry in provider.deployments
    ]
    lines.append("]")
    return "\n".join(lines) + "\n"


def _endpoint_lines(name: str, endpoint: Endpoint, head: Endpoint) -> Iterator[str]:
    fields = {
        field: getattr(endpoint, field)
        for field in ("dialect", "auth", "base_uri", "geography", "region")
        if getattr(endpoint, field) != getattr(head, field)
    }
    if "geography" in fields:
        yield f"# {endpoint.because}."
    body = ", ".join(f"{field} = {_text(value)}" for field, value in fields.items())
    yield f"endpoint.{name} = {{ {body} }}"


def _treatment(entry: ProviderEntry | DeploymentEntry) -> dict[str, str]:
    """Write what is known of how data is treated."""
    facts = {
        "trains_on_data": entry.trains_on_data,
        "retention_days": entry.retention_days,
    }
    return {name: json.dumps(fact) for name, fact in facts.items() if fact is not None}


def _deployment_line(
    provider: ProviderEntry, entry: DeploymentEntry, model: ModelEntry
) -> str:
    fields = {"model": _text(entry.model)}
    if entry.needs_suffix:
        fields["id"] = _text(f"{provider.id}/{entry.model}-{entry.suffix}")
    if entry.at:
        fields["at"] = _text(entry.at)
    if entry.provider_model != entry.model:
        fields["provider_model"] = _text(entry.provider_model)
    if pricing := _pricing(entry.cost):
        fields["pricing"] = pricing
    if entry.context_window_tokens != model.context_window_tokens:
        fields["context_window_tokens"] = _number(entry.context_window_tokens)
    if entry.max_output_tokens != model.max_output_tokens:
        fields["max_output_tokens"] = _number(entry.max_output_tokens)
    if entry.capabilities != model.capabilities:
        fields["capabilities"] = _capabilities(entry.capabilities)
    of_all = _treatment(provider)
    fields |= {
        name: fact
        for name, fact in _treatment(entry).items()
        if fact != of_all.get(name)
    }
    body = ", ".join(f"{field} = {value}" for field, value in fields.items())
    return f"  {{ {body} }},"


def _pricing(cost: SourceCost | None) -> str:
    if cost is None or cost.input is None or cost.output is None:
        return ""
    prices = {
        "input": cost.input,
        "output": cost.output,
        "cache_read": cost.read,
        "cache_creation": cost.write,
    }
    body = ", ".join(
        f"{kind} = {_text(_usd(price))}"
        for kind, price in prices.items()
        if price is not None
    )
    return f"{{ {body} }}"


def _usd(price: Decimal) -> str:
    """Write a price with two decimals, or as many more as it needs."""
    whole, _, fraction = f"{price.quantize(_SMALLEST_PRICE):f}".partition(".")
    return f"{whole}.{fraction.rstrip('0'):0<2}"


def _capabilities(capabilities: Iterable[Capability]) -> str:
    return _texts(sorted(capabilities))


def _texts(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    """Quote a string: what JSON escapes, TOML reads."""
    return json.dumps(value, ensure_ascii=False)


def _number(value: int) -> str:
    return f"{value:_}"
