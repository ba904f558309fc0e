"""What may be called between the services: each method's name and how it is written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.resolver.v1 import resolver_service_pb2 as resolver_pb
from holdfast.health import Rests
from holdfast.ports import (
    ExecuteRequest,
    ExecuteResponse,
    ReportAttemptsRequest,
    ResolveModelRequest,
)
from holdfast.rpc import messages
from holdfast.signing import SignedPlan

Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Method(Generic[Request, Response]):
    """A method of one of our gRPC services.

    Attributes:
        name: Its full name, e.g. `holdfast.api.executor.v1.ExecutorService/Execute`.
        write: Serializes a request.
        read: Parses an answer, or each message of one.
        take: Parses a request.
        answer: Serializes an answer, or each message of one.
    """

    name: str
    write: Callable[[Request], bytes]
    read: Callable[[bytes], Response]
    take: Callable[[bytes], Request]
    answer: Callable[[Response], bytes]


def _written(message: Any) -> bytes:
    written: bytes = message.SerializeToString()
    return written


RESOLVE_MODEL: Method[ResolveModelRequest, SignedPlan] = Method(
    "holdfast.api.resolver.v1.ResolverService/ResolveModel",
    write=lambda asked: _written(messages.resolve_request_to_wire(asked)),
    read=lambda answer: messages.resolve_response_from_wire(
        resolver_pb.ResolveModelResponse.FromString(answer)
    ),
    take=lambda asked: messages.resolve_request_from_wire(
        resolver_pb.ResolveModelRequest.FromString(asked)
    ),
    answer=lambda plan: _written(messages.resolve_response_to_wire(plan)),
)
REPORT_ATTEMPTS: Method[ReportAttemptsRequest, Rests | None] = Method(
    "holdfast.api.resolver.v1.ResolverService/ReportAttempts",
    write=lambda asked: _written(messages.reports_to_wire(asked)),
    read=lambda answer: messages.rests_from_wire(
        resolver_pb.ReportAttemptsResponse.FromString(answer)
    ),
    take=lambda asked: messages.reports_from_wire(
        resolver_pb.ReportAttemptsRequest.FromString(asked)
    ),
    answer=lambda rests: _written(messages.rests_to_wire(rests)),
)
LIST_MODELS: Method[catalog_pb.ListModelsRequest, catalog_pb.ListModelsResponse] = (
    Method(
        "holdfast.api.catalog.v1.CatalogService/ListModels",
        write=_written,
        read=catalog_pb.ListModelsResponse.FromString,
        take=catalog_pb.ListModelsRequest.FromString,
        answer=_written,
    )
)
EXECUTE: Method[ExecuteRequest, ExecuteResponse] = Method(
    "holdfast.api.executor.v1.ExecutorService/Execute",
    write=lambda asked: _written(messages.execute_request_to_wire(asked)),
    read=lambda answer: messages.execute_response_from_wire(
        executor_pb.ExecuteResponse.FromString(answer)
    ),
    take=lambda asked: messages.execute_request_from_wire(
        executor_pb.ExecuteRequest.FromString(asked)
    ),
    answer=lambda response: _written(messages.execute_response_to_wire(response)),
)
EXECUTE_STREAM: Method[ExecuteRequest, executor_pb.ExecuteStreamResponse] = Method(
    "holdfast.api.executor.v1.ExecutorService/ExecuteStream",
    write=lambda asked: _written(messages.stream_request_to_wire(asked)),
    read=executor_pb.ExecuteStreamResponse.FromString,
    take=lambda asked: messages.execute_request_from_wire(
        executor_pb.ExecuteStreamRequest.FromString(asked)
    ),
    answer=_written,
)
