"""Deployments of Bedrock's as callers of the executor see them, over real HTTP."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from fakes.bedrock_chats import SONNET
from fakes.bedrock_provider import (
    BedrockProvider,
    Fault,
    cut,
    damaged,
    excepted,
    refused,
    silent,
    throttled,
)
from fakes.plans import KEYS, signed, step
from holdfast.errors import GatewayError, StreamInterruptedError
from holdfast.events import data_of
from holdfast.model import Attempt, Limits, Outcome
from holdfast.ports import ExecuteRequest
from holdfast.settings import Secret
from holdfast_executor.auth import Authentication
from holdfast_executor.calling import Caller
from holdfast_executor.credentials import Credentials
from holdfast_executor.service import ExecutorService
from holdfast_executor.transport import Transport

BODY = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
STREAMED = BODY[:-1] + b',"stream":true}'
HASTY = Limits(idle_timeout=timedelta(milliseconds=150))
SAID = "You said: Hi"
KEY = {"default": {"access_key_id": Secret("AKIA"), "secret_access_key": Secret("s")}}


class Scene:
    """An executor, and two deployments that run the same model on Bedrock."""

    def __init__(
        self, first: BedrockProvider, second: BedrockProvider, transport
    ) -> None:
        self.first, self.second = first, second
        self.told: list[Attempt] = []
        self._steps = [
            step(
                replace(
                    SONNET,
                    id=f"{name}/claude-sonnet-4-5-eu",
                    base_uri=provider.base_uri,
                    auth="sigv4",
                    region="eu-central-1",
                    credential_id="provider:aws",
                    allow_private_network=True,
                )
            )
            for name, provider in (("a", first), ("b", second))
        ]
        self._executor = ExecutorService(
            KEYS,
            Caller(transport, Authentication(Credentials({"provider:aws": KEY}))),
            lambda _, attempt: self.told.append(attempt),
        )

    async def ask(self) -> str:
        request = ExecuteRequest(signed(*self._steps), BODY)
        response = await self._executor.execute(request)
        return json.loads(response.body)["choices"][0]["message"]["content"]

    async def stream(self, said: list[str], limits: Limits = HASTY) -> None:
        request = ExecuteRequest(signed(*self._steps, limits=limits), STREAMED)
        async for message in self._executor.execute_stream(request):
            said += [
                choice["delta"].get("content") or ""
                for data in data_of(message.chunks.events)
                for choice in json.loads(data)["choices"]
            ]

    @property
    def outcomes(self) -> list[Outcome]:
        return [attempt.outcome for attempt in self.told]


@contextlib.asynccontextmanager
async def scene(*faults: Fault) -> AsyncIterator[Scene]:
    """Have the first of two deployments fail so."""
    async with BedrockProvider() as first, BedrockProvider() as second:
        first.fail(*faults)
        transport = Transport()
        await transport.start()
        try:
            yield Scene(first, second, transport)
        finally:
            await transport.close()


async def test_an_answer_in_one_piece() -> None:
    """The model is in the path as it was encoded; nothing encodes it again."""
    async with scene() as s:
        answer = await s.ask()

    assert answer == SAID
    path = "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert [each.path for each in s.first.taken] == [path]
    assert s.outcomes == [Outcome.SUCCEEDED]


async def test_the_signature_is_of_what_arrives() -> None:
    """Path and body as they are sent, the path encoded once more in what is signed."""
    async with scene() as s:
        await s.ask()

        [taken] = s.first.taken
        sent = AWSRequest("POST", f"{s.first.base_uri}{taken.path}", {}, taken.raw)
        for name in ("content-type", "x-amz-date"):
            sent.headers[name] = taken.headers[name]
        sent.context["timestamp"] = taken.headers["x-amz-date"]
        keys = ReadOnlyCredentials("AKIA", "s", None)
        signer = SigV4Auth(keys, "bedrock", "eu-central-1")
        canonical = signer.canonical_request(sent)
        signature = signer.signature(signer.string_to_sign(sent, canonical), sent)

    assert "%253A0/converse" in canonical
    assert taken.headers["authorization"].endswith(f"Signature={signature}")


async def test_a_streamed_answer() -> None:
    """With the usage that comes after its end."""
    async with scene() as s:
        said: list[str] = []
        await s.stream(said)

    assert "".join(said) == SAID
    assert s.first.taken[0].operation == "converse-stream"
    assert s.told[0].usage is not None
    assert s.told[0].usage.input_tokens == 1_000


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (throttled(), Outcome.RATE_LIMITED),
        (
            refused(424, "ModelErrorException", "The model failed."),
            Outcome.SERVER_ERROR,
        ),
        (
            refused(403, "ExpiredTokenException", "The security token is expired"),
            Outcome.UNUSABLE,
        ),
        (excepted("throttlingException"), Outcome.RATE_LIMITED),
        (excepted("modelStreamErrorException", after=1), Outcome.SERVER_ERROR),
        (damaged(after=1), Outcome.SERVER_ERROR),
        (cut(after=1, within=9), Outcome.CONNECTION_FAILED),
    ],
)
async def test_a_failure_before_any_content_is_another_deployments_turn(
    fault: Fault, outcome: Outcome
) -> None:
    """The caller sees one clean stream."""
    async with scene(fault) as s:
        said: list[str] = []
        await s.stream(said)

    assert "".join(said) == SAID
    assert s.outcomes == [outcome, Outcome.SUCCEEDED]


@pytest.mark.parametrize(
    "fault",
    [
        excepted("throttlingException", after=2),
        damaged(after=2),
        cut(after=2, within=20),
        silent(after=2),
    ],
)
async def test_a_failure_after_content_breaks_the_answer_off(fault: Fault) -> None:
    """It never looks like an end, and nobody says the rest in another's name."""
    limits = replace(HASTY, max_attempts=1)
    async with scene(fault) as s:
        said: list[str] = []
        with pytest.raises(StreamInterruptedError):
            await s.stream(said, limits)

    assert "".join(said) == "You"
    assert s.outcomes == [Outcome.INTERRUPTED]


async def test_an_answer_that_lacks_its_usage_is_whole() -> None:
    """The caller has it by then; only its price is unknown."""
    async with scene(cut(after=6)) as s:
        said: list[str] = []
        await s.stream(said)

    assert "".join(said) == SAID
    assert s.outcomes == [Outcome.SUCCEEDED]
    assert s.told[0].usage is None


async def test_what_aws_refuses_is_the_callers_to_know() -> None:
    """In AWS's own words, and without asking anybody else."""
    fault = refused(400, "ValidationException", "A field is wrong.")
    async with scene(fault) as s:
        with pytest.raises(GatewayError) as raised:
            await s.ask()

    assert "A field is wrong." in raised.value.message
    assert s.outcomes == [Outcome.REJECTED]
