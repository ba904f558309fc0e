"""PostgreSQL goes and comes back under load: no call fails, and nothing is missing."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest

from fakes.gateway import KEY, Gateway, configuration
from fakes.postgres import Postgres
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """Give a PostgreSQL of the test's own."""
    with Postgres() as server:
        yield server


class Load:
    """Sends calls one after the other from several threads, while the context lasts."""

    def __init__(self, url: str) -> None:
        self.traces: list[str] = []
        self.failed: list[str] = []
        self._ends = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(url,)) for _ in range(4)
        ]

    def _run(self, url: str) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        with httpx.Client(base_url=url, headers={"x-api-key": KEY}) as client:
            while not self._ends.is_set():
                answer = client.post("/v1/chat/completions", json=body, timeout=30)
                if answer.status_code != 200:
                    self.failed.append(answer.text)
                self.traces.append(answer.headers["x-holdfast-trace-id"])

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, calls: int) -> None:
        """Wait for so many more calls."""
        wanted, ends = len(self.traces) + calls, time.monotonic() + 60
        while len(self.traces) < wanted:
            assert time.monotonic() < ends, "calls have stopped"
            time.sleep(0.02)


def test_nothing_is_missing_after_outages_under_load(
    sim: SimulatedProviders, tmp_path: Path, postgres: Postgres, separate: bool
) -> None:
    """Two outages, one of them of a database that is killed in the middle of it."""
    config = configuration(
        sim, {"m": [{"id": "a/m", "provider": "a"}]}, ledger={"url": postgres.uri}
    )
    with Gateway(config, tmp_path, separate=separate) as gateway:
        with Load(gateway.base_url) as load:
            load.goes_on(200)
            postgres.stop()
            load.goes_on(300)
            postgres.start()
            load.goes_on(200)
            postgres.stop(9)
            load.goes_on(300)
            postgres.start()
            load.goes_on(100)

        assert load.failed == []
        assert len(set(load.traces)) == len(load.traces)
        counted = waited_for(gateway, len(load.traces))

    assert counted == len(load.traces)
    written = postgres.psql("SELECT count(*) FROM ledger_attempts")
    assert int(written) == len(load.traces)


def waited_for(gateway: Gateway, requests: int) -> int:
    """Return how many requests there are once those are there, or at the last."""
    ends = time.monotonic() + 40
    while True:
        answer = gateway.http.get("/v2/analytics/usage", params={"granularity": "all"})
        counted = answer.json()[0]["count"] if answer.status_code == 200 else 0
        if counted >= requests or time.monotonic() > ends:
            return int(counted)
        time.sleep(0.2)
