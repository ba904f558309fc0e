"""Puts a streamed Response together, as strict as the documents of the events are."""

import json
from typing import Any

_BEGINNING = ("response.created", "response.in_progress")


class ResponseReader:
    """One stream.

    Attributes:
        output: The items that have come so far, each as its events made it.
        last: The response as the last event has it. None before.
        error: What it ended with, if with an error.
    """

    def __init__(self) -> None:
        self.output: list[dict[str, Any]] = []
        self.last: dict[str, Any] | None = None
        self.error: dict[str, Any] | None = None
        self.kinds: list[str] = []
        self._open: set[int] = set()

    def read(self, stream: bytes) -> None:
        """Take events, each of which is whole."""
        assert stream.endswith(b"\n\n") or not stream
        for event in stream.split(b"\n\n")[:-1]:
            name, _, data = event.partition(b"\ndata: ")
            fields = json.loads(data)
            assert name == b"event: " + fields["type"].encode()
            assert fields["sequence_number"] == len(self.kinds)
            self._take(fields["type"], fields)
            self.kinds.append(fields["type"])

    def _take(self, kind: str, event: dict[str, Any]) -> None:
        assert self.last is None or kind == "error"
        if len(self.kinds) < len(_BEGINNING) and kind != "response.failed":
            assert kind == _BEGINNING[len(self.kinds)]
            assert event["response"]["status"] == "in_progress"
            return
        match kind.removeprefix("response."):
            case "completed" | "incomplete" | "failed" as status:
                assert event["response"]["status"] == status
                self.last = event["response"]
            case "error":
                self.error = event
            case "output_item.added":
                assert event["output_index"] == len(self.output)
                self.output.append(event["item"])
                self._open.add(event["output_index"])
            case "output_item.done":
                assert event["item"]["id"] == self.output[event["output_index"]]["id"]
                self._open.remove(event["output_index"])
                finished = {**self.output[event["output_index"]], "status": "completed"}
                carried = ("encrypted_content", "status")
                assert _without(event["item"], carried) == _without(finished, carried)
                self.output[event["output_index"]] = event["item"]
            case within:
                item = self.output[event["output_index"]]
                assert event["output_index"] in self._open
                assert event["item_id"] == item["id"]
                _within(within, event, item)


def _within(kind: str, event: dict[str, Any], item: dict[str, Any]) -> None:
    """Add what an event adds to an open item; what is done has been added before."""
    match kind:
        case "content_part.added":
            assert event["content_index"] == len(item["content"])
            item["content"].append(event["part"])
        case "output_text.delta":
            item["content"][event["content_index"]]["text"] += event["delta"]
        case "refusal.delta":
            item["content"][event["content_index"]]["refusal"] += event["delta"]
        case "output_text.done":
            assert item["content"][event["content_index"]]["text"] == event["text"]
        case "refusal.done":
            part = item["content"][event["content_index"]]
            assert part["refusal"] == event["refusal"]
        case "content_part.done":
            assert item["content"][event["content_index"]] == event["part"]
        case "reasoning_summary_part.added":
            assert event["summary_index"] == len(item["summary"])
            item["summary"].append(event["part"])
        case "reasoning_summary_text.delta":
            item["summary"][event["summary_index"]]["text"] += event["delta"]
        case "reasoning_summary_text.done":
            assert item["summary"][event["summary_index"]]["text"] == event["text"]
        case "reasoning_summary_part.done":
            assert item["summary"][event["summary_index"]] == event["part"]
        case "function_call_arguments.delta":
            item["arguments"] += event["delta"]
        case "function_call_arguments.done":
            assert item["arguments"] == event["arguments"]
            assert item["name"] == event["name"]
        case _:
            raise AssertionError(f"{kind} is no event")


def _without(item: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}
