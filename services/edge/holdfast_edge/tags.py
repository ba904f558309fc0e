"""What a caller says a request is for: spend is grouped by it.

x-holdfast-tags: team:search,customer:acme
"""

from collections.abc import Mapping
from types import MappingProxyType

from holdfast.errors import RequestMalformedError
from holdfast_edge.headers import Head

_HEADERS = (b"x-holdfast-tags", b"x-opper-tags")
"""The first one found wins."""

_MOST = 16
_MOST_NAME_BYTES = 64
_MOST_VALUE_BYTES = 256
"""As resolver_service.proto bounds them: they are kept with every request."""

_NONE: Mapping[str, str] = MappingProxyType({})


def tags_of(head: Head) -> Mapping[str, str]:
    """Read a request's tags.

    Raises:
        RequestMalformedError: They are not `name:value`, separated by commas, or
            are too many or too long.
    """
    name = next((each for each in _HEADERS if each in head.headers), None)
    return _NONE if name is None else _read(name.decode(), head.text(name))


def _read(header: str, text: str) -> Mapping[str, str]:
    tags: dict[str, str] = {}
    for word in text.split(","):
        if not (pair := word.strip()):
            continue
        name, colon, value = (part.strip() for part in pair.partition(":"))
        if not name or not colon:
            raise _malformed(header, "is written name:value,name:value")
        if (
            len(name.encode()) > _MOST_NAME_BYTES
            or len(value.encode()) > _MOST_VALUE_BYTES
        ):
            raise _malformed(
                header,
                f"takes names of {_MOST_NAME_BYTES} and values of "
                f"{_MOST_VALUE_BYTES} bytes at most",
            )
        tags[name] = value
    if len(tags) > _MOST:
        raise _malformed(header, f"takes {_MOST} tags at most")
    return tags


def _malformed(header: str, rule: str) -> RequestMalformedError:
    return RequestMalformedError(f"The header {header} {rule}.", field=header)
