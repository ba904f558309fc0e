"""Waiting until a gateway answers a chat request."""

import json
import time
import urllib.request

from bench.gateways import Route
from bench.processes import NotReadyError, Started

_PAUSE_S = 0.1
_TIMEOUT_S = 10.0


def wait_until_served(route: Route, process: Started, *, patience_s: float) -> float:
    """Ask until there is an answer; return how long that took, in seconds.

    Raises:
        NotReadyError: There was none, or the process ended.
    """
    begun = time.monotonic()
    last: Exception | None = None
    while time.monotonic() - begun < patience_s:
        process.require_alive()
        try:
            ask(route)
        except OSError as error:
            last = error
            time.sleep(_PAUSE_S)
        else:
            return time.monotonic() - begun
    raise NotReadyError(f"no answer within {patience_s:g} s; the last was: {last}")


def ask(route: Route) -> None:
    """Send one chat request and read its answer.

    Raises:
        OSError: There is no answer, or one that is none of 200.
    """
    body = {"model": route.model, "messages": [{"role": "user", "content": "hi"}]}
    request = urllib.request.Request(  # noqa: S310 - loopback
        route.url,
        json.dumps(body).encode(),
        {
            "content-type": "application/json",
            **dict(header.split(": ", 1) for header in route.headers),
        },
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
        answer.read()
