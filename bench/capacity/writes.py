"""What etcd writes for a request of each kind, by etcd's own count.

The three services run as for a user. Counted is what etcd has counted from the first
call until nothing more comes, less what it counts in that time when nobody calls.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.faults.behaviour import FINE, Behaviour, Way, always
from bench.faults.provider import Provider
from bench.processes import cpu_s
from bench.services import Etcd, services

_CALLS = 2_000
_AT_ONCE = 32
_EDITS = 100
_IDLE_S = 24.0
"""Two lives of a replica's sign of life."""

_SETTLE_S = 4.0

_KEY = "hf-bench-writes"
_METERED_KEY = "hf-bench-writes-metered"
_ADMIN_KEY = "hf-bench-writes-admin"
_MODEL = "bench"
_PROVIDERS = ("primary", "backup")
_DOWN = Behaviour(Way.ERROR, 500, "Something went wrong.")

RESTING = "a second without calls"
METERED_RESTING = "a second without calls, budgets in use"
ALONE = "a request without a session"
FIRST = "the first turn of a session"
LATER = "a later turn"
METERED = "a request under a budget and a rate, without a session"
EDIT = "an edit"
FAILING = "a turn while a deployment fails"

COUNTS = {
    "entries": "etcd_server_proposals_applied_total",
    "puts": "etcd_mvcc_put_total",
    "deletes": "etcd_mvcc_delete_total",
    "leases": "etcd_debugging_lease_granted_total",
    "syncs": "etcd_disk_wal_fsync_duration_seconds_count",
    "sent_bytes": "etcd_network_client_grpc_sent_bytes_total",
}
"""What is counted, and etcd's name of it. An entry is one of its log: a transaction
or a lease, however many keys it writes."""


_CPU = "etcd_cpu_s"
"""Counted beside them: the CPU seconds of etcd's process."""


@dataclass(slots=True)
class Callers:
    """Those who call, and what their answers said of their sessions."""

    session: aiohttp.ClientSession
    url: str
    affinities: Counter[str]

    async def chats(self, key: str, *, named: bool) -> int:
        """Make the calls; return how many were answered."""
        numbers = iter(range(_CALLS))
        answered = 0

        async def caller() -> None:
            nonlocal answered
            for number in numbers:
                is_answered = await self._chat(key, number if named else None)
                answered += is_answered

        await asyncio.gather(*(caller() for _ in range(_AT_ONCE)))
        return answered

    async def _chat(self, key: str, number: int | None) -> bool:
        headers = {"authorization": f"Bearer {key}"}
        if number is not None:
            headers["x-holdfast-session"] = f"session-{number}"
        said = {"role": "user", "content": "Say the sixty words."}
        async with self.session.post(
            f"{self.url}/v1/chat/completions",
            json={"model": _MODEL, "messages": [said]},
            headers=headers,
        ) as response:
            await response.read()
            word = response.headers.get("x-holdfast-session-affinity", "none")
            self.affinities[word] += 1
            return response.status == 200

    async def edits(self) -> int:
        """Make aliases; return how many."""
        for number in range(_EDITS):
            async with self.session.post(
                f"{self.url}/v2/models/aliases",
                json={"name": f"alias-{number}", "fallback_models": [_MODEL]},
                headers={"authorization": f"Bearer {_ADMIN_KEY}"},
            ) as response:
                response.raise_for_status()
        return _EDITS


def measured() -> list[dict[str, Any]]:
    """Measure each kind of request, in their order."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> list[dict[str, Any]]:
    provider = Provider(word_s=0)
    await provider.start()
    for name in _PROVIDERS:
        provider.set(name, _MODEL, always(FINE), keep_bodies=False)
    upstream = f"http://127.0.0.1:{provider.port}"
    rows = []
    with ExitStack() as stack:
        running = await asyncio.to_thread(
            stack.enter_context, services(folder, _configuration(upstream, folder))
        )
        store = running.etcd
        await asyncio.sleep(_SETTLE_S)
        rest = await _resting(store)
        async with aiohttp.ClientSession() as session:
            callers = Callers(session, running.url, Counter())

            def fail() -> None:
                provider.set("primary", _MODEL, always(_DOWN), keep_bodies=False)

            def alone() -> Awaitable[int]:
                return callers.chats(_KEY, named=False)

            def in_sessions() -> Awaitable[int]:
                return callers.chats(_KEY, named=True)

            def metered_calls() -> Awaitable[int]:
                return callers.chats(_METERED_KEY, named=False)

            for what, act, before in (
                (ALONE, alone, None),
                (FIRST, in_sessions, None),
                (LATER, in_sessions, None),
                (METERED, metered_calls, None),
                (EDIT, callers.edits, None),
                (FAILING, in_sessions, fail),
            ):
                if before is not None:
                    before()
                callers.affinities.clear()
                rows.append(await _counted(what, act, callers, store, rest))
                print(rows[-1], flush=True)
        metered = await _resting(store)
        await asyncio.to_thread(stack.close)
    await provider.stop()
    return [
        {"what": RESTING, **rest},
        {"what": METERED_RESTING, **metered},
        *rows,
    ]


async def _resting(store: Etcd) -> dict[str, float]:
    """Return what etcd counts in a second when nobody calls."""
    before = await _counts(store)
    await asyncio.sleep(_IDLE_S)
    after = await _counts(store)
    return {name: (after[name] - before[name]) / _IDLE_S for name in before}


async def _counted(
    what: str,
    act: Callable[[], Awaitable[int]],
    callers: Callers,
    store: Etcd,
    rest: Mapping[str, float],
) -> dict[str, Any]:
    before = await _counts(store)
    begun = time.monotonic()
    calls = await act()
    seconds = time.monotonic() - begun
    await asyncio.sleep(_SETTLE_S)
    whole = time.monotonic() - begun
    after = await _counts(store)
    counts = {
        name: max(0.0, after[name] - before[name] - rest[name] * whole)
        for name in before
    }
    return {
        "what": what,
        "calls": calls,
        "seconds": seconds,
        "moved": callers.affinities["moved"],
        **counts,
    }


async def _counts(store: Etcd) -> dict[str, float]:
    figures = await asyncio.to_thread(store.figures)
    counts = {name: figures[metric] for name, metric in COUNTS.items()}
    return {**counts, _CPU: cpu_s(store.process.pid)}


def _configuration(upstream: str, folder: Path) -> dict[str, Any]:
    return {
        "listen": "127.0.0.1:0",
        "state_dir": str(folder / "state"),
        "catalog": "none",
        "providers": {
            name: {
                "dialect": "openai-chat",
                "base_uri": f"{upstream}/{name}/v1",
                "credential": f"key-of-{name}",
                "allow_private_network": True,
            }
            for name in _PROVIDERS
        },
        "models": [
            {
                "name": _MODEL,
                "deployments": [
                    {
                        "id": f"{name}/{_MODEL}",
                        "provider": name,
                        "provider_model": _MODEL,
                        "pricing": {"input": "3", "output": "15"},
                    }
                    for name in _PROVIDERS
                ],
            }
        ],
        "organizations": [
            {
                "id": "bench",
                "projects": [
                    {
                        "id": "plain",
                        "keys": [
                            {"id": "plain", "key": _KEY},
                            {"id": "admin", "key": _ADMIN_KEY, "admin": True},
                        ],
                    },
                    {
                        "id": "metered",
                        "budget": {"monthly_usd": "1000000"},
                        "keys": [
                            {
                                "id": "metered",
                                "key": _METERED_KEY,
                                "requests_per_minute": 1_000_000,
                            }
                        ],
                    },
                ],
            }
        ],
    }
