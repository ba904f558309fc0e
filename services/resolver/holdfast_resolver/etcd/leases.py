"""Leases that many keys share.

Etcd revokes at most 1,000 leases a second (`leaseRevokeRate` in its lessor), so
a lease for each session would keep it busy long after a busy hour. Keys written
in the same minute with the same life share one, as Kubernetes' events do.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import LEASE_GRANT, EtcdClient

# All keys of a lease go in one revision when it ends: 200,000 at once stalled
# etcd for a second, 1,000 are not noticed.
_KEYS_PER_LEASE = 1_000
_LONGEST_BUCKET_S = 60.0


@dataclass(slots=True)
class _Bucket:
    lease_id: int
    keys_left: int
    open_until: float


class LeaseBuckets:
    """The leases new keys are put under, one at a time for each length of life.

    None is ever renewed: what shall live on is written again under a later one.
    """

    def __init__(
        self, client: EtcdClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._clock = clock
        self._buckets: dict[float, _Bucket] = {}

    async def lease_for(
        self, ttl: timedelta, keys: int, *, deadline_s: float | None = None
    ) -> int:
        """Return a lease under which `keys` more keys live `ttl` or a little more.

        Args:
            ttl: How long at least.
            keys: How many.
            deadline_s: What etcd may take to grant one, in seconds. None: as
                long as for any call.

        Raises:
            EtcdError: There is none yet and etcd grants none.
        """
        life_s = ttl.total_seconds()
        bucket = self._buckets.get(life_s)
        if (
            bucket is None
            or bucket.keys_left < keys
            or self._clock() >= bucket.open_until
        ):
            bucket = await self._grant(life_s, deadline_s)
        bucket.keys_left -= keys
        return bucket.lease_id

    def forget(self) -> None:
        """Put no more keys under the leases there are: one of them is gone."""
        self._buckets.clear()

    async def _grant(self, life_s: float, deadline_s: float | None) -> _Bucket:
        # A tenth of the life, so that short lives do not become much longer.
        bucket_s = min(_LONGEST_BUCKET_S, max(1.0, life_s / 10))
        opened = self._clock()
        answer = await self._client.call(
            LEASE_GRANT,
            wire.LeaseGrantRequest(ttl=math.ceil(life_s + bucket_s)),
            deadline_s=deadline_s,
        )
        for life, bucket in tuple(self._buckets.items()):
            if bucket.open_until <= opened:
                del self._buckets[life]
        self._buckets[life_s] = _Bucket(answer.id, _KEYS_PER_LEASE, opened + bucket_s)
        return self._buckets[life_s]
