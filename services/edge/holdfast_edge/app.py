"""The edge's HTTP application: what is served where, as one list."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.routing import Match, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.errors import GatewayError, NotServedError
from holdfast.ports import Executor, Resolver
from holdfast_edge.boundary import Boundary, random_trace_id
from holdfast_edge.chat_completions import ChatCompletions
from holdfast_edge.deployments import Deployments
from holdfast_edge.embeddings import Embeddings
from holdfast_edge.explain import Explain
from holdfast_edge.metrics import EdgeMetrics
from holdfast_edge.models import Model, Models
from holdfast_edge.operations import Healthz, Metrics, OpenApi, Readyz

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


def create_app(
    resolver: Resolver,
    executor: Executor,
    *,
    ready: Callable[[], Awaitable[bool]],
    registry: CollectorRegistry | None = None,
    new_trace_id: Callable[[], str] = random_trace_id,
) -> Boundary:
    """Build the application, an ASGI callable without a lifespan.

    Args:
        resolver: Decides where requests may run.
        executor: Carries plans out.
        ready: Says whether both can be reached.
        registry: What `/metrics` shows, the edge's own figures among it.
        new_trace_id: Makes up trace ids.
    """
    registry = registry or CollectorRegistry()
    routes = _routes(resolver, executor, ready, registry)
    return Boundary(
        _Shortcuts(
            {
                (method, route.path): route.endpoint
                for route in routes
                for method in route.methods or ()
                if route.path.endswith(("/chat/completions", "/embeddings"))
                and not route.param_convertors
            },
            Router(routes, redirect_slashes=False),
        ),
        not_served=lambda scope: _not_served(routes, scope),
        metrics=EdgeMetrics(registry),
        new_trace_id=new_trace_id,
    )


def _routes(
    resolver: Resolver,
    executor: Executor,
    ready: Callable[[], Awaitable[bool]],
    registry: CollectorRegistry,
) -> list[Route]:
    chat = ChatCompletions(resolver, executor)
    embeddings = Embeddings(resolver, executor)
    models = Models(resolver)
    model = Model(resolver)
    return [
        *(
            Route(f"{at}/chat/completions", chat, methods=["POST"])
            for at in OPENAI_BASES
        ),
        *(
            Route(f"{at}/embeddings", embeddings, methods=["POST"])
            for at in OPENAI_BASES
        ),
        *(Route(f"{at}/models", models, methods=["GET"]) for at in OPENAI_BASES),
        *(
            Route(f"{at}/models/{{id:path}}", model, methods=["GET"])
            for at in OPENAI_BASES
        ),
        Route("/v2/models", Deployments(resolver), methods=["GET"]),
        Route("/v2/explain", Explain(resolver), methods=["POST"]),
        Route("/healthz", Healthz(), methods=["GET"]),
        Route("/readyz", Readyz(ready), methods=["GET"]),
        Route("/metrics", Metrics(registry), methods=["GET"]),
        Route("/openapi.json", OpenApi(), methods=["GET"]),
    ]


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
    served = ", ".join(
        f"{_verb(route)} {route.path}"
        for route in routes
        if not route.path.startswith(OPENAI_BASES[1:])
    )
    return NotServedError(
        f"{method} {path} is not served. Served: {served}.", field="path"
    )


def _verb(route: Route) -> str:
    return "POST" if "POST" in (route.methods or ()) else "GET"
