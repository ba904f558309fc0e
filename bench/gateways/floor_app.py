"""The floor: a proxy that passes requests on and answers back, and decides nothing.

Served by uvicorn with uvloop and httptools, calling over aiohttp: what Python itself
costs. A 429 or 5xx of the first deployment leads to the second, without memory.
"""

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_HEADERS = {"content-type": "application/json", "authorization": "Bearer k-bench"}


class Floor:
    """The proxy, an ASGI application.

    Args:
        upstream: The simulated provider.
    """

    def __init__(self, upstream: str) -> None:
        answering, refusing = upstream, f"{upstream}/m/429"
        self._plans = {
            "bench": (answering,),
            "bench-fallback": (refusing, answering),
        }
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        parts: list[bytes] = []
        more = True
        while more:
            event = await receive()
            parts.append(event.get("body", b""))
            more = event.get("more_body", False)
        body = b"".join(parts)
        answer = await self._ask(scope["path"], body)
        try:
            await _pass_on(answer, send)
        finally:
            answer.release()

    async def _live(self, receive: Receive, send: Send) -> None:
        kind = ""
        while kind != "lifespan.shutdown":
            kind = (await receive())["type"]
            if kind == "lifespan.startup":
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
                )
            elif self._session is not None:
                await self._session.close()
            await send({"type": f"{kind}.complete"})

    async def _ask(self, path: str, body: bytes) -> aiohttp.ClientResponse:
        assert self._session is not None  # noqa: S101 - the server has started it
        *others, last = self._plans[json.loads(body)["model"]]
        for place in others:
            url = place + path
            answer = await self._session.post(url, data=body, headers=_HEADERS)
            if answer.status != 429 and answer.status < 500:
                return answer
            await answer.read()
            answer.release()
        return await self._session.post(last + path, data=body, headers=_HEADERS)


async def _pass_on(answer: aiohttp.ClientResponse, send: Send) -> None:
    kind = answer.headers["content-type"].encode()
    headers = [(b"content-type", kind)]
    start = {"type": "http.response.start", "status": answer.status}
    if not kind.startswith(b"text/event-stream"):
        body = await answer.read()
        headers.append((b"content-length", str(len(body)).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    await send({**start, "headers": headers})
    async for block in answer.content.iter_any():
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def create() -> Floor:
    """Build it from the environment, for uvicorn."""
    return Floor(os.environ["BENCH_UPSTREAM"])
