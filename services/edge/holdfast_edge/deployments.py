"""GET /v2/models: one row for each place a model runs."""

from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from holdfast.api.catalog.v1 import catalog_pb2
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.ports import Resolver
from holdfast_edge.auth import api_key_digest
from holdfast_edge.headers import Head
from holdfast_edge.listing import listing
from holdfast_edge.paging import Page, query_of
from holdfast_edge.reply import send_json
from holdfast_edge.served import UNKNOWN

_MICROS = 1e6
"""In a US dollar. A price of the catalog is in these per million tokens."""

_MICROS_TIMES_MTOK = 1e12


@dataclass(frozen=True, slots=True)
class Deployments:
    """The catalog as the caller sees it, those it may not use included."""

    resolver: Resolver
    surface: str = "deployments"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with one page of rows."""
        head = Head.of(scope)
        digest = api_key_digest(head)
        page = Page.of(query_of(scope))
        listed = await listing(self.resolver, digest, include_excluded=True)
        rows = [each for model in listed.models for each in model.deployments]
        await send_json(send, page.cut(rows, _row))


def _row(listed: catalog_pb.ListedDeployment) -> dict[str, Any]:
    deployment = listed.deployment
    priced = deployment.HasField("pricing")
    pricing = deployment.pricing
    geography = deployment.geography or UNKNOWN
    return {
        "name": deployment.deployment_id,
        "model": deployment.model_id,
        "hosting_provider": deployment.provider_display_name or deployment.provider_id,
        "provider": deployment.provider_id,
        "region": deployment.region or None,
        "location": geography,
        "geography": geography,
        "data": {
            "trains_on_data": deployment.trains_on_data
            if deployment.HasField("trains_on_data")
            else None,
            "retention_days": deployment.retention_days
            if deployment.HasField("retention_days")
            else None,
        },
        "input_cost_per_token": pricing.input_usd_micros_per_mtok / _MICROS_TIMES_MTOK
        if priced
        else None,
        "output_cost_per_token": pricing.output_usd_micros_per_mtok / _MICROS_TIMES_MTOK
        if priced
        else None,
        "pricing": _pricing(pricing) if priced else None,
        "capabilities": [
            catalog_pb2.Capability.Name(each).removeprefix("CAPABILITY_").lower()
            for each in deployment.capabilities
        ],
        "context_window_tokens": deployment.context_window_tokens or None,
        "max_output_tokens": deployment.max_output_tokens or None,
        "allowed": not listed.exclusion_rule,
        "blocked_by": listed.exclusion_rule or None,
        "health": _health(listed),
    }


def _pricing(pricing: catalog_pb2.Pricing) -> dict[str, float]:
    """Write prices in US dollars per million tokens."""
    return {
        "input": pricing.input_usd_micros_per_mtok / _MICROS,
        "output": pricing.output_usd_micros_per_mtok / _MICROS,
        "cache_read": pricing.cache_read_usd_micros_per_mtok / _MICROS,
        "cache_creation": pricing.cache_creation_usd_micros_per_mtok / _MICROS,
    }


_STATES = {
    number: name.removeprefix("DEPLOYMENT_STATE_").lower().replace("_", "-")
    for name, number in catalog_pb.DeploymentState.items()
    if number
}
"""How a deployment stands, in a word."""


def _health(listed: catalog_pb.ListedDeployment) -> dict[str, Any]:
    rests = listed.HasField("cooldown")
    return {
        "state": _STATES.get(listed.state, "healthy"),
        "cooldown_seconds": listed.cooldown.ToNanoseconds() / 1e9 if rests else None,
    }
