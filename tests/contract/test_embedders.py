"""What every dialect that makes vectors owes a caller: the same answer from all.

`tests/golden/embeddings` holds the caller's `request.json`, the `answer.json` that it
reads, and for each kind of deployment the calls that are made (`.calls.json`) and what
the provider answers to each (`.answers.json`). Answers are invented.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from openai.types import CreateEmbeddingResponse

from fakes.aws_model import faults_of
from fakes.embedding_requests import KINDS, asking_for, place
from holdfast.errors import RequestMalformedError
from holdfast.model import Deployment, Outcome, Usage
from holdfast_executor.dialects import CapabilityMissingError, ProviderError
from holdfast_executor.dialects.embedding import EmbeddingCall, Vectors
from holdfast_executor.dialects.registry import DIALECTS, EMBEDDERS
from holdfast_executor.embeddings import Embeddings
from holdfast_executor.vectors import answer_body, misfit

GOLDEN = Path(__file__).parents[1] / "golden" / "embeddings"
TEXT_ONLY = [kind for kind in KINDS if kind != "openai"]


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def calls(asked: Embeddings, deployment: Deployment) -> list[EmbeddingCall]:
    return list(EMBEDDERS[deployment.dialect].calls(asked, deployment))


def bodies(kind: str, given: object = "Hi", **fields: object) -> list[Any]:
    made = calls(asking_for(given, **fields), place(kind))
    return [json.loads(call.encoded.body) for call in made]


def read(kind: str, answer: object, **headers: str) -> Vectors | ProviderError:
    body = json.dumps(answer).encode()
    return EMBEDDERS[KINDS[kind]["dialect"]].decode(body, headers)


def test_whoever_embeds_is_a_dialect() -> None:
    """By the name that it goes by for chats."""
    assert set(EMBEDDERS) < set(DIALECTS)


def test_every_kind_has_its_files() -> None:
    """Who adds one fills the folder."""
    there = {path.name.split(".")[0] for path in GOLDEN.glob("*.*.json")}

    assert there == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_is_sent_as_the_file_says(kind: str) -> None:
    """In as many calls as the provider wants, each of them with the texts in order."""
    asked = Embeddings.parse((GOLDEN / "request.json").read_bytes())

    made = calls(asked, place(kind))

    assert [
        {"path": call.encoded.path, "body": json.loads(call.encoded.body)}
        for call in made
    ] == golden(f"{kind}.calls")
    assert made == calls(asked, place(kind))
    assert sum(call.count for call in made) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_reads_as_the_file_says(kind: str) -> None:
    """And OpenAI's SDK accepts it."""
    asked = Embeddings.parse((GOLDEN / "request.json").read_bytes())
    found = [
        read(kind, answer["body"], **answer.get("headers", {}))
        for answer in golden(f"{kind}.answers")
    ]

    assert all(isinstance(each, Vectors) for each in found)
    counts = [call.count for call in calls(asked, place(kind))]
    assert [
        misfit(asked, each, count) for each, count in zip(found, counts, strict=True)
    ] == [None] * len(found)
    body = answer_body(
        asked,
        [vector for each in found for vector in each.written],
        model="vectors",
        usage=Usage(sum(each.input_tokens for each in found)),
        cost_usd_nanos=1_100,
    )
    assert json.loads(body) == golden("answer")
    CreateEmbeddingResponse.model_validate_json(body, strict=True)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "bedrock" in kind])
def test_aws_takes_what_is_sent(kind: str) -> None:
    """By the service model of InvokeModel; what is in the body it does not say."""
    for call in calls(asking_for(["a", "b"]), place(kind)):
        model = place(kind).provider_model
        assert not faults_of(
            "InvokeModel", {"modelId": model, "body": call.encoded.body}
        )


@pytest.mark.parametrize("kind", ["gemini-api", "vertex-embed-content"])
def test_google_takes_what_is_sent(kind: str) -> None:
    """Its SDK's types refuse what they do not know."""
    wish = {"dimensions": 8, "task_type": "RETRIEVAL_QUERY"}
    for body in bodies(kind, ["a", "b"], **wish):
        for each in body.get("requests", [body]):
            each.pop("model", None)
            types.Content.model_validate(each.pop("content"))
            config = each.pop("embedContentConfig", each)
            types.EmbedContentConfig.model_validate(config)
            assert config["taskType"] == "RETRIEVAL_QUERY"


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]]])
@pytest.mark.parametrize("kind", TEXT_ONLY)
def test_tokens_are_for_those_who_take_them(kind: str, given: object) -> None:
    """They mean something to one model alone; another deployment may take them."""
    with pytest.raises(CapabilityMissingError) as caught:
        calls(asking_for(given), place(kind))

    assert caught.value.param == "input"


@pytest.mark.parametrize(("given", "count"), [([1, 2, 3], 1), ([[1, 2], [3]], 2)])
def test_tokens_go_through_to_openai(given: object, count: int) -> None:
    """One list of them is one input."""
    (call,) = calls(asking_for(given), place("openai"))

    assert json.loads(call.encoded.body)["input"] == given
    assert call.count == count


@pytest.mark.parametrize(
    ("kind", "count", "sizes"),
    [
        ("gemini-api", 201, [100, 100, 1]),
        ("vertex-predict", 11, [5, 5, 1]),
        ("bedrock-cohere", 100, [96, 4]),
        ("bedrock-titan", 3, [1, 1, 1]),
        ("openai", 2_048, [2_048]),
    ],
)
def test_many_texts_are_cut_into_what_a_call_takes(
    kind: str, count: int, sizes: list[int]
) -> None:
    """Each of them in one call, and none twice."""
    made = calls(asking_for([f"text {n}" for n in range(count)]), place(kind))

    assert [call.count for call in made] == sizes


def test_more_calls_than_one_request_may_make_are_refused() -> None:
    """Before the first of them."""
    with pytest.raises(CapabilityMissingError, match="at most 256 texts"):
        calls(asking_for(["text"] * 257), place("bedrock-titan"))


@pytest.mark.parametrize(
    "model", ["amazon.titan-embed-text-v1", "cohere.embed-multilingual-v3"]
)
def test_a_length_that_a_model_does_not_have_is_refused(model: str) -> None:
    """Vectors of another length would be of no use beside those there are."""
    with pytest.raises(CapabilityMissingError) as caught:
        calls(
            asking_for("Hi", dimensions=256),
            place("bedrock-titan", provider_model=model),
        )

    assert caught.value.param == "dimensions"


def test_a_model_that_makes_no_vectors_is_not_asked_for_them() -> None:
    """Of Bedrock's, which has a format for each family."""
    with pytest.raises(CapabilityMissingError, match="no model that is known to embed"):
        calls(asking_for(), place("bedrock-titan", provider_model="meta.llama3-8b"))


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("bedrock-cohere", {"input_type": "search_query"}, '"search_query"'),
        ("bedrock-nova", {"input_type": "search_query"}, "GENERIC_RETRIEVAL"),
        ("vertex-predict", {"task_type": "RETRIEVAL_QUERY"}, "RETRIEVAL_QUERY"),
    ],
)
def test_what_texts_are_for_goes_through(
    kind: str, fields: dict[str, object], said: str
) -> None:
    """In the words of whoever made the model; OpenAI has none."""
    assert said in json.dumps(bodies(kind, **fields))


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("openai", {}),
        ("openai", []),
        ("openai", {"data": [{"index": 0}]}),
        ("openai", {"data": [{"embedding": {}}]}),
        ("openai", {"data": [{"embedding": []}]}),
        ("openai", {"data": [{"embedding": [0.5]}, {"embedding": [0.5]}]}),
        ("gemini-api", {"embeddings": []}),
        ("vertex-predict", {"predictions": [{"embeddings": {}}]}),
        ("bedrock-titan", {"embedding": None}),
        ("bedrock-cohere", {"embeddings": {"int8": [[1]]}}),
        ("bedrock-nova", {"embeddings": 7}),
    ],
)
def test_an_answer_without_its_vectors_is_none(kind: str, answer: object) -> None:
    """So that another deployment is asked, and no index gets half of them."""
    found = read(kind, answer)
    wrong = (
        found if isinstance(found, ProviderError) else misfit(asking_for(), found, 1)
    )

    assert wrong is not None
    assert wrong.outcome is Outcome.SERVER_ERROR


def test_an_error_in_an_answer_of_success_is_one() -> None:
    """Some proxies answer so."""
    found = read("openai", {"error": {"message": "slow down", "code": 429}})

    assert isinstance(found, ProviderError)
    assert found.outcome is Outcome.RATE_LIMITED


@pytest.mark.parametrize("vector", [[0.5, 1.0, 2.0], "AAAAPwAAgD8AAABA"])
def test_vectors_of_another_length_than_was_asked_for_are_refused(
    vector: object,
) -> None:
    """By a provider that does not know the field and says nothing."""
    found = read("openai", {"data": [{"embedding": vector}]})
    assert isinstance(found, Vectors)

    assert misfit(asking_for(dimensions=3), found, 1) is None
    wrong = misfit(asking_for(dimensions=4), found, 1)
    assert wrong is not None
    assert (wrong.outcome, wrong.param) == (Outcome.CAPABILITY_MISSING, "dimensions")


@pytest.mark.parametrize("given", [[0.5, 1.0, -2.0], "AAAAPwAAgD8AAADA"])
@pytest.mark.parametrize(
    ("wanted", "vector"),
    [("float", [0.5, 1.0, -2.0]), ("base64", "AAAAPwAAgD8AAADA")],
)
def test_a_vector_comes_in_the_encoding_that_was_asked_for(
    given: object, wanted: str, vector: object
) -> None:
    """Whichever the provider has: 32-bit floats, little-endian."""
    found = read("openai", {"data": [{"embedding": given}]})
    assert isinstance(found, Vectors)

    body = answer_body(
        asking_for(encoding_format=wanted),
        found.written,
        model="m",
        usage=None,
        cost_usd_nanos=None,
    )

    answer = json.loads(body)
    assert answer["data"][0]["embedding"] == vector
    assert answer["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


def test_text_that_is_no_unicode_is_named() -> None:
    """The edge lets none through; whoever calls over gRPC may send some."""
    asked = Embeddings.parse(b'{"model":"m","input":["\xff"]}')

    with pytest.raises(RequestMalformedError) as caught:
        calls(asked, place("bedrock-titan"))

    assert caught.value.metadata["field"] == "input"
