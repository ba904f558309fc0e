"""How the simulated provider answers, said in a word, and the answers ready to send.

A behaviour is a list of terms with commas between:

    ok            200 with the canned answer; what is meant if nothing is said
    429, 503 ...  that status with an error in OpenAI's shape
    retry-N       a 429 asks to be left alone for N seconds (1 if not said)
    latency-MS    wait so long before the first byte
    answer-KB     size of a whole answer
    events-N      content events of a stream
    gap-MS        wait so long between two events; 0 sends each at once by itself
    vectors-N     the whole answer is so many vectors of 1,536 numbers, in base64
"""

import base64
import json
from array import array
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any

DIMENSIONS = 1_536
"""Numbers in a vector: those of OpenAI's smaller model."""

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)

_TEXT = (
    "The gateway expands a plain model name to every allowed deployment, "
    "orders them, and moves on when one of them refuses. "
)

_FRAME_BYTES = 404
"""What a whole answer has beside its text."""

_IDENTITY = {
    "id": "chatcmpl-mock0000000000000000000000",
    "created": 1_760_000_000,
    "model": "mock-model-2025-01-01",
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One behaviour, read."""

    status: int = 200
    retry: int = 1
    latency: float = 0.0
    answer: int = 1
    events: int = 100
    gap: float = 0.0
    vectors: int = 0

    @classmethod
    def parse(cls, text: str) -> "Behaviour":
        """Read a behaviour.

        Raises:
            ValueError: A term is none.
        """
        kinds: dict[str, Any] = {field.name: field.type for field in fields(cls)}
        said: dict[str, Any] = {}
        for term in text.split(","):
            name, _, value = term.partition("-")
            if name in ("", "ok"):
                continue
            if name.isdigit():
                said["status"] = int(name)
            elif name in kinds:
                said[name] = kinds[name](value)
            else:
                raise ValueError(f"{term!r} is no behaviour")
        return cls(**said)


class Canned:
    """The bytes of a behaviour's answers, made once.

    Attributes:
        whole: An answer that is not streamed, an error among them.
        frames: What is sent of a stream, one piece at a time.
        frames_with_usage: The same with the usage event.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        if behaviour.status == HTTPStatus.OK:
            self.whole = http(HTTPStatus.OK, _whole(behaviour))
        else:
            self.whole = _error(behaviour)
        self.frames = _frames(behaviour.events, with_usage=False)
        self.frames_with_usage = _frames(behaviour.events, with_usage=True)


def http(status: int, body: bytes, *headers: str) -> bytes:
    """Write a whole answer."""
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        *headers,
        f"content-length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _error(behaviour: Behaviour) -> bytes:
    limited = behaviour.status == HTTPStatus.TOO_MANY_REQUESTS
    error = {
        "message": f"simulated {behaviour.status}",
        "type": "rate_limit_error" if limited else "server_error",
        "param": None,
        "code": str(behaviour.status),
    }
    headers = [f"retry-after: {behaviour.retry}"] if limited else []
    return http(behaviour.status, json.dumps({"error": error}).encode(), *headers)


def _whole(behaviour: Behaviour) -> bytes:
    if behaviour.vectors:
        return _vectors(behaviour.vectors)
    return _completion(max(1, behaviour.answer * 1024 - _FRAME_BYTES))


def _vectors(count: int) -> bytes:
    vector = array("f", (number / DIMENSIONS for number in range(DIMENSIONS)))
    text = base64.b64encode(vector.tobytes()).decode()
    return json.dumps(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": text}
                for index in range(count)
            ],
            "model": _IDENTITY["model"],
            "usage": {"prompt_tokens": 21 * count, "total_tokens": 21 * count},
        }
    ).encode()


def _completion(size: int) -> bytes:
    content = (_TEXT * (size // len(_TEXT) + 1))[:size]
    message = {"role": "assistant", "content": content, "refusal": None}
    return json.dumps(
        {
            **_IDENTITY,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "logprobs": None,
                    "message": message,
                }
            ],
            "usage": {
                "prompt_tokens": 21,
                "completion_tokens": 120,
                "total_tokens": 141,
            },
            "system_fingerprint": "fp_mock",
        }
    ).encode()


def _frames(events: int, *, with_usage: bool) -> tuple[bytes, ...]:
    word = _event([_choice({"content": " token"})])
    frames = [STREAM_HEAD + _event([_choice({"role": "assistant", "content": ""})])]
    frames += [word] * events
    frames.append(_event([_choice({}, "stop")]))
    if with_usage:
        usage = {
            "prompt_tokens": 21,
            "completion_tokens": events,
            "total_tokens": 21 + events,
        }
        frames.append(_event([], usage))
    frames.append(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    return tuple(frames)


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _event(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    chunk = {**_IDENTITY, "object": "chat.completion.chunk", "choices": choices}
    if usage is not None:
        chunk["usage"] = usage
    written = json.dumps(chunk, separators=(",", ":")).encode()
    return _chunk(b"data: " + written + b"\n\n")


def _chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)
