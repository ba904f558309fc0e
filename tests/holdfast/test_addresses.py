"""Which endpoints may be declared: public ones, in whatever notation they come."""

import asyncio

import pytest

from holdfast.addresses import (
    address_fault,
    is_public,
    looks_private,
    resolved_address_fault,
)

PRIVATE_ADDRESSES = [
    # This machine, and what means it.
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "[::1]",
    "[::]",
    # A private network.
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "[fc00::1]",
    "[fd12:3456:789a::1]",
    "[fec0::1]",
    # The link, and clouds' metadata services on it or elsewhere.
    "169.254.169.254",
    "169.254.170.2",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "168.63.129.16",
    "192.0.0.192",
    "100.100.100.200",
    # Carriers' own networks, tests, documents, the future, everybody.
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "203.0.113.7",
    "192.88.99.1",
    "240.0.0.1",
    "255.255.255.255",
    "224.0.0.1",
    "[ff02::1]",
    "[ff0e::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[4000::1]",
    # An IPv4 address inside an IPv6 one: mapped, compatible, translated, 6to4,
    # NAT64 of all and of a network's own, Teredo, ISATAP.
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[::ffff:0:7f00:1]",
    "[2002:7f00:1::1]",
    "[2002:a9fe:a9fe::]",
    "[2002:0a00:0001::1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:0:53aa:64c::80ff:fffe]",
    "[2606:4700::5efe:127.0.0.1]",
    "[2606:4700::200:5efe:10.0.0.1]",
]

PRIVATE_NAMES = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "api.localhost",
    "localhost.localdomain",
    "printer.local",
    "vllm.models.svc.cluster.local",
    "vllm.models.svc",
    "metadata",
    "instance-data",
    "metadata.google.internal",
    "METADATA.Google.Internal.",
    "metadata.azure.internal",
    "ip-10-0-0-1.ec2.internal",
    "db.corp",
    "wiki.intranet",
    "nas.lan",
    "router.home.arpa",
    "redis",
    "xn--lcalhost-55a",
]

NOT_READ_ALIKE = [
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.0.0.01",
    "127.1",
    "127.0.1",
    "0",
    "127.0.0.1.",
    "127.0.0.0x1",
    "evil.example.0x7f",
    "256.1.1.1",
    "1.2.3.4.5",
    "08.8.8.8",
]

NO_HOSTS = [
    "127%2e0%2e0%2e1",
    "%6cocalhost",
    "a..example.com",
    ".example.com",
    "exa$mple.com",
    "127.0.0.1\\.example.com",
    "{HOST}.example.com",
    "a" * 64 + ".example.com",
    ".".join(["a" * 60] * 5),
]

NO_URIS = [
    "",
    "example.com",
    "//example.com",
    "/v1",
    "http://",
    "http:///v1",
    "http:example.com",
    "https://:443/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:port/",
    "https://[::1",
    "https://[v1.a]/",
    "https://[127.0.0.1]/",
    "https://[::g]/",
    "ftp://example.com",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "https://exa mple.com",
    "https://example.com\t.evil.example",
    "https://example.com\n.evil.example",
    "https://example.com\r\nhost: evil",
    "https://①②⑦.⓪.⓪.①/",
    "https://ⓛocalhost/",
    "https://127。0。0。1/",
    "https://bücher.example/",
]

NAMED_USERS = [
    "https://user:secret@example.com/",
    "https://user@example.com/",
    "https://@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com:443@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
]

GOOD = [
    "https://api.example.com",
    "https://api.example.com/v1?api-version=2024-10-21",
    "https://api.example.com:8443/v1",
    "http://api.example.com/v1",
    "HTTPS://API.EXAMPLE.COM/v1",
    "https://api.example.com./v1",
    "https://xn--bcher-kva.example/v1",
    "https://my_proxy.example.com/",
    "https://8.8.8.8/v1",
    "https://[2606:4700:4700::1111]/v1",
    "https://[64:ff9b::8.8.8.8]/v1",
    "https://[2002:808:808::1]/v1",
    "https://internal.example.com/",
    "https://localhost.example.com/",
    "https://example.com/@127.0.0.1/",
    "https://example.com/?url=http://127.0.0.1/",
    "https://0x7f.example.com/",
    "https://1.2.3.4.example.com/",
]


@pytest.mark.parametrize("host", [*PRIVATE_ADDRESSES, *PRIVATE_NAMES])
@pytest.mark.parametrize("form", ["http://{}", "https://{}:8443/v1?x=y"])
def test_a_private_place_is_refused_unless_it_is_meant(host: str, form: str) -> None:
    """However its address is written, and whatever name it goes by."""
    uri = form.format(host)

    assert "not on the public internet" in (address_fault(uri) or "")
    assert looks_private(uri)
    assert address_fault(uri, allow_private_network=True) is None


@pytest.mark.parametrize("host", NOT_READ_ALIKE)
@pytest.mark.parametrize("allowed", [False, True])
def test_an_address_in_another_notation_is_refused(host: str, allowed: bool) -> None:
    """What one reads as a name or an address, another reads as another address."""
    fault = address_fault(f"http://{host}/v1", allow_private_network=allowed)

    assert "not everybody reads alike" in (fault or "")


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host_is_refused(host: str) -> None:
    """Nobody escapes or fills in a part of it."""
    assert "names no host" in (address_fault(f"https://{host}/v1") or "")


@pytest.mark.parametrize("uri", NO_URIS)
def test_what_is_no_uri_of_a_web_server_is_refused(uri: str) -> None:
    """Another scheme, no host, no port there is, and letters that look like others."""
    assert "absolute http or https URI" in (address_fault(uri) or "")


@pytest.mark.parametrize("uri", NAMED_USERS)
def test_a_user_before_the_host_is_refused(uri: str) -> None:
    """It is a secret out of place, or a host that is not the host."""
    assert "user name" in (address_fault(uri) or "")
    assert "secret" not in (address_fault(uri) or "").partition(";")[0]


@pytest.mark.parametrize("host", ["[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%25lo]"])
def test_an_address_with_a_zone_is_refused(host: str) -> None:
    """It names an interface of whoever connects."""
    assert "interface" in (address_fault(f"http://{host}/") or "")


def test_a_fragment_is_refused() -> None:
    """No provider ever sees it."""
    assert "fragment" in (address_fault("https://example.com/#@127.0.0.1/") or "")


@pytest.mark.parametrize("uri", GOOD)
def test_a_public_endpoint_is_allowed(uri: str) -> None:
    """By name or by address, with a port and a query."""
    assert address_fault(uri) is None
    assert not looks_private(uri)


@pytest.mark.parametrize(
    "written", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "1.1.1.1"]
)
def test_a_public_address_is_public(written: str) -> None:
    """As the system's resolver writes it."""
    assert is_public(written)


@pytest.mark.parametrize("written", ["fe80::1%eth0", "fe80::1%2", "::1%lo"])
def test_an_interface_beside_an_address_is_not_looked_at(written: str) -> None:
    """The resolver writes it behind a link's own addresses."""
    assert not is_public(written)


def resolving(*addresses: str):
    """Look every name up as these."""

    async def resolve(host: str) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize(
    ("found", "is_refused"),
    [
        (["8.8.8.8"], False),
        (["2606:4700::1", "8.8.8.8"], False),
        (["127.0.0.1"], True),
        (["8.8.8.8", "10.0.0.1"], True),
        (["2606:4700::1", "::ffff:169.254.169.254"], True),
        (["fe80::1%eth0"], True),
        ([], False),
    ],
)
async def test_a_name_is_judged_by_all_that_it_leads_to(
    found: list[str], is_refused: bool
) -> None:
    """One address that is private is enough: each of them has its turn."""
    fault = await resolved_address_fault(
        "https://127-0-0-1.example.com/v1", resolve=resolving(*found)
    )

    assert (fault is not None) is is_refused


async def test_a_name_that_is_not_found_may_be_declared() -> None:
    """It is judged when it is called; here is not where that will be."""

    async def resolve(host: str) -> list[str]:
        raise OSError("no such name")

    assert await resolved_address_fault("https://a.example/", resolve=resolve) is None


async def test_a_resolver_that_hangs_is_waited_for_a_little() -> None:
    """Whoever declares an endpoint is not made to wait for ever."""

    async def resolve(host: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    fault = await resolved_address_fault(
        "https://a.example/", resolve=resolve, patience_s=0.05
    )

    assert fault is None


async def test_nothing_is_looked_up_that_is_refused_or_allowed_by_its_words() -> None:
    """Nor is the name told to a resolver of anybody's."""
    asked: list[str] = []

    async def resolve(host: str) -> list[str]:
        asked.append(host)
        return ["8.8.8.8"]

    refused = await resolved_address_fault("http://localhost/", resolve=resolve)
    allowed = await resolved_address_fault(
        "http://localhost/", allow_private_network=True, resolve=resolve
    )
    await resolved_address_fault("https://a.example./", resolve=resolve)

    assert refused is not None
    assert allowed is None
    assert asked == ["a.example"]


async def test_the_systems_own_resolver_is_asked() -> None:
    """A written address needs no name server."""
    assert await resolved_address_fault("https://8.8.8.8/v1") is None
