"""Taking a simulated provider down and up from the console, where the demo runs.

`/v2/drill` passes on what `holdfast demo` says on the command line. Elsewhere there
is nothing of the kind: no route, and no page offers it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from holdfast.errors import ServiceUnavailableError
from holdfast.ports import Resolver
from holdfast_edge.auth import api_key_digest
from holdfast_edge.body import read_json_body
from holdfast_edge.decoding import decode, malformed
from holdfast_edge.headers import Head
from holdfast_edge.identity import identity_of
from holdfast_edge.reply import send_json

_TIMEOUT_S = 5.0
"""The simulator is on this machine and has nothing else to do."""

_OK = 200


class _Order(msgspec.Struct):
    """What is to become of a provider.

    Attributes:
        fault: One of the demo's, e.g. `503`. None: it is to be well.
    """

    provider: str
    fault: str | None = None


_decoder = msgspec.json.Decoder(_Order)


@dataclass(frozen=True, slots=True)
class Drill:
    """The demo's simulated providers.

    Attributes:
        uri: Where they are told what to do.
    """

    uri: str
    resolver: Resolver
    surface: str = "drill"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Show who is down, or take one down or up."""
        head = Head.of(scope)
        await identity_of(self.resolver, api_key_digest(head))
        if scope["method"] == "POST":
            order = decode(_decoder, await read_json_body(head, receive))
            said: dict[str, Any] = {"provider": order.provider}
            action = "recover"
            if order.fault is not None:
                said["fault"], action = order.fault, "fail"
            await self._call("POST", action, said)
        await send_json(send, await self._call("GET", "status"))

    async def _call(
        self, method: str, action: str, said: dict[str, Any] | None = None
    ) -> Any:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S) as client:
                answer = await client.request(
                    method, f"{self.uri}/control/{action}", json=said
                )
                told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceUnavailableError(
                "The simulated providers do not answer; start the demo again.",
                service="demo",
            ) from error
        if answer.status_code != _OK:
            raise malformed("provider", str(told.get("error", "is refused")))
        return told


def routes(uri: str, resolver: Resolver) -> Iterator[Route]:
    """Give the route, where there is a demo."""
    if uri:
        yield Route("/v2/drill", Drill(uri, resolver), methods=["GET", "POST"])
