"""If-Match and If-None-Match: acting on what one has seen (RFC 9110 section 13)."""

from dataclasses import dataclass

from holdfast_edge.decoding import malformed
from holdfast_edge.headers import Head, Header

_ANY = "*"
_WEAK = "W/"


@dataclass(frozen=True, slots=True)
class Etags:
    """What a header lists.

    Attributes:
        anything: Whether it is `*`: whatever there is.
        strong: Those that name exactly one state.
        weak: Those marked as naming states that are as good as each other.
    """

    anything: bool
    strong: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()


def if_match(head: Head) -> Etags | None:
    """Return what an edit is bound to; None if it is not.

    Raises:
        RequestMalformedError: The header holds no etags.
    """
    return _read(head, b"if-match")


def is_unchanged(head: Head, etag: str) -> bool:
    """Say whether the caller has what it asks for already.

    Raises:
        RequestMalformedError: The header holds no etags.
    """
    known = _read(head, b"if-none-match")
    if known is None:
        return False
    return known.anything or etag in known.strong or etag in known.weak


def etag_header(etag: str) -> Header:
    """Write the header that says which state an answer shows."""
    return b"etag", f'"{etag}"'.encode()


def _read(head: Head, name: bytes) -> Etags | None:
    text = head.text(name)
    if not text:
        return None
    if text == _ANY:
        return Etags(anything=True)
    listed = [each.strip() for each in text.split(",")]
    return Etags(
        anything=False,
        strong=tuple(
            _unquoted(each, name) for each in listed if not each.startswith(_WEAK)
        ),
        weak=tuple(
            _unquoted(each.removeprefix(_WEAK), name)
            for each in listed
            if each.startswith(_WEAK)
        ),
    )


def _unquoted(text: str, header: bytes) -> str:
    inner = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    if not inner or '"' in inner:
        raise malformed(header.decode(), 'must be etags, such as "1f", or *')
    return inner
