"""An answer breaks off: the provider's side after it began, or the caller's."""

import asyncio
import json
from collections.abc import Iterator

import openai
import pytest

from fakes import event_stream
from fakes.gateway import KEY, Gateway, configuration
from fakes.patience import until
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

FAULTS = {
    "cut": {"fault": "cut", "after": 3},
    "silence": {"fault": "stall", "after": 3},
    "error": {"fault": "error-mid-stream", "after": 3},
}
DIALECTS = {"openai": "openai-chat", "anthropic": "anthropic-messages"}
BEGUN = "Hello from "
PATIENT_KEY = "hf-patient"

BREAKS = pytest.mark.parametrize("fault", FAULTS)
BOTH_DIALECTS = pytest.mark.parametrize("speaking", DIALECTS)


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway in front of one provider for each way to break off."""
    shared_sim.recover()
    dialects = {
        f"{what}-{speaking}": dialect
        for what in (*FAULTS, "unended", "waiting")
        for speaking, dialect in DIALECTS.items()
    }
    config = configuration(
        shared_sim,
        {name: [{"id": f"{name}/m", "provider": name}] for name in dialects},
        dialects=dialects,
        organizations=[
            {
                "id": "acme",
                "projects": [
                    {
                        "id": "hurried",
                        "defaults": {
                            "attempt": {"idle_timeout_s": 0.5},
                            "midstream": "error",
                        },
                        "keys": [{"id": "hurried", "key": KEY}],
                    },
                    {
                        "id": "patient",
                        "defaults": {"midstream": "error"},
                        "keys": [{"id": "patient", "key": PATIENT_KEY}],
                    },
                ],
            }
        ],
    )
    for speaking in DIALECTS:
        for what, fault in FAULTS.items():
            shared_sim.fail(f"{what}-{speaking}", **fault)
        shared_sim.fail(f"unended-{speaking}", "no-done")
    folder = tmp_path_factory.mktemp("broken")
    with Gateway(config, folder, separate=separate) as running:
        yield running


class TestTheProviderBreaksOff:
    """What has arrived is the caller's; it must not look like all there is."""

    @BREAKS
    @BOTH_DIALECTS
    def test_the_last_event_is_the_error_and_there_is_no_done(
        self, gateway: Gateway, fault: str, speaking: str
    ) -> None:
        """Some chunks, one error event, the end."""
        answer = gateway.http.post(
            "/v1/chat/completions", json=request(f"{fault}-{speaking}", stream=True)
        )

        assert answer.status_code == 200
        *chunks, last = map(json.loads, event_stream.events(answer.text))
        assert event_stream.text(chunks).startswith(BEGUN)
        assert not any(chunk["choices"][0]["finish_reason"] for chunk in chunks)
        assert not any("error" in chunk for chunk in chunks)
        assert last["error"]["code"] == "stream_interrupted"
        assert last["error"]["trace_id"] == answer.headers["x-holdfast-trace-id"]
        assert last["error"]["attempts"] == [
            {
                "deployment": f"{fault}-{speaking}/m",
                "outcome": "interrupted",
                "status": 200,
            }
        ]

    @BREAKS
    @BOTH_DIALECTS
    def test_openais_client_raises_after_what_has_arrived(
        self, gateway: Gateway, fault: str, speaking: str
    ) -> None:
        """The text so far is delivered, then comes an `APIError`."""
        heard: list[str] = []

        def listen() -> None:
            for chunk in gateway.openai().chat.completions.create(
                **request(f"{fault}-{speaking}", stream=True)
            ):
                heard.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 - what came before it raises is the point

        with pytest.raises(openai.APIError, match="not the whole answer"):
            listen()

        assert "".join(heard).startswith(BEGUN)

    @BOTH_DIALECTS
    def test_a_stream_that_lacks_only_its_closing_event_is_whole(
        self, gateway: Gateway, speaking: str
    ) -> None:
        """The finish reason has come, so nothing is missing."""
        answer = gateway.http.post(
            "/v1/chat/completions", json=request(f"unended-{speaking}", stream=True)
        )

        *chunks, done = event_stream.events(answer.text)
        assert done == event_stream.DONE
        assert json.loads(chunks[-1])["choices"][0]["finish_reason"] == "stop"


class TestTheCallerGoesAway:
    """Nothing is generated for nobody."""

    @BOTH_DIALECTS
    async def test_a_whole_answer_that_nobody_waits_for_is_cancelled(
        self, gateway: Gateway, shared_sim: SimulatedProviders, speaking: str
    ) -> None:
        """The provider sees its caller go."""
        provider = f"waiting-{speaking}"
        shared_sim.fail(provider, "hang")
        before = shared_sim.tally(provider).abandoned
        sent = len(shared_sim.received(provider))

        async with gateway.async_openai() as client:
            call = asyncio.create_task(
                client.chat.completions.create(**request(provider))
            )
            await until(lambda: len(shared_sim.received(provider)) > sent)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

        await until(lambda: shared_sim.tally(provider).abandoned == before + 1)

    @BOTH_DIALECTS
    async def test_a_stream_that_shows_nothing_yet_is_cancelled(
        self, gateway: Gateway, shared_sim: SimulatedProviders, speaking: str
    ) -> None:
        """Nobody waits for its first content any longer."""
        provider = f"waiting-{speaking}"
        shared_sim.fail(provider, "hang")
        before = shared_sim.tally(provider).abandoned
        sent = len(shared_sim.received(provider))

        async with gateway.async_openai() as client:
            call = asyncio.create_task(
                client.chat.completions.create(**request(provider, stream=True))
            )
            await until(lambda: len(shared_sim.received(provider)) > sent)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

        await until(lambda: shared_sim.tally(provider).abandoned == before + 1)

    @BOTH_DIALECTS
    async def test_a_stream_that_has_begun_is_cancelled(
        self, gateway: Gateway, shared_sim: SimulatedProviders, speaking: str
    ) -> None:
        """Long before the provider's silence would have been taken for its end."""
        provider = f"waiting-{speaking}"
        shared_sim.fail(provider, "stall", after=3)
        before = shared_sim.tally(provider).abandoned

        async with gateway.async_openai(PATIENT_KEY) as client:
            stream = await client.chat.completions.create(
                **request(provider, stream=True)
            )
            first = await anext(aiter(stream))
            await stream.close()

        assert first.choices[0].delta.role == "assistant"
        await until(lambda: shared_sim.tally(provider).abandoned == before + 1)


def request(model: str, **more: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}], **more}
