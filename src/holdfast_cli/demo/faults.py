"""What can be wrong with a simulated provider, as a table, and what now is.

A fault is switched on for a provider, or for one model of it, while the
simulator runs: for ever or for the next requests only, for all or for a share.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from holdfast_cli.demo.unfit import WAYS


class Behaviour(Enum):
    """How a fault shows."""

    ERROR = "an error status and body"
    RESET = "the connection is reset before the headers"
    HANG = "the request is taken and never answered"
    SLOW = "the answer begins late"
    CUT = "the answer is broken off"
    STALL = "the answer stops and the connection stays"
    EMPTY = "a success without an answer in it"
    BLANK = "a success without a body"
    ERROR_WITHIN = "a success that turns into an error"
    UNENDED = "a stream without its last event"
    HTML = "a success that is a web page"
    FILTERED = "the content filter refuses"
    UNFIT = "an answer without the form that was asked for"


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to fail, and the words for it in each wire format.

    Attributes:
        events: How many events that bear content a stream gets before it fails.
        openai: The error's `type` and `code` in OpenAI's format.
        anthropic: The error's `type` in Anthropic's format.
        ways: What may be wrong with the form of an answer, by turns.
    """

    name: str
    behaviour: Behaviour
    status: int = 200
    message: str = ""
    openai: tuple[str, str | None] = ("server_error", None)
    anthropic: str = "api_error"
    events: int = 0
    seconds: float = 0.0
    ways: tuple[str, ...] = ()


_INVALID = "invalid_request_error"
_AFTER_EVENTS = 3
"""Enough that a stream is seen to run, fewer than the shortest answer has."""

FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            Fault(
                "400",
                Behaviour.ERROR,
                400,
                "A field of the request is not valid.",
                (_INVALID, None),
                _INVALID,
            ),
            Fault(
                "401",
                Behaviour.ERROR,
                401,
                "The API key is not valid.",
                (_INVALID, "invalid_api_key"),
                "authentication_error",
            ),
            Fault(
                "403",
                Behaviour.ERROR,
                403,
                "The API key may not use this model.",
                (_INVALID, "permission_denied"),
                "permission_error",
            ),
            Fault(
                "404",
                Behaviour.ERROR,
                404,
                "The model does not exist.",
                (_INVALID, "model_not_found"),
                "not_found_error",
            ),
            Fault(
                "413",
                Behaviour.ERROR,
                413,
                "The request is too large.",
                (_INVALID, "request_too_large"),
                "request_too_large",
            ),
            Fault(
                "422",
                Behaviour.ERROR,
                422,
                "The request cannot be processed.",
                (_INVALID, None),
                _INVALID,
            ),
            Fault(
                "429",
                Behaviour.ERROR,
                429,
                "Too many requests.",
                ("requests", "rate_limit_exceeded"),
                "rate_limit_error",
            ),
            Fault(
                "quota",
                Behaviour.ERROR,
                429,
                "The quota is used up.",
                ("insufficient_quota", "insufficient_quota"),
                "rate_limit_error",
            ),
            Fault("500", Behaviour.ERROR, 500, "Something went wrong here."),
            Fault("502", Behaviour.ERROR, 502, "The gateway got no answer."),
            Fault("503", Behaviour.ERROR, 503, "The service is not available."),
            Fault(
                "529",
                Behaviour.ERROR,
                529,
                "The service is overloaded.",
                ("overloaded_error", None),
                "overloaded_error",
            ),
            Fault(
                "too-long",
                Behaviour.ERROR,
                400,
                "prompt is too long: 300000 tokens > 200000 maximum",
                (_INVALID, "context_length_exceeded"),
                _INVALID,
            ),
            Fault(
                "filtered",
                Behaviour.FILTERED,
                400,
                "The content filter refused the request.",
                (_INVALID, "content_filter"),
            ),
            Fault("reset", Behaviour.RESET),
            Fault("hang", Behaviour.HANG),
            Fault("slow", Behaviour.SLOW, seconds=5.0),
            Fault("cut", Behaviour.CUT, events=_AFTER_EVENTS),
            Fault("stall", Behaviour.STALL, events=_AFTER_EVENTS),
            Fault("empty", Behaviour.EMPTY),
            Fault("blank", Behaviour.BLANK),
            Fault(
                "error-in-stream",
                Behaviour.ERROR_WITHIN,
                message="The service is overloaded.",
                openai=("overloaded_error", None),
                anthropic="overloaded_error",
            ),
            Fault(
                "error-mid-stream",
                Behaviour.ERROR_WITHIN,
                message="The service is overloaded.",
                openai=("overloaded_error", None),
                anthropic="overloaded_error",
                events=_AFTER_EVENTS,
            ),
            Fault("no-done", Behaviour.UNENDED),
            Fault("html", Behaviour.HTML),
            *(Fault(way, Behaviour.UNFIT, ways=(way,)) for way in WAYS),
            Fault("unfit", Behaviour.UNFIT, ways=tuple(WAYS)),
        )
    }
)
"""Every fault by its name. One more of a known behaviour is a row here."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a fault is switched on. An empty field stands for any.

    Attributes:
        model: As the provider names it, i.e. what is sent upstream.
    """

    provider: str
    model: str = ""
    region: str = ""

    def covers(self, place: "Target") -> bool:
        """Tell whether a fault here shows at a place, which has no empty wishes."""
        return (
            self.provider == place.provider
            and self.model in {"", place.model}
            and self.region in {"", place.region}
        )

    @property
    def precision(self) -> int:
        """How narrow it is: the narrowest fault that covers a place shows there."""
        return bool(self.model) + bool(self.region)


@dataclass(frozen=True, slots=True)
class Order:
    """A fault that is switched on.

    Attributes:
        times: For how many requests more. None: for ever.
        share: How likely it is to show, from 0 to 1.
        headers: Sent along with an error, e.g. `retry-after`.
    """

    target: Target
    fault: Fault
    times: int | None = None
    share: float = 1.0
    headers: Mapping[str, str] = field(default_factory=dict)


class Switchboard:
    """The faults that are switched on.

    Args:
        chance: A number from 0 up to 1, another one at each call.
    """

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._orders: dict[Target, Order] = {}

    def fail(self, order: Order) -> None:
        """Switch a fault on, in place of what was on for the same target."""
        self._orders[order.target] = order

    def recover(self, within: Target | None = None) -> None:
        """Switch off every fault, or those of a provider or one model of it."""
        self._orders = {
            target: order
            for target, order in self._orders.items()
            if within is not None and not within.covers(target)
        }

    def take(self, place: Target) -> Order | None:
        """Return the fault that shows at a place, and count it as shown."""
        covering = [
            order for order in self._orders.values() if order.target.covers(place)
        ]
        if not covering:
            return None
        order = max(covering, key=lambda order: order.target.precision)
        if order.share < 1 and self._chance() >= order.share:
            return None
        if order.times is not None:
            if order.times <= 1:
                del self._orders[order.target]
            else:
                self._orders[order.target] = replace(order, times=order.times - 1)
        return order

    def of(self, provider: str) -> list[Order]:
        """Return what is switched on within a provider."""
        return [
            order
            for order in self._orders.values()
            if order.target.provider == provider
        ]
