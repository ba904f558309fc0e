"""Puts a streamed Message together, as strict as the documents of the events are."""

import json
from typing import Any

_FIELDS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


class MessageReader:
    """One stream.

    Attributes:
        message: What has come so far.
        is_whole: Whether it said that it is.
        error: What it ended with, if with an error.
    """

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.is_whole = False
        self.error: dict[str, Any] | None = None
        self._open: dict[int, str] = {}

    def read(self, stream: bytes) -> None:
        """Take events, each of which is whole."""
        assert stream.endswith(b"\n\n") or not stream
        for event in stream.split(b"\n\n")[:-1]:
            name, _, data = event.partition(b"\ndata: ")
            fields = json.loads(data)
            assert name == b"event: " + fields["type"].encode()
            assert not self.is_whole
            getattr(self, f"_{fields['type']}")(fields)

    def _message_start(self, event: dict[str, Any]) -> None:
        assert not self.message
        self.message = event["message"]
        assert self.message["content"] == []

    def _ping(self, event: dict[str, Any]) -> None:
        assert self.message

    def _content_block_start(self, event: dict[str, Any]) -> None:
        assert not self._open
        assert event["index"] == len(self.message["content"])
        self.message["content"].append(event["content_block"])
        self._open[event["index"]] = ""

    def _content_block_delta(self, event: dict[str, Any]) -> None:
        delta = event["delta"]
        piece = delta[_FIELDS[delta["type"]]]
        if delta["type"] == "input_json_delta":
            self._open[event["index"]] += piece
        else:
            assert event["index"] in self._open
            self.message["content"][event["index"]][_FIELDS[delta["type"]]] += piece

    def _content_block_stop(self, event: dict[str, Any]) -> None:
        written = self._open.pop(event["index"])
        if written:
            self.message["content"][event["index"]]["input"] = json.loads(written)

    def _message_delta(self, event: dict[str, Any]) -> None:
        assert not self._open
        self.message |= event["delta"]
        self.message["usage"] |= event["usage"]

    def _message_stop(self, event: dict[str, Any]) -> None:
        assert self.message["stop_reason"]
        self.is_whole = True

    def _error(self, event: dict[str, Any]) -> None:
        self.error = event["error"]
