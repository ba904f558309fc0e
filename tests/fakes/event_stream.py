"""Reading a streamed answer as it came over the wire, `[DONE]` and all."""

import json
from typing import Any

DONE = "[DONE]"


def events(body: str) -> list[str]:
    """Return the data of each event; anything but plain data events fails."""
    blocks = body.split("\n\n")
    assert blocks.pop() == "", "the stream ends within an event"
    assert all(block.startswith("data: ") for block in blocks), body
    return [block.removeprefix("data: ") for block in blocks]


def chunks(body: str) -> list[dict[str, Any]]:
    """Return every event but `[DONE]` as JSON."""
    return [json.loads(event) for event in events(body) if event != DONE]


def text(chunks: list[dict[str, Any]]) -> str:
    """Return what the chunks of one answer say together."""
    return "".join(
        choice["delta"].get("content") or ""
        for chunk in chunks
        for choice in chunk.get("choices", ())
    )
