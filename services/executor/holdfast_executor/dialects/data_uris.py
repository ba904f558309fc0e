"""Content in a request: where it is on the web, or the whole of it as a data URI."""

import re

from holdfast_executor.dialects import CapabilityMissingError

_DATA_URI = re.compile(r"data:([^;,]*)(?:;[^;,]*)*?(;base64)?,", re.IGNORECASE)


def is_web(uri: str) -> bool:
    """Whether content is given by its address on the web."""
    return uri[:8].lower().startswith(("https://", "http://"))


def is_bare(content: str) -> bool:
    """Whether content is base64 without the frame of a data URI."""
    return ":" not in content[:64]


def data_of(uri: str, field: str) -> tuple[str, str]:
    """Take a data URI apart into media type and base64.

    Raises:
        CapabilityMissingError: It is none, or not in base64.
    """
    frame = _DATA_URI.match(uri)
    if frame is None or not frame[2]:
        raise CapabilityMissingError(
            "Content is given by an http, https or base64 data URI.", field
        )
    return frame[1].lower(), uri[frame.end() :]
