"""`holdfast models`: what a project may call, and what it may not and why."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from holdfast import convert
from holdfast.api.catalog.v1 import catalog_pb2
from holdfast.api.catalog.v1 import catalog_service_pb2 as pb
from holdfast.api.common.v1 import caller_pb2
from holdfast.errors import GatewayError
from holdfast_cli.offline import QuestionError, project_of, resolver_of, settings_of
from holdfast_cli.tables import table

_PAGE = 10_000
"""More models than the shipped catalog has: one page is all."""


def run(
    *, config: Path | None, project: str | None, everything: bool, as_json: bool
) -> int:
    """Print the models; return 0, or 2 if there is no project to list for."""
    try:
        settings = settings_of(config)
        caller = project_of(settings, project)
        listed = asyncio.run(_list(settings, caller, everything=everything))
    except (QuestionError, GatewayError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if as_json:
        print(json.dumps(_as_data(listed), indent=2))
    else:
        print(_as_text(listed, everything=everything))
    return 0


async def _list(
    settings: Any, caller: Any, *, everything: bool
) -> pb.ListModelsResponse:
    return await resolver_of(settings).list_models(
        pb.ListModelsRequest(
            principal=caller_pb2.Principal(caller=convert.caller_to_wire(caller)),
            include_excluded=everything,
            page_size=_PAGE,
        )
    )


def _as_data(listed: pb.ListModelsResponse) -> dict[str, Any]:
    return {
        "aliases": [
            {"name": alias.alias_id, "fallback_models": list(alias.targets)}
            for alias in listed.aliases
        ],
        "models": [
            {
                "model": model.model_id,
                "lab": model.lab_id or None,
                "deployments": [
                    {
                        "deployment": place.deployment.deployment_id,
                        "provider": place.deployment.provider_id,
                        "region": place.deployment.region or None,
                        "geography": place.deployment.geography or None,
                        "data": _data(place.deployment),
                        "allowed": not place.exclusion_rule,
                        "rule": place.exclusion_rule or None,
                    }
                    for place in model.deployments
                ],
            }
            for model in listed.models
        ],
    }


def _data(deployment: catalog_pb2.Deployment) -> dict[str, Any]:
    """Say how data is treated, None where that is not known."""
    trains, days = deployment.trains_on_data, deployment.retention_days
    return {
        "trains_on_data": trains if deployment.HasField("trains_on_data") else None,
        "retention_days": days if deployment.HasField("retention_days") else None,
    }


def _as_text(listed: pb.ListModelsResponse, *, everything: bool) -> str:
    rows = [
        (alias.alias_id, f"alias of {', '.join(alias.targets)}", "", "")
        for alias in listed.aliases
    ]
    for model in listed.models:
        for at, place in enumerate(model.deployments):
            deployment = place.deployment
            rows.append(
                (
                    "" if at else model.model_id,
                    deployment.deployment_id,
                    deployment.geography or "unknown",
                    place.exclusion_rule or ("yes" if everything else ""),
                )
            )
    heading = ("model", "deployment", "geography", "allowed" if everything else "")
    return table(heading, rows)
