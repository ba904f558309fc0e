"""A gRPC server as all our services run it: health, reflection, one shutdown."""

from collections.abc import Callable, Collection, Sequence

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from holdfast.environment import ALONE, Worker
from holdfast.rpc.admission import Admission
from holdfast.rpc.limits import MESSAGE_BYTES
from holdfast.rpc.tls import MutualTls

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # Clients may ask whether we live every 10 s, calls or none: they have to
    # notice a host that vanished without a word.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A client whose host vanished is noticed within 15 s, and its calls ended:
    # each of them is paid for.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
)

_CONNECTION_S = 60.0
"""How long a connection takes new calls, in seconds. A client of gRPC's own looks
its name up when it has to connect, and only then meets replicas that have come
since; so it does once a minute. What was begun goes on for as long as it takes:
a link's stream, which needs none of this, for as long as both ends live."""


class GrpcServer:
    """Serves what is registered on it, beside health and reflection."""

    def __init__(
        self,
        service_names: Sequence[str],
        worker: Worker = ALONE,
        *,
        tls: MutualTls | None = None,
        callers: Collection[str] = (),
        connection_s: float = _CONNECTION_S,
    ) -> None:
        """Prepare a server.

        Args:
            service_names: Full names of the services that will be registered,
                for health and reflection.
            worker: Which of several processes on the same address this is.
            tls: What it shows its clients, and asks of them. None: it is
                spoken to in the clear, by anybody.
            callers: With TLS, the names in the certificates of those who may call.
            connection_s: How long a connection takes new calls, in seconds.
        """
        # Two servers that share a port by accident would share its calls by
        # chance; we want an error.
        shares = ("grpc.so_reuseport", int(worker.of > 1))
        age = ("grpc.max_connection_age_ms", int(connection_s * 1_000))
        self.grpc = aio.server(
            interceptors=[] if tls is None else [Admission(callers)],
            options=(*SERVER_OPTIONS, shares, age),
        )
        self.tls = tls
        self.worker = worker
        self._names = tuple(service_names)
        self._before_stop: list[Callable[[], None]] = []
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        reflection.enable_server_reflection(
            [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self.grpc
        )

    def before_stop(self, tell: Callable[[], None]) -> None:
        """Have something told that the server is about to stop."""
        self._before_stop.append(tell)

    async def start(self, listen: str) -> str:
        """Serve on an address and return it, with the port that was chosen.

        Raises:
            OSError: The address is taken or none of this machine's.
        """
        try:
            if self.tls is None:
                port = self.grpc.add_insecure_port(listen)
            else:
                port = self.grpc.add_secure_port(listen, self.tls.server())
        except RuntimeError as error:
            raise OSError(f"cannot listen on {listen}: {error}") from error
        await self.grpc.start()
        await self._tell(health_pb2.HealthCheckResponse.SERVING)
        return f"{listen.rpartition(':')[0]}:{port}"

    async def stop(self, grace_s: float) -> None:
        """Say that no more calls are taken, and let those begun finish.

        Args:
            grace_s: After so many seconds what still runs is ended.
        """
        await self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)
        for tell in self._before_stop:
            tell()
        await self.grpc.stop(grace_s)

    async def _tell(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *self._names):
            await self._health.set(name, status)
