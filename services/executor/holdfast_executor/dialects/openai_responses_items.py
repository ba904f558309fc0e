"""Items of a Response that a chat has no place for, and how they survive a turn.

They stand in the message that they led to, in `extra_content.openai.items`, so that a
caller who hands a message back as it was hands them back too. What is encrypted is
marked with its issuer: nobody else can read it, and who cannot refuses it.

Among them are pointers to what a chat does have, where the order of both matters: one
of type `message` stands for so many characters of the message's text, one that has a
`call_id` alone for that call.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from holdfast.model import Deployment

FIELD = "extra_content"
OWNER = "openai"

CALLS = frozenset({"function_call", "custom_tool_call"})
"""Calls that a chat has a place for."""

_ISSUER_CHARACTERS = 16
"""Enough that no two of an organization's endpoints are taken for one another."""

_OURS = ("index", "issuer")


def issuer_of(deployment: Deployment | None) -> str:
    """Name who can read what a deployment encrypts, telling nothing of it.

    OpenAI's can be read in the organization that it was made for alone: by whoever
    calls the same address with the same credential.
    """
    if deployment is None:
        return ""
    place = f"{deployment.credential_id}\0{deployment.base_uri}"
    return hashlib.sha256(place.encode()).hexdigest()[:_ISSUER_CHARACTERS]


def kept_items(
    message: Mapping[str, Any], issuer: str
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Give what stands in a message of items, and of each whether it is a pointer.

    Args:
        message: As the caller has it.
        issuer: Who is to be sent them. What is another's is left out.
    """
    content = message.get(FIELD)
    own = content.get(OWNER) if isinstance(content, dict) else None
    listed = own.get("items") if isinstance(own, dict) else None
    for item in listed if isinstance(listed, list) else ():
        if not isinstance(item, dict) or item.get("issuer", issuer) != issuer:
            continue
        if item.get("type") == "reasoning" and "issuer" not in item:
            # Nobody has stored it, so that nobody knows what it stands for.
            continue
        is_pointer = item.get("type") in CALLS or item.get("type") == "message"
        yield {k: v for k, v in item.items() if k not in _OURS}, is_pointer


class Keeper:
    """Sees the items of one answer go by, and says which of them are to be kept."""

    def __init__(self, issuer: str) -> None:
        """Begin.

        Args:
            issuer: Who encrypts.
        """
        self._issuer = issuer
        self._count = 0
        self._passed: list[dict[str, Any]] = []

    def pass_by(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Take the next item, which is whole; return what is to be kept by now."""
        kind = item.get("type")
        if not isinstance(kind, str):
            return []
        if kind == "message":
            return self._message(item)
        if kind in CALLS:
            self._passed.append({"type": kind, "call_id": item.get("call_id")})
            return []
        if kind == "reasoning" and not item.get("encrypted_content"):
            return []
        if item.get("encrypted_content"):
            item = {**item, "issuer": self._issuer}
        return self._numbered([*self._pointers(), dict(item)])

    def _message(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        parts = list(parts_of(item, "content"))
        pointer: dict[str, Any] = {
            "type": "message",
            "characters": sum(len(text_of(part)) for part in parts),
        }
        if item.get("phase"):
            pointer["phase"] = item["phase"]
        if others := [
            each
            for part in parts
            for each in parts_of(part, "annotations")
            if each.get("type") != "url_citation"
        ]:
            pointer["annotations"] = others
        self._passed.append(pointer)
        if pointer.keys() & {"phase", "annotations"}:
            return self._numbered(self._pointers())
        return []

    def _pointers(self) -> list[dict[str, Any]]:
        passed, self._passed = self._passed, []
        return passed

    def _numbered(self, items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Give each its place, as OpenAI's SDK demands of what it gathers."""
        numbered = [
            {"index": place, **item} for place, item in enumerate(items, self._count)
        ]
        self._count += len(numbered)
        return numbered


def placed(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Write the member of a message that keeps items; nothing if there are none."""
    listed = list(items)
    return {FIELD: {OWNER: {"items": listed}}} if listed else {}


def parts_of(holder: Mapping[str, Any], field: str) -> Iterator[dict[str, Any]]:
    """Give the objects in a list, none if there is no list."""
    listed = holder.get(field)
    for part in listed if isinstance(listed, list) else ():
        if isinstance(part, dict):
            yield part


def text_of(part: Mapping[str, Any]) -> str:
    """Return the text of a part that is text. Empty if it is none."""
    text = part.get("text") if part.get("type") == "output_text" else None
    return text if isinstance(text, str) else ""
