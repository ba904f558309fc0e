"""An edge on loopback, over services in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from fakes.administration import ADMIN_KEY, MemoryAdministration
from fakes.ledgers import LedgerThatAnswers
from fakes.services import (
    DEPLOYMENT,
    KEY,
    MODEL,
    UNPLACED,
    AnsweringExecutor,
    ResolverOfOneKey,
)
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.ports import Executor
from holdfast_edge.app import create_app
from holdfast_edge.server import EdgeServer

CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}


@dataclass
class Edge:
    """A running edge, and clients of it."""

    address: str
    http: httpx.AsyncClient
    resolver: ResolverOfOneKey
    executor: Any
    administration: MemoryAdministration
    ledger: LedgerThatAnswers
    server: EdgeServer

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def openai(self, path: str = "/v1", **more: Any) -> AsyncOpenAI:
        more = {"api_key": KEY, "max_retries": 0, **more}
        return AsyncOpenAI(base_url=self.url + path, **more)

    async def chat(self, **more: Any) -> httpx.Response:
        return await self.http.post("/v1/chat/completions", **{"json": CHAT, **more})


Serve = Callable[..., Awaitable[Edge]]


async def start_edge(
    executor: Executor, *, grace_s: float = 5, ready: bool = True
) -> Edge:
    """Start an edge over an executor."""
    resolver = ResolverOfOneKey([LISTED])
    administration = MemoryAdministration()
    ledger = LedgerThatAnswers()

    async def is_ready() -> bool:
        return ready

    server = EdgeServer(
        create_app(resolver, executor, administration, ledger, ready=is_ready),
        "127.0.0.1:0",
        grace=timedelta(seconds=grace_s),
    )
    address = await server.start()
    http = httpx.AsyncClient(
        base_url=f"http://{address}",
        headers={"authorization": f"Bearer {KEY}"},
        timeout=30,
    )
    return Edge(address, http, resolver, executor, administration, ledger, server)


async def stop_edge(edge: Edge) -> None:
    """Stop an edge, and close the client of it."""
    await edge.http.aclose()
    await edge.server.stop()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start an edge over an executor, and stop it after the test."""
    running: list[Edge] = []

    async def start(executor: Executor, **more: Any) -> Edge:
        running.append(await start_edge(executor, **more))
        return running[-1]

    yield start
    for edge in running:
        await stop_edge(edge)


@pytest.fixture
async def admin_edge(serve: Serve) -> Edge:
    """Give an edge, and a client of it with an admin key."""
    edge = await serve(AnsweringExecutor())
    edge.http.headers["authorization"] = f"Bearer {ADMIN_KEY}"
    return edge


def told(response: httpx.Response) -> tuple[int, str, str | None]:
    """Return the status, code and field of an error."""
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


LISTED = catalog_pb.ListedModel(
    model_id=MODEL,
    display_name="Claude Sonnet 4.5",
    lab_id="anthropic",
    deployments=[
        catalog_pb.ListedDeployment(deployment=DEPLOYMENT),
        catalog_pb.ListedDeployment(
            deployment=UNPLACED,
            exclusion_rule="project web policy: geography unknown not in [eu]",
        ),
    ],
)
