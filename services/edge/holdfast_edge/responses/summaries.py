"""The item that stands for what a conversation came to: a compaction.

Its content is a summary in words, which every model can go on from. Clients send it
back as it came.
"""

from typing import Any

from holdfast_edge.carried import closed, opened

COMPACTION = "compaction"
"""The type of the item."""

_SUMMARY = "summary"

_SAID = (
    "What was said and done in this conversation so far, in short; of what is before "
    "this, only the messages themselves are left:\n\n"
)
"""What stands before a summary where it is told to a model."""


def compaction_item(item_id: str, summary: str) -> dict[str, Any]:
    """Write the item."""
    return {
        "id": item_id,
        "type": COMPACTION,
        "encrypted_content": closed({_SUMMARY: summary}),
    }


def summary_of(item: dict[str, Any]) -> str | None:
    """Return the summary that an item bears; None if the gateway wrote none."""
    summary = (opened(item.get("encrypted_content")) or {}).get(_SUMMARY)
    return summary if isinstance(summary, str) else None


def as_message(summary: str) -> dict[str, Any]:
    """Write a summary as a message of a chat.

    The user's: it is to be read, and not what the model is to begin its answer with.
    """
    return {"role": "user", "content": _SAID + summary}
