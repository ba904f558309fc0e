"""Calling providers over HTTP: one request, one answer, or one kind of failure.

What the executor knows of HTTP, so that another client can take its place.
A request is sent once: nothing here retries, follows a redirect, keeps a
cookie or heeds a proxy of the environment. What fails says how, as a
`FailureKind`; an answer that was cut off fails and never just ends.
"""

from holdfast_executor.transport.client import Transport
from holdfast_executor.transport.failure import FailureKind, TransportError
from holdfast_executor.transport.limits import TransportLimits
from holdfast_executor.transport.request import HttpRequest
from holdfast_executor.transport.response import HttpResponse

__all__ = [
    "FailureKind",
    "HttpRequest",
    "HttpResponse",
    "Transport",
    "TransportError",
    "TransportLimits",
]
