"""Vectors through OpenAI's own client, from the running gateway."""

import base64
import struct
from collections.abc import Iterator

import openai
import pytest
from openai.types import CreateEmbeddingResponse

from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

EU_KEY = "hf-test-key-eu"
EMBEDS = {"capabilities": ["embeddings"], "pricing": {"input": "0.10", "output": "0"}}
TEXTS = ["A harbour at dawn", "Två ord", "Third"]


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway in front of two models that embed, and one that chats."""
    config = configuration(
        shared_sim,
        {
            "small": [
                {"id": "us-a/small", "provider": "us-a", "geography": "us", **EMBEDS},
                {"id": "eu-b/small", "provider": "eu-b", "geography": "eu", **EMBEDS},
            ],
            "large": [
                {"id": "eu-c/large", "provider": "eu-c", "geography": "eu", **EMBEDS}
            ],
            "chat": [{"provider": "eu-c", "capabilities": ["tools"]}],
        },
    )
    config["organizations"][0] |= {
        "aliases": [{"name": "any", "fallback_models": ["us-a/small", "large"]}],
        "projects": [
            {"id": "web", "keys": [{"id": "web-1", "key": KEY}]},
            {
                "id": "home",
                "policy": {"geographies": ["eu"]},
                "keys": [{"id": "home-1", "key": EU_KEY}],
            },
        ],
    }
    folder = tmp_path_factory.mktemp("embeddings")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture
def sim(shared_sim: SimulatedProviders) -> SimulatedProviders:
    """Give the providers, with nothing received yet and none failing."""
    shared_sim.recover()
    shared_sim.forget()
    return shared_sim


def test_the_sdk_gets_its_vectors(gateway: Gateway, sim: SimulatedProviders) -> None:
    """With who gave them and what they cost; the types are the SDK's own."""
    raw = gateway.openai().embeddings.with_raw_response.create(
        model="large", input=TEXTS, dimensions=256
    )

    answer = CreateEmbeddingResponse.model_validate(raw.parse().model_dump())
    assert [len(item.embedding) for item in answer.data] == [256] * 3
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert answer.model == "large"
    assert raw.headers["x-holdfast-deployment"] == "eu-c/large"
    assert raw.headers["x-holdfast-geography"] == "eu"
    tokens = answer.usage.prompt_tokens
    assert float(raw.headers["x-holdfast-cost-usd"]) == pytest.approx(tokens * 1e-7)


def test_both_encodings_hold_the_same_vector(gateway: Gateway) -> None:
    """32-bit floats are exact to seven digits."""
    client = gateway.openai()

    numbers = client.embeddings.create(
        model="large", input="Hi", encoding_format="float", dimensions=8
    )
    packed = client.embeddings.create(
        model="large", input="Hi", encoding_format="base64", dimensions=8
    )

    text = packed.data[0].embedding
    assert isinstance(text, str)
    unpacked = struct.unpack("<8f", base64.b64decode(text))
    assert list(unpacked) == pytest.approx(numbers.data[0].embedding, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "count"), [("Hi", 1), (TEXTS, 3), ([1, 2, 3], 1), ([[1, 2], [3]], 2)]
)
def test_every_kind_of_input_goes_through(
    gateway: Gateway, sim: SimulatedProviders, given: object, count: int
) -> None:
    """A text, texts, tokens, lists of tokens: a vector for each."""
    answer = gateway.openai().embeddings.create(model="large", input=given)

    assert len(answer.data) == count


@pytest.mark.parametrize("fault", ["429", "503", "reset", "empty", "cut"])
def test_another_deployment_of_the_model_stands_in(
    gateway: Gateway, sim: SimulatedProviders, fault: str
) -> None:
    """The vectors are of the same model, so nobody notices."""
    sim.fail("us-a", fault)
    client = gateway.openai()

    for _ in range(2):
        raw = client.embeddings.with_raw_response.create(model="small", input=TEXTS)

        assert raw.headers["x-holdfast-deployment"] == "eu-b/small"
        assert len(raw.parse().data) == 3


def test_an_alias_never_changes_the_model(
    gateway: Gateway, sim: SimulatedProviders
) -> None:
    """Though another member is well; the error says why it was not asked."""
    sim.fail("us-a", "503")

    with pytest.raises(openai.InternalServerError) as caught:
        gateway.openai().embeddings.create(model="any", input="Hi")

    assert caught.value.status_code == 503
    assert caught.value.code == "all_deployments_unavailable"
    assert "Not tried: large, since vectors of different models" in str(caught.value)
    assert sim.received("eu-c") == []


def test_a_policy_holds_for_vectors(gateway: Gateway, sim: SimulatedProviders) -> None:
    """What may not leave the EU does not, though the only one there is down."""
    client = gateway.openai(EU_KEY)
    for _ in range(4):
        client.embeddings.create(model="small", input="Hi")
    sim.fail("eu-b", "503")
    with pytest.raises(openai.APIStatusError):
        client.embeddings.create(model="small", input="Hi")

    assert sim.received("us-a") == []


def test_an_alias_starts_with_the_first_model_that_policy_allows(
    gateway: Gateway, sim: SimulatedProviders
) -> None:
    """The same for a project from one request to the next."""
    raw = gateway.openai(EU_KEY).embeddings.with_raw_response.create(
        model="any", input="Hi"
    )

    assert raw.headers["x-holdfast-deployment"] == "eu-c/large"
    assert raw.parse().model == "large"


def test_a_pinned_id_is_that_deployment_or_an_error(
    gateway: Gateway, sim: SimulatedProviders
) -> None:
    """Though another one runs the model."""
    sim.fail("eu-b", "500")

    with pytest.raises(openai.APIStatusError):
        gateway.openai().embeddings.create(model="eu-b/small", input="Hi")

    assert sim.received("us-a") == []


def test_a_model_that_only_chats_is_refused(
    gateway: Gateway, sim: SimulatedProviders
) -> None:
    """By what it lacks, and without a call."""
    with pytest.raises(
        openai.PermissionDeniedError, match="lacks capability embeddings"
    ):
        gateway.openai().embeddings.create(model="chat", input="Hi")

    assert sim.received() == []


def test_a_provider_that_refuses_a_field_is_passed_on(
    gateway: Gateway, sim: SimulatedProviders
) -> None:
    """In its own words, with the field."""
    with pytest.raises(openai.BadRequestError) as caught:
        gateway.openai().embeddings.create(model="large", input="Hi", dimensions=9_999)

    assert caught.value.param == "dimensions"


def test_a_session_may_be_in_the_path(
    gateway: Gateway, sim: SimulatedProviders
) -> None:
    """And then keeps its deployment."""
    served = [
        gateway.http.post(
            "/session/s-1/v1/embeddings", json={"model": "small", "input": "Hi"}
        ).headers["x-holdfast-deployment"]
        for _ in range(4)
    ]

    assert len(set(served)) == 1
