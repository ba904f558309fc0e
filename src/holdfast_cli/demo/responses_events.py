"""The events of a streamed Response, item by item, as a provider sends them."""

from typing import Any

from holdfast_cli.demo.prompt import Answer
from holdfast_cli.demo.wires import event, fragments

Written = tuple[list[bytes], list[bytes], list[bytes]]
"""The events with which an item begins, is filled and ends."""


def whole_item(place: int, item: dict[str, Any]) -> list[bytes]:
    """Write an item that comes at once, but for what is shown of thoughts."""
    within = []
    for number, part in enumerate(item.get("summary") or ()):
        at = {"item_id": item["id"], "output_index": place, "summary_index": number}
        kind = "response.reasoning_summary"
        empty = {**part, "text": ""}
        within += [
            typed(f"{kind}_part.added", **at, part=empty),
            typed(f"{kind}_text.delta", **at, delta=part["text"]),
            typed(f"{kind}_text.done", **at, text=part["text"]),
            typed(f"{kind}_part.done", **at, part=part),
        ]
    return [
        typed("response.output_item.added", output_index=place, item=item),
        *within,
        typed("response.output_item.done", output_index=place, item=item),
    ]


def message_events(place: int, item: dict[str, Any], answer: Answer) -> Written:
    """Write what is said, word by word."""
    part = item["content"][0]
    at = {"item_id": item["id"], "output_index": place, "content_index": 0}
    empty = {**part, "text": "", "annotations": []}
    begun = {**item, "content": [], "status": "in_progress"}
    cited = [
        typed(
            "response.output_text.annotation.added",
            **at,
            annotation_index=number,
            annotation=each,
        )
        for number, each in enumerate(part["annotations"])
    ]
    return (
        [
            typed("response.output_item.added", output_index=place, item=begun),
            typed("response.content_part.added", **at, part=empty),
        ],
        [
            typed("response.output_text.delta", **at, delta=word, logprobs=[])
            for word in answer.words
        ],
        [
            *cited,
            typed("response.output_text.done", **at, text=part["text"]),
            typed("response.content_part.done", **at, part=part),
            typed("response.output_item.done", output_index=place, item=item),
        ],
    )


def call_events(place: int, item: dict[str, Any], _: Answer) -> Written:
    """Write a call of a function, piece by piece."""
    at = {"item_id": item["id"], "output_index": place}
    begun = {**item, "arguments": "", "status": "in_progress"}
    kind = "response.function_call_arguments"
    return (
        [],
        [
            typed("response.output_item.added", output_index=place, item=begun),
            *(
                typed(f"{kind}.delta", **at, delta=fragment)
                for fragment in fragments(item["arguments"])
            ),
        ],
        [
            typed(f"{kind}.done", **at, arguments=item["arguments"]),
            typed("response.output_item.done", output_index=place, item=item),
        ],
    )


def typed(kind: str, **fields: Any) -> bytes:
    """Write an event, which is named after its type."""
    return event({"type": kind, **fields}, kind)
