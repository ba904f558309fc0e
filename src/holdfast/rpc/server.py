"""A gRPC server as all our services run it: health, reflection, one shutdown."""

from collections.abc import Callable, Sequence

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from holdfast.environment import ALONE, Worker
from holdfast.rpc.limits import MESSAGE_BYTES

SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # Clients may ask whether we live every 10 s, calls or none: they have to
    # notice a host that vanished without a word.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class GrpcServer:
    """Serves what is registered on it, beside health and reflection."""

    def __init__(self, service_names: Sequence[str], worker: Worker = ALONE) -> None:
        """Prepare a server.

        Args:
            service_names: Full names of the services that will be registered,
                for health and reflection.
            worker: Which of several processes on the same address this is.
        """
        # Two servers that share a port by accident would share its calls by
        # chance; we want an error.
        shares = ("grpc.so_reuseport", int(worker.of > 1))
        self.grpc = aio.server(options=(*SERVER_OPTIONS, shares))
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
            port = self.grpc.add_insecure_port(listen)
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
