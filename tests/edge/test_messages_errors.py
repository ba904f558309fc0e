"""Errors as Anthropic's clients read them."""

from typing import Any

import pytest

from fakes.services import MODEL, AnsweringExecutor

from .conftest import Serve

VERSION = {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    "thread",
    [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}],
)
async def test_a_client_that_tries_a_thread_learns_to_do_without(
    serve: Serve, thread: dict[str, Any]
) -> None:
    """It finds the code at which it sends all messages instead."""
    edge = await serve(AnsweringExecutor())
    said = [{"role": "user", "content": "Hi"}]

    answered = await edge.http.post(
        "/v1/messages",
        json={"model": MODEL, "max_tokens": 5, "messages": said, "thread": thread},
    )

    assert answered.status_code == 400
    details = answered.json()["error"]["details"]
    assert details["error_code"] == "thread_unsupported_request"


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/models?after_id=nobody", 400, "invalid_request_error"),
        ("/v1/models/nobody", 404, "not_found_error"),
        ("/v1/messages/batches", 404, "not_found_error"),
    ],
)
async def test_errors_have_the_shape_that_the_client_knows(
    serve: Serve, path: str, status: int, kind: str
) -> None:
    """Anthropic's where its version is sent, also of paths that are not served."""
    edge = await serve(AnsweringExecutor())

    theirs = await edge.http.get(path, headers=VERSION)
    others = await edge.http.get(path)

    assert theirs.status_code == status
    assert theirs.json()["type"] == "error"
    assert theirs.json()["error"]["type"] == kind
    assert "type" not in others.json()
