"""An HTTP server on loopback that answers as a function says.

In threads of its own, so that what blocks can call it.
"""

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came over the wire.

    Attributes:
        target: Path and query, as they were written.
        headers: By lower-case name.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def fields(self) -> dict[str, str]:
        """The form in the body, or the query where there is no body."""
        text = self.body.decode() or urlsplit(self.target).query
        return {name: values[0] for name, values in parse_qs(text).items()}


Answer = tuple[int, dict[str, object] | str]
"""A status, and a JSON object or a text."""


class Listener:
    """Answers requests and remembers them.

    Attributes:
        asked: What came, in order.
    """

    def __init__(
        self, answer: Callable[[Asked], Answer], certificate: Path | None = None
    ) -> None:
        """Listen once entered; over TLS if there is a certificate with its key."""
        self.asked: list[Asked] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                asked = Asked(
                    self.command,
                    self.path,
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length),
                )
                listener.asked.append(asked)
                status, said = answer(asked)
                is_text = isinstance(said, str)
                written = (said if is_text else json.dumps(said)).encode()
                self.send_response(status)
                kind = "text/xml" if is_text else "application/json"
                self.send_header("content-type", kind)
                self.send_header("metadata-flavor", "Google")
                self.send_header("content-length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)

            do_POST = do_GET  # noqa: N815 - the server's own name for it

            def log_message(self, *said: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def host(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def uri(self) -> str:
        """Where it is, without a slash at the end."""
        return f"{self._scheme}://{self.host}"

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
        self._thread.join()
        self._server.server_close()
