"""What the description says, compared with what is served."""

import re

import pytest
from prometheus_client import CollectorRegistry

from fakes.administration import MemoryAdministration
from fakes.ledgers import LedgerThatAnswers
from fakes.services import AnsweringExecutor, ResolverOfOneKey
from holdfast_edge.administration.kinds import KINDS
from holdfast_edge.app import OPENAI_BASES, served
from holdfast_edge.console.sessions import Sessions
from holdfast_edge.errors import RESPONSES
from holdfast_edge.openapi import document

PARTS = ("/docs/", "/console/")
"""What pages are made of is no interface."""

ALWAYS_REFUSED = {("post", "/v1/responses/{id}/cancel")}

METHODS = {"get", "post", "put", "patch", "delete"}


async def _ready() -> bool:
    return True


def routes() -> set[tuple[str, str]]:
    """Return every method and path that is served under its first name."""
    return {
        (method.lower(), route.path.replace(":path}", "}"))
        for route in served(
            ResolverOfOneKey(),
            AnsweringExecutor(),
            MemoryAdministration(),
            LedgerThatAnswers(),
            ready=_ready,
            registry=CollectorRegistry(),
            sessions=Sessions(),
        )
        for method in route.methods or ()
        if method != "HEAD"
        and not route.path.startswith(OPENAI_BASES[1:])
        and not route.path.startswith(PARTS)
    }


def operations() -> dict[tuple[str, str], dict]:
    """Return every operation that is described."""
    return {
        (method, path): operation
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_describes_what_is_served() -> None:
    """Each path and method of the description is served, and none is left out."""
    assert operations().keys() == routes()


@pytest.mark.parametrize(("method", "path"), sorted(operations()))
def test_every_operation_is_whole(method: str, path: str) -> None:
    """It has a summary, its success and failures, and each parameter of its path."""
    operation = operations()[method, path]
    shared = document()["paths"][path].get("parameters", [])
    parameters = [*shared, *operation.get("parameters", [])]

    statuses = {int(status) for status in operation["responses"]}
    assert operation["summary"]
    assert bool(statuses & {200, 201, 204}) == ((method, path) not in ALWAYS_REFUSED)
    assert {400, 500} <= statuses
    assert (401 in statuses) == bool(operation["security"])
    assert (415 in statuses) == ("requestBody" in operation)
    assert {p["name"] for p in parameters if p["in"] == "path"} == set(
        re.findall(r"\{(\w+)\}", path)
    )
    assert len({p["name"] for p in parameters}) == len(parameters)


def test_every_reference_leads_somewhere() -> None:
    """Nothing points to what is not there, and nothing is there for nobody."""
    text = str(document())

    pointed = set(re.findall(r"#/components/(\w+/[\w.]+)", text))
    components = document()["components"]
    there = {
        f"{part}/{name}"
        for part in ("schemas", "responses")
        for name in components[part]
    }
    assert pointed == there


def test_every_tag_of_an_operation_is_explained() -> None:
    """And no tag is explained that has no operations."""
    used = {tag for operation in operations().values() for tag in operation["tags"]}

    assert used == {tag["name"] for tag in document()["tags"]}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_secret_is_described_as_shown(kind) -> None:
    """What is withheld is in no schema, and what is only taken is in no answer."""
    schemas = document()["components"]["schemas"]
    name = kind.struct.__name__

    shown = schemas[name]["properties"].keys()
    taken = schemas[f"{name}Made"]["properties"].keys()
    assert "sealed_credential" not in shown | taken
    assert "secrets" not in taken
    assert "digest" not in str(schemas[name])
    assert "api_key" not in shown
    assert kind.written_only <= taken


def test_every_code_of_an_error_is_one_that_there_is() -> None:
    """A program can switch on them."""
    schema = document()["components"]["schemas"]["Error"]

    codes = schema["properties"]["error"]["properties"]["code"]["enum"]
    assert set(codes) == {response.code for response in RESPONSES.values()}
