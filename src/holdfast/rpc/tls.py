"""Mutual TLS between the services: each shows a certificate, and wants to see one.

    async with mutual_tls(environment) as tls:
        server = GrpcServer(SERVICES, tls=tls, callers=("edge",))

Who is called is known by the name that its certificate bears, not by where it
was found: the pods behind one name have addresses of their own.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc import aio

from holdfast.certificates import CertificateFiles, Certificates, followed
from holdfast.environment import Environment

NAMES = {"resolver": "resolver", "executor": "executor"}
"""The name that each service's certificate bears unless something else is said."""


class MutualTls:
    """The certificates of one process, as gRPC takes them."""

    def __init__(
        self, files: CertificateFiles, names: Mapping[str, str] = NAMES
    ) -> None:
        """Use what is in some files, as it is whenever a connection is made.

        Args:
            files: The authorities that are believed, one's own certificate and
                its key.
            names: By service, the name that must be among those its
                certificate is for (its DNS subject alternative names).
        """
        self._files = files
        self._names = names

    @property
    def current(self) -> Certificates:
        """What the next connection uses; another object once that has changed."""
        return self._files.current

    async def renewed(self, known: Certificates) -> None:
        """Wait until others are used than those that are known."""
        await self._files.renewed(known)

    def open(
        self, service: str, target: str, options: tuple[tuple[str, Any], ...]
    ) -> aio.Channel:
        """Prepare a channel to a service, with the certificates of this moment."""
        certificates = self._files.current
        credentials = grpc.ssl_channel_credentials(
            certificates.authorities, certificates.private_key, certificates.chain
        )
        # What the certificate is checked for, in place of the target's host.
        name = ("grpc.default_authority", self._names[service])
        return aio.secure_channel(target, credentials, (*options, name))

    def server(self) -> grpc.ServerCredentials:
        """Return what a server asks of its clients, and shows them."""
        return grpc.dynamic_ssl_server_credentials(
            _server_side(self._files.current),
            self._changes(),
            require_client_authentication=True,
        )

    def _changes(self) -> Callable[[], Any]:
        """Return what gRPC asks at each connection, in a thread of its own."""
        shown = self._files.current

        def changed() -> Any:
            nonlocal shown
            if (current := self._files.current) is shown:
                return None
            shown = current
            return _server_side(current)

        return changed


@asynccontextmanager
async def mutual_tls(environment: Environment) -> AsyncIterator[MutualTls | None]:
    """Give what a process speaks TLS with, and keep it as its files are.

    Gives None where the environment names no certificates.

    Raises:
        EnvironmentVariableError: Some are named, and not all.
        CertificateError: They cannot be used.
    """
    paths = environment.certificates()
    if paths is None:
        yield None
        return
    names = {
        "resolver": environment.tls_resolver_name,
        "executor": environment.tls_executor_name,
    }
    async with followed(paths) as files:
        yield MutualTls(files, names)


def _server_side(certificates: Certificates) -> Any:
    own = (certificates.private_key, certificates.chain)
    return grpc.ssl_server_certificate_configuration([own], certificates.authorities)
