"""What providers give with an answer and want back, as text that clients hand back.

Signatures and the like, where an API's format has no place for them. It is no
secret: whoever issued a signature checks it. None but the gateway opens it.
"""

import base64
import binascii
from typing import Any

import msgspec

_MARK = "holdfast:"
"""What it begins with. What providers write themselves is base64, without a colon."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def closed(content: dict[str, Any]) -> str:
    """Write what is to come back."""
    return _MARK + base64.b64encode(_encode(content)).decode()


def is_closed(text: object) -> bool:
    """Tell whether the gateway wrote something."""
    return isinstance(text, str) and text.startswith(_MARK)


def opened(text: object) -> dict[str, Any] | None:
    """Read what has come back; None if the gateway did not write it, or not so."""
    if not isinstance(text, str) or not is_closed(text):
        return None
    try:
        return _decode(base64.b64decode(text.removeprefix(_MARK), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None


def joined(known: Any, more: Any) -> Any:
    """Put together what has come back in several pieces, in their order."""
    if isinstance(known, dict) and isinstance(more, dict):
        both = {name: joined(known[name], more[name]) for name in known if name in more}
        return {**known, **more, **both}
    if isinstance(known, list) and isinstance(more, list):
        return [*known, *more]
    return more
