"""`holdfast demo fail`, `recover` and `status`: telling the simulator what to do."""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from holdfast_cli.demo.faults import FAULTS
from holdfast_cli.demo.state import DemoState

_TIMEOUT_SECONDS = 5.0
"""The simulator is on this machine and has nothing else to do."""

_UNCALLED: Mapping[str, Any] = {
    "faults": [],
    "received": 0,
    "served": 0,
    "abandoned": 0,
}
"""What there is to say of a provider that the simulator has not met yet."""


class DemoError(Exception):
    """What was asked cannot be done, and what to do instead."""


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """How a fault shows; what is None is as the fault has it.

    Attributes:
        times: For so many requests. None: until it recovers.
        share: How likely it is to show, above 0. None: it always does.
        retry_after: What an error's `retry-after` says.
        after: How many events of content a stream gets first.
        seconds: How late a slow answer begins.
    """

    times: int | None = None
    share: float | None = None
    retry_after: str | None = None
    after: int | None = None
    seconds: float | None = None


class DemoControl:
    """Control of the demo that runs with a state directory.

    Raises:
        DemoError: None runs there.
    """

    def __init__(self, state_dir: Path) -> None:
        state = DemoState.read(state_dir)
        if state is None:
            raise DemoError(
                f"no demo runs with state directory {state_dir}: start one with "
                f"`make run` or `holdfast up`, or name another with --state-dir"
            )
        self._state = state

    def fail(
        self,
        target: str,
        fault: str,
        options: FaultOptions | None = None,
    ) -> str:
        """Make a provider or one deployment fail; return what to tell the user.

        Args:
            target: A provider's id or a deployment's.
            fault: One of `FAULTS`.
            options: How long and how exactly.

        Raises:
            DemoError: There is no such provider, deployment or fault.
        """
        if fault not in FAULTS:
            raise DemoError(
                f"no fault is called {fault!r}: there are {', '.join(FAULTS)}"
            )
        said = asdict(options or FaultOptions())
        wanted = {key: value for key, value in said.items() if value is not None}
        self._call("POST", "fail", {**self._place(target), "fault": fault, **wanted})
        times = wanted.get("times")
        lasting = "until it recovers" if times is None else f"for {times} requests"
        share = wanted.get("share")
        often = "" if share is None else f" in {share:.0%} of cases"
        return f"{target} fails with {fault}{often} {lasting}"

    def recover(self, target: str | None = None) -> str:
        """Make a provider, a deployment or all of them well again.

        Raises:
            DemoError: There is no such provider or deployment.
        """
        self._call("POST", "recover", self._place(target) if target else {})
        return f"{target or 'every provider'} has recovered"

    def status(self) -> list[dict[str, Any]]:
        """Return what is wrong with each provider and what it has served, by id.

        Raises:
            DemoError: The demo does not answer.
        """
        counted = self._call("GET", "status")["providers"]
        return [
            {"provider": provider, **counted.get(provider, _UNCALLED)}
            for provider in sorted({*self._state.providers, *counted})
        ]

    def _place(self, target: str) -> dict[str, str]:
        if target in self._state.providers:
            return {"provider": target}
        place = self._state.places.get(target)
        if place is not None:
            return {
                "provider": place.provider,
                "model": place.model,
                "region": place.region,
            }
        near = difflib.get_close_matches(
            target, [*self._state.providers, *self._state.places], n=1
        )
        hint = f"; did you mean {near[0]}?" if near else ""
        raise DemoError(
            f"no simulated provider or deployment is called {target!r}{hint} "
            f"(providers: {', '.join(self._state.providers)})"
        )

    def _call(
        self, method: str, action: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        uri = f"{self._state.control_uri}/control/{action}"
        try:
            response = httpx.request(
                method, uri, json=body, timeout=_TIMEOUT_SECONDS, trust_env=False
            )
            answer: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError):
            raise DemoError(
                f"the demo does not answer at {self._state.control_uri}: it has "
                f"ended; start it again with `make run` or `holdfast up`"
            ) from None
        if response.status_code != httpx.codes.OK:
            raise DemoError(str(answer.get("error", "the demo refused")))
        return answer


def status_table(rows: list[dict[str, Any]]) -> str:
    """Lay out what `DemoControl.status` returned, for people."""
    lines = [("PROVIDER", "RECEIVED", "SERVED", "FAULT")]
    for row in rows:
        faults = ", ".join(_fault_words(fault) for fault in row["faults"]) or "none"
        lines.append(
            (row["provider"], str(row["received"]), str(row["served"]), faults)
        )
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        "  ".join((*(f"{a:<{w}}" for a, w in zip(line, widths, strict=False)), line[3]))
        for line in lines
    )


def _fault_words(fault: Mapping[str, Any]) -> str:
    where = " ".join(fault[key] for key in ("model", "region") if fault[key])
    share = "" if fault["share"] == 1 else f" in {fault['share']:.0%}"
    times = "" if fault["times"] is None else f" ({fault['times']} more)"
    return f"{fault['fault']}{share}{times}" + (f" at {where}" if where else "")
