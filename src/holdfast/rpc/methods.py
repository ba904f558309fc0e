"""What may be called between the services: each method's name and how it is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from holdfast.api.admin.v1 import admin_service_pb2 as admin_pb
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.ledger.v1 import budget_service_pb2 as budget_pb
from holdfast.api.ledger.v1 import ledger_service_pb2 as ledger_pb
from holdfast.api.ledger.v1 import stored_response_service_pb2 as responses_pb
from holdfast.api.resolver.v1 import resolver_service_pb2 as resolver_pb
from holdfast.health import Rests
from holdfast.model import BudgetStatus, Caller
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
LIST_BUDGET_STATUS: Method[bytes | Caller, Sequence[BudgetStatus]] = Method(
    "holdfast.api.ledger.v1.BudgetService/ListBudgetStatus",
    write=lambda asked: _written(messages.budget_status_request_to_wire(asked)),
    read=lambda answer: messages.budget_statuses_from_wire(
        budget_pb.ListBudgetStatusResponse.FromString(answer)
    ),
    take=lambda asked: messages.principal_from_wire(
        budget_pb.ListBudgetStatusRequest.FromString(asked).principal
    ),
    answer=lambda statuses: _written(messages.budget_statuses_to_wire(statuses)),
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
    take=lambda asked: messages.stream_request_from_wire(
        executor_pb.ExecuteStreamRequest.FromString(asked)
    ),
    answer=_written,
)


def _of_messages(
    name: str,
    request: type[Request],
    response: type[Response],
    service: str = "admin.v1.AdminService",
) -> Method[Request, Response]:
    """Return a method whose requests and answers are the messages themselves."""
    asked: Any = request
    answered: Any = response
    return Method(
        f"holdfast.api.{service}/{name}",
        write=_written,
        read=answered.FromString,
        take=asked.FromString,
        answer=_written,
    )


CREATE_RESOURCE = _of_messages(
    "CreateResource", admin_pb.CreateResourceRequest, admin_pb.CreateResourceResponse
)
GET_RESOURCE = _of_messages(
    "GetResource", admin_pb.GetResourceRequest, admin_pb.GetResourceResponse
)
LIST_RESOURCES = _of_messages(
    "ListResources", admin_pb.ListResourcesRequest, admin_pb.ListResourcesResponse
)
UPDATE_RESOURCE = _of_messages(
    "UpdateResource", admin_pb.UpdateResourceRequest, admin_pb.UpdateResourceResponse
)
DELETE_RESOURCE = _of_messages(
    "DeleteResource", admin_pb.DeleteResourceRequest, admin_pb.DeleteResourceResponse
)
ROTATE_API_KEY = _of_messages(
    "RotateApiKey", admin_pb.RotateApiKeyRequest, admin_pb.RotateApiKeyResponse
)
LIST_GENERATIONS = _of_messages(
    "ListGenerations", admin_pb.ListGenerationsRequest, admin_pb.ListGenerationsResponse
)
COMPARE_GENERATIONS = _of_messages(
    "CompareGenerations",
    admin_pb.CompareGenerationsRequest,
    admin_pb.CompareGenerationsResponse,
)
ROLL_BACK = _of_messages(
    "RollBack", admin_pb.RollBackRequest, admin_pb.RollBackResponse
)

_LEDGER = "ledger.v1.LedgerService"

LIST_TRACES = _of_messages(
    "ListTraces", ledger_pb.ListTracesRequest, ledger_pb.ListTracesResponse, _LEDGER
)
GET_TRACE = _of_messages(
    "GetTrace", ledger_pb.GetTraceRequest, ledger_pb.GetTraceResponse, _LEDGER
)
QUERY_USAGE = _of_messages(
    "QueryUsage", ledger_pb.QueryUsageRequest, ledger_pb.QueryUsageResponse, _LEDGER
)
DELETE_TRACE = _of_messages(
    "DeleteTrace", ledger_pb.DeleteTraceRequest, ledger_pb.DeleteTraceResponse, _LEDGER
)

_STORED_RESPONSES = "ledger.v1.StoredResponseService"

RECALL_RESPONSES = _of_messages(
    "RecallResponses",
    responses_pb.RecallResponsesRequest,
    responses_pb.RecallResponsesResponse,
    _STORED_RESPONSES,
)
KEEP_RESPONSE = _of_messages(
    "KeepResponse",
    responses_pb.KeepResponseRequest,
    responses_pb.KeepResponseResponse,
    _STORED_RESPONSES,
)
FORGET_RESPONSE = _of_messages(
    "ForgetResponse",
    responses_pb.ForgetResponseRequest,
    responses_pb.ForgetResponseResponse,
    _STORED_RESPONSES,
)
