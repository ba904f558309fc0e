"""What may be called between the services: each method's name and messages."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.resolver.v1 import resolver_service_pb2 as resolver_pb

Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Method(Generic[Request, Response]):
    """A method of one of our gRPC services.

    Attributes:
        name: Its full name, e.g. `holdfast.api.executor.v1.ExecutorService/Execute`.
        request: The message that asks.
        response: The message, or each of the messages, that answer.
    """

    name: str
    request: type[Request]
    response: type[Response]

    def write(self, request: Request) -> bytes:
        """Serialize a request."""
        message: Any = request
        written: bytes = message.SerializeToString()
        return written

    def read(self, answer: bytes) -> Response:
        """Parse an answer."""
        kind: Any = self.response
        parsed: Response = kind.FromString(answer)
        return parsed


RESOLVE_MODEL = Method(
    "holdfast.api.resolver.v1.ResolverService/ResolveModel",
    resolver_pb.ResolveModelRequest,
    resolver_pb.ResolveModelResponse,
)
REPORT_ATTEMPTS = Method(
    "holdfast.api.resolver.v1.ResolverService/ReportAttempts",
    resolver_pb.ReportAttemptsRequest,
    resolver_pb.ReportAttemptsResponse,
)
LIST_MODELS = Method(
    "holdfast.api.catalog.v1.CatalogService/ListModels",
    catalog_pb.ListModelsRequest,
    catalog_pb.ListModelsResponse,
)
EXECUTE = Method(
    "holdfast.api.executor.v1.ExecutorService/Execute",
    executor_pb.ExecuteRequest,
    executor_pb.ExecuteResponse,
)
EXECUTE_STREAM = Method(
    "holdfast.api.executor.v1.ExecutorService/ExecuteStream",
    executor_pb.ExecuteStreamRequest,
    executor_pb.ExecuteStreamResponse,
)
