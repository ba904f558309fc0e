"""Keeps a ledger in the database that the configuration names, if it names one."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from holdfast.ports import Ledger, StoredResponses
from holdfast.settings import Settings
from holdfast_resolver.ledger.absent import NoLedger
from holdfast_resolver.ledger.journal import Journal
from holdfast_resolver.ledger.metrics import shown
from holdfast_resolver.ledger.opening import store_of
from holdfast_resolver.ledger.responses import KeptResponses
from holdfast_resolver.ledger.retention import Retention
from holdfast_resolver.ledger.service import LedgerService
from holdfast_resolver.ledger.visibility import Members, Visibility
from holdfast_resolver.organization import Organization
from holdfast_resolver.recording import Recorder, Unrecorded


class Keeping:
    """One replica's part in the ledger."""

    def __init__(
        self,
        settings: Settings,
        organizations: Callable[[], Collection[Organization]],
        now_ms: Callable[[], int],
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            settings: The configuration file.
            organizations: Says which there are, whose they are, and how long their
                projects keep what was said.
            now_ms: Tells the time in Unix milliseconds.
        """
        self._organizations = organizations
        self._now_ms = now_ms
        self._store = store_of(settings.ledger, settings.state_dir)
        self._journal = Journal(self._store, now_ms) if self._store else None

    @property
    def recorder(self) -> Recorder:
        """Who takes note of what becomes of requests."""
        return self._journal or Unrecorded()

    def ledger(self, members: Members) -> Ledger:
        """Return who tells of it.

        Args:
            members: Says who asks.
        """
        if self._journal is None or self._store is None:
            return NoLedger()
        visibility = Visibility(members, self._administered)
        return LedgerService(self._journal, self._store, visibility, self._now_ms)

    def responses(self, members: Members) -> StoredResponses:
        """Return who keeps responses that are gone on from.

        Args:
            members: Says who asks.
        """
        return KeptResponses(self._store, members, self._now_ms)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write while the context lasts, and to the end of it."""
        if self._journal is None or self._store is None:
            yield
            return
        retention = Retention(self._store, self._content_days, self._now_ms)
        self._journal.start()
        retention.start()
        try:
            with shown(self._journal):
                yield
        finally:
            await retention.close()
            await self._journal.close()

    def _administered(self, organization: str) -> Mapping[str, Collection[str]]:
        """Say whom a key sees that administers an organization, and their projects."""
        own: dict[str, Collection[str]] = {organization: ()}
        return own | {
            each.id: each.projects
            for each in self._organizations()
            if organization in (each.id, each.parent)
        }

    def _content_days(self) -> Mapping[tuple[str, str], int]:
        return {
            (organization.id, project.id): project.content_days
            for organization in self._organizations()
            for project in organization.projects.values()
        }
