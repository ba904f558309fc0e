"""What operators and their machines ask: is it up, is it ready, what has it done."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import Receive, Scope, Send

from holdfast.errors import ServiceUnavailableError
from holdfast_edge.reply import send_bytes, send_json


@dataclass(frozen=True, slots=True)
class Healthz:
    """Whether the process answers at all."""

    surface: str = "healthz"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await send_json(send, {"status": "ok"})


@dataclass(frozen=True, slots=True)
class Readyz:
    """Whether a request can be served.

    Attributes:
        ready: Says whether the services behind can be reached. Depends on
            nothing that a request can be answered without.
    """

    ready: Callable[[], Awaitable[bool]]
    surface: str = "readyz"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with 503 for no."""
        if not await self.ready():
            raise ServiceUnavailableError(
                "The resolver or the executor cannot be reached.",
                service="resolver, executor",
            )
        await send_json(send, {"status": "ready"})


@dataclass(frozen=True, slots=True)
class Metrics:
    """What was counted, for Prometheus."""

    registry: CollectorRegistry
    surface: str = "metrics"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in Prometheus' text format."""
        await send_bytes(
            send,
            generate_latest(self.registry),
            content_type=CONTENT_TYPE_LATEST.encode(),
        )


@dataclass(frozen=True, slots=True)
class OpenApi:
    """What is served, for machines."""

    surface: str = "openapi"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the description, which nobody waits for before he asks."""
        from holdfast_edge.openapi import document  # noqa: PLC0415

        await send_json(send, document())
