"""The bytes of the requests, built before the clock runs."""

import json
from collections.abc import Iterator, Mapping
from itertools import count, repeat
from typing import Any
from urllib.parse import urlsplit

from bench.load.spec import LoadSpec

_QUESTION = "Name the model, not the deployment. Which one answered?"

_FILLER = (
    "A long conversation carries its whole history with every turn, and the "
    "gateway has to move all of it. "
)

_TURN_CHARACTERS = 2_000
_TURN_BYTES = 2_035
"""Of a turn of the filler, with its JSON around it."""

_SYSTEM = "You are a patient librarian. Answer in one sentence."


def requests(spec: LoadSpec) -> Iterator[bytes]:
    """Yield requests without end, ready to be sent."""
    if spec.sessions:
        return _of_sessions(spec)
    if spec.texts:
        # As OpenAI's SDK asks, unless it is told otherwise.
        asked = {"input": [_FILLER] * spec.texts, "encoding_format": "base64"}
        return repeat(_request(spec, asked))
    return repeat(_request(spec, {"messages": _messages(spec.body_kb)}))


def _of_sessions(spec: LoadSpec) -> Iterator[bytes]:
    """Yield the first turn of every conversation, then the second of every one, ...

    So all of them are open at a time, and each comes back after all the others.
    """
    mark = b"%SESSION"
    turns = [
        _request(
            spec, {"messages": _conversation(turn)}, f"{spec.session_header}: %SESSION"
        )
        for turn in range(spec.turns)
    ]
    for number in count():
        turn, session = divmod(number, spec.sessions)
        yield turns[turn % spec.turns].replace(mark, b"bench-%06d" % session, 1)


def _request(spec: LoadSpec, asked: Mapping[str, Any], *headers: str) -> bytes:
    payload: dict[str, Any] = {"model": spec.model, **asked}
    if spec.stream:
        payload["stream"] = True
    body = json.dumps(payload).encode()
    at = urlsplit(spec.url)
    lines = [
        f"POST {at.path or '/'} HTTP/1.1",
        f"host: {at.netloc}",
        "content-type: application/json",
        "accept: */*",
        "user-agent: holdfast-bench",
        f"content-length: {len(body)}",
        *spec.headers,
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _messages(body_kb: int) -> list[dict[str, str]]:
    """Return one short message, or a conversation of about so many KiB."""
    if not body_kb:
        return [{"role": "user", "content": _QUESTION}]
    turns = max(1, body_kb * 1024 // _TURN_BYTES)
    characters = min(_TURN_CHARACTERS, body_kb * 1024)
    text = (_FILLER * (characters // len(_FILLER) + 1))[:characters]
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i in range(turns)]
    if messages[-1]["role"] != "user":
        messages.append({"role": "user", "content": _QUESTION})
    return messages


def _conversation(turn: int) -> list[dict[str, str]]:
    """Return a conversation's messages at its turn of that number, from zero."""
    messages = [{"role": "system", "content": _SYSTEM}]
    for past in range(turn):
        messages += [
            {"role": "user", "content": f"Question {past}: {_QUESTION}"},
            {"role": "assistant", "content": _FILLER},
        ]
    return [*messages, {"role": "user", "content": f"Question {turn}: {_QUESTION}"}]
