"""An error names the field that its caller sent, whatever the API."""

import json
from typing import Any

import pytest

from fakes.services import MODEL, BreakingOffExecutor, FailingExecutor
from holdfast.errors import (
    GatewayError,
    ProviderRejectedRequestError,
    RequestMalformedError,
    StructuredOutputInvalidError,
)

from .conftest import Serve

SAID = [{"role": "user", "content": "Hi"}]
CHAT = ("/v1/chat/completions", {"messages": SAID})
MESSAGES = ("/v1/messages", {"messages": SAID, "max_tokens": 9})
RESPONSES = ("/v1/responses", {"input": "Hi"})

SCHEMA = "response_format.json_schema.schema"


def _malformed(field: str) -> GatewayError:
    return RequestMalformedError(f"`{field}` must be an object.", field=field)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("api", "field", "own"),
    [
        (CHAT, SCHEMA, SCHEMA),
        (MESSAGES, SCHEMA, "output_config.format.schema"),
        (MESSAGES, "stop[0]", "stop_sequences[0]"),
        (MESSAGES, "tools[1].function.parameters", "tools[1].input_schema"),
        (MESSAGES, "tools[1].function.name", "tools[1].name"),
        (MESSAGES, "messages[0].content", "messages[0].content"),
        (RESPONSES, SCHEMA, "text.format.schema"),
        (RESPONSES, "response_format.xml.root", "text.format.xml.root"),
        (RESPONSES, "max_completion_tokens", "max_output_tokens"),
        (RESPONSES, "reasoning_effort", "reasoning.effort"),
        (RESPONSES, "tools[12].function.parameters", "tools[12].parameters"),
        (RESPONSES, "messages[3].content", "input"),
        (RESPONSES, "messages_of_others", "messages_of_others"),
        (RESPONSES, "temperature", "temperature"),
    ],
)
async def test_a_field_has_the_name_that_it_has_in_the_api(
    serve: Serve, api: tuple[str, dict[str, Any]], field: str, own: str, streamed: bool
) -> None:
    """In what programs read, and in the words."""
    edge = await serve(FailingExecutor(_malformed(field)))
    path, body = api

    refused = await edge.http.post(
        path, json={"model": MODEL, "stream": streamed, **body}
    )

    error = refused.json()["error"]
    assert refused.status_code == 400
    assert error["param"] == own
    assert error["message"] == f"`{own}` must be an object."


@pytest.mark.parametrize(
    ("api", "own"),
    [
        (CHAT, "response_format"),
        (MESSAGES, "output_config.format"),
        (RESPONSES, "text.format"),
    ],
)
async def test_where_no_answer_fits_what_asked_for_it_is_named(
    serve: Serve, api: tuple[str, dict[str, Any]], own: str
) -> None:
    """With what was wrong with the last answer."""
    unfit = StructuredOutputInvalidError(
        "No answer fits `response_format`.", deployment_id="a/m", violations="/a type"
    )
    edge = await serve(FailingExecutor(unfit))
    path, body = api

    refused = await edge.http.post(path, json={"model": MODEL, **body})

    error = refused.json()["error"]
    assert refused.status_code == 422
    assert error["param"] == own
    assert error["message"] == f"No answer fits `{own}`."
    assert error["validation_errors"] == [{"path": "/a", "keyword": "type"}]


@pytest.mark.parametrize(
    ("api", "own"),
    [
        (CHAT, "response_format"),
        (MESSAGES, "output_config.format"),
        (RESPONSES, "text.format"),
    ],
)
async def test_a_stream_that_ends_with_an_error_names_it_too(
    serve: Serve, api: tuple[str, dict[str, Any]], own: str
) -> None:
    """In its last event."""
    edge = await serve(BreakingOffExecutor(_malformed("response_format")))
    path, body = api

    streamed = await edge.http.post(path, json={"model": MODEL, "stream": True, **body})

    last = streamed.text.strip().rpartition("data: ")[2]
    assert json.loads(last)["error"]["param"] == own


async def test_a_providers_own_words_stay(serve: Serve) -> None:
    """Only the field is the caller's."""
    said = "Invalid schema for response_format 'answer'."
    refusal = ProviderRejectedRequestError(said, field="response_format")
    edge = await serve(FailingExecutor(refusal))
    path, body = RESPONSES

    refused = await edge.http.post(path, json={"model": MODEL, **body})

    error = refused.json()["error"]
    assert (error["param"], error["message"]) == ("text.format", said)


async def test_a_form_that_the_edge_cannot_read_is_named_as_it_was_sent(
    serve: Serve,
) -> None:
    """Before anybody is asked."""
    edge = await serve(FailingExecutor(AssertionError("nobody is asked")))
    body = {"model": MODEL, "input": "Hi", "text": {"format": {"type": 7}}}

    refused = await edge.http.post("/v1/responses", json=body)

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "text.format.type"
