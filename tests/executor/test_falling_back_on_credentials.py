"""A credential that fails is not the caller's to notice: another serves."""

import json
import time

import pytest

from fakes.clock import Clock
from fakes.identities import holding
from fakes.listener import Answer, Asked, Listener
from fakes.plans import deployment, order, step
from fakes.scripted_provider import (
    Reply,
    ScriptedProvider,
    completion,
    failing,
)
from holdfast.errors import GatewayError
from holdfast.model import Attempt, Deployment, Outcome
from holdfast.settings import Secret
from holdfast_executor.attempts import Order, Progress, Record
from holdfast_executor.auth import Authentication
from holdfast_executor.auth.proof import NoProofError, Parts, Token, always
from holdfast_executor.calling import Caller
from holdfast_executor.chat import Chat
from holdfast_executor.credentials import Credentials
from holdfast_executor.execution import Walk
from holdfast_executor.transport import Transport
from holdfast_executor.unary import ask

BODY = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'


async def walked(
    authentication: Authentication, *places: Deployment, session: str = ""
) -> list[Attempt]:
    """Carry out a plan of these deployments and return the attempts it took."""
    transport = Transport()
    await transport.start()
    caller = Caller(transport, authentication)
    chat = Chat.parse(BODY)

    def tell(_order: Order, attempt: Attempt) -> None:
        authentication.learn(attempt, 60.0)

    async def call(record: Record):
        return await ask(caller, chat, record, "t")

    planned = order(*map(step, places), session_key=session)
    progress = Progress(planned, tell, lambda: 0)
    try:
        answer = await Walk(progress, call).go()
    except GatewayError:
        return progress.attempts
    finally:
        await transport.close()
    record = answer.record
    served = Attempt(
        record.ordinal,
        record.step.deployment.id,
        Outcome.SUCCEEDED,
        credential=record.credential,
    )
    progress.end(served)
    return progress.attempts


def several(**keys: str) -> Authentication:
    named = {name: {"key": Secret(key)} for name, key in keys.items()}
    return Authentication(Credentials({"provider:a": named}))


def at(provider: ScriptedProvider, name: str = "a/m", auth: str = "bearer"):
    return deployment(
        name, base_uri=provider.base_uri, auth=auth, credential_id="provider:a"
    )


def told(attempts: list[Attempt]) -> list[tuple[str, Outcome, str]]:
    return [(each.deployment_id, each.outcome, each.credential) for each in attempts]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (failing(429), Outcome.RATE_LIMITED),
        (failing(429, "insufficient_quota"), Outcome.UNUSABLE),
        (failing(401), Outcome.UNUSABLE),
    ],
)
async def test_a_refused_credential_gives_way_to_the_providers_other_one(
    reply: Reply, outcome: Outcome
):
    """In the same request, on the same deployment, by name; the key is never told."""
    async with ScriptedProvider([reply, completion()]) as provider:
        attempts = await walked(several(one="k-1", two="k-2"), at(provider))

    assert told(attempts) == [
        ("a/m", outcome, "one"),
        ("a/m", Outcome.SUCCEEDED, "two"),
    ]
    assert [each.headers["authorization"] for each in provider.taken] == [
        "bearer k-1",
        "bearer k-2",
    ]
    assert "k-1" not in str(attempts)


async def test_a_refused_credential_rests_and_the_other_serves_the_next_requests():
    """A quota failure of one is not the other's."""
    authentication = several(one="k-1", two="k-2")
    async with ScriptedProvider([failing(429), completion()]) as provider:
        await walked(authentication, at(provider))
        later = [
            attempt
            for _ in range(4)
            for attempt in await walked(authentication, at(provider))
        ]

    assert {each.credential for each in later} == {"two"}


async def test_a_broken_provider_is_not_asked_again_with_another_credential():
    """Who calls does not mend it."""
    async with ScriptedProvider([failing(500)]) as provider:
        attempts = await walked(several(one="k-1", two="k-2"), at(provider))

    assert told(attempts) == [("a/m", Outcome.SERVER_ERROR, "one")]


async def test_when_all_credentials_are_refused_the_next_deployment_serves():
    """Each was asked once."""
    async with (
        ScriptedProvider([failing(401)]) as broken,
        ScriptedProvider([completion()]) as well,
    ):
        attempts = await walked(
            several(one="k-1", two="k-2"), at(broken), at(well, "b/m", "none")
        )

    assert told(attempts) == [
        ("a/m", Outcome.UNUSABLE, "one"),
        ("a/m", Outcome.UNUSABLE, "two"),
        ("b/m", Outcome.SUCCEEDED, ""),
    ]


async def test_credentials_take_turns_and_a_session_keeps_to_one():
    """Load is shared; an account's prompt cache stays warm."""
    authentication = several(one="k-1", two="k-2")
    async with ScriptedProvider([completion()]) as provider:
        loose = [await walked(authentication, at(provider)) for _ in range(4)]
        bound = [
            await walked(authentication, at(provider), session="s") for _ in range(4)
        ]

    assert [each.credential for (each,) in loose] == ["one", "two", "one", "two"]
    assert len({each.credential for (each,) in bound}) == 1


def numbered():
    fetched: list[Parts] = []

    def fetch(parts: Parts) -> Token:
        fetched.append(parts)
        return Token(always(("authorization", f"Bearer t{len(fetched)}")))

    return fetched, fetch


async def test_a_token_that_was_revoked_is_renewed_within_the_request():
    """The provider's 401 costs an attempt, and not the deployment."""
    fetched, fetch = numbered()
    async with (
        holding({"source": "default"}, fetchers={"google-default": fetch}) as held,
        ScriptedProvider([failing(401), completion()]) as provider,
    ):
        attempts = await walked(held, at(provider, auth="google"))

    assert [each.outcome for each in attempts] == [
        Outcome.UNUSABLE,
        Outcome.SUCCEEDED,
    ]
    assert [each.headers["authorization"] for each in provider.taken] == [
        "bearer t1",
        "bearer t2",
    ]
    assert len(fetched) == 2


async def test_what_every_token_is_refused_for_does_not_renew_them_for_ever():
    """A role that lacks a permission is no token's fault."""
    fetched, fetch = numbered()
    clock = Clock()
    fetchers = {"google-default": fetch}
    async with (
        holding({"source": "default"}, fetchers=fetchers, now=clock.now) as held,
        ScriptedProvider([failing(403)]) as provider,
    ):
        attempts = []
        for _ in range(5):
            attempts += await walked(held, at(provider, auth="google"))
            clock.advance(60)

    assert len(fetched) == 2
    assert len(attempts) == 6


async def test_an_expired_token_whose_renewal_fails_leaves_it_to_another_deployment():
    """While it is valid it serves; after that the next one does, unseen."""
    is_up = True

    def answer(asked: Asked) -> Answer:
        granted = {"access_token": "ya29.t", "expires_in": 3600}
        return (200, granted) if is_up else (400, {"error": "invalid_grant"})

    clock = Clock(int(time.time() * 1_000))
    with Listener(answer) as issuer:
        written = json.dumps(
            {
                "type": "external_account",
                "audience": "a",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{issuer.uri}/v1/token",
                "credential_source": {"file": __file__},
            }
        )
        async with (
            holding({"key": written}, now=clock.now) as held,
            ScriptedProvider([completion()]) as a,
            ScriptedProvider([completion()]) as b,
        ):
            places = at(a, auth="google"), at(b, "b/m", "none")
            first = await walked(held, *places)
            is_up = False
            clock.advance(3500)
            ahead = await walked(held, *places)
            clock.advance(200)
            expired = await walked(held, *places)

    assert told(first) == told(ahead) == [("a/m", Outcome.SUCCEEDED, "one")]
    assert told(expired) == [
        ("a/m", Outcome.UNUSABLE, ""),
        ("b/m", Outcome.SUCCEEDED, ""),
    ]
    assert expired[0].error_message == "Google gave no token: invalid_grant"


async def test_a_credential_that_gives_no_token_gives_way_to_one_that_does():
    """Without an attempt: nothing was sent."""

    def fetch(parts: Parts) -> Token:
        if parts["key"] == "k-1":
            raise NoProofError("down")
        return Token(always(("authorization", f"Bearer {parts['key']}")))

    named = {"one": {"key": Secret("k-1")}, "two": {"key": Secret("k-2")}}
    held = Authentication(
        Credentials({"provider:a": named}), fetchers={"google-json": fetch}
    )
    async with ScriptedProvider([completion()]) as provider:
        attempts = await walked(held, at(provider, auth="google"))
    await held.close()

    assert told(attempts) == [("a/m", Outcome.SUCCEEDED, "two")]
