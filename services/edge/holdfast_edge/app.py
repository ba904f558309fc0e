"""The edge's HTTP application: what is served where, as one list."""

import difflib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.routing import Match, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.control.administration import Administration
from holdfast.errors import GatewayError, NotServedError
from holdfast.ports import Executor, Ledger, Resolver, StoredResponses
from holdfast_edge.administration.routes import routes as administration_routes
from holdfast_edge.boundary import Boundary, random_trace_id
from holdfast_edge.chats import Chats
from holdfast_edge.console.drill import routes as drill_routes
from holdfast_edge.console.endpoints import routes as console_routes
from holdfast_edge.console.sessions import Sessions
from holdfast_edge.console.settings import ALONE, ConsoleSettings
from holdfast_edge.deployments import Deployments
from holdfast_edge.docs_page import routes as docs_page_routes
from holdfast_edge.embeddings import Embeddings
from holdfast_edge.explain import Explain
from holdfast_edge.history.routes import routes as history_routes
from holdfast_edge.identity import Me
from holdfast_edge.messages.endpoint import MESSAGES, CountTokens
from holdfast_edge.metrics import EdgeMetrics
from holdfast_edge.models import Model, Models
from holdfast_edge.operations import Healthz, Metrics, OpenApi, Readyz
from holdfast_edge.responses.compaction import Compact
from holdfast_edge.responses.endpoint import (
    RESPONSES,
    CancelResponse,
    InputTokens,
    Responses,
    StoredResponse,
)
from holdfast_edge.responses.input_items import InputItems

OPENAI_BASES = (
    "/v1",
    "/compat/openai",
    "/compat/openai/v1",
    "/v3/compat",
    "/session/{session}/v1",
    "/v3/session/{session}/v1",
    "/v3/session/{session}",
)
"""Names of one thing. Clients differ in whether they append `/v1` themselves."""


_SHORTCUT = ("/chat/completions", "/embeddings", "/messages", "/responses")
"""The ends of the paths that most requests take."""


def create_app(  # noqa: PLR0913 - each is for the caller to choose
    resolver: Resolver,
    executor: Executor,
    administration: Administration,
    ledger: Ledger,
    *,
    ready: Callable[[], Awaitable[bool]],
    registry: CollectorRegistry | None = None,
    console: ConsoleSettings = ALONE,
    responses: StoredResponses | None = None,
    new_trace_id: Callable[[], str] = random_trace_id,
) -> Boundary:
    """Build the application, an ASGI callable without a lifespan.

    Args:
        resolver: Decides where requests may run.
        executor: Carries plans out.
        administration: Keeps what organizations have made.
        ledger: Tells what became of requests.
        ready: Says whether both can be reached.
        registry: What `/metrics` shows, the edge's own figures among it.
        console: How browsers' sessions are signed, and what they can drill.
        responses: Keeps responses that are gone on from. None: nobody does.
        new_trace_id: Makes up trace ids.
    """
    registry = registry or CollectorRegistry()
    sessions = Sessions(console.keys)
    routes = served(
        resolver,
        executor,
        administration,
        ledger,
        ready=ready,
        registry=registry,
        sessions=sessions,
        drill_uri=console.drill_uri,
        responses=responses,
    )
    return Boundary(
        _Shortcuts(
            {
                (method, route.path): route.endpoint
                for route in routes
                for method in route.methods or ()
                if route.path.endswith(_SHORTCUT) and not route.param_convertors
            },
            Router(routes, redirect_slashes=False),
        ),
        not_served=lambda scope: _not_served(routes, scope),
        metrics=EdgeMetrics(registry),
        sessions=sessions,
        new_trace_id=new_trace_id,
    )


def served(  # noqa: PLR0913 - as the application has it
    resolver: Resolver,
    executor: Executor,
    administration: Administration,
    ledger: Ledger,
    *,
    ready: Callable[[], Awaitable[bool]],
    registry: CollectorRegistry,
    sessions: Sessions,
    drill_uri: str = "",
    responses: StoredResponses | None = None,
) -> list[Route]:
    """Return all routes, what is asked for most first: they are tried in turn."""
    return [
        *_inference(resolver, executor, responses),
        *_operations(ready, registry),
        *history_routes(ledger),
        *administration_routes(administration, resolver),
        *docs_page_routes(),
        *console_routes(sessions, resolver),
        *drill_routes(drill_uri, resolver),
    ]


def _inference(
    resolver: Resolver, executor: Executor, stored: StoredResponses | None
) -> Iterator[Route]:
    chat = Chats(resolver, executor)
    embeddings = Embeddings(resolver, executor)
    messages = Chats(resolver, executor, MESSAGES)
    response_chats = Chats(resolver, executor, RESPONSES)
    responses = Responses(response_chats, stored)
    compact = Compact(response_chats, stored)
    input_tokens = InputTokens(resolver, stored)
    kept = StoredResponse(stored)
    input_items = InputItems(stored)
    cancel = CancelResponse(stored)
    count_tokens = CountTokens(resolver)
    models = Models(resolver)
    model = Model(resolver)
    for at in OPENAI_BASES:
        yield Route(f"{at}/chat/completions", chat, methods=["POST"])
    for at in OPENAI_BASES:
        yield Route(f"{at}/responses", responses, methods=["POST"])
        yield Route(f"{at}/responses/compact", compact, methods=["POST"])
        yield Route(f"{at}/responses/input_tokens", input_tokens, methods=["POST"])
        yield Route(f"{at}/responses/{{id}}", kept, methods=["GET", "DELETE"])
        yield Route(f"{at}/responses/{{id}}/cancel", cancel, methods=["POST"])
        yield Route(f"{at}/responses/{{id}}/input_items", input_items, methods=["GET"])
    for at in (*OPENAI_BASES, "/v3/compat/v1"):
        yield Route(f"{at}/messages", messages, methods=["POST"])
        yield Route(f"{at}/messages/count_tokens", count_tokens, methods=["POST"])
    for at in OPENAI_BASES:
        yield Route(f"{at}/embeddings", embeddings, methods=["POST"])
    for at in OPENAI_BASES:
        yield Route(f"{at}/models", models, methods=["GET"])
        yield Route(f"{at}/models/{{id:path}}", model, methods=["GET"])
    yield Route("/v2/models", Deployments(resolver), methods=["GET"])
    yield Route("/v2/me", Me(resolver), methods=["GET"])
    yield Route("/v2/explain", Explain(resolver), methods=["POST"])


def _operations(
    ready: Callable[[], Awaitable[bool]], registry: CollectorRegistry
) -> Iterator[Route]:
    yield Route("/healthz", Healthz(), methods=["GET"])
    yield Route("/readyz", Readyz(ready), methods=["GET"])
    yield Route("/metrics", Metrics(registry), methods=["GET"])
    yield Route("/openapi.json", OpenApi(), methods=["GET"])


@dataclass(frozen=True, slots=True)
class _Shortcuts:
    """The routes that most requests take, looked up; the rest is matched in turn."""

    endpoints: Mapping[tuple[str, str], ASGIApp]
    otherwise: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        endpoint = self.endpoints.get((scope["method"], scope["path"]))
        if endpoint is None:
            await self.otherwise(scope, receive, send)
            return
        scope["endpoint"] = endpoint
        scope["path_params"] = {}
        await endpoint(scope, receive, send)


def _not_served(routes: Sequence[Route], scope: Scope) -> GatewayError:
    """Say what is served, where a path or a method is not."""
    method, path = scope["method"], scope["path"]
    allowed: set[str] = set()
    for route in routes:
        if route.matches(scope)[0] is not Match.NONE:
            allowed |= route.methods or set()
    if allowed:
        allow = ", ".join(sorted(allowed))
        return NotServedError(
            f"{method} is not served at {path}. Served there: {allow}.",
            field="method",
            allow=allow,
        )
    near = difflib.get_close_matches(path, [route.path for route in routes], n=3)
    hint = f"Near it: {', '.join(near)}. " if near else ""
    return NotServedError(
        f"{path} is not served. {hint}/docs shows what is.", field="path"
    )
