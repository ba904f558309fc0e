"""Etcd's upkeep: copies to restore it from, and room in its files.

Neither is needed for an answer. What administrators have made is in etcd and
nowhere else, so that a copy an hour old is worth having; and a file that is
rewritten for months keeps the room that it once needed.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import structlog

from holdfast.settings import EtcdSettings
from holdfast_resolver.etcd.errors import EtcdError
from holdfast_resolver.etcd.maintenance import Member, MemberStatus
from holdfast_resolver.etcd_stores import access_of

_log = structlog.get_logger("holdfast.upkeep")

_SUFFIX = ".db"
_PREFIX = "etcd-"
_DIGEST_BYTES = 32

_WASTE = 0.5
"""The share of a file that has to be empty before it is written anew: that stops
the member for seconds, measured 3.7 s for a file of 284 MB with 151 MB in use, and
brings nothing where the room is soon used again."""

_DEFRAGMENT_S = 120.0
"""How long one member may take to write its file anew, in seconds: ten times what
the largest file that etcd suggests, 8 GiB, would take at 700 MB a second."""

_RETURN_S = 60.0
"""How long it may take to catch up with the others after that, in seconds."""

_POLL_S = 0.2

_SPACE = "NOSPACE"
"""The alarm that defragmenting is the cure for."""


class UpkeepError(Exception):
    """It was not done; the message says why, and nothing was left half done."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was made.

    Attributes:
        path: Where it is.
        size: In bytes.
        dropped: Older ones that were deleted for it.
    """

    path: Path
    size: int
    dropped: tuple[Path, ...]


class Upkeep:
    """Looks after the members of one etcd."""

    def __init__(self, members: Sequence[Member]) -> None:
        """Take them as they are; `of` makes them."""
        self._members = members

    @classmethod
    @asynccontextmanager
    async def of(cls, etcd: EtcdSettings) -> AsyncIterator[Self]:
        """Look after an etcd that was configured, each endpoint a member.

        Raises:
            CertificateError: What they are to be shown cannot be used.
        """
        access = access_of(etcd)
        members = [Member(endpoint, access) for endpoint in etcd.endpoints]
        try:
            yield cls(members)
        finally:
            await asyncio.gather(*(member.close() for member in members))

    async def back_up(self, folder: Path, *, keep: int) -> Copy:
        """Copy the newest member that answers, and drop the oldest copies.

        A copy has its name only once it is whole, was checked against its digest
        and is on the disk.

        Args:
            folder: Where copies are, `etcd-<time>.db` each.
            keep: How many of them stay.

        Raises:
            UpkeepError: No member could be copied.
            OSError: The folder cannot be written to.
        """
        standing = await _standing(self._members)
        why = "none of its members answers"
        path = folder / f"{_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}{_SUFFIX}"
        for member in sorted(standing, key=lambda each: -standing[each].applied):
            try:
                size = await _copied(member, path)
            except EtcdError as error:
                why = f"{member.endpoint}: {error}"
                _log.warning("etcd_copy_failed", reason=why)
                continue
            dropped = await asyncio.to_thread(_drop, folder, keep)
            return Copy(path, size, dropped)
        raise UpkeepError(f"etcd could not be copied: {why}")

    async def defragment(self) -> dict[str, int]:
        """Have members write their files anew, one at a time, the leader last.

        Each time all of them have to be well: the one at work is away meanwhile,
        and a majority has to be left. One whose file is mostly in use is passed
        over.

        Returns:
            How many bytes that freed, by the endpoints of those who did.

        Raises:
            UpkeepError: A member is not well, or did not come back.
        """
        freed: dict[str, int] = {}
        standing = await _well(self._members)
        for member in sorted(self._members, key=lambda each: standing[each].is_leader):
            before = (await _well(self._members))[member]
            if before.file_bytes - before.used_bytes < _WASTE * before.file_bytes:
                continue
            try:
                await member.defragment(_DEFRAGMENT_S)
            except EtcdError as error:
                raise UpkeepError(f"{member.endpoint}: {error}") from error
            after = await _returned(member, before.applied)
            freed[member.endpoint] = before.file_bytes - after.file_bytes
        return freed


async def _standing(members: Sequence[Member]) -> dict[Member, MemberStatus]:
    """Ask all of them at once, and return what those say who answer."""
    said = await asyncio.gather(
        *(member.status() for member in members), return_exceptions=True
    )
    return {
        member: each
        for member, each in zip(members, said, strict=True)
        if isinstance(each, MemberStatus)
    }


async def _well(members: Sequence[Member]) -> dict[Member, MemberStatus]:
    """Return how they stand, if nothing is wrong with any of them.

    Raises:
        UpkeepError: Something is.
    """
    standing = await _standing(members)
    for member in members:
        status = standing.get(member)
        if status is None:
            raise UpkeepError(
                f"{member.endpoint} does not answer; nothing more is done"
            )
        if not status.has_leader:
            raise UpkeepError(f"{member.endpoint} has no leader; nothing more is done")
        if worse := [each for each in status.alarms if _SPACE not in each]:
            raise UpkeepError(
                f"{member.endpoint} says {worse[0]}; nothing more is done"
            )
    return standing


async def _returned(member: Member, applied: int) -> MemberStatus:
    """Wait until a member is where it was before, and return how it stands.

    Raises:
        UpkeepError: It does not come back.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_RETURN_S):
            while True:
                status = (await _standing([member])).get(member)
                if status and status.has_leader and status.applied >= applied:
                    return status
                await asyncio.sleep(_POLL_S)
    raise UpkeepError(f"{member.endpoint} did not come back; nothing more is done")


async def _copied(member: Member, path: Path) -> int:
    """Copy a member to a file, and return its size.

    Raises:
        EtcdError: The copy broke off, or is not what was sent.
    """
    written = await asyncio.to_thread(_Written, path)
    try:
        async with contextlib.aclosing(member.snapshot()) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(written.add, piece)
        if not written.is_whole:
            raise EtcdError("the copy does not match its digest")
        await asyncio.to_thread(written.keep)
    finally:
        await asyncio.to_thread(written.close)
    return written.size


class _Written:
    """A file that is being written, beside its place until it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_suffix(".part")
        self._file = self._part.open("wb")
        self._digest = hashlib.sha256()
        self._last = b""
        self.size = 0

    def add(self, piece: bytes) -> None:
        self._file.write(piece)
        self.size += len(piece)
        held = self._last + piece
        self._digest.update(held[:-_DIGEST_BYTES])
        self._last = held[-_DIGEST_BYTES:]

    @property
    def is_whole(self) -> bool:
        """Whether its last bytes are the digest of those before."""
        return self._last == self._digest.digest()

    def keep(self) -> None:
        """Give it its name, once all of it is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._part.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Leave nothing that is half a copy."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _drop(folder: Path, keep: int) -> tuple[Path, ...]:
    # Their names are times: in their order they are in time's.
    copies = sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}"))
    old = tuple(copies[: max(0, len(copies) - keep)])
    for path in old:
        path.unlink()
    return old
