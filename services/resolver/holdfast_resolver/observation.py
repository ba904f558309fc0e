"""Who takes note of what becomes of requests: counts, the ledger, spans."""

import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from holdfast.ports import Ledger, StoredResponses
from holdfast.settings import Settings
from holdfast_resolver.ledger.keeping import Keeping
from holdfast_resolver.ledger.visibility import Members
from holdfast_resolver.organization import Organization
from holdfast_resolver.recording import Recorder, Several
from holdfast_resolver.telemetry.exporting import Exporting, is_wanted
from holdfast_resolver.traffic import Traffic


class Observation:
    """All of them, for one replica."""

    def __init__(
        self,
        settings: Settings,
        organizations: Callable[[], Collection[Organization]],
        now_ms: Callable[[], int],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Prepare; nothing is opened or sent yet.

        Args:
            settings: The configuration file: where the ledger is.
            organizations: Says which there are.
            now_ms: Tells the time in Unix milliseconds.
            environ: Says whether spans are exported, and where to.
        """
        self._traffic = Traffic()
        self._keeping = Keeping(settings, organizations, now_ms)
        self._exporting = Exporting() if is_wanted(environ) else None

    @property
    def recorder(self) -> Recorder:
        """Who is told."""
        told: list[Recorder] = [self._traffic, self._keeping.recorder]
        if self._exporting is not None:
            told.append(self._exporting)
        return Several(told)

    def ledger(self, members: Members) -> Ledger:
        """Return who tells of what was noted.

        Args:
            members: Says who asks.
        """
        return self._keeping.ledger(members)

    def responses(self, members: Members) -> StoredResponses:
        """Return who keeps responses that are gone on from.

        Args:
            members: Says who asks.
        """
        return self._keeping.responses(members)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write and send while the context lasts, and to the end of it."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self._traffic.shown())
            if self._exporting is not None:
                await stack.enter_async_context(self._exporting.running())
            await stack.enter_async_context(self._keeping.running())
            yield
