"""The description of what is served, in OpenAPI 3.1: by hand, and true.

One module for each surface: its `PATHS`, and the `SCHEMAS` that only it needs.
"""

from functools import cache
from typing import Any

from holdfast_edge.openapi import (
    administration,
    agents,
    catalog,
    history,
    inference,
    operations,
    responses,
)
from holdfast_edge.openapi.failures import SCHEMAS as FAILURES

SURFACES = (
    inference,
    agents,
    responses,
    catalog,
    history,
    administration,
    operations,
)
"""In the order in which they are shown."""


@cache
def document() -> dict[str, Any]:
    """Return the description as data."""
    paths = {path: item for surface in SURFACES for path, item in surface.PATHS.items()}
    shared: dict[str, Any] = {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "version": "1",
            "description": "Name the model, not the deployment. What is below /v1 is "
            "served below /compat/openai, /compat/openai/v1 and /v3/compat too, and "
            "with a session in the path below /session/{session}/v1, "
            "/v3/session/{session} and /v3/session/{session}/v1.",
        },
        "tags": [tag for surface in SURFACES for tag in surface.TAGS],
        "paths": {path: _sharing(item, shared) for path, item in paths.items()},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-opper-api-key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-opper-api-key",
                },
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "responses": shared,
            "schemas": {
                name: schema
                for schemas in (FAILURES, *(each.SCHEMAS for each in SURFACES))
                for name, schema in schemas.items()
            },
        },
    }


def _sharing(item: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Point to failures that are alike, in place of writing each one out.

    Args:
        item: What is served at a path.
        shared: The failures by name; those of the item are added.
    """
    return {
        name: operation
        if name == "parameters"
        else {
            **operation,
            "responses": {
                status: _shared(status, response, shared)
                for status, response in operation["responses"].items()
            },
        }
        for name, operation in item.items()
    }


def _shared(status: str, response: Any, shared: dict[str, Any]) -> Any:
    if int(status) < 400:
        return response
    name = next((name for name, each in shared.items() if each == response), None)
    if name is None:
        name = f"Failure{status}.{len(shared)}"
        shared[name] = response
    return {"$ref": f"#/components/responses/{name}"}
