"""Whether a process lives and may be given work, told at a port of its own.

`/livez` and `/readyz` are for a kubelet, `/metrics` is for Prometheus. They are
told in the clear, since neither shows a certificate, and on threads apart from
the work, so that an event loop that hangs is noticed instead of waited for.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import ThreadingTCPServer

from prometheus_client import REGISTRY, MetricsHandler

_PATIENCE_S = 2.0
"""How long the event loop may take to answer, in seconds, before it counts as
hung: no work of ours keeps it for a tenth of that, and a kubelet that is told to
wait five seconds still hears of it."""

_IDLE_S = 10.0
"""How long somebody who has connected may take to ask, in seconds: Prometheus'
own limit by default for all of a scrape."""


class VitalSigns:
    """What is told of a process; to be made in its event loop.

    Attributes:
        is_ready: Whether it may be given work: from the moment that it serves to
            the moment that it is told to stop. No store and no other service has
            a say in it: what is served without them is served.
    """

    def __init__(self) -> None:
        """Begin as one that is not ready."""
        self.is_ready = False
        self._loop = asyncio.get_running_loop()

    def is_alive(self) -> bool:
        """Tell whether the event loop still turns. To be asked in other threads."""
        turned = threading.Event()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(turned.set)
        return turned.wait(_PATIENCE_S)


@contextmanager
def told(signs: VitalSigns, host: str, port: int) -> Iterator[int]:
    """Tell it while the context lasts, and give the port.

    Args:
        signs: What to tell.
        host: Where; empty for every address of the machine.
        port: 0 picks a free one.

    Raises:
        OSError: The address cannot be had.
    """

    class Handler(_Handler):
        registry = REGISTRY
        process = signs

    family, _, _, _, address = socket.getaddrinfo(
        host.strip("[]") or None,
        port,
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE,
    )[0]

    class Server(_Server):
        address_family = family

    try:
        server = Server((str(address[0]), int(address[1])), Handler)
    except OSError as error:
        where = f"{host}:{port}"
        raise OSError(f"cannot listen on {where}: {error.strerror}") from error
    # Looked at each half second, it lets a process end at most that much later.
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingTCPServer):
    # Unlike http.server's, it asks nobody what its address is called.
    allow_reuse_address = True
    # Who asks and does not take the answer keeps nobody from ending.
    daemon_threads = True
    block_on_close = False


class _Handler(MetricsHandler):
    process: VitalSigns
    timeout = _IDLE_S

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """Answer."""
        match self.path.partition("?")[0]:
            case "/livez":
                self._say(self.process.is_alive(), "the event loop hangs")
            case "/readyz":
                self._say(self.process.is_ready, "it starts or it drains")
            case _:
                super().do_GET()

    def _say(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - is it so?
        status = HTTPStatus.OK if holds else HTTPStatus.SERVICE_UNAVAILABLE
        body = b"ok\n" if holds else f"{otherwise}\n".encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
