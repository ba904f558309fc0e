"""How each kind of fault shows on the wire; and how an answer without one does."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from holdfast_cli.demo.faults import Behaviour, Fault, Order
from holdfast_cli.demo.listener import Exchange
from holdfast_cli.demo.prompt import Answer, Prompt
from holdfast_cli.demo.unfit import unfit
from holdfast_cli.demo.wires import Wire


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a simulated model takes, in seconds: before and between words."""

    first_token_s: float = 0.0
    token_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One request and the answer it would get if nothing were wrong."""

    exchange: Exchange
    wire: Wire
    prompt: Prompt
    answer: Answer
    pace: Pace
    order: Order | None = None

    @property
    def fault(self) -> Fault:
        """What is wrong with it."""
        if self.order is None:
            raise ValueError("nothing is wrong")
        return self.order.fault

    def respond(
        self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a whole JSON answer."""
        self.exchange.respond(status, json.dumps(value).encode(), headers)


async def carry_out(turn: Turn) -> None:
    """Answer a request, or fail it as ordered."""
    if turn.order is None:
        await _serve(turn)
    else:
        await _SHOWN[turn.fault.behaviour](turn)


async def _serve(turn: Turn, *, closed: bool = True) -> None:
    await asyncio.sleep(turn.pace.first_token_s)
    if not turn.prompt.stream:
        turn.respond(turn.wire.whole(turn.prompt, turn.answer))
        return
    events = turn.wire.events(turn.prompt, turn.answer)
    turn.exchange.begin(turn.wire.stream_type)
    _send(turn, events.opening)
    for event in events.content:
        turn.exchange.send(event)
        await asyncio.sleep(turn.pace.token_s)
    _send(turn, events.ending)
    _send(turn, events.closing if closed else ())
    turn.exchange.end()


async def _error(turn: Turn) -> None:
    headers = {
        **turn.wire.error_headers(turn.fault),
        **(turn.order.headers if turn.order else {}),
    }
    turn.respond(turn.wire.error(turn.fault), turn.fault.status, headers)


async def _reset(turn: Turn) -> None:
    turn.exchange.reset()


async def _hang(_: Turn) -> None:
    await _for_ever()


async def _slow(turn: Turn) -> None:
    await asyncio.sleep(turn.fault.seconds)
    await _serve(turn)


async def _cut(turn: Turn) -> None:
    _begin(turn)
    turn.exchange.cut()


async def _stall(turn: Turn) -> None:
    _begin(turn)
    await _for_ever()


async def _error_within(turn: Turn) -> None:
    if not turn.prompt.stream:
        turn.respond(turn.wire.error(turn.fault))
        return
    _begin(turn)
    turn.exchange.send(turn.wire.error_event(turn.fault))
    turn.exchange.end()


async def _empty(turn: Turn) -> None:
    if not turn.prompt.stream:
        turn.respond(turn.wire.hollow(turn.answer))
        return
    turn.exchange.begin(turn.wire.stream_type)
    _send(turn, turn.wire.hollow_events(turn.prompt, turn.answer))
    turn.exchange.end()


async def _blank(turn: Turn) -> None:
    turn.exchange.begin(
        turn.wire.stream_type if turn.prompt.stream else "application/json"
    )
    turn.exchange.end()


async def _unended(turn: Turn) -> None:
    await _serve(turn, closed=False)


async def _html(turn: Turn) -> None:
    page = b"<!doctype html><title>Sign in</title><p>Please sign in.</p>"
    turn.exchange.respond(200, page, content_type="text/html")


async def _filtered(turn: Turn) -> None:
    refusal = turn.wire.filtered(turn.prompt, turn.answer)
    if refusal is None:
        await _error(turn)
        return
    whole, events = refusal
    if turn.prompt.stream:
        turn.exchange.begin(turn.wire.stream_type)
        _send(turn, events)
        turn.exchange.end()
    else:
        turn.respond(whole)


async def _unfit(turn: Turn) -> None:
    ways = turn.fault.ways
    way = ways[turn.answer.number % len(ways)]
    await _serve(replace(turn, answer=unfit(turn.prompt, turn.answer, way)))


_SHOWN: Mapping[Behaviour, Callable[[Turn], Awaitable[None]]] = {
    Behaviour.ERROR: _error,
    Behaviour.RESET: _reset,
    Behaviour.HANG: _hang,
    Behaviour.SLOW: _slow,
    Behaviour.CUT: _cut,
    Behaviour.STALL: _stall,
    Behaviour.EMPTY: _empty,
    Behaviour.BLANK: _blank,
    Behaviour.ERROR_WITHIN: _error_within,
    Behaviour.UNENDED: _unended,
    Behaviour.HTML: _html,
    Behaviour.FILTERED: _filtered,
    Behaviour.UNFIT: _unfit,
}


def _begin(turn: Turn) -> None:
    """Send the beginning of an answer: so many events of a stream, or half of it."""
    if turn.prompt.stream:
        events = turn.wire.events(turn.prompt, turn.answer)
        turn.exchange.begin(turn.wire.stream_type)
        _send(turn, events.opening)
        _send(turn, events.content[: turn.fault.events])
    else:
        body = json.dumps(turn.wire.whole(turn.prompt, turn.answer)).encode()
        turn.exchange.promise(body, len(body) // 2)


def _send(turn: Turn, events: Iterable[bytes]) -> None:
    turn.exchange.send(b"".join(events))


async def _for_ever() -> None:
    await asyncio.Event().wait()
