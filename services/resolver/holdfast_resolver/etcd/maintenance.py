"""One member of etcd, for its upkeep: how it stands, a copy of it, room on its disk."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from grpc import aio

from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import ANYBODY, Access, EtcdClient, Method

STATUS = Method(
    "/etcdserverpb.Maintenance/Status", wire.StatusRequest, wire.StatusResponse
)
DEFRAGMENT = Method(
    "/etcdserverpb.Maintenance/Defragment",
    wire.DefragmentRequest,
    wire.DefragmentResponse,
)
SNAPSHOT = Method(
    "/etcdserverpb.Maintenance/Snapshot", wire.SnapshotRequest, wire.SnapshotResponse
)

_ANSWER_S = 5.0
"""How long a member may take to say how it stands, in seconds: one that takes longer
is in no state to be worked on."""

_CHUNK_S = 30.0
"""How long a copy may stand still, in seconds, before its member counts as hung: a
piece is 32 KiB, and the disk is another's too."""


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """How a member stands.

    Attributes:
        has_leader: Whether it knows of one, and so is of a majority.
        is_leader: Whether it is that itself.
        applied: How much of the log it has carried out; the most is the newest.
        file_bytes: The size of its file.
        used_bytes: How much of that holds anything.
        alarms: What it complains of, in etcd's own words.
    """

    has_leader: bool
    is_leader: bool
    applied: int
    file_bytes: int
    used_bytes: int
    alarms: tuple[str, ...]


class Member:
    """One member, called at its own address and no other.

    Attributes:
        endpoint: That address.
    """

    def __init__(self, endpoint: str, access: Access = ANYBODY) -> None:
        """Prepare; nothing is connected yet.

        Args:
            endpoint: `host:port`, with or without a scheme.
            access: How etcd lets us in.
        """
        self.endpoint = endpoint
        self._client = EtcdClient([endpoint], access=access, deadline_s=_ANSWER_S)

    async def status(self) -> MemberStatus:
        """Ask how it stands.

        Raises:
            EtcdError: It does not say.
        """
        said = await self._client.call(STATUS, wire.StatusRequest())
        return MemberStatus(
            has_leader=said.leader != 0,
            is_leader=said.leader == said.header.member_id,
            applied=said.raft_applied_index,
            file_bytes=said.db_size,
            used_bytes=said.db_size_in_use,
            alarms=tuple(said.errors),
        )

    async def defragment(self, within_s: float) -> None:
        """Have it write its file anew without the gaps; it answers nobody meanwhile.

        Args:
            within_s: How long that may take, in seconds.

        Raises:
            EtcdError: It did not, or not in that time.
        """
        await self._client.call(
            DEFRAGMENT, wire.DefragmentRequest(), deadline_s=within_s
        )

    async def snapshot(self) -> AsyncGenerator[bytes, None]:
        """Return a copy of everything, piece by piece, as it is at one revision.

        The last 32 bytes are the SHA-256 of those before.

        Raises:
            EtcdError: The copy broke off.
        """
        opening = self._client.stream(SNAPSHOT, open_timeout_s=_ANSWER_S)
        async with opening as call:
            await call.write(wire.SnapshotRequest())
            await call.done_writing()
            while True:
                async with asyncio.timeout(_CHUNK_S):
                    piece = await call.read()
                if piece is aio.EOF:
                    break
                yield piece.blob

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()
