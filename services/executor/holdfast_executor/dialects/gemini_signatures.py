"""The signatures that Gemini puts on its thoughts, and how they survive a turn.

A signature stands beside what the thought led to, a call or a text, in the place
where Google's own OpenAI-compatible endpoint has it; so a caller who hands a
message back as it was hands it back too. It is marked with its issuer, for
another model refuses it.
"""

from collections.abc import Mapping
from typing import Any

_FIELD = "extra_content"
_OWNER = "google"

UNCHECKED = "skip_thought_signature_validator"
"""What Google has callers put on a call of another model's making, or of nobody's
(ai.google.dev/gemini-api/docs/thought-signatures, the questions at its end)."""


def signed(signature: object, issuer: str) -> dict[str, Any]:
    """Write the member that keeps a signature; nothing if there is none."""
    if not isinstance(signature, str) or not signature:
        return {}
    return {_FIELD: {_OWNER: {"thought_signature": signature, "issuer": issuer}}}


def signature_of(holder: Mapping[str, Any], issuer: str) -> str:
    """Return the signature on a message or call that an issuer can verify.

    One that names no issuer is taken as Gemini's own: it is what Google's
    endpoint has written. Empty if there is none.
    """
    content = holder.get(_FIELD)
    own = content.get(_OWNER) if isinstance(content, dict) else None
    if not isinstance(own, dict) or own.get("issuer", issuer) != issuer:
        return ""
    signature = own.get("thought_signature")
    return signature if isinstance(signature, str) else ""
