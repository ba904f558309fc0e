"""Ids of the spans of a trace, the same wherever they are made up.

What is told of a request, what is exported of it and what its providers are sent all
name the same spans, though none of them knows of the others.
"""

import hashlib

_BYTES = 8
"""What W3C Trace Context has for a span."""


def request_span_id(plan_id: str) -> str:
    """Name the span of a request: 16 hex digits."""
    return _id(plan_id)


def attempt_span_id(plan_id: str, ordinal: int) -> str:
    """Name the span of one of its attempts, by its place from 1."""
    return _id(f"{plan_id}/{ordinal}")


def _id(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=_BYTES).hexdigest()
