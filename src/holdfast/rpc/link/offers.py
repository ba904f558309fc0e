"""What a service answers over a link, by the names of its gRPC methods."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.ports import Budgets, Executor, Resolver
from holdfast.rpc.methods import (
    EXECUTE,
    EXECUTE_STREAM,
    LIST_BUDGET_STATUS,
    LIST_MODELS,
    REPORT_ATTEMPTS,
    RESOLVE_MODEL,
    Method,
)


@dataclass(frozen=True, slots=True)
class Whole:
    """A method that answers with one message.

    Attributes:
        method: Its name, and how it is written.
        answer: Takes a request, and a `deadline` on the loop's clock.
    """

    method: Method[Any, Any]
    answer: Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Streamed:
    """A method that answers with a stream of messages.

    Attributes:
        method: Its name, and how it is written.
        answer: Takes a request, and a `deadline` on the loop's clock. What it
            returns is closed as soon as nobody reads it.
    """

    method: Method[Any, Any]
    answer: Callable[..., AsyncGenerator[Any, None]]


Offers = Mapping[str, Whole | Streamed]


def of_resolver(resolver: Resolver) -> Offers:
    """Offer what a resolver does."""
    return _by_name(
        Whole(RESOLVE_MODEL, resolver.resolve_model),
        Whole(REPORT_ATTEMPTS, resolver.report_attempts),
        Whole(LIST_MODELS, resolver.list_models),
    )


def of_budgets(budgets: Budgets) -> Offers:
    """Offer to say how budgets stand."""
    return _by_name(Whole(LIST_BUDGET_STATUS, budgets.list_budget_status))


def of_executor(executor: Executor) -> Offers:
    """Offer what an executor does."""
    return _by_name(
        Whole(EXECUTE, executor.execute),
        Streamed(EXECUTE_STREAM, executor.execute_stream),
    )


def _by_name(*offers: Whole | Streamed) -> Offers:
    return {offer.method.name: offer for offer in offers}
