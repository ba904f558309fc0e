"""Which conversation a chat request belongs to, named by its caller or derived.

The turns of one conversation should meet a deployment whose prompt cache they
have warmed. The resolver keeps the sessions of projects and models apart; all
that is found here is a name.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from holdfast_edge.chat_request import ChatMessage, ChatRequest, is_list
from holdfast_edge.headers import Head

_HEADERS = (
    b"x-holdfast-session",
    b"x-session-id",
    b"x-opper-trace-id",
    b"x-session-affinity",
    b"session_id",
)
"""Where a caller may name its session beside the path, best first."""

_PREFIX = "sess_"
"""Some clients name one session twice, with this before it and without."""

_LONGEST_BYTES = 256
"""What the resolver takes for a session."""

_END_BYTES = 8_192
"""How much of either end of a long text goes into a derived session: hashing
200 KB takes as long as all else that is done for a request here."""

_PROMPT_ROLES = frozenset({"system", "developer"})

_decode_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation's name; empty for none.

    Attributes:
        derived: Whether it comes from the request's content, for want of a
            name that the caller gave.
    """

    id: str = ""
    derived: bool = False


def session_of(
    chat: ChatRequest, head: Head, *, in_path: str, api_key_digest: bytes
) -> Session:
    """Find the session of a chat.

    Args:
        chat: What was read of the body.
        head: What was read of the head.
        in_path: The session in the request's path, empty for none.
        api_key_digest: Keys the derived session, so that nothing of a prompt
            can be found from it by trying.
    """
    named = named_session(head, in_path=in_path) or _bounded(
        (chat.prompt_cache_key or "").strip()
    )
    if named:
        return Session(named)
    derived = _derived(chat, api_key_digest)
    return Session(derived, derived=bool(derived))


def named_session(head: Head, *, in_path: str) -> str:
    """Return the session that the path or a header names, empty for none."""
    if bare := in_path.strip().removeprefix(_PREFIX):
        return _bounded(bare)
    for name in _HEADERS:
        if name in head.headers and (bare := head.text(name).removeprefix(_PREFIX)):
            return _bounded(bare)
    return ""


def _bounded(name: str) -> str:
    encoded = name.encode()
    if len(encoded) <= _LONGEST_BYTES:
        return name
    return hashlib.blake2b(encoded, digest_size=32).hexdigest()


def _derived(chat: ChatRequest, key: bytes) -> str:
    """Derive a session from how the conversation opens.

    Empty where nothing is worth keeping warm: a single turn without a system
    prompt or tools. Such requests rotate.
    """
    opening: list[ChatMessage] = []
    for message in chat.messages:
        if message.role in _PROMPT_ROLES:
            opening.append(message)
        elif message.role == "user":
            opening.append(message)
            break
    tools = chat.tools or chat.functions or ()
    if (
        len(chat.messages) == 1
        and not tools
        and opening[:1]
        and (opening[0].role == "user")
    ):
        return ""
    # JSON holds no such byte, so what it parts cannot pass for one piece.
    text = b"\0".join(_pieces(opening, tools))
    return hashlib.blake2b(text, key=key, digest_size=16).hexdigest()


def _shortened(text: msgspec.Raw) -> bytes | msgspec.Raw:
    """Return a text, or what tells a long one from others well enough.

    Conversations that are mistaken for one share a deployment, and with it the
    warm cache of all that they have in common.
    """
    if len(text) <= 2 * _END_BYTES:
        return text
    view = memoryview(text)
    size = str(len(text)).encode()
    return b"".join((view[:_END_BYTES], view[-_END_BYTES:], size))


def _pieces(
    opening: list[ChatMessage], tools: "list[msgspec.Raw] | tuple[()]"
) -> Iterator[bytes | msgspec.Raw]:
    for message in opening:
        yield message.role.encode()
        if is_list(message.content):
            yield from _parts(message.content)
        else:
            yield _shortened(message.content)
    yield from map(_shortened, tools)


def _parts(content: msgspec.Raw) -> Iterator[bytes | msgspec.Raw]:
    """Yield what a list of parts says, however the client wrote it this time.

    Clients move a cache marker on to the latest message at each turn, and turn
    a text into a list of one part in order to mark it: neither begins another
    conversation.
    """
    for part in _decode_parts(content):
        try:
            fields = _decode_fields(part)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield _shortened(part)
            continue
        fields.pop("cache_control", None)
        if fields.keys() == {"type", "text"}:
            yield _shortened(fields["text"])
            continue
        for name, value in fields.items():
            yield name.encode()
            yield _shortened(value)
