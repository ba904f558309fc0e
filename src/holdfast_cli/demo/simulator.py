"""Simulated providers: every one of them, behind one port.

A path begins with the provider, and with the region after it where the provider
has regions. Below that every provider speaks every format (`operations`), so that
which one a gateway uses for a provider is the gateway's to choose;
`/control/...` tells the providers what to do.
"""

import asyncio
import json
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from holdfast_cli.demo.faults import FAULTS, Order, Switchboard, Target
from holdfast_cli.demo.listener import Call, Exchange, Listener
from holdfast_cli.demo.misbehaviour import Pace, Turn, carry_out
from holdfast_cli.demo.operations import ANTHROPIC, OPENAI, Operation, operation_of
from holdfast_cli.demo.prompt import Answer, PromptError, answer
from holdfast_cli.demo.prompt_cache import PromptCache

_RECEIVED_KEPT = 1000
"""Requests in the log: a test's worth, and a bound for a demo that runs on."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request as a provider saw it, credential and all: they are not real.

    Attributes:
        fault: What was wrong with the provider then. Empty: nothing.
    """

    provider: str
    region: str
    model: str
    path: str
    headers: Mapping[str, str]
    body: str
    fault: str = ""

    @property
    def parsed(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(slots=True)
class Tally:
    """How a provider's requests ended.

    Attributes:
        served: Answered without a fault.
        abandoned: The caller went away first.
        input_tokens: Of those that were served; so are the other tokens.
        cached_tokens: Of the input.
    """

    received: int = 0
    served: int = 0
    abandoned: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def serve(self, answer: Answer) -> None:
        """Count an answer that was given without a fault."""
        self.served += 1
        self.input_tokens += answer.input_tokens
        self.cached_tokens += answer.cached_tokens
        self.output_tokens += answer.output_tokens


class Simulator:
    """The providers, what is wrong with them, and what they have seen.

    Args:
        providers: Those that exist from the start; any other one exists as soon
            as it is called.
        clock: Seconds, for the prompt cache.
        chance: For faults that show now and then: a number from 0 up to 1.
    """

    def __init__(
        self,
        *,
        providers: Sequence[str] = (),
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.log: deque[Received] = deque(maxlen=_RECEIVED_KEPT)
        self.switchboard = Switchboard(chance)
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        for provider in providers:
            self.tallies[provider] = Tally()
        self._pace = pace or Pace()
        self._cache = PromptCache(clock)
        self._models: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._number = 0
        self.listener = Listener(self._answer)

    async def _answer(self, call: Call, exchange: Exchange) -> None:
        match [part for part in call.path.split("/") if part]:
            case ["control", action]:
                self._control(action, call, exchange)
            case [provider, "v1" | "model", *_] as path:
                await self._provider(provider, "", path[1:], call, exchange)
            case [provider, region, "v1" | "model", *_] as path:
                await self._provider(provider, region, path[2:], call, exchange)
            case _:
                _respond(exchange, 404, {"error": {"message": "no such path"}})

    async def _provider(
        self,
        provider: str,
        region: str,
        path: list[str],
        call: Call,
        exchange: Exchange,
    ) -> None:
        if path == ["v1", "models"]:
            wire = ANTHROPIC if "anthropic-version" in call.headers else OPENAI
            _respond(exchange, 200, wire.models(list(self._models[provider])))
            return
        spoken = operation_of(path)
        if spoken is None or call.method != "POST":
            message = f"{call.method} {call.path} is not served"
            _respond(exchange, 404, {"error": {"message": message}})
            return
        tally = self.tallies[provider]
        tally.received += 1
        try:
            served = await self._converse(spoken, provider, region, call, exchange)
        except asyncio.CancelledError:
            tally.abandoned += 1
            raise
        if served is not None:
            tally.serve(served)

    async def _converse(
        self,
        operation: Operation,
        provider: str,
        region: str,
        call: Call,
        exchange: Exchange,
    ) -> Answer | None:
        """Answer a call; return what was served, None if anything was wrong."""
        wire = operation.wire
        body = _object(call.body)
        if body is not None:
            body |= operation.said
        model = str(body.get("model", "")) if body is not None else ""
        self._models[provider][model] = None
        order = self.switchboard.take(Target(provider, model, region))
        self.log.append(
            Received(
                provider=provider,
                region=region,
                model=model,
                path=call.path,
                headers=call.headers,
                body=call.body.decode("utf-8", "replace"),
                fault=order.fault.name if order else "",
            )
        )
        try:
            if body is None:
                raise PromptError("the body is no JSON object")  # noqa: TRY301
            prompt = wire.read(body, call.headers)
        except (PromptError, AttributeError, KeyError, TypeError, ValueError) as error:
            param = error.param if isinstance(error, PromptError) else None
            message = str(error) if isinstance(error, PromptError) else "malformed"
            refused = replace(FAULTS["400"], message=message)
            _respond(
                exchange,
                refused.status,
                wire.error(refused, param),
                wire.error_headers(refused),
            )
            return None
        self._number += 1
        cached = self._cache.read((provider, region, model), prompt.pieces)
        turn = Turn(
            exchange=exchange,
            wire=wire,
            prompt=prompt,
            answer=answer(
                prompt,
                place=f"{provider} ({region})" if region else provider,
                number=self._number,
                cached_pieces=cached,
            ),
            pace=self._pace,
            order=order,
        )
        await carry_out(turn)
        return turn.answer if order is None else None

    def _control(self, action: str, call: Call, exchange: Exchange) -> None:
        done = _CONTROLS.get((call.method, action))
        if done is None:
            _respond(exchange, 404, {"error": f"no control {call.method} {action}"})
            return
        try:
            _respond(exchange, 200, done(self, _object(call.body or b"{}") or {}))
        except _ControlError as error:
            _respond(exchange, 400, {"error": str(error)})

    def fail(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Switch a fault on; see `_FAIL_FIELDS` for what may be said."""
        unknown = sorted(set(wanted) - _FAIL_FIELDS)
        if unknown:
            raise _ControlError(f"unknown field {unknown[0]!r}")
        fault = FAULTS.get(str(wanted.get("fault", "")))
        if fault is None:
            raise _ControlError(
                f"unknown fault {wanted.get('fault')!r}; there are {', '.join(FAULTS)}"
            )
        target = _target(wanted)
        headers = {str(k): str(v) for k, v in (wanted.get("headers") or {}).items()}
        if wanted.get("retry_after") is not None:
            headers["retry-after"] = str(wanted["retry_after"])
        times = wanted.get("times")
        if times is not None and (not isinstance(times, int) or times < 1):
            raise _ControlError("times must be a whole number above 0")
        share = wanted.get("share", 1)
        if not isinstance(share, int | float) or not 0 < share <= 1:
            raise _ControlError("share must be a number above 0, and 1 at most")
        after, seconds = wanted.get("after"), wanted.get("seconds")
        self.switchboard.fail(
            Order(
                target=target,
                fault=replace(
                    fault,
                    events=fault.events if after is None else int(after),
                    seconds=fault.seconds if seconds is None else float(seconds),
                ),
                times=times,
                share=share,
                headers=headers,
            )
        )
        self.tallies.setdefault(target.provider, Tally())
        return {"failing": asdict(target), "fault": fault.name, "times": times}

    def recover(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Switch off what is on, everywhere unless a provider is named."""
        self.switchboard.recover(_target(wanted) if wanted.get("provider") else None)
        return {"recovered": wanted.get("provider") or "all"}

    def forget(self) -> dict[str, Any]:
        """Empty the log."""
        self.log.clear()
        return {}

    def status(self) -> dict[str, Any]:
        """Return every provider's faults and counts."""
        return {
            provider: {
                "faults": [
                    {
                        "model": order.target.model,
                        "region": order.target.region,
                        "fault": order.fault.name,
                        "times": order.times,
                        "share": order.share,
                    }
                    for order in self.switchboard.of(provider)
                ],
                **asdict(tally),
            }
            for provider, tally in sorted(self.tallies.items())
        }


class _ControlError(Exception):
    """A control call that cannot be done, and why."""


_FAIL_FIELDS = frozenset(
    {
        "provider",
        "model",
        "region",
        "fault",
        "times",
        "share",
        "after",
        "seconds",
        "retry_after",
        "headers",
    }
)

_CONTROLS: Mapping[
    tuple[str, str], Callable[[Simulator, Mapping[str, Any]], dict[str, Any]]
] = {
    ("POST", "fail"): Simulator.fail,
    ("POST", "recover"): Simulator.recover,
    ("GET", "status"): lambda simulator, _: {"providers": simulator.status()},
    ("GET", "log"): lambda simulator, _: {
        "received": [asdict(each) for each in simulator.log]
    },
    ("DELETE", "log"): lambda simulator, _: simulator.forget(),
}


def _target(wanted: Mapping[str, Any]) -> Target:
    provider = wanted.get("provider")
    if not isinstance(provider, str) or not provider:
        raise _ControlError("provider must be named")
    return Target(
        provider, str(wanted.get("model") or ""), str(wanted.get("region") or "")
    )


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _respond(
    exchange: Exchange,
    status: int,
    value: Any,
    headers: Mapping[str, str] | None = None,
) -> None:
    exchange.respond(status, json.dumps(value).encode(), headers)
