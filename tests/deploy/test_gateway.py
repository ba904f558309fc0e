"""What is reachable from outside: what callers need, without a limit on streams."""

import re

from prometheus_client import CollectorRegistry

from fakes.administration import MemoryAdministration
from fakes.ledgers import LedgerThatAnswers
from fakes.manifests import Manifests
from fakes.services import AnsweringExecutor, ResolverOfOneKey
from holdfast_edge.app import served
from holdfast_edge.console.sessions import Sessions

WITHIN = {"/healthz", "/metrics", "/readyz"}
"""For those who run it."""

QUICK = ("/console", "/docs", "/openapi.json")
"""What is there at once."""


async def _ready() -> bool:
    return True


def paths() -> set[str]:
    """Return every path that the edge serves, with something in its placeholders."""
    routes = served(
        ResolverOfOneKey([]),
        AnsweringExecutor(),
        MemoryAdministration(),
        LedgerThatAnswers(),
        ready=_ready,
        registry=CollectorRegistry(),
        sessions=Sessions(()),
    )
    return {re.sub(r"\{[^}]*\}", "x", route.path) for route in routes}


def limit(manifests: Manifests, path: str) -> str | None:
    """Return how long a request of a path may take; None if it leads nowhere."""
    (route,) = manifests.of("HTTPRoute")
    for rule in route["spec"]["rules"]:
        for match in rule["matches"]:
            value = match["path"]["value"]
            is_exact = match["path"]["type"] == "Exact"
            if path == value or (not is_exact and path.startswith(f"{value}/")):
                return str(rule["timeouts"]["request"])
    return None


def test_callers_reach_all_that_is_theirs(production: Manifests) -> None:
    """And nothing that is for those who run it."""
    for path in paths():
        assert (limit(production, path) is None) is (path in WITHIN), path


def test_no_answer_is_cut_off_for_its_length(production: Manifests) -> None:
    """The edge itself keeps the time. Pages are another matter."""
    for path in paths() - WITHIN:
        is_quick = path.startswith(QUICK)
        assert limit(production, path) == ("15s" if is_quick else "0s"), path
