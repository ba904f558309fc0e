"""Learns from reported attempts who is to be left aside, and tells the replicas."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from holdfast.health import HealthKeys, Rests, health_keys
from holdfast.model import Allowance, Attempt, Deployment, Outcome
from holdfast.outcome import CONSEQUENCES, Rest, Scope
from holdfast.settings import ONLY
from holdfast.standpoint import NOWHERE, Standpoint
from holdfast_resolver.health.record import Record, chance, recovered, rested, told
from holdfast_resolver.health.standing import HEALTHY, Standing
from holdfast_resolver.health.window import IN_A_ROW, Window
from holdfast_resolver.health.witnesses import Doubt, Witnesses
from holdfast_resolver.stores import HealthStore

_MOST_OF_A_POOL = 0.5
"""How much of a model's deployments may be left aside for failing too often. If
more than half of them do, who asks is more likely at fault than who answers."""

_WORTH_TELLING = 0.2
"""How much longer than known, as a part of what a provider asks for, is told: a
hundred calls refused at once ask for the same, a few milliseconds apart."""

_LOW = 0.1
"""What is left of an allowance when new sessions are sent elsewhere: a tenth is
for the sessions that are there."""

_LOW_UNSAID = timedelta(seconds=5)
_LOW_LONGEST = timedelta(seconds=60)
"""For how long, where the provider did not say, and at most: allowances are by
the minute."""


_NO_RESTS = Rests()


@dataclass(slots=True)
class HealthCounts:
    """What this replica has decided, for metrics.

    Attributes:
        in_a_row: Left aside for failing again and again.
        too_often: Left aside for the share of calls that failed.
        told: Left aside because the provider asked, or is rate limited.
        unusable: Left aside because the credential, quota or model is wrong.
        spared: Not left aside, as too much of its pool was.
        longer: Left aside once more, since it failed when it was tried.
        recovered: Taken back.
        doubted: Failures that were not believed at once: whoever told them may have
            reached nobody.
    """

    in_a_row: int = 0
    too_often: int = 0
    told: int = 0
    unusable: int = 0
    spared: int = 0
    longer: int = 0
    recovered: int = 0
    doubted: int = 0


class Health:
    """What one replica knows of each deployment's health, by its names."""

    def __init__(
        self,
        store: HealthStore,
        now_ms: Callable[[], int],
        jitter: Callable[[], float] = chance,
    ) -> None:
        """Begin with all deployments healthy.

        Args:
            store: Shares records with the other replicas.
            now_ms: The time, in Unix milliseconds.
            jitter: Gives a number from 0 to 1.
        """
        self._store = store
        self._now_ms = now_ms
        self._jitter = jitter
        self._credential_names: Mapping[str, Sequence[str]] = {}
        self._records: dict[str, Record] = {}
        self._windows: dict[str, Window] = {}
        self._low: dict[str, int] = {}
        self._witnesses = Witnesses(now_ms)
        self.counts = HealthCounts()
        store.watch(self._heard)

    def know_credentials(self, names: Mapping[str, Sequence[str]]) -> None:
        """Be told what credentials are called, by deployments' `credential_id`.

        Who has several is left aside once all of them are.
        """
        self._credential_names = names

    def standing(self, deployment: Deployment) -> Standing:
        """Say how a deployment stands now."""
        if not self._records and not self._low:
            return HEALTHY
        now_ms = self._now_ms()
        keys = health_keys(deployment)
        share = 0.0 if self._is_low(keys.deployment, now_ms) else 1.0
        left: int | None = None
        is_told = False
        for record in self._standing_records(deployment, now_ms):
            if record.is_aside(now_ms):
                if left is None or record.until_ms - now_ms > left:
                    is_told = record.told
                left = max(left or 0, record.until_ms - now_ms)
            else:
                share = min(share, record.share(now_ms))
        if left is not None:
            return Standing(timedelta(milliseconds=left), is_told=is_told)
        return HEALTHY if share == 1.0 else Standing(share=share)

    def rest_name(self, deployment: Deployment) -> str:
        """Name the rest that a deployment has had: each of its rests has another."""
        now_ms = self._now_ms()
        rests = [
            record.until_ms
            for record in self._standing_records(deployment, now_ms)
            if record.is_aside(now_ms)
        ]
        return f"{health_keys(deployment).deployment}@{max(rests, default=0)}"

    def rests(self) -> Rests:
        """Say who is left aside, in a version that is the same for every replica."""
        if not self._records:
            return _NO_RESTS
        now_ms = self._now_ms()
        until_ms: dict[str, int] = {}
        by_credential: dict[str, list[int]] = {}
        for key, record in self._records.items():
            if not record.is_aside(now_ms) or record.ends_ms <= now_ms:
                continue
            whose, slash, name = key.rpartition("/") if "#" in key else (key, "", "")
            if slash and name:
                by_credential.setdefault(whose + slash, []).append(record.until_ms)
            else:
                until_ms[key] = record.until_ms
        for key, ends in by_credential.items():
            # A deployment rests once it does with each of its credentials.
            credential_id = key.partition("#")[2][:-1]
            if len(ends) == len(self._names(credential_id)):
                until_ms[key] = max(until_ms.get(key, 0), min(ends))
        if not until_ms:
            return _NO_RESTS
        digest = hashlib.blake2b(digest_size=8)
        for key, moment in sorted(until_ms.items()):
            digest.update(f"{key}\0{moment}\0".encode())
        return Rests(digest.digest(), until_ms)

    def unwell(self) -> dict[str, int]:
        """Count those that rest, are due to be tried, and are coming back."""
        now_ms = self._now_ms()
        known = [r for r in self._records.values() if r.ends_ms > now_ms]
        aside = [record for record in known if record.is_aside(now_ms)]
        due = sum(record.until_ms <= now_ms for record in aside)
        ramping = sum(r.is_back and r.share(now_ms) < 1.0 for r in known)
        return {"resting": len(aside) - due, "due": due, "ramping": ramping}

    def hear(self, standpoint: Standpoint) -> None:
        """Take what an executor tells of itself, before what it tells of others."""
        self._believe(self._witnesses.hear(standpoint))

    def learn(
        self,
        attempt: Attempt,
        deployment: Deployment,
        pool: Sequence[Deployment],
        cap: timedelta,
        standpoint: Standpoint = NOWHERE,
    ) -> None:
        """Learn from how an attempt ended.

        Args:
            attempt: The attempt.
            deployment: What was called.
            pool: All deployments of its model.
            cap: The longest that a provider's wish is believed.
            standpoint: From where it was called.
        """
        keys = health_keys(deployment)
        if attempt.allowance is not None:
            self._note_allowance(keys.deployment, attempt.allowance)
        if attempt.outcome is Outcome.SUCCEEDED:
            self._count_success(keys, attempt)
            self.answered(deployment, attempt.start_time_ms, attempt.credential)
            served = self._witnesses.served(keys.deployment, attempt, standpoint)
            self._believe(served)
            return
        consequence = CONSEQUENCES[attempt.outcome]
        scope = consequence.scope
        if consequence.doubtful:
            doubted = self._witnesses.doubted
            self._believe(
                self._witnesses.missed(keys.deployment, attempt, standpoint, pool, cap)
            )
            self.counts.doubted += self._witnesses.doubted > doubted
        elif scope is Scope.DEPLOYMENT:
            self._failed(keys.deployment, attempt, pool, cap)
        elif scope is Scope.CREDENTIAL:
            self._failed(keys.credential(attempt.credential), attempt, pool, cap)

    def answered(
        self, deployment: Deployment, began_ms: int, credential: str = ""
    ) -> None:
        """Take a deployment back that has begun to answer a call.

        Args:
            deployment: What was called.
            began_ms: When it was.
            credential: With which credential, by name.
        """
        if not self._records:
            return
        keys = health_keys(deployment)
        for key in {
            keys.deployment,
            keys.any_credential,
            keys.credential(credential),
        }:
            known = self._known(key)
            if known is None:
                continue
            back = recovered(known, began_ms=began_ms, now_ms=self._now_ms())
            if back is not None:
                self.counts.recovered += 1
                self._store.publish(key, back)

    def _believe(self, failures: Sequence[tuple[str, Doubt]]) -> None:
        """Count failures that were doubted, as of when they were told."""
        for key, doubt in failures:
            self._failed(
                key, doubt.attempt, doubt.pool, doubt.cap, is_past=doubt.is_past
            )

    def _standing_records(
        self, deployment: Deployment, now_ms: int
    ) -> Iterator[Record]:
        """Give what bears on a deployment: of its credentials, the best one's."""
        keys = health_keys(deployment)
        for key in (keys.deployment, keys.any_credential):
            if (record := self._known(key)) is not None:
                yield record
        of_credentials: list[Record] = []
        for name in self._names(deployment.credential_id):
            record = self._known(keys.credential(name))
            if record is None:
                return
            of_credentials.append(record)
        if of_credentials:
            yield min(
                of_credentials,
                key=lambda r: (r.is_aside(now_ms), r.until_ms, -r.share(now_ms)),
            )

    def _names(self, credential_id: str) -> Sequence[str]:
        return self._credential_names.get(credential_id) or (ONLY,)

    def _count_success(self, keys: HealthKeys, attempt: Attempt) -> None:
        now_ms, began_ms = self._now_ms(), attempt.start_time_ms
        self._window(keys.deployment).succeeded(now_ms, began_ms)
        window = self._windows.get(keys.credential(attempt.credential))
        if window is not None:
            window.succeeded(now_ms, began_ms)

    def _failed(
        self,
        key: str,
        attempt: Attempt,
        pool: Sequence[Deployment],
        cap: timedelta,
        *,
        is_past: bool = False,
    ) -> None:
        now_ms, began_ms = self._now_ms(), attempt.start_time_ms
        rest = CONSEQUENCES[attempt.outcome].rest
        ended_ms = began_ms + attempt.duration // timedelta(milliseconds=1)
        known = self._known(key)
        window = self._window(key)
        window.failed(now_ms, began_ms, attempt.outcome, is_past=is_past)
        wish = min(attempt.retry_after or timedelta(), cap)
        if wish > timedelta() and rest is not Rest.FOR_LONG:
            record = told(
                known,
                min(wish * (1 + self._jitter() / 10), cap),
                failed_ms=ended_ms,
                now_ms=now_ms,
                needs_probe=rest is not Rest.AS_TOLD,
            )
            if known is not None and known.is_aside(now_ms):
                gained = timedelta(milliseconds=record.until_ms - known.until_ms)
                if gained <= wish * _WORTH_TELLING:
                    return
            self.counts.told += 1
        elif self._is_due(key, known, attempt, window, pool):
            window.begin_anew()
            record = rested(
                known,
                rest,
                failed_ms=ended_ms,
                now_ms=now_ms,
                cap=cap,
                jitter=self._jitter(),
            )
        else:
            return
        self._store.publish(key, record)

    def _is_due(
        self,
        key: str,
        known: Record | None,
        attempt: Attempt,
        window: Window,
        pool: Sequence[Deployment],
    ) -> bool:
        """Tell whether a failure is one to leave a deployment aside for."""
        if known is not None and (known.is_back or known.is_aside(self._now_ms())):
            # What was sent before it rested, or before it came back, is old news.
            news_from = known.well_ms if known.is_back else known.until_ms
            is_news = attempt.start_time_ms >= news_from
            self.counts.longer += is_news
            return is_news
        rest = CONSEQUENCES[attempt.outcome].rest
        if rest is Rest.FOR_LONG:
            self.counts.unusable += 1
        elif rest is Rest.AS_TOLD and attempt.retry_after is None:
            self.counts.told += 1
        elif window.in_a_row >= IN_A_ROW:
            self.counts.in_a_row += 1
        elif not window.fails_too_often():
            return False
        elif self._may_lose_one(key, pool):
            self.counts.too_often += 1
        else:
            self.counts.spared += 1
            return False
        return True

    def _may_lose_one(self, key: str, pool: Sequence[Deployment]) -> bool:
        """Tell whether a pool has enough left if one more is left aside."""
        now_ms = self._now_ms()
        names = {health_keys(each).deployment for each in pool} - {key}
        aside = sum(
            record.is_aside(now_ms)
            for name in names
            if (record := self._known(name)) is not None
        )
        return aside + 1 <= len(pool) * _MOST_OF_A_POOL

    def _note_allowance(self, key: str, allowance: Allowance) -> None:
        if allowance.remaining_share >= _LOW:
            return
        resets_in = allowance.resets_in
        span = _LOW_UNSAID if resets_in is None else min(resets_in, _LOW_LONGEST)
        until_ms = self._now_ms() + round(span / timedelta(milliseconds=1))
        self._low[key] = max(until_ms, self._low.get(key, 0))

    def _is_low(self, key: str, now_ms: int) -> bool:
        until_ms = self._low.get(key)
        if until_ms is None:
            return False
        if until_ms <= now_ms:
            del self._low[key]
            return False
        return True

    def _window(self, key: str) -> Window:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window()
        return window

    def _known(self, key: str) -> Record | None:
        record = self._records.get(key)
        if record is not None and record.ends_ms <= self._now_ms():
            del self._records[key]
            return None
        return record

    def _heard(self, key: str, record: Record | None) -> None:
        if record is None:
            self._records.pop(key, None)
        else:
            self._records[key] = record
