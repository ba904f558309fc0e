"""The console's sessions: who a browser speaks for, and for how long."""

import hashlib

import pytest

from fakes.services import KEY, AnsweringExecutor
from holdfast.errors import ApiKeyUnknownError, CsrfTokenMissingError
from holdfast.signing import PlanKey
from holdfast_edge.console.sessions import COOKIE, LIFE_S, Sessions
from holdfast_edge.headers import Head

from .conftest import Serve

DIGEST = hashlib.sha256(KEY.encode()).digest()
OLD = PlanKey("old", b"o" * 32)
NEW = PlanKey("new", b"n" * 32)
NOW_S = 1_790_000_000.0


def head(cookie: str, csrf: str = "") -> Head:
    """Return the head of a request that bears a session."""
    shown = {b"cookie": f"other=1; {COOKIE}={cookie}".encode()}
    return Head({**shown, **({b"x-holdfast-csrf": csrf.encode()} if csrf else {})})


def sessions(*keys: PlanKey, now_s: float = NOW_S) -> Sessions:
    """Return sessions at a moment."""
    return Sessions(keys or (NEW,), now=lambda: now_s)


def test_a_session_speaks_for_the_key_that_began_it() -> None:
    """A request that only looks needs nothing but the cookie."""
    cookie = sessions().begin(DIGEST)

    assert sessions().admit(head(cookie), "GET") == DIGEST


def test_a_request_without_a_session_is_nobodys() -> None:
    """No cookie of ours: the request must bear a key."""
    assert sessions().admit(Head({b"cookie": b"other=1"}), "POST") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_change_needs_the_token(method: str) -> None:
    """Another site can make a browser send the cookie, and not the token."""
    cookie = sessions().begin(DIGEST)
    known = sessions().known(cookie)
    assert known is not None

    assert sessions().admit(head(cookie, known.csrf), method) == DIGEST
    with pytest.raises(CsrfTokenMissingError):
        sessions().admit(head(cookie), method)
    with pytest.raises(CsrfTokenMissingError):
        sessions().admit(head(cookie, "0" * 64), method)


def test_a_session_ends() -> None:
    """After its life a cookie is worth nothing."""
    cookie = sessions().begin(DIGEST)

    assert sessions(now_s=NOW_S + LIFE_S - 1).known(cookie) is not None
    with pytest.raises(ApiKeyUnknownError):
        sessions(now_s=NOW_S + LIFE_S + 1).admit(head(cookie), "GET")


def test_keys_rotate() -> None:
    """What an old key signed is good as long as the key is known."""
    cookie = sessions(OLD).begin(DIGEST)

    assert sessions(NEW, OLD).known(cookie) is not None
    assert sessions(NEW).known(cookie) is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
        lambda cookie: cookie.replace(".", ".9", 1),
        lambda cookie: cookie.replace(DIGEST.hex(), "0" * 64),
        lambda cookie: cookie.replace("new.", "old.", 1),
        lambda _: "",
        lambda _: "...",
        lambda _: "new.x.y.z",
        lambda _: "é" * 10,
    ],
)
def test_a_forged_cookie_is_no_session(forge: object) -> None:
    """Nothing of a cookie can be changed, or made up."""
    assert callable(forge)
    forged = forge(sessions().begin(DIGEST))

    assert sessions().known(forged) is None


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 200), ({"authorization": ""}, 401)]
)
async def test_a_cookie_does_not_beat_a_key(
    serve: Serve, headers: dict[str, str], status: int
) -> None:
    """Whoever shows a key is who the key says, whatever the cookie."""
    edge = await serve(AnsweringExecutor())

    answer = await edge.http.get(
        "/v2/models", headers={"cookie": f"{COOKIE}=forged", **headers}
    )

    assert answer.status_code == status


async def test_unknown_files_are_not_served(serve: Serve) -> None:
    """Only what lies in the console's folder is."""
    edge = await serve(AnsweringExecutor())

    for path in ("app.py", "..%2fsessions.py", "%2e%2e/sessions.py", "none.js"):
        answer = await edge.http.get(f"/console/{path}")
        assert answer.status_code == 404


async def test_files_are_confined_and_revalidated(serve: Serve) -> None:
    """The browser may load nothing from elsewhere, and asks whether it is new."""
    edge = await serve(AnsweringExecutor())
    first = await edge.http.get("/console/app.js")

    again = await edge.http.get(
        "/console/app.js", headers={"if-none-match": first.headers["etag"]}
    )

    assert first.headers["content-type"].startswith("text/javascript")
    assert "default-src 'none'" in first.headers["content-security-policy"]
    assert "unsafe" not in first.headers["content-security-policy"]
    assert again.status_code == 304
