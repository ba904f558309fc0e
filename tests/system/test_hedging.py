"""A deployment shows nothing, and another is asked beside it."""

from collections.abc import Iterator

import pytest

from fakes import event_stream
from fakes.gateway import Gateway, configuration
from fakes.patience import until
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

PROVIDERS = ["slow", "quick"]


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway that hedges, in front of one provider that says nothing."""
    shared_sim.recover()
    config = configuration(
        shared_sim,
        {name: [{"id": f"{name}/m", "provider": name}] for name in PROVIDERS},
        defaults={"hedge": {"after_s": 0.1, "max_share": 1}},
    )
    (acme,) = config["organizations"]
    acme["aliases"] = [{"name": "best", "fallback_models": PROVIDERS}]
    shared_sim.fail("slow", "hang")
    folder = tmp_path_factory.mktemp("hedging")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.mark.parametrize("streams", [False, True])
async def test_the_caller_is_answered_and_the_silent_one_hung_up_on(
    gateway: Gateway, shared_sim: SimulatedProviders, streams: bool
) -> None:
    """Long before the silence would have been taken for a failure."""
    before = shared_sim.tally("slow").abandoned

    answer = gateway.http.post(
        "/v1/chat/completions",
        json={
            "model": "best",
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": streams,
        },
    )

    assert answer.status_code == 200
    assert answer.headers["x-holdfast-deployment"] == "quick/m"
    assert answer.headers["x-holdfast-attempts"] == "2"
    if streams:
        assert list(event_stream.events(answer.text))[-1] == event_stream.DONE
    await until(lambda: shared_sim.tally("slow").abandoned == before + 1)
