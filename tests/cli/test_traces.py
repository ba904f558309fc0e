"""`holdfast traces` and `holdfast usage`, of a gateway that runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders
from holdfast_cli.moments import absolute
from holdfast_cli.tables import printable, table

HOLDFAST = str(Path(sys.executable).with_name("holdfast"))
PRICES = {"input": "3.00", "output": "15.00"}


@pytest.fixture(scope="module")
def sim() -> Iterator[SimulatedProviders]:
    """Give simulated providers."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(scope="module")
def gateway(
    sim: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Give a gateway whose first deployment of one model fails."""
    places = [
        {"id": f"{name}/m", "provider": name, "pricing": PRICES, "weight": weight}
        for name, weight in (("a", 1000), ("b", 0.001))
    ]
    with Gateway(
        configuration(sim, {"m": places}), tmp_path_factory.mktemp("g")
    ) as running:
        yield running


@pytest.fixture(scope="module")
def answers(gateway: Gateway, sim: SimulatedProviders) -> list[httpx.Response]:
    """Give what was answered to three calls, of which one fell back."""
    made = [chat(gateway)]
    sim.fail("a", "503", times=1)
    made.append(chat(gateway, "team:search"))
    made.append(chat(gateway, model="x\x1b[2J"))
    return made


def chat(gateway: Gateway, tags: str = "", *, model: str = "m") -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"x-holdfast-tags": tags, "x-holdfast-session": "s"}
    return gateway.http.post("/v1/chat/completions", json=body, headers=headers)


def trace_id(answer: httpx.Response) -> str:
    return answer.headers["x-holdfast-trace-id"]


def holdfast(gateway: Gateway, *arguments: str) -> str:
    done = subprocess.run(
        [HOLDFAST, *arguments, "--url", gateway.base_url],
        env={**os.environ, "HOLDFAST_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_requests_are_listed(gateway: Gateway, answers: list[httpx.Response]) -> None:
    """Newest first, a line each, with who served and whether it fell back."""
    heading, *lines = holdfast(gateway, "traces").splitlines()

    assert heading.split()[:3] == ["at", "trace", "status"]
    assert [line.split()[2] for line in lines] == [
        trace_id(answer) for answer in reversed(answers)
    ]
    assert "2*" in lines[1]
    assert "b/m" in lines[1]


def test_a_list_can_be_narrowed_and_read_by_programs(
    gateway: Gateway, answers: list[httpx.Response]
) -> None:
    """By the filters that there are; as JSON."""
    rows = json.loads(
        holdfast(gateway, "traces", "--fallback", "--tag", "team:search", "--json")
    )

    assert [row["id"] for row in rows] == [trace_id(answers[1])]


def test_one_trace_is_a_waterfall(
    gateway: Gateway, answers: list[httpx.Response]
) -> None:
    """Each attempt with its outcome, time, tokens and money; the plan; the session."""
    text = holdfast(gateway, "traces", trace_id(answers[1]))

    failed, served = (line for line in text.splitlines() if "#" in line and "|" in line)
    assert "server-error" in failed
    assert "503" in failed
    assert "succeeded" in served
    assert "served by b/m" in text
    assert "team:search" in text
    assert "planned, in this order:" in text
    assert "moved here" in text


def test_what_a_terminal_would_act_upon_is_shown(
    gateway: Gateway, answers: list[httpx.Response]
) -> None:
    """A name that a caller made up clears no screen."""
    listed = holdfast(gateway, "traces", "--status", "error")
    shown = holdfast(gateway, "traces", trace_id(answers[2]))

    assert "\x1b" not in listed + shown
    assert "x\\x1b[2J" in listed


def test_requests_are_followed_as_they_end(
    gateway: Gateway, answers: list[httpx.Response]
) -> None:
    """Each once; ends when it is told to."""
    following = subprocess.Popen(
        [HOLDFAST, "traces", "-f", "--json", "--url", gateway.base_url],
        env={**os.environ, "HOLDFAST_KEY": KEY},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    with following, following.stdout as out:
        seen = [json.loads(out.readline())["id"] for _ in answers]
        fresh = [trace_id(chat(gateway)) for _ in range(2)]
        seen += [json.loads(out.readline())["id"] for _ in fresh]
        following.terminate()

    assert seen == [trace_id(answer) for answer in answers] + fresh


def test_usage_is_a_table(gateway: Gateway, answers: list[httpx.Response]) -> None:
    """By what is asked for, and per span of time."""
    heading, *lines = holdfast(
        gateway, "usage", "--by", "deployment,team", "--per", "day"
    ).splitlines()

    assert heading.split()[:5] == ["from", "deployment", "team", "requests", "failed"]
    assert any("b/m" in line and "search" in line for line in lines)


def test_usage_can_be_read_by_programs(
    gateway: Gateway, answers: list[httpx.Response]
) -> None:
    """As it was answered; what no model answered is nobody's."""
    rows = json.loads(holdfast(gateway, "usage", "--json", "--from", "2h"))

    assert {row["model"] for row in rows} == {"m", None}
    assert all(isinstance(row["cost"], str) for row in rows)


def test_what_is_refused_is_said_in_one_line(gateway: Gateway) -> None:
    """On standard error, with status 1."""
    done = subprocess.run(
        [HOLDFAST, "traces", "0" * 32, "--url", gateway.base_url],
        env={**os.environ, "HOLDFAST_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("not_found: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["2025-05-01", "2025-05-01T10:00:00Z", "soon"])
def test_a_moment_is_left_as_it_is(text: str) -> None:
    """The gateway says whether it is one."""
    assert absolute(text) == text


def test_a_table_shows_control_characters() -> None:
    """And is as wide as what it shows."""
    shown = table(("name", "next"), [("a\nb", "c")])

    assert shown == "name    next\na\\x0ab  c"
    assert printable("ünï ﷽") == "ünï ﷽"
