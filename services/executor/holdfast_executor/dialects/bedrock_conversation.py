"""Anthropic's turns and content blocks in the words of Bedrock's Converse.

The two formats say the same: two speakers take turns, calls of tools and their
results are content. So a conversation is written once, for Anthropic, and
worded anew here.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError

_DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
"""`DocumentFormat` of the service model, by media type."""

DOCUMENTS = frozenset(_DOCUMENT_FORMATS)

_NOTHING = "."
"""What stands for content where some is demanded and there is none."""

_NO_NAME = re.compile(r"[^a-zA-Z0-9 ()\[\]-]+")
"""What a document's name may not hold: it is letters, digits, single spaces, hyphens,
parentheses and brackets (API_runtime_DocumentBlock.html)."""

_NAME_CHARACTERS_MAX = 190
"""Of a document's name, of at most 200, with room for what sets it apart."""

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""The pattern and length of `ToolName` in the service model."""


class Wording:
    """Words one request's blocks.

    Args:
        cached: What a cache point may stand in. Elsewhere marks are left out:
            without them the answer is the same.
        hour: Whether a cache point may ask to be kept for an hour.
    """

    def __init__(self, cached: frozenset[str], *, hour: bool) -> None:
        self._cached = cached
        self._hour = hour
        self._document_names: set[str] = set()
        self._blocks: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "text": lambda block: {"text": block["text"]},
            "image": _image,
            "document": self._document,
            "tool_use": _tool_use,
            "tool_result": self._tool_result,
            "thinking": _thinking,
            "redacted_thinking": _redacted,
        }

    def system(self, blocks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Word the system prompt."""
        return list(self._worded(blocks, "system"))

    def messages(
        self, turns: Iterable[dict[str, Any]], mark: object
    ) -> list[dict[str, Any]]:
        """Word the turns.

        Args:
            turns: As Anthropic takes them.
            mark: A `cache_control` of the whole request. None if there is none.
        """
        messages = [
            {
                "role": turn["role"],
                "content": _accompanied(
                    list(self._worded(turn["content"], "messages"))
                ),
            }
            for turn in turns
        ]
        if messages[0]["role"] != "user":
            # Bedrock refuses a conversation that the user does not begin.
            messages.insert(0, {"role": "user", "content": [{"text": _NOTHING}]})
        last = messages[-1]["content"]
        if "cachePoint" not in last[-1]:
            last += self.cache_point(mark, "messages")
        return messages

    def cache_point(self, mark: object, place: str) -> list[dict[str, Any]]:
        """Word a `cache_control` as the block that follows what it marks."""
        if not isinstance(mark, dict) or place not in self._cached:
            return []
        point = {"type": "default"}
        if mark.get("ttl") == "1h" and self._hour:
            point["ttl"] = "1h"
        return [{"cachePoint": point}]

    def _worded(
        self, blocks: Iterable[dict[str, Any]], place: str
    ) -> Iterator[dict[str, Any]]:
        for block in blocks:
            yield self._blocks[block["type"]](block)
            yield from self.cache_point(_mark(block), place)

    def _document(self, block: dict[str, Any]) -> dict[str, Any]:
        source = block["source"]
        if source["type"] == "base64":
            kind = _DOCUMENT_FORMATS[source["media_type"]]
            data = source["data"]
        else:
            kind, data = "txt", base64.b64encode(source["data"].encode()).decode()
        name = self._document_name(str(block.get("title") or ""))
        return {"document": {"format": kind, "name": name, "source": {"bytes": data}}}

    def _document_name(self, title: str) -> str:
        """Name a document in the characters allowed, and no two the same."""
        name = " ".join(_NO_NAME.sub(" ", title).split())[:_NAME_CHARACTERS_MAX]
        name = wanted = name.strip() or "Document"
        while name in self._document_names:
            name = f"{wanted} ({len(self._document_names) + 1})"
        self._document_names.add(name)
        return name

    def _tool_result(self, block: dict[str, Any]) -> dict[str, Any]:
        # A mark within a result would stand in it, where no cache point may.
        parts = block.get("content", ())
        content = [self._blocks[part["type"]](part) for part in parts]
        result = {
            "toolUseId": block["tool_use_id"],
            "content": content or [{"text": _NOTHING}],
        }
        return {"toolResult": result}


def _mark(block: dict[str, Any]) -> object:
    """Return a block's mark, or the last one within it."""
    marks = [part.get("cache_control") for part in block.get("content", ())]
    return block.get("cache_control") or next((m for m in marks[::-1] if m), None)


def _accompanied(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put text to documents, which Bedrock refuses without any."""
    if any("document" in block for block in content) and not any(
        "text" in block for block in content
    ):
        content.append({"text": _NOTHING})
    return content


def _image(block: dict[str, Any]) -> dict[str, Any]:
    source = block["source"]
    kind = source["media_type"].removeprefix("image/")
    return {"image": {"format": kind, "source": {"bytes": source["data"]}}}


def _tool_use(block: dict[str, Any]) -> dict[str, Any]:
    name = checked_tool_name(block["name"], "messages")
    return {
        "toolUse": {"toolUseId": block["id"], "name": name, "input": block["input"]}
    }


def _thinking(block: dict[str, Any]) -> dict[str, Any]:
    text = {"text": block["thinking"], "signature": block["signature"]}
    return {"reasoningContent": {"reasoningText": text}}


def _redacted(block: dict[str, Any]) -> dict[str, Any]:
    data = base64.b64encode(block["data"].encode()).decode()
    return {"reasoningContent": {"redactedContent": data}}


def redacted_data(content: object) -> str:
    """Read redacted thinking as Anthropic words it. Empty if it cannot be.

    It is text to Anthropic and bytes to AWS, which JSON has in base64.
    """
    try:
        return base64.b64decode(str(content), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def checked_tool_name(name: str, field: str) -> str:
    """Return a tool's name if Bedrock takes it.

    Raises:
        CapabilityMissingError: It does not. The name cannot be changed: the
            answer would call a tool that the caller has not.
    """
    if TOOL_NAME.fullmatch(name):
        return name
    raise CapabilityMissingError(
        "Bedrock takes tool names of up to 64 letters, digits, _ and -.", field
    )
