"""Which of a conversation's signatures do not go to a provider, for the trace.

A signature is its issuer's alone: each dialect sends its own and leaves out others'.
Whether any was left out is told by what was written, whichever dialect wrote it.
"""

import re

from holdfast_executor.chat import Chat

_SIGNATURE = re.compile(
    rb'(?:signature|encrypted_content)"[ \t\r\n]*:[ \t\r\n]*"([^"\\]+)"'
)

FIELD = "signature"
"""What is said to be left out."""


def unsent(chat: Chat, written: bytes) -> tuple[str, ...]:
    """Name signatures as left out if any of a request's is not in what was written."""
    if not chat.is_marked:
        return ()
    all_sent = all(each in written for each in _SIGNATURE.findall(chat.body))
    return () if all_sent else (FIELD,)
