"""What a request's head decides: trace, deadline."""

import asyncio

import pytest

from fakes.services import AnsweringExecutor
from holdfast_edge.deadlines import Deadlines, deadlines
from holdfast_edge.headers import Head, header_value

from .conftest import CHAT, Serve

TRACE = "0af7651916cd43dd8448eb211c80319c"


def head(**headers: str) -> Head:
    raw = [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()]
    return Head.read(raw, lambda: "made-up")


@pytest.mark.parametrize(
    "traceparent",
    [f"00-{TRACE}-b7ad6b7169203331-01", f"01-{TRACE}-b7ad6b7169203331-01-more"],
)
def test_keeps_the_trace_it_is_part_of(traceparent: str) -> None:
    """A valid `traceparent` gives the trace id."""
    assert head(traceparent=traceparent).trace_id == TRACE


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        TRACE,
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-b7ad6b7169203331-01junk",
        f"00-{TRACE}-b7ad6b7169203331",
    ],
)
def test_begins_a_trace_where_there_is_none(traceparent: str) -> None:
    """An invalid `traceparent` is as good as none."""
    assert head(traceparent=traceparent).trace_id == "made-up"


async def test_answers_under_the_callers_trace(serve: Serve) -> None:
    """The trace id of the caller is where clients look, and reaches the resolver."""
    edge = await serve(AnsweringExecutor())

    response = await edge.chat(
        headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    )

    names = ("x-holdfast-trace-id", "x-request-id", "request-id")
    assert {response.headers[name] for name in names} == {TRACE}
    assert edge.resolver.asked[0].trace_id == TRACE


@pytest.mark.parametrize(
    ("headers", "stream", "expected"),
    [
        ({}, False, Deadlines()),
        ({"x_request_timeout": "2.5"}, False, Deadlines(whole=102.5)),
        ({"x_request_timeout": "2.5"}, True, Deadlines(whole=102.5)),
        ({"x_stainless_read_timeout": "600.0"}, False, Deadlines(whole=700)),
        ({"x_stainless_read_timeout": "20"}, True, Deadlines(first_content=120)),
        ({"x_stainless_read_timeout": "None"}, False, Deadlines()),
        ({"x_stainless_read_timeout": "-1"}, False, Deadlines()),
        (
            {"x_request_timeout": "5", "x_stainless_read_timeout": "600"},
            False,
            Deadlines(whole=105),
        ),
    ],
)
def test_waits_as_long_as_the_caller(
    headers: dict[str, str], stream: bool, expected: Deadlines
) -> None:
    """The caller's own timeout wins; a read timeout bounds how a stream begins."""
    assert deadlines(head(**headers), now=100.0, stream=stream) == expected


async def test_hands_the_deadline_to_both_services(serve: Serve) -> None:
    """Resolving and executing share one deadline, on the event loop's clock."""
    executor = AnsweringExecutor()
    edge = await serve(executor)
    before = asyncio.get_running_loop().time()

    await edge.chat(headers={"x-request-timeout": "50"})

    [deadline] = executor.deadlines
    assert edge.resolver.deadlines == [deadline]
    assert before + 50 <= deadline <= asyncio.get_running_loop().time() + 50


async def test_leaves_the_time_to_the_plan_if_the_caller_names_none(
    serve: Serve,
) -> None:
    """Without a timeout there is no deadline."""
    executor = AnsweringExecutor()
    edge = await serve(executor)

    await edge.chat(json={**CHAT, "stream": True})

    assert executor.deadlines == [None]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("aws/claude-sonnet-4-5-eu", b"aws/claude-sonnet-4-5-eu"),
        ("acme/größe", b"acme/gr%C3%B6%C3%9Fe"),
        ("a\r\nb: c", b"a%0D%0Ab: c"),
    ],
)
def test_writes_any_name_in_a_header(text: str, written: bytes) -> None:
    """A name that a header cannot hold is percent-encoded."""
    assert header_value(text) == written
