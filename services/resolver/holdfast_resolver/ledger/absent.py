"""A ledger that keeps nothing, where the configuration says so."""

from typing import Any, NoReturn

from holdfast.errors import ServiceUnavailableError


class NoLedger:
    """Says to everybody that there is nothing to look at."""

    async def _refuse(
        self, _request: Any, *, deadline: float | None = None
    ) -> NoReturn:
        raise ServiceUnavailableError(
            "No ledger is kept here: the configuration says `ledger: none`.",
            service="ledger",
        )

    list_traces = get_trace = query_usage = delete_trace = _refuse
