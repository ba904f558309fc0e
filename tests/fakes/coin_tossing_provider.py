"""A provider whose answers have the form that was asked for half of the time.

with CoinTossingProvider(seed=7) as provider:
    ... call provider.base_uri ...
    assert provider.given == [True, False]
"""

import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from holdfast_cli.demo.instances import least_instance

BAD = (
    "I would rather not say.",
    "```json\n{}\n```",
    '{"place": "secret-place"',
    '{"place": 7, "degrees": "secret-number"}',
    "",
)
"""What it says where it does not keep to the form: prose, too little, half of it,
wrong types, nothing."""

AROUND = ("%s", "```json\n%s\n```", "Of course: %s\nAnything else?")
"""What it puts around an answer where it does."""

_USAGE = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}


class CoinTossingProvider:
    """Speaks OpenAI's format, on a free port.

    Attributes:
        given: Whether each of its answers had the form, in order.
        received: The requests, in order.
    """

    def __init__(self, *, seed: int, share: float = 0.5) -> None:
        self.given: list[bool] = []
        self.received: list[dict[str, Any]] = []
        self._chance = random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def base_uri(self) -> str:
        """What a deployment of it has."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def answer(self, request: dict[str, Any]) -> str:
        """Toss a coin, and answer by it."""
        with self._lock:
            self.received.append(request)
            fits = self._chance.random() < self._share
            self.given.append(fits)
            if not fits:
                return self._chance.choice(BAD)
            schema = request["response_format"]["json_schema"]["schema"]
            written = json.dumps(least_instance(schema))
            return self._chance.choice(AROUND) % written

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                request = json.loads(self.rfile.read(length))
                text = provider.answer(request)
                if request.get("stream"):
                    self._send("text/event-stream", b"".join(_events(text)))
                else:
                    self._send("application/json", json.dumps(_whole(text)).encode())

            def _send(self, kind: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, message: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


def _frame(kind: str, **said: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "u", **said}


def _whole(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return _frame("chat.completion", choices=[choice], usage=_USAGE)


def _events(text: str) -> list[bytes]:
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    deltas = [{"role": "assistant", "content": ""}, *({"content": p} for p in pieces)]
    chunks = [
        _chunk(choices=[{"index": 0, "delta": delta, "finish_reason": None}])
        for delta in deltas
    ]
    chunks.append(_chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    chunks.append(_chunk(choices=[], usage=_USAGE))
    return [*chunks, b"data: [DONE]\n\n"]


def _chunk(**said: Any) -> bytes:
    written = json.dumps(_frame("chat.completion.chunk", **said))
    return f"data: {written}\n\n".encode()
