"""An application that asks a gateway, and notes who answered.

    async with Caller(gateway) as caller:
        answer = await caller.ask("sonnet", session="s-1")
        assert answer.affinity == "new"

It reads answers as an application without an SDK would, and takes a stream
for whole only if it ends as one: so thousands of calls can be judged.
"""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from fakes.gateway import KEY

T = TypeVar("T")

HELLO = ({"role": "user", "content": "Hello"},)
"""One turn that no session is derived from."""

_PATIENCE_S = 60.0
_DONE = "data: [DONE]"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and what the gateway said of it.

    Attributes:
        error: OpenAI's error object; empty for none. A stream that broke off
            without one has `{"code": "truncated"}`.
        cached_tokens: What the provider read from its prompt cache.
    """

    status: int
    deployment: str = ""
    provider: str = ""
    geography: str = ""
    affinity: str = ""
    attempts: int = 0
    model: str = ""
    cost: float | None = None
    cached_tokens: int = 0
    error: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether it is an answer, to its end."""
        return self.status == 200 and not self.error


class Caller:
    """A user of one key of one gateway, at any address of it."""

    def __init__(
        self,
        base_url: str,
        key: str = KEY,
        *,
        timeout_s: float = _PATIENCE_S,
        at_once: int = 32,
    ) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"x-opper-api-key": key},
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=at_once),
        )

    async def ask(
        self,
        model: str,
        *,
        messages: Iterable[Mapping[str, Any]] = HELLO,
        session: str = "",
        stream: bool = False,
        headers: Mapping[str, str] | None = None,
        path: str = "/v1/chat/completions",
        **more: Any,
    ) -> Answer:
        """Ask for a chat completion.

        Args:
            session: Named in `x-holdfast-session`, unless empty.
            more: Further fields of the body.
        """
        body = {"model": model, "messages": list(messages), "stream": stream, **more}
        named = {"x-holdfast-session": session} if session else {}
        response = await self._client.post(
            path, json=body, headers={**named, **(headers or {})}
        )
        said = _read(response)
        usage = said.get("usage") or {}
        return Answer(
            status=response.status_code,
            deployment=response.headers.get("x-holdfast-deployment", ""),
            provider=response.headers.get("x-holdfast-provider", ""),
            geography=response.headers.get("x-holdfast-geography", ""),
            affinity=response.headers.get("x-holdfast-session-affinity", ""),
            attempts=int(response.headers.get("x-holdfast-attempts", 0)),
            model=said.get("model", ""),
            cost=usage.get("cost"),
            cached_tokens=(usage.get("prompt_tokens_details") or {}).get(
                "cached_tokens", 0
            ),
            error=said.get("error") or {},
        )

    async def explain(self, model: str, session: str = "") -> dict[str, Any]:
        """Ask where a request would go."""
        response = await self._client.post(
            "/v2/explain", json={"model": model, "session": session}
        )
        explained: dict[str, Any] = response.raise_for_status().json()
        return explained

    async def cooling(self, model: str) -> set[str]:
        """Return the deployments of a model that the gateway leaves aside now."""
        return {
            step["deployment"]
            for step in (await self.explain(model))["steps"]
            if step["cooldown_seconds"] is not None
        }

    async def models(self) -> list[str]:
        """Return the ids that the gateway lists."""
        response = await self._client.get("/v1/models")
        return [each["id"] for each in response.raise_for_status().json()["data"]]

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


async def at_once(many: int, calls: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Make calls, so many at a time, and return what they gave, in their order."""
    waiting = enumerate(calls)
    given: dict[int, T] = {}

    async def work() -> None:
        for number, call in waiting:
            given[number] = await call()

    async with asyncio.TaskGroup() as workers:
        for _ in range(many):
            workers.create_task(work())
    return [given[number] for number in sorted(given)]


async def in_time(
    condition: Callable[[], Awaitable[object]], within_s: float = 15.0
) -> None:
    """Return once a condition that has to be asked for holds.

    Raises:
        AssertionError: It does not in the time there is, generous by design.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.05)


def served_by(answers: Iterable[Answer]) -> Counter[str]:
    """Count the answers of each deployment; each answer has to be a whole one."""
    kept, judged = itertools.tee(answers)
    failures = [answer for answer in judged if not answer.is_whole]
    assert not failures, failures[:3]
    return Counter(answer.deployment for answer in kept)


def _read(response: httpx.Response) -> dict[str, Any]:
    """Read a body, whole or streamed, into what is of interest."""
    if "event-stream" not in response.headers.get("content-type", ""):
        said: dict[str, Any] = response.json()
        return said
    lines = [line for line in response.text.splitlines() if line.startswith("data:")]
    chunks = [json.loads(line[5:]) for line in lines if line != _DONE]
    joined: dict[str, Any] = {}
    for chunk in chunks:
        joined |= {k: v for k, v in chunk.items() if v}
    if _DONE not in lines[-1:]:
        joined.setdefault("error", {"code": "truncated"})
    return joined
