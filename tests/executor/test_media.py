"""Media by address, for providers that are sent the content itself."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from fakes.bedrock_chats import SONNET, file, user
from fakes.gemini_chats import FLASH, FLASH_ON_VERTEX
from fakes.plans import KEYS, LIMITS, signed, step
from fakes.scripted_provider import (
    SILENCE,
    Reply,
    ScriptedProvider,
    completion,
    failing,
    whole,
)
from holdfast.errors import GatewayError
from holdfast.model import Attempt, Deployment, Limits, Outcome
from holdfast.ports import ExecuteRequest
from holdfast.signing import SignedPlan
from holdfast_executor.auth import Authentication
from holdfast_executor.calling import Caller
from holdfast_executor.chat import Chat
from holdfast_executor.credentials import Credentials
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.links import MediaWantedError
from holdfast_executor.dialects.registry import DIALECTS
from holdfast_executor.downloads import Downloads
from holdfast_executor.media import Fetched, Media, Unfetched
from holdfast_executor.service import ExecutorService
from holdfast_executor.transport import HttpRequest, HttpResponse, Transport

AT = "https://images.example/a"
PNG = Fetched("image/png", "iVBORw0KGgo=")
PDF = Fetched("application/pdf", "JVBERi0xLjQK")
INVOKED = replace(SONNET, dialect="bedrock-invoke")
ON_VERTEX = replace(
    SONNET,
    dialect="anthropic-vertex",
    provider_model="claude-sonnet-4-5@20250929",
    base_uri="https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu",
)
WANTING = pytest.mark.parametrize(
    "deployment",
    [SONNET, INVOKED, ON_VERTEX, FLASH, FLASH_ON_VERTEX],
    ids=lambda d: d.id + d.dialect,
)


def image(address: str = AT) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": address}}


def chat(*parts: Any, media: dict[str, Fetched | Unfetched] | None = None) -> Chat:
    body = {"model": "m", "messages": [user(*parts)]}
    return replace(Chat.parse(json.dumps(body).encode()), media=Media(media or {}))


def sent(deployment: Deployment, asked: Chat) -> str:
    return DIALECTS[deployment.dialect].encode(asked, deployment).body.decode()


@WANTING
def test_all_that_is_to_be_fetched_is_said_at_once(deployment: Deployment) -> None:
    """Each address once, in the order of the request."""
    asked = chat(image(), file("https://images.example/b"), image())

    with pytest.raises(MediaWantedError) as raised:
        sent(deployment, asked)

    assert raised.value.addresses == (AT, "https://images.example/b")


@WANTING
def test_what_was_fetched_is_sent_as_content(deployment: Deployment) -> None:
    """As if the caller had written it so; the address is not sent."""
    by_address = sent(deployment, chat(image(), media={AT: PNG}))
    written_out = sent(deployment, chat(image(f"data:image/png;base64,{PNG.data}")))

    assert by_address == written_out
    assert PNG.data in by_address


@WANTING
def test_a_document_by_address_is_sent_as_content(deployment: Deployment) -> None:
    """Its type is what it is, whatever its name."""
    by_address = sent(deployment, chat(file(AT), media={AT: PDF}))

    assert PDF.data in by_address
    assert "images.example" not in by_address


@WANTING
@pytest.mark.parametrize(
    ("part", "param"),
    [
        (image(), "messages[0].content[0].image_url.url"),
        (file(AT), "messages[0].content[0].file.file_data"),
    ],
)
def test_what_was_not_to_be_had_names_its_field(
    deployment: Deployment, part: Any, param: str
) -> None:
    """And why; another deployment may fetch better."""
    asked = chat(part, media={AT: Unfetched("its server answered 404")})

    with pytest.raises(CapabilityMissingError) as raised:
        sent(deployment, asked)

    assert raised.value.param == param
    assert "its server answered 404" in raised.value.message
    assert "images.example" not in raised.value.message


@WANTING
def test_what_is_no_medium_that_the_model_takes_is_refused(
    deployment: Deployment,
) -> None:
    """A video is no image to Claude, and a GIF none to Gemini."""
    kind = "image/gif" if deployment.dialect == "gemini" else "video/mp4"
    asked = chat(image(), media={AT: Fetched(kind, "AAAA")})

    with pytest.raises(CapabilityMissingError, match=r"(model|Gemini) takes"):
        sent(deployment, asked)


ANSWER = whole(
    200,
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "Red."}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    },
)
PIXEL = Reply(
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 8\r\n\r\n",
        b"\x89PNG\r\n\x1a\n",
    ]
)
FOUND = "iVBORw0KGgo="


@dataclass
class Scene:
    """An executor in front of providers, and the one site on the web.

    Attributes:
        told: The attempts.
    """

    executor: ExecutorService
    site: ScriptedProvider
    providers: list[ScriptedProvider]
    plan: SignedPlan
    told: list[Attempt]

    async def ask(self, seconds: float = 60) -> str:
        """Ask about a picture by its address, and return the answer."""
        request = ExecuteRequest(self.plan, chat(image()).body)
        deadline = asyncio.get_running_loop().time() + seconds
        response = await self.executor.execute(request, deadline=deadline)
        answer = json.loads(response.body)
        return str(answer["choices"][0]["message"]["content"])

    @property
    def outcomes(self) -> list[Outcome]:
        return [attempt.outcome for attempt in self.told]


@contextlib.asynccontextmanager
async def scene(
    picture: Reply, *replies: Reply, limits: Limits = LIMITS
) -> AsyncIterator[Scene]:
    """Have deployments on Bedrock that answer so, the last one OpenAI's instead."""
    async with contextlib.AsyncExitStack() as stack:
        site, *providers = [
            await stack.enter_async_context(ScriptedProvider([reply]))
            for reply in (picture, *replies)
        ]
        transport = Transport()
        await transport.start()
        stack.push_async_callback(transport.close)

        async def send(request: HttpRequest, **limits: float) -> HttpResponse:
            url = request.url.replace("https://images.example", site.base_uri)
            there = replace(request, url=url, allow_private_network=True)
            return await transport.send(there, **limits)

        steps = [
            step(
                replace(
                    SONNET,
                    id=f"{name}/m-eu",
                    base_uri=provider.base_uri,
                    auth="none",
                    dialect="openai-chat" if name == "c" else SONNET.dialect,
                    allow_private_network=True,
                )
            )
            for name, provider in zip("abc", providers, strict=False)
        ]
        told: list[Attempt] = []
        caller = Caller(transport, Authentication(Credentials({})), Downloads(send))
        executor = ExecutorService(KEYS, caller, lambda _, a: told.append(a))
        yield Scene(executor, site, providers, signed(*steps, limits=limits), told)


async def test_a_picture_is_fetched_once_for_all_attempts() -> None:
    """The second deployment is sent what was fetched for the first."""
    async with scene(PIXEL, whole(503, {"message": "later"}), ANSWER) as s:
        answer = await s.ask()

    assert answer == "Red."
    assert s.outcomes == [Outcome.SERVER_ERROR, Outcome.SUCCEEDED]
    assert [taken.path for taken in s.site.taken] == ["/v1/a"]
    assert all(FOUND in p.taken[0].body.decode() for p in s.providers)


async def test_who_fetches_for_itself_is_asked_where_we_cannot() -> None:
    """A picture behind a password is no reason not to answer."""
    async with scene(failing(401), ANSWER, ANSWER, completion("Blue.")) as s:
        answer = await s.ask()

    assert answer == "Blue."
    assert s.outcomes == [*[Outcome.CAPABILITY_MISSING] * 2, Outcome.SUCCEEDED]
    assert len(s.site.taken) == 1
    assert AT in s.providers[2].taken[0].body.decode()


async def test_a_site_that_is_silent_costs_the_attempt_and_no_more() -> None:
    """Fetching takes of the attempt's own time."""
    hasty = Limits(first_token_timeout=timedelta(milliseconds=200))
    async with scene(SILENCE, ANSWER, ANSWER, completion("Blue."), limits=hasty) as s:
        answer = await s.ask(seconds=8)

    assert answer == "Blue."
    assert s.outcomes == [*[Outcome.CAPABILITY_MISSING] * 2, Outcome.SUCCEEDED]


async def test_a_picture_that_nobody_gets_is_named_to_the_caller() -> None:
    """By its field, and with the reason."""
    async with scene(failing(404), ANSWER) as s:
        with pytest.raises(GatewayError) as raised:
            await s.ask()

    assert "its server answered 404" in raised.value.message
    assert "messages[0].content[0].image_url.url" in str(
        [raised.value.message, dict(raised.value.metadata)]
    )
    assert s.providers[0].taken == []
