"""Media by address: what is fetched for a request, and what is not."""

import asyncio
import base64
import contextlib
import dataclasses
import gzip
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest

from fakes.raw_provider import read_request, serving
from holdfast_executor.downloads import Downloads
from holdfast_executor.media import Fetched, Media, Unfetched
from holdfast_executor.transport import HttpRequest, HttpResponse, Transport

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 20
MOST = 20 * 1024 * 1024


def page(
    body: bytes,
    media_type: str = "image/png",
    status: str = "200 OK",
    **headers: str,
) -> bytes:
    """Write an answer."""
    given = {"content-type": media_type, "content-length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in given.items() if v)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def led_to(place: str) -> bytes:
    """Write an answer that leads elsewhere."""
    return page(b"", "", "302 Found", location=place)


@dataclass
class Site:
    """A server on loopback, found as `provider.test`, with pages by path.

    Attributes:
        heads: Of the requests that came.
    """

    pages: Mapping[str, bytes]
    transport: Transport
    port: int = 0
    heads: list[str] = field(default_factory=list)
    media: Media = field(default_factory=Media)

    def at(self, path: str) -> str:
        """Return the address of a page."""
        return f"https://provider.test:{self.port}{path}"

    async def converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            head, _ = await read_request(reader)
            self.heads.append(head.decode())
            path = head.split()[1].decode()
            writer.write(
                self.pages[path].replace(b"{site}", self.at("").encode())
                if path in self.pages
                else page(b"", "", "404 Not Found")
            )
            await writer.drain()

    async def send(
        self, request: HttpRequest, *, connect_timeout: float, response_timeout: float
    ) -> HttpResponse:
        """Send as the transport does, and to loopback: that is where the site is."""
        return await self.transport.send(
            dataclasses.replace(request, allow_private_network=True),
            connect_timeout=connect_timeout,
            response_timeout=response_timeout,
        )

    async def fetch(
        self, *addresses: str, seconds: float = 30
    ) -> list[Fetched | Unfetched]:
        """Fetch pages, given by path or whole."""
        whole = [self.at(a) if a.startswith("/") else a for a in addresses]
        ends = asyncio.get_running_loop().time() + seconds
        await Downloads(self.send).fetch(whole, self.media, ends)
        return [self.media[address] for address in whole]


@contextlib.asynccontextmanager
async def site(
    transport: Transport, tls: ssl.SSLContext, pages: Mapping[str, bytes]
) -> AsyncIterator[Site]:
    """Run a site."""
    made = Site(pages, transport)
    async with serving(made.converse, tls) as port:
        made.port = port
        yield made


def why(outcome: Fetched | Unfetched) -> str:
    """Say why something was not fetched."""
    assert isinstance(outcome, Unfetched), outcome
    return outcome.why


@pytest.mark.parametrize(
    ("body", "said", "media_type"),
    [
        (PNG, "image/png", "image/png"),
        (PNG, "image/jpeg; q=1", "image/png"),
        (PNG, "application/octet-stream", "image/png"),
        (PNG, "", "image/png"),
        (b"\xff\xd8\xff\xe0" + b"j" * 9, "image/jpg", "image/jpeg"),
        (b"GIF89a" + b"g" * 9, "image/gif", "image/gif"),
        (b"RIFF\n\0\0\0WEBPVP8 ", "image/webp", "image/webp"),
        (b"%PDF-1.7\n", "application/pdf", "application/pdf"),
        (b"RIFF\n\0\0\0WAVEfmt ", "audio/x-wav", "audio/wav"),
        (b"a,b\n1,2", "text/csv; charset=utf-8", "text/csv"),
    ],
)
async def test_media_are_fetched(
    trusting: Transport,
    server_tls: ssl.SSLContext,
    body: bytes,
    said: str,
    media_type: str,
) -> None:
    """Whatever its server calls it, the type is that of the first bytes."""
    async with site(trusting, server_tls, {"/a": page(body, said)}) as s:
        [fetched] = await s.fetch("/a")

    assert fetched == Fetched(media_type, base64.b64encode(body).decode())


async def test_nothing_of_ours_is_shown(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """A fetch bears no credential and no cookie, and asks once."""
    cookie = {"set-cookie": "a=b"}
    pages = {"/a": page(PNG, **cookie), "/b": page(PNG)}
    async with site(trusting, server_tls, pages) as s:
        await s.fetch("/a")
        await s.fetch("/a", "/b")

    assert [head.split()[1] for head in s.heads] == ["/a", "/b"]
    names = {line.partition(":")[0] for h in s.heads for line in h.split("\r\n")[1:-2]}
    assert names == {"host", "accept", "accept-encoding", "user-agent"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page(b"<html>", "text/html"), "says that it is no media"),
        (page(b"{}", "application/json"), "says that it is no media"),
        (page(b"<html>", "image/png"), "no media that is known"),
        (page(b"MZ\x90\0", "application/octet-stream"), "no media that is known"),
        (page(b"\xff\xfe\0", "text/plain"), "no media that is known"),
        (page(b"", "image/png"), "no media that is known"),
        (page(b"", "", "403 Forbidden"), "answered 403"),
        (page(PNG)[:-3], "broke off"),
    ],
)
async def test_what_is_no_medium_is_not_taken(
    trusting: Transport, server_tls: ssl.SSLContext, answer: bytes, reason: str
) -> None:
    """A page to sign in at, an error, a program, half an image."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    async with serving(converse, server_tls) as port:
        s = Site({}, trusting, port)
        [outcome] = await s.fetch("/a")

    assert reason in why(outcome)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://provider.test/a.png", "https alone"),
        ("ftp://provider.test/a.png", "https alone"),
        ("https://user:pass@provider.test/a.png", "no connection"),
        ("https://provider.test:0/a.png", "no connection"),
        ("https:///a.png", "no connection"),
        ("https://ünïcode.test/a.png", "no connection"),
    ],
)
async def test_other_addresses_are_not_called(
    trusting: Transport, server_tls: ssl.SSLContext, address: str, reason: str
) -> None:
    """Nothing in the clear, nothing with a password, nothing that is no address."""
    async with site(trusting, server_tls, {}) as s:
        [outcome] = await s.fetch(address)

    assert reason in why(outcome)
    assert s.heads == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]"),
        *("[::ffff:10.0.0.1]", "0.0.0.0", "100.64.0.1", "192.168.1.1", "[fd00::1]"),
        *("2130706433", "0x7f000001", "127.1"),
    ],
)
async def test_our_own_network_is_not_called(transport: Transport, host: str) -> None:
    """Whatever a deployment may, however the address is spelled."""
    media = Media()
    address = f"https://{host}/latest/meta-data/a.png"

    ends = asyncio.get_running_loop().time() + 30
    await Downloads(transport.send).fetch([address], media, ends)

    assert "not on the public internet" in why(media[address])


async def test_a_name_that_leads_into_our_network_is_not_called(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """It is the address that is checked, the very one that would be called."""
    async with site(trusting, server_tls, {"/a": page(PNG)}) as s:
        media = Media()
        ends = asyncio.get_running_loop().time() + 30
        await Downloads(trusting.send).fetch([s.at("/a")], media, ends)

    assert "not on the public internet" in why(media[s.at("/a")])
    assert s.heads == []


async def test_a_few_redirects_are_followed(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """Relative ones too; a chain without end is not."""
    pages = {
        "/1": led_to("/2"),
        "/2": led_to("{site}/3"),
        "/3": led_to("/a"),
        "/a": page(PNG),
        "/0": led_to("/1"),
    }
    async with site(trusting, server_tls, pages) as s:
        followed, endless = await s.fetch("/1", "/0")

    assert isinstance(followed, Fetched)
    assert "more than 3 times" in why(endless)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("http://provider.test/a.png", "https alone"),
        ("https://169.254.169.254/latest/meta-data", "not on the public internet"),
        ("file:///etc/passwd", "https alone"),
        ("https://[::1/a", "leads nowhere"),
    ],
)
async def test_a_redirect_is_held_to_the_same_rules(
    trusting: Transport, server_tls: ssl.SSLContext, place: str, reason: str
) -> None:
    """A public server is no way into our network."""
    async with site(trusting, server_tls, {"/a": led_to(place)}) as s:
        strict = Downloads(
            lambda request, **limits: (
                s.send(request, **limits)
                if request.url == s.at("/a")
                else trusting.send(request, **limits)
            )
        )
        media = Media()
        ends = asyncio.get_running_loop().time() + 30
        await strict.fetch([s.at("/a")], media, ends)

    assert reason in why(media[s.at("/a")])
    assert len(s.heads) == 1


async def test_a_request_may_name_so_many_bytes_at_most(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """All it names counts together, over all attempts."""
    pages = {"/a": page(PNG + b"p" * (MOST - 1000)), "/b": page(PNG + b"p" * 2000)}
    async with site(trusting, server_tls, pages) as s:
        [large] = await s.fetch("/a")
        [small] = await s.fetch("/b")

    assert isinstance(large, Fetched)
    assert "longer than the 20 MiB" in why(small)


async def test_a_request_may_name_so_many_addresses_at_most(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """The gateway is no crawler."""
    many = [f"/{number}" for number in range(21)]
    async with site(trusting, server_tls, dict.fromkeys(many, page(PNG))) as s:
        outcomes = await s.fetch(*many)

    assert all(isinstance(outcome, Fetched) for outcome in outcomes[:20])
    assert "20 addresses at most" in why(outcomes[20])


async def test_a_slow_server_costs_its_address_alone(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """What came in time is there; the rest of the attempt is not waited away."""
    endless = page(PNG)[:-1]
    pages = {"/a": page(PNG), "/b": endless}
    async with site(trusting, server_tls, pages) as s:
        quick, slow = await s.fetch("/a", "/b", seconds=2)

    assert isinstance(quick, Fetched)
    assert "in time" in why(slow)


async def test_a_compressed_answer_counts_unpacked(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """A few kilobytes that unpack to gigabytes are cut off."""
    bomb = gzip.compress(PNG + b"\0" * (MOST + 1))
    pages = {"/a": page(bomb, **{"content-encoding": "gzip"})}
    async with site(trusting, server_tls, pages) as s:
        [outcome] = await s.fetch("/a")

    assert "longer than the 20 MiB" in why(outcome)


async def test_two_attempts_at_once_fetch_once(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """The second waits for what the first is fetching."""
    async with site(trusting, server_tls, {"/a": page(PNG)}) as s:
        outcomes = await asyncio.gather(s.fetch("/a"), s.fetch("/a"))

    assert all(isinstance(each, Fetched) for (each,) in outcomes)
    assert len(s.heads) == 1


async def test_an_attempt_that_is_given_up_leaves_it_to_the_next(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """Nothing is taken for fetched that was not."""
    async with site(trusting, server_tls, {"/a": page(PNG)}) as s:
        given_up = asyncio.create_task(s.fetch("/a"))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        [fetched] = await s.fetch("/a")

    assert isinstance(fetched, Fetched)
