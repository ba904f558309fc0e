"""One call of one deployment over real HTTP: each way to fail, as an outcome."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from fakes.patience import until
from fakes.plans import deployment, step
from fakes.scripted_provider import (
    HANGS_UP,
    ROLE,
    SILENCE,
    Reply,
    ScriptedProvider,
    completion,
    delta,
    event,
    failing,
    stream,
    streamed,
    whole,
)
from holdfast.model import Deployment, Limits, Outcome
from holdfast.settings import Secret
from holdfast_executor.attempts import Record
from holdfast_executor.auth import Authentication
from holdfast_executor.calling import OUTCOMES, Caller, address
from holdfast_executor.chat import Chat
from holdfast_executor.credentials import Credentials
from holdfast_executor.dialects import ProviderError
from holdfast_executor.streaming import OpenStream, open_stream
from holdfast_executor.transport import FailureKind, Transport
from holdfast_executor.unary import Answer, ask

BODY = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
STREAMED = BODY[:-1] + b',"stream":true}'
SHORT = timedelta(milliseconds=150)
HASTY = Limits(connect_timeout=SHORT, first_token_timeout=SHORT, idle_timeout=SHORT)
NOWHERE = deployment(base_uri="http://127.0.0.1:1/v1")


@contextlib.asynccontextmanager
async def calling() -> AsyncIterator[Caller]:
    transport = Transport()
    await transport.start()
    try:
        held = {"provider:a": {"default": {"key": Secret("k-a")}}}
        yield Caller(transport, Authentication(Credentials(held)))
    finally:
        await transport.close()


def record(place: Deployment, limits: Limits, seconds: float) -> Record:
    now = asyncio.get_running_loop().time()
    return Record(step(place), 1, limits, now + seconds, 1_700_000_000_000, now)


async def ask_of(
    place: Deployment, *, limits: Limits = HASTY, seconds: float = 60.0, body=BODY
) -> Answer | ProviderError:
    async with calling() as caller:
        return await ask(caller, Chat.parse(body), record(place, limits, seconds), "t")


async def open_of(place: Deployment, seconds: float = 60.0):
    """Open a stream and read all of it."""
    async with calling() as caller:
        opened = await open_stream(
            caller, Chat.parse(STREAMED), record(place, HASTY, seconds), "t"
        )
        if isinstance(opened, ProviderError):
            return opened, b""
        pieces = []
        while events := await opened.read():
            pieces.append(events)
        await opened.close()
        return opened, b"".join(pieces)


@contextlib.asynccontextmanager
async def at(*script: Reply, **facts) -> AsyncIterator[Deployment]:
    async with ScriptedProvider(list(script)) as provider:
        yield deployment(base_uri=provider.base_uri, **facts)


@pytest.mark.parametrize(
    ("base_uri", "path", "url"),
    [
        ("https://a/v1", "/chat/completions", "https://a/v1/chat/completions"),
        ("https://a/d?api-version=1", "/chat", "https://a/d/chat?api-version=1"),
        ("https://a/d?k=v", "/m:s?alt=sse", "https://a/d/m:s?alt=sse&k=v"),
    ],
)
def test_a_path_is_appended_in_front_of_an_endpoints_query(base_uri, path, url):
    """Azure's classic endpoints name the version of their API there."""
    assert address(base_uri, path) == url


def test_every_way_that_http_fails_has_an_outcome():
    """None is left to chance."""
    assert OUTCOMES.keys() == set(FailureKind)


async def test_a_request_goes_to_the_deployments_endpoint_with_its_key():
    """The path is the dialect's, the model the provider's name for it."""
    async with ScriptedProvider([completion()]) as provider:
        place = deployment(
            base_uri=provider.base_uri,
            auth="bearer",
            credential_id="provider:a",
            provider_model="upstream-m",
        )
        answer = await ask_of(place)

    (taken,) = provider.taken
    assert isinstance(answer, Answer)
    assert taken.path == "/v1/chat/completions"
    assert taken.headers["authorization"] == "bearer k-a"
    assert taken.body == BODY.replace(b'"m"', b'"upstream-m"')


async def test_without_a_credential_nothing_is_sent():
    """The deployment is unusable here, and another may not be."""
    async with ScriptedProvider([completion()]) as provider:
        answer = await ask_of(
            deployment(base_uri=provider.base_uri, auth="bearer", credential_id="gone")
        )

    assert answer.outcome is Outcome.UNUSABLE
    assert provider.taken == []


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (failing(429), Outcome.RATE_LIMITED),
        (failing(500), Outcome.SERVER_ERROR),
        (failing(529), Outcome.SERVER_ERROR),
        (failing(401), Outcome.UNUSABLE),
        (failing(400), Outcome.REJECTED),
        (failing(400, "context_length_exceeded"), Outcome.TOO_LONG),
        (HANGS_UP, Outcome.CONNECTION_FAILED),
        (SILENCE, Outcome.TIMED_OUT),
        (whole(200, {"choices": []}), Outcome.SERVER_ERROR),
        (
            Reply([b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"]),
            Outcome.CONNECTION_FAILED,
        ),
    ],
)
async def test_a_failure_is_told_by_what_it_means(reply, outcome):
    """Whole answers: by status, by body, by connection and by clock."""
    async with at(reply) as place:
        answer = await ask_of(place)

    assert answer.outcome is outcome


async def test_a_connection_that_is_refused_is_a_failed_connection():
    """Nobody listens there."""
    answer = await ask_of(NOWHERE)

    assert answer.outcome is Outcome.CONNECTION_FAILED


async def test_an_address_that_may_not_be_called_makes_the_deployment_unusable():
    """A private address needs the allowance."""
    async with at(completion(), allow_private_network=False) as place:
        answer = await ask_of(place)

    assert answer.outcome is Outcome.UNUSABLE


async def test_how_long_a_provider_asks_to_be_left_alone_is_kept():
    """Retry-After is on the failure."""
    async with at(failing(429, retry_after=7)) as place:
        answer = await ask_of(place)

    assert answer.retry_after == timedelta(seconds=7)


async def test_an_error_whose_body_never_ends_is_an_error_all_the_same():
    """The status says enough."""
    head = b"HTTP/1.1 503 X\r\ncontent-length: 99\r\n\r\n{"
    async with at(Reply([head], holds=True)) as place:
        answer = await ask_of(place)

    assert (answer.outcome, answer.http_status) == (Outcome.SERVER_ERROR, 503)


UNFINISHED = Reply([b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"], holds=True)


async def test_a_body_that_never_ends_is_waited_for_as_long_as_an_answer_may_take():
    """The limit is from sending to the end, and grows with the tokens asked for."""
    async with asyncio.timeout(10), at(UNFINISHED) as place:
        answer = await ask_of(place, body=BODY[:-1] + b',"max_tokens":1}')

    assert answer.outcome is Outcome.TIMED_OUT
    assert answer.http_status == 200


async def test_a_body_that_never_ends_ends_with_the_requests_own_time():
    """However long the deployment's limit is."""
    async with asyncio.timeout(10), at(UNFINISHED) as place:
        answer = await ask_of(place, limits=Limits(), seconds=0.1)

    assert answer.outcome is Outcome.TIMED_OUT


async def test_a_stream_is_open_once_its_first_content_is_there():
    """What came before is held back with it."""
    async with at(streamed("Hel", "lo")) as place:
        opened, text = await open_of(place)

    assert isinstance(opened, OpenStream)
    assert opened.failure is None
    assert b'"Hel"' in text
    assert b'"lo"' in text
    assert opened.decoder.usage.output_tokens == 100


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (failing(429), Outcome.RATE_LIMITED),
        (stream(ROLE), Outcome.CONNECTION_FAILED),
        (stream(ROLE, b"0\r\n\r\n"), Outcome.SERVER_ERROR),
        (stream(ROLE, holds=True), Outcome.TIMED_OUT),
        (SILENCE, Outcome.TIMED_OUT),
        (
            stream(ROLE, event({"error": {"message": "busy", "code": 500}})),
            Outcome.SERVER_ERROR,
        ),
    ],
)
async def test_a_stream_without_content_is_a_failure(reply, outcome):
    """A role, a comment or an error is no answer: another deployment may give one."""
    async with at(reply) as place:
        failed, _ = await open_of(place)

    assert isinstance(failed, ProviderError)
    assert failed.outcome is outcome


@pytest.mark.parametrize(
    "reply",
    [
        stream(ROLE, delta(content="Hel")),
        stream(ROLE, delta(content="Hel"), b"0\r\n\r\n"),
        stream(ROLE, delta(content="Hel"), holds=True),
        stream(ROLE, delta(content="Hel"), event({"error": {"message": "busy"}})),
    ],
    ids=["cut", "ended early", "fell silent", "error within"],
)
async def test_a_stream_that_breaks_off_says_so_after_its_content(reply):
    """What arrived is given, and never passes for the whole."""
    async with at(reply) as place:
        opened, text = await open_of(place)

    assert b'"Hel"' in text
    assert opened.failure is not None


async def test_a_stream_that_is_whole_stays_whole_however_it_ends():
    """A connection lost after the finish reason takes nothing from the answer."""
    whole_but_cut = stream(ROLE, delta(content="Hello"), delta("stop"))
    async with at(whole_but_cut) as place:
        opened, _ = await open_of(place)

    assert opened.failure is None


async def test_a_caller_that_goes_away_hangs_up_on_the_provider():
    """Waiting for the first content ends at once."""
    async with ScriptedProvider([stream(ROLE, holds=True)]) as provider:
        place = deployment(base_uri=provider.base_uri)
        async with calling() as caller:
            opening = asyncio.create_task(
                open_stream(
                    caller, Chat.parse(STREAMED), record(place, Limits(), 60), "t"
                )
            )
            await until(lambda: provider.taken)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)

            await asyncio.wait_for(provider.hung_up.wait(), 10)

    assert opening.cancelled()
