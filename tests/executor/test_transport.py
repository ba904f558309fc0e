"""What the executor sees of a provider that fails, in every way it can."""

import asyncio
import contextlib
import gzip
import shutil
import socket
import ssl
import struct
import subprocess
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from holdfast_executor.transport import (
    FailureKind,
    HttpRequest,
    HttpResponse,
    Transport,
    TransportError,
    TransportLimits,
)

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"content-length: 5\r\n\r\nhello"


@contextlib.asynccontextmanager
async def serving(
    converse: Converse, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Have each connection conversed with; closed afterwards. Gives the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await converse(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one request: its head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head, await reader.readexactly(length)


def answering(*answers: bytes) -> Converse:
    """Answer each request of a connection with the next bytes, then close it."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()

    return converse


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read whatever comes and say nothing."""
    while await reader.read(65536):
        pass


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crashed peer's kernel does."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, linger
    )
    writer.transport.abort()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    await transport.start()
    yield transport
    await transport.close()


async def send(
    transport: Transport,
    port: int,
    *,
    scheme: str = "http",
    host: str = "127.0.0.1",
    body: bytes = b"{}",
    headers: tuple[tuple[str, str], ...] = (),
    allow_private_network: bool = True,
    connect_timeout: float = 30,
    response_timeout: float = 30,
    path: str = "/v1/chat/completions",
) -> HttpResponse:
    request = HttpRequest(
        "POST",
        f"{scheme}://{host}:{port}{path}",
        headers,
        body,
        allow_private_network,
    )
    return await transport.send(
        request, connect_timeout=connect_timeout, response_timeout=response_timeout
    )


async def failure(pending: Awaitable[object]) -> FailureKind:
    """Await what has to fail, and say how it did."""
    with pytest.raises(TransportError) as caught:
        await pending
    return caught.value.kind


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for `provider.test`, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    arguments = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=provider.test"
    subprocess.run(
        [
            *(openssl, *arguments.split(), "-keyout", path, "-out", f"{path}.crt"),
            *("-addext", "subjectAltName=DNS:provider.test"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


class TestAnswers:
    async def test_status_headers_and_body_come_back(
        self, transport: Transport
    ) -> None:
        """An answer is what the provider sent, with header names in lower case."""
        answer = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"
        async with serving(answering(answer)) as port:
            response = await send(transport, port)
            body = await response.read()
            await response.close()

        assert (response.status, response.headers["retry-after"], body) == (
            429,
            "7",
            b"{}",
        )
        assert response.at_end

    async def test_headers_and_body_are_sent_as_given(
        self, transport: Transport
    ) -> None:
        """The provider sees the path, the headers and the bytes of the request."""
        seen: list[tuple[bytes, bytes]] = []

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            seen.append(await read_request(reader))
            writer.write(HELLO)

        async with serving(converse) as port:
            response = await send(
                transport,
                port,
                path="/model/a%3Ab%2Fc/x?q=%20",
                headers=(("authorization", "Bearer k"), ("content-type", "a/b")),
                body=b'{"n": 1.0}',
            )
            await response.close()

        head, body = seen[0]
        assert head.startswith(b"POST /model/a%3Ab%2Fc/x?q=%20 HTTP/1.1\r\n")
        assert b"\r\nauthorization: Bearer k\r\ncontent-type: a/b\r\n" in head
        assert b"\r\naccept-encoding: identity\r\n" in head
        assert body == b'{"n": 1.0}'

    async def test_a_large_body_arrives_whole(self, transport: Transport) -> None:
        """A body of many megabytes is sent without loss or complaint."""
        body = bytes(range(256)) * 20_000
        sizes: list[bool] = []

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            sizes.append((await read_request(reader))[1] == body)
            writer.write(HELLO)

        async with serving(converse) as port:
            response = await send(transport, port, body=body)
            await response.close()

        assert sizes == [True]

    async def test_blocks_come_as_they_arrive(self, transport: Transport) -> None:
        """A stream's first event is there before its second is written."""
        more = asyncio.Event()

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_request(reader)
            writer.write(OK + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n")
            await more.wait()
            writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

        async with serving(converse) as port:
            response = await send(transport, port)
            first = await response.next_block()
            more.set()
            rest = [await response.next_block(), await response.next_block()]
            await response.close()

        assert (first, rest) == (b"one", [b"two", b""])

    async def test_a_body_beyond_the_limit_is_cut_and_says_so(
        self, transport: Transport
    ) -> None:
        """Of a body that is too large, only the beginning is taken."""
        async with serving(answering(HELLO)) as port:
            response = await send(transport, port)
            body = await response.read(4)
            await response.close()

        assert (body, response.at_end) == (b"hell", False)

    async def test_a_body_of_the_limit_is_whole(self, transport: Transport) -> None:
        """A body may be exactly as large as the limit."""
        async with serving(answering(HELLO)) as port:
            response = await send(transport, port)
            body = await response.read(5)
            await response.close()

        assert (body, response.at_end) == (b"hello", True)

    async def test_a_body_that_ends_with_its_connection_is_whole(
        self, transport: Transport
    ) -> None:
        """A body without a length lasts until the connection is closed."""
        async with serving(answering(OK + b"\r\nhello")) as port:
            response = await send(transport, port)
            body = await response.read()
            await response.close()

        assert (body, response.at_end) == (b"hello", True)

    async def test_a_redirect_is_an_answer(self, transport: Transport) -> None:
        """A redirect is handed back and nobody goes where it points."""
        visits: list[bytes] = []

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            visits.append((await read_request(reader))[0])
            writer.write(
                b"HTTP/1.1 307 Away\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n"
            )

        async with serving(converse) as port:
            response = await send(transport, port)
            await response.close()

        assert (response.status, len(visits)) == (307, 1)

    async def test_no_cookie_is_sent_back(self, transport: Transport) -> None:
        """What one answer sets is not in the next request."""
        heads: list[bytes] = []

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            for _ in range(2):
                heads.append((await read_request(reader))[0])
                writer.write(OK + b"set-cookie: a=b\r\ncontent-length: 0\r\n\r\n")

        async with serving(converse) as port:
            for _ in range(2):
                await (await send(transport, port)).close()

        assert len(heads) == 2
        assert b"cookie" not in heads[1].lower()


class TestPacked:
    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "bare-deflate"])
    async def test_a_packed_body_is_unpacked(
        self, transport: Transport, encoding: str
    ) -> None:
        """A provider that compresses unasked is understood all the same."""
        plain = b"hello " * 200_000
        bare = zlib.compressobj(wbits=-15)
        packed = {
            "gzip": gzip.compress(plain),
            "deflate": zlib.compress(plain),
            "bare-deflate": bare.compress(plain) + bare.flush(),
        }[encoding]
        head = f"content-encoding: {encoding.removeprefix('bare-')}\r\n"
        head += f"content-length: {len(packed)}\r\n\r\n"
        async with serving(answering(OK + head.encode() + packed)) as port:
            response = await send(transport, port)
            body = await response.read()
            await response.close()

        assert body == plain

    async def test_packed_events_come_as_they_arrive(
        self, transport: Transport
    ) -> None:
        """A stream that is compressed and flushed gives each event at once."""
        more = asyncio.Event()
        packer = zlib.compressobj(wbits=31)

        def chunk(data: bytes) -> bytes:
            return f"{len(data):x}\r\n".encode() + data + b"\r\n"

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_request(reader)
            writer.write(OK + b"content-encoding: gzip\r\n")
            writer.write(b"transfer-encoding: chunked\r\n\r\n")
            one = packer.compress(b"one") + packer.flush(zlib.Z_SYNC_FLUSH)
            writer.write(chunk(one))
            await more.wait()
            writer.write(chunk(packer.compress(b"two") + packer.flush()))
            writer.write(b"0\r\n\r\n")

        async with serving(converse) as port:
            response = await send(transport, port)
            first = await response.next_block()
            more.set()
            rest = await response.read()
            await response.close()

        assert (first, rest) == (b"one", b"two")

    @pytest.mark.parametrize("fault", ["cut", "garbled", "unknown"])
    async def test_a_body_that_cannot_be_unpacked_is_broken(
        self, transport: Transport, fault: str
    ) -> None:
        """A packing that ends early, or is none, is no answer."""
        packed = gzip.compress(b"hello " * 50)
        body = {"cut": packed[:-9], "garbled": b"plain", "unknown": packed}[fault]
        encoding = b"br" if fault == "unknown" else b"gzip"
        head = b"content-encoding: " + encoding + b"\r\n"
        head += f"content-length: {len(body)}\r\n\r\n".encode()
        async with serving(answering(OK + head + body)) as port:
            response = await send(transport, port)

            assert await failure(response.read()) is FailureKind.RESET
            assert not response.at_end
            await response.close()


class TestFaults:
    async def test_nobody_listens(self, transport: Transport) -> None:
        """A port that nobody listens on refuses the connection."""
        async with serving(silent) as port:
            pass

        assert await failure(send(transport, port)) is FailureKind.CONNECT

    async def test_the_host_is_unknown(self) -> None:
        """A name that has no address is a failure to connect."""

        async def resolve(host: str) -> list[str]:
            raise OSError("no such host")

        transport = Transport(resolve=resolve)
        await transport.start()
        pending = send(transport, 80, host="provider.test")

        assert await failure(pending) is FailureKind.CONNECT
        await transport.close()

    @pytest.mark.parametrize("how", ["closed", "reset"])
    async def test_closed_before_the_headers(
        self, transport: Transport, how: str
    ) -> None:
        """A peer that goes away without a word was asked once and not again."""
        requests = 0

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            nonlocal requests
            await read_request(reader)
            requests += 1
            if how == "reset":
                reset(writer)

        async with serving(converse) as port:
            kind = await failure(send(transport, port))

        assert (kind, requests) == (FailureKind.RESET, 1)

    @pytest.mark.parametrize(
        "beginning",
        [
            b"content-length: 9\r\n\r\nhello",
            b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"transfer-encoding: chunked\r\n\r\n9\r\nhello",
        ],
        ids=["short content-length", "no last chunk", "within a chunk"],
    )
    async def test_a_cut_body_is_not_an_end(
        self, transport: Transport, beginning: bytes
    ) -> None:
        """What arrived before a cut is there, and then the cut is told."""
        async with serving(answering(OK + beginning)) as port:
            response = await send(transport, port)

            assert await response.next_block() == b"hello"
            assert await failure(response.next_block()) is FailureKind.RESET
            assert await failure(response.next_block()) is FailureKind.RESET
            assert not response.at_end
            await response.close()

    async def test_what_arrived_before_a_cut_waits_to_be_read(
        self, transport: Transport
    ) -> None:
        """A slow reader gets as much of a broken answer as a quick one."""
        ended = asyncio.Event()
        beginning = OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await answering(beginning)(reader, writer)
            writer.write_eof()
            await reader.read()
            ended.set()

        async with serving(converse) as port:
            response = await send(transport, port)
            await ended.wait()

            assert await response.next_block() == b"hello"
            assert await failure(response.next_block()) is FailureKind.RESET
            await response.close()

    @pytest.mark.parametrize(
        "frame", [b"content-length: 9\r\n", b"transfer-encoding: chunked\r\n", b""]
    )
    async def test_a_reset_within_the_body(
        self, transport: Transport, frame: bytes
    ) -> None:
        """A connection that is reset is no end, even for a body without a length."""
        begun = asyncio.Event()

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_request(reader)
            writer.write(OK + frame + b"\r\n")
            await begun.wait()
            reset(writer)

        async with serving(converse) as port:
            response = await send(transport, port)
            begun.set()

            assert await failure(response.read()) is FailureKind.RESET
            assert not response.at_end
            await response.close()

    @pytest.mark.parametrize(
        "answer",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            OK + b"bad header line\r\n\r\n",
            OK + b"x: " + b"a" * 40_000 + b"\r\n\r\n",
            OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        ],
        ids=["ssh", "status", "header", "huge header", "two lengths"],
    )
    async def test_an_answer_that_is_no_http(
        self, transport: Transport, answer: bytes
    ) -> None:
        """Whatever else listens there is told from an answer."""
        async with serving(answering(answer)) as port:
            assert await failure(send(transport, port)) is FailureKind.RESET

    async def test_a_broken_chunk(self, transport: Transport) -> None:
        """A chunk whose length is no number breaks the answer."""
        answer = OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n"

        async def take(port: int) -> None:
            response = await send(transport, port)
            await response.read()

        async with serving(answering(answer)) as port:
            assert await failure(take(port)) is FailureKind.RESET

    async def test_a_silent_provider_times_out(self, transport: Transport) -> None:
        """A provider that accepts and says nothing costs no more than its time."""
        async with serving(silent) as port:
            pending = send(transport, port, response_timeout=0.05)

            assert await failure(pending) is FailureKind.TIMEOUT_RESPONSE

    async def test_headers_that_drip_time_out(self, transport: Transport) -> None:
        """A header line now and then does not buy more time."""

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_request(reader)
            writer.write(OK)
            while not writer.is_closing():
                writer.write(b"x-wait: 1\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)

        async with serving(converse) as port:
            pending = send(transport, port, response_timeout=0.1)

            assert await failure(pending) is FailureKind.TIMEOUT_RESPONSE

    async def test_a_host_that_does_not_connect_times_out(self) -> None:
        """Connecting has its own limit, and the look-up counts."""

        async def resolve(host: str) -> list[str]:
            await asyncio.Event().wait()
            return []

        transport = Transport(resolve=resolve)
        await transport.start()
        pending = send(transport, 80, host="provider.test", connect_timeout=0.05)

        assert await failure(pending) is FailureKind.TIMEOUT_CONNECT
        await transport.close()

    async def test_use_after_closing_is_a_failure_to_connect(self) -> None:
        """A request that comes while the executor stops fails like any other."""
        transport = Transport()
        await transport.start()
        await transport.close()

        assert await failure(send(transport, 80)) is FailureKind.CONNECT


class TestTls:
    @pytest.fixture
    def server_tls(self, certificate: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return context

    @pytest.fixture
    async def trusting(self, certificate: Path) -> AsyncIterator[Transport]:
        """A transport that trusts the certificate and finds its host."""

        async def resolve(host: str) -> list[str]:
            return ["127.0.0.1"]

        tls = ssl.create_default_context(cafile=certificate)
        transport = Transport(resolve=resolve, tls=tls)
        await transport.start()
        yield transport
        await transport.close()

    async def test_a_trusted_host_is_called(
        self, trusting: Transport, server_tls: ssl.SSLContext
    ) -> None:
        """TLS works where the certificate is trusted and bears the name."""
        async with serving(answering(HELLO), server_tls) as port:
            response = await send(trusting, port, scheme="https", host="provider.test")
            body = await response.read()
            await response.close()

        assert body == b"hello"

    async def test_an_unknown_certificate_is_refused(
        self, transport: Transport, server_tls: ssl.SSLContext
    ) -> None:
        """A certificate of nobody's is not trusted."""
        async with serving(silent, server_tls) as port:
            kind = await failure(send(transport, port, scheme="https"))

        assert kind is FailureKind.TLS

    async def test_another_hosts_certificate_is_refused(
        self, trusting: Transport, server_tls: ssl.SSLContext
    ) -> None:
        """A certificate that does not bear the name is not trusted."""
        async with serving(silent, server_tls) as port:
            kind = await failure(
                send(trusting, port, scheme="https", host="other.test")
            )

        assert kind is FailureKind.TLS

    async def test_tls_to_a_plain_port(self, transport: Transport) -> None:
        """A port without TLS is told from one that refuses."""

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()

        async with serving(converse) as port:
            kind = await failure(send(transport, port, scheme="https"))

        assert kind is FailureKind.TLS

    async def test_a_plain_call_to_a_tls_port(
        self, transport: Transport, server_tls: ssl.SSLContext
    ) -> None:
        """A TLS port's alarm is no answer."""
        async with serving(silent, server_tls) as port:
            assert await failure(send(transport, port)) is FailureKind.RESET

    async def test_closing_early_is_seen_over_tls(
        self, trusting: Transport, server_tls: ssl.SSLContext
    ) -> None:
        """A provider over TLS learns at once that nobody reads."""
        gone = asyncio.Event()

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_request(reader)
            writer.write(OK + b"content-length: 9\r\n\r\nhello")
            with contextlib.suppress(OSError):
                await reader.read()
            gone.set()

        async with serving(converse, server_tls) as port:
            response = await send(trusting, port, scheme="https", host="provider.test")
            await response.close()
            await asyncio.wait_for(gone.wait(), 10)

        assert gone.is_set()


class TestClosing:
    async def test_a_cancelled_call_is_cancelled_upstream(
        self, transport: Transport
    ) -> None:
        """A provider that is still thinking sees that nobody waits."""
        asked, gone = asyncio.Event(), asyncio.Event()

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_request(reader)
            asked.set()
            with contextlib.suppress(OSError):
                await reader.read()
            gone.set()

        async with serving(converse) as port:
            call = asyncio.create_task(send(transport, port))
            await asked.wait()
            call.cancel()
            await asyncio.wait_for(gone.wait(), 10)

        assert call.cancelled()

    @pytest.mark.parametrize("how", ["cancelled", "closed"])
    async def test_a_stream_that_nobody_reads_ends_upstream(
        self, transport: Transport, how: str
    ) -> None:
        """A provider in the midst of a stream sees that nobody reads."""
        gone = asyncio.Event()

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_request(reader)
            writer.write(OK + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n")
            with contextlib.suppress(OSError):
                await reader.read()
            gone.set()

        async with serving(converse) as port:
            response = await send(transport, port)
            await response.next_block()
            if how == "cancelled":
                reading = asyncio.create_task(response.next_block())
                await asyncio.sleep(0)
                reading.cancel()
            else:
                await response.close()
            await asyncio.wait_for(gone.wait(), 10)

        assert gone.is_set()


class TestConnections:
    @staticmethod
    def counting(connections: list[int], *answers: bytes) -> Converse:
        """Answer as `answering` does, and count requests by connection."""

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            connections.append(0)
            at = len(connections) - 1
            for answer in answers:
                await read_request(reader)
                connections[at] += 1
                writer.write(answer)
                await writer.drain()

        return converse

    async def test_a_connection_is_used_again(self, transport: Transport) -> None:
        """Calls one after the other share a connection."""
        connections: list[int] = []
        async with serving(self.counting(connections, HELLO, HELLO, HELLO)) as port:
            for _ in range(3):
                response = await send(transport, port)
                await response.read()
                await response.close()

        assert connections == [3]

    async def test_a_connection_closed_while_idle_is_not_used(
        self, transport: Transport
    ) -> None:
        """A connection the provider closed in between costs no request."""
        connections: list[int] = []
        closed = asyncio.Event()
        count = self.counting(connections, HELLO)

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await count(reader, writer)
            writer.close()
            await writer.wait_closed()
            closed.set()

        async with serving(converse) as port:
            for _ in range(5):
                closed.clear()
                response = await send(transport, port)
                await response.read()
                await response.close()
                await closed.wait()

        assert connections == [1] * 5

    async def test_a_post_is_never_sent_twice(self, transport: Transport) -> None:
        """A kept connection that dies on a request fails it: it may be at work."""
        connections: list[int] = []

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            connections.append(0)
            at = len(connections) - 1
            await read_request(reader)
            connections[at] += 1
            writer.write(HELLO)
            await read_request(reader)
            connections[at] += 1

        async with serving(converse) as port:
            response = await send(transport, port)
            await response.read()
            await response.close()

            assert await failure(send(transport, port)) is FailureKind.RESET
        assert connections == [2]

    async def test_two_hundred_at_once(self, transport: Transport) -> None:
        """No call waits for another's connection."""
        everyone = asyncio.Barrier(200)

        async def converse(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            _, body = await read_request(reader)
            await everyone.wait()
            head = f"content-length: {len(body)}\r\n\r\n".encode()
            writer.write(OK + head + body)
            await writer.drain()

        async def call(port: int, number: int) -> bool:
            body = str(number).encode()
            response = await send(transport, port, body=body)
            try:
                return await response.read() == body
            finally:
                await response.close()

        async with serving(converse) as port:
            answers = await asyncio.gather(*(call(port, n) for n in range(200)))

        assert all(answers)


class TestAddresses:
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::1]",
        ],
    )
    async def test_an_address_that_is_not_public_is_refused(
        self, transport: Transport, host: str
    ) -> None:
        """Nobody reaches the machine's own network through a provider's URL."""
        async with serving(answering(HELLO)) as port:
            pending = send(transport, port, host=host, allow_private_network=False)

            assert await failure(pending) is FailureKind.ADDRESS_REFUSED

    @pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001"])
    async def test_an_address_written_oddly_is_not_reached(
        self, transport: Transport, host: str
    ) -> None:
        """Other ways to write a loopback address lead nowhere either."""
        requests: list[int] = []
        converse = TestConnections.counting(requests, HELLO)
        async with serving(converse) as port:
            await failure(send(transport, port, host=host, allow_private_network=False))

        assert requests == []

    async def test_a_name_that_leads_inside_is_refused(self) -> None:
        """What counts is the address that is connected to, not the name."""

        async def resolve(host: str) -> list[str]:
            return ["127.0.0.1", "::1"]

        transport = Transport(resolve=resolve)
        await transport.start()
        async with serving(answering(HELLO)) as port:
            pending = send(
                transport, port, host="provider.test", allow_private_network=False
            )

            assert await failure(pending) is FailureKind.ADDRESS_REFUSED
        await transport.close()

    async def test_a_name_that_changes_its_address_is_refused(self) -> None:
        """A connection of a request with the allowance serves no other."""

        async def resolve(host: str) -> list[str]:
            return ["127.0.0.1"]

        transport = Transport(resolve=resolve, limits=TransportLimits(dns_ttl_s=0))
        await transport.start()
        async with serving(answering(HELLO, HELLO)) as port:
            allowed = await send(transport, port, host="provider.test")
            await allowed.read()
            await allowed.close()
            pending = send(
                transport, port, host="provider.test", allow_private_network=False
            )

            assert await failure(pending) is FailureKind.ADDRESS_REFUSED
        await transport.close()


class TestRequests:
    @pytest.mark.parametrize(
        "header",
        [
            ("x-key", "a\r\nx-evil: 1"),
            ("x-key", "a\nb"),
            ("x-key", "a\0b"),
            ("x-key: 1\r\nx-evil", "1"),
            ("", "1"),
        ],
    )
    async def test_a_header_cannot_hold_another(
        self, transport: Transport, header: tuple[str, str]
    ) -> None:
        """A line break in a credential sends nothing, and its text is not told."""
        requests: list[int] = []
        converse = TestConnections.counting(requests, HELLO)
        async with serving(converse) as port:
            with pytest.raises(TransportError) as caught:
                await send(transport, port, headers=(header,))

        assert (caught.value.kind, requests) == (FailureKind.CONNECT, [])
        assert "evil" not in caught.value.message

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "/v1/models",
            "ftp://127.0.0.1/x",
            "file:///etc/passwd",
            "http://",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/\r\nx: y",
            "http://user:secret@127.0.0.1/",
        ],
    )
    async def test_an_url_that_leads_nowhere(
        self, transport: Transport, url: str
    ) -> None:
        """A wrong URL is the deployment's failure, like a host that is away."""
        request = HttpRequest("POST", url, allow_private_network=True)
        with pytest.raises(TransportError) as caught:
            await transport.send(request, connect_timeout=5, response_timeout=5)

        assert caught.value.kind is FailureKind.CONNECT
        assert "secret" not in caught.value.message
