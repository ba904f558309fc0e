"""AWS's own word on what Bedrock takes: the service model that botocore ships.

    assert faults_of("Converse", {"modelId": "...", "messages": [...]}) == []

botocore's validator looks at types, required fields, unknown fields and lower bounds;
patterns, enumerations and upper bounds, which the service looks at too, are looked
at here.
"""

import functools
import re
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator


@functools.cache
def _service() -> ServiceModel:
    return botocore.session.get_session().get_service_model("bedrock-runtime")


def faults_of(operation: str, request: dict[str, Any]) -> list[str]:
    """Return what the service would object to in a request; nothing if it is sound."""
    shape = _service().operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    told = [report.generate_report()] if report.has_errors() else []
    return told or list(_strictly(shape, request, operation))


def _strictly(shape: Shape, value: Any, at: str):
    limits = shape.metadata
    if shape.type_name == "structure":
        if limits.get("document") or getattr(shape, "is_document_type", False):
            return
        for name, inner in value.items():
            yield from _strictly(shape.members[name], inner, f"{at}.{name}")
    elif shape.type_name == "list":
        for place, inner in enumerate(value):
            yield from _strictly(shape.member, inner, f"{at}[{place}]")
    elif shape.type_name == "map":
        for name, inner in value.items():
            yield from _strictly(shape.value, inner, f"{at}.{name}")
    elif shape.type_name == "string":
        if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
            yield f"{at} does not match {limits['pattern']}"
        if limits.get("enum") and value not in limits["enum"]:
            yield f"{at} is none of {limits['enum']}"
    size = len(value) if isinstance(value, str | bytes | list | dict) else value
    if "max" in limits and shape.type_name != "blob" and size > limits["max"]:
        yield f"{at} is above {limits['max']}"
