"""Services that prove to each other who they are, and let nobody else in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from fakes.certificates import A_DAY, Authority, Issued
from fakes.links import collect
from fakes.plans import asking
from fakes.secured import reached, secured
from fakes.services import AnsweringExecutor
from holdfast.api.link.v1 import link_service_pb2 as link_pb
from holdfast.errors import InternalError, ServiceUnavailableError
from holdfast.rpc.link import lane
from holdfast.rpc.link.client import Link
from holdfast.rpc.link.server import SERVICE
from holdfast.rpc.plain import PlainReplica
from holdfast.rpc.server import GrpcServer

REQUEST = asking(b"{}")
OURS, THEIRS = Authority(), Authority()

both_ways = pytest.mark.parametrize("reach", [PlainReplica, Link])


@contextlib.asynccontextmanager
async def service(folder: Path, issued: Issued | None) -> AsyncIterator[str]:
    """Serve an executor that shows a certificate, or none; give the address."""
    tls = None if issued is None else issued.tls(folder / "server")
    async with secured(AnsweringExecutor(), tls) as address:
        yield address


@both_ways
async def test_an_edge_and_an_executor_of_one_authority_understand_each_other(
    reach, tmp_path
):
    """At whatever address: the name in the certificate is what counts."""
    tls = OURS.issue("edge").tls(tmp_path / "client")
    async with (
        service(tmp_path, OURS.issue("executor")) as address,
        reached(reach, address, tls=tls) as far,
    ):
        whole = await far.execute(REQUEST)
        streamed = await collect(far.execute_stream(REQUEST))

    assert whole.body
    assert streamed[-1].HasField("completed")


@both_ways
@pytest.mark.parametrize(
    ("server", "client"),
    [
        pytest.param(OURS.issue("executor"), None, id="client in the clear"),
        pytest.param(None, OURS.issue("edge"), id="server in the clear"),
        pytest.param(
            OURS.issue("executor"),
            THEIRS.issue("edge").believing(OURS),
            id="client of another authority",
        ),
        pytest.param(
            THEIRS.issue("executor").believing(OURS),
            OURS.issue("edge"),
            id="server of another authority",
        ),
        pytest.param(
            OURS.issue("executor"), OURS.issue("edge", life=-A_DAY), id="client expired"
        ),
        pytest.param(
            OURS.issue("executor", life=-A_DAY), OURS.issue("edge"), id="server expired"
        ),
        pytest.param(
            OURS.issue("resolver", "127.0.0.1", common_name="executor"),
            OURS.issue("edge"),
            id="server of another name",
        ),
    ],
)
async def test_whoever_does_not_prove_itself_is_no_replica(
    reach, server, client, tmp_path
):
    """There is no connection, and so no call and no answer."""
    tls = None if client is None else client.tls(tmp_path / "client")
    async with (
        service(tmp_path, server) as address,
        reached(reach, address, tls=tls) as far,
    ):
        with pytest.raises(ServiceUnavailableError):
            await far.execute(REQUEST)
        with pytest.raises(ServiceUnavailableError):
            await collect(far.execute_stream(REQUEST))


async def test_a_client_that_shows_no_certificate_is_refused(tmp_path):
    """Knowing the authority is not enough: anybody may know it."""
    credentials = grpc.ssl_channel_credentials(OURS.pem)
    options = [("grpc.default_authority", "executor")]
    async with (
        service(tmp_path, OURS.issue("executor")) as address,
        aio.secure_channel(address, credentials, options) as channel,
    ):
        with pytest.raises(aio.AioRpcError) as raised:
            await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=10
            )

    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "issued",
    [
        pytest.param(OURS.issue("edge"), id="by DNS name"),
        pytest.param(OURS.issue(uri="spiffe://lab/ns/x/sa/batch"), id="by URI"),
    ],
)
@both_ways
async def test_who_is_on_the_list_may_call(reach, issued, tmp_path):
    """Any name that the certificate is for will do."""
    tls = issued.tls(tmp_path / "client")
    server = OURS.issue("executor").tls(tmp_path / "server")
    callers = ("edge", "spiffe://lab/ns/x/sa/batch")
    async with (
        secured(AnsweringExecutor(), server, callers=callers) as address,
        reached(reach, address, tls=tls) as far,
    ):
        assert (await far.execute(REQUEST)).body


@pytest.mark.parametrize(
    "issued",
    [
        pytest.param(OURS.issue("executor"), id="another service"),
        pytest.param(OURS.issue("edge.elsewhere", "*.edge"), id="a longer name"),
        pytest.param(OURS.issue("x", common_name="edge"), id="a common name"),
    ],
)
async def test_who_is_not_on_the_list_may_not_call(issued, tmp_path):
    """A certificate of our authority says who somebody is, not what it may do."""
    tls = issued.tls(tmp_path / "client")
    executor = AnsweringExecutor()
    server = OURS.issue("executor").tls(tmp_path / "server")
    async with secured(executor, server) as address:
        with capture_logs() as logs:
            async with reached(PlainReplica, address, tls=tls) as far:
                with pytest.raises(InternalError, match="PERMISSION_DENIED"):
                    await far.execute(REQUEST)
                with pytest.raises(InternalError, match="PERMISSION_DENIED"):
                    await collect(far.execute_stream(REQUEST))
            async with reached(Link, address, tls=tls) as far:
                with pytest.raises(ServiceUnavailableError):
                    await far.execute(REQUEST)

    assert executor.asked == []
    assert {"caller_refused", "replica_lost"} <= {entry["event"] for entry in logs}


async def test_health_is_told_to_everybody_with_a_certificate(tmp_path):
    """A probe needs no place on the list."""
    tls = OURS.issue("probe").tls(tmp_path / "client")
    async with (
        service(tmp_path, OURS.issue("executor")) as address,
        tls.open("executor", address, ()) as channel,
    ):
        answer = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest()
        )

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_with_certificates_nothing_goes_past_tls_on_one_machine(tmp_path):
    """A server offers no lane beside its streams."""
    tls = OURS.issue("edge").tls(tmp_path / "client")
    async with (
        service(tmp_path, OURS.issue("executor")) as address,
        tls.open("executor", address, ()) as channel,
    ):
        stream = channel.stream_stream(
            f"/{SERVICE}/Connect",
            response_deserializer=link_pb.ConnectResponse.FromString,
        )()
        told = dict(await stream.initial_metadata())
        stream.cancel()

    assert "holdfast-worker" in told
    assert lane.METADATA_KEY not in told


async def test_a_lane_that_is_offered_all_the_same_is_not_taken(tmp_path):
    """A client with certificates goes by them alone, whatever it is told."""
    came: asyncio.Queue[str] = asyncio.Queue()

    async def connect(_requests: object, context: aio.ServicerContext) -> None:
        end = lane.Lane(lambda _: came.put_nowait("over the lane"))
        async with lane.offered(lambda: end) as name:
            await context.send_initial_metadata(((lane.METADATA_KEY, str(name)),))
            while await context.read() is not aio.EOF:
                came.put_nowait("over the stream")

    connecting = grpc.stream_stream_rpc_method_handler(connect)
    server = GrpcServer(
        [], tls=OURS.issue("executor").tls(tmp_path / "server"), callers=["edge"]
    )
    server.grpc.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Connect": connecting}),)
    )
    address = await server.start("127.0.0.1:0")
    tls = OURS.issue("edge").tls(tmp_path / "client")
    async with reached(Link, address, tls=tls) as far:
        calling = asyncio.create_task(far.execute(REQUEST))
        way = await asyncio.wait_for(came.get(), 10)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    await server.stop(0)

    assert way == "over the stream"
