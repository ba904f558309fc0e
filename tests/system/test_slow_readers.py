"""A caller that does not read its stream costs nobody anything but itself."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from fakes import event_stream
from fakes.flooding_provider import FLOOD_BYTES, FloodingProvider
from fakes.gateway import KEY, Gateway, configuration
from fakes.patience import until
from fakes.processes import PROC, descendants
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

OTHERS = 40

HELD_BYTES = 16 * 1024 * 1024
"""What all processes of the gateway may grow by: blocks that are being passed on, and
what serving the others takes. Half of the flood."""


async def test_a_reader_that_stands_still_holds_up_its_own_provider_alone(
    sim: SimulatedProviders, tmp_path: Path, separate: bool
) -> None:
    """The others finish, memory stays bounded, and nothing is lost when it reads on."""
    async with FloodingProvider() as provider:
        config = configuration(
            sim,
            {
                name: [{"id": f"river/{name}", "provider": "river"}]
                for name in ("talk", "flood")
            },
            providers={
                "river": {
                    "dialect": "openai-chat",
                    "base_uri": provider.base_uri,
                    "credential": "key-of-river",
                    "allow_private_network": True,
                }
            },
        )
        with Gateway(config, tmp_path, separate=separate) as gateway:
            async with httpx.AsyncClient(
                base_url=gateway.base_url, headers={"x-api-key": KEY}, timeout=60
            ) as http:
                await settle(gateway, http)
                before = resident_bytes(gateway)
                async with http.stream(
                    "POST", "/v1/chat/completions", json=asking("flood")
                ) as unread:
                    await asyncio.wait_for(provider.stands_still(), 60)
                    talks = await asyncio.gather(*[talk(http) for _ in range(OTHERS)])
                    held = resident_bytes(gateway) - before
                    sent = provider.text_sent
                    *chunks, last = [
                        line.removeprefix("data: ")
                        async for line in unread.aiter_lines()
                        if line
                    ]

    assert talks == ["Hello"] * OTHERS
    assert sent < FLOOD_BYTES
    assert held < HELD_BYTES
    assert last == event_stream.DONE
    assert len(event_stream.text(list(map(json.loads, chunks)))) == FLOOD_BYTES


def asking(model: str) -> dict[str, object]:
    messages = [{"role": "user", "content": "Hi"}]
    return {"model": model, "messages": messages, "stream": True}


async def talk(http: httpx.AsyncClient) -> str:
    """Have a short stream, and return what it said."""
    answer = await http.post("/v1/chat/completions", json=asking("talk"))
    assert event_stream.events(answer.text)[-1] == event_stream.DONE
    return event_stream.text(event_stream.chunks(answer.text))


async def settle(gateway: Gateway, http: httpx.AsyncClient) -> None:
    """Have a call, and wait for all that a first call leads to: the ledger's libraries
    come after the gateway says that it is ready."""
    await talk(http)
    await until(lambda: traces(gateway), within_s=60)


def traces(gateway: Gateway) -> list[object]:
    """Return what is on record."""
    answer = httpx.get(f"{gateway.base_url}/v2/traces", headers={"x-api-key": KEY})
    found: list[object] = answer.json()["data"] if answer.is_success else []
    return found


def resident_bytes(gateway: Gateway) -> int:
    """Return the memory of the gateway's own processes."""
    assert gateway.process is not None
    pids = [gateway.process.pid]
    pids += [
        found.pid
        for found in descendants(gateway.process.pid)
        if "holdfast" in found.command and "etcd" not in found.command.split()[0]
    ]
    pages = [int((PROC / str(pid) / "statm").read_text().split()[1]) for pid in pids]
    return sum(pages) * 4096
