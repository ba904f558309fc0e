"""A provider asks to be left alone: it is, for as long as the operator believes it."""

from collections.abc import Iterator

import httpx
import pytest

from fakes.gateway import KEY, Gateway, configuration
from fakes.patience import until
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

BRIEF_KEY = "hf-brief"
A_DAY_S = 86_400


@pytest.fixture(scope="module")
def client(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[httpx.Client]:
    """Give a client of a gateway for two projects: one believes any wish."""
    models = {
        model: [
            {"id": f"{place}/{model}", "provider": place}
            for place in (f"{model}-a", f"{model}-b")
        ]
        for model in ("believed", "capped")
    }
    config = configuration(
        shared_sim,
        models,
        organizations=[
            {
                "id": "acme",
                "projects": [
                    {"id": "web", "keys": [{"id": "web", "key": KEY}]},
                    {
                        "id": "brief",
                        "defaults": {"retry_after_cap_s": 0.5},
                        "keys": [{"id": "brief", "key": BRIEF_KEY}],
                    },
                ],
            }
        ],
    )
    folder = tmp_path_factory.mktemp("cooldowns")
    with (
        Gateway(config, folder, separate=separate) as gateway,
        httpx.Client(base_url=gateway.base_url, timeout=30) as client,
    ):
        yield client


class Calls:
    """Calls to a model on behalf of a project."""

    def __init__(self, client: httpx.Client, model: str, key: str) -> None:
        self._client = client
        self._model = model
        self._headers = {"x-api-key": key}

    def served_by(self) -> str:
        """Call the model and return which provider answered."""
        messages = [{"role": "user", "content": "Hello"}]
        answer = self._post("/v1/chat/completions", messages=messages)
        return str(answer.headers["x-holdfast-provider"])

    def left_aside(self) -> list[str]:
        """Return the providers that are left aside now."""
        steps = self._post("/v2/explain").json()["steps"]
        return [step["provider"] for step in steps if step["cooldown_seconds"]]

    def _post(self, path: str, **more: object) -> httpx.Response:
        body = {"model": self._model, **more}
        return self._client.post(path, json=body, headers=self._headers)


async def test_who_asks_to_be_left_alone_is_not_called_meanwhile(
    client: httpx.Client, shared_sim: SimulatedProviders
) -> None:
    """Once a call has failed over, those after it do not go there at all."""
    calls = Calls(client, "believed", KEY)
    shared_sim.fail("believed-a", "429", retry_after=30)
    await until(lambda: calls.served_by() and calls.left_aside())
    shared_sim.forget()

    served = {calls.served_by() for _ in range(6)}

    assert served == {"believed-b"}
    assert shared_sim.received("believed-a") == []


async def test_a_wish_for_a_day_is_believed_up_to_the_cap(
    client: httpx.Client, shared_sim: SimulatedProviders
) -> None:
    """The project's `retry_after_cap_s` is over: the provider is called again."""
    calls = Calls(client, "capped", BRIEF_KEY)
    shared_sim.forget()
    shared_sim.fail("capped-a", "429", times=1, retry_after=A_DAY_S)
    await until(lambda: calls.served_by() and shared_sim.received("capped-a"))

    await until(lambda: calls.served_by() == "capped-a")

    assert not calls.left_aside()
