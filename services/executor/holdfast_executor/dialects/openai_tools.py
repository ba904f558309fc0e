"""The calls of tools in one streamed answer: counted from zero, each named once."""

from typing import Any

from holdfast_executor.dialects.openai_mending import (
    arguments_text,
    minted_call_id,
    text_or,
)
from holdfast_executor.dialects.openai_shapes import ToolDelta


class ToolCalls:
    """Which calls have begun, and under which index the provider writes them.

    Attributes:
        ids: Of each call, at its index.
    """

    __slots__ = ("_by_given", "_seed", "ids")

    def __init__(self, seed: str) -> None:
        self.ids: list[str] = []
        self._by_given: dict[int, int] = {}
        self._seed = seed

    def fit(self, deltas: list[ToolDelta]) -> bool:
        """Whether they go on as OpenAI's would: id, type and name come once."""
        begun = len(self.ids)
        for delta in deltas:
            function = delta.function
            if delta.index == begun:
                if not (delta.id and delta.type and function and function.name):
                    return False
                begun += 1
            elif (
                self._by_given.get(delta.index) != delta.index
                or delta.id is not None
                or (function is not None and function.name)
            ):
                return False
        return True

    def note(self, deltas: list[ToolDelta]) -> None:
        """Remember the calls that begin with deltas that fit."""
        for delta in deltas:
            if delta.index == len(self.ids) and delta.id:
                self._begin(delta.id, delta.index)

    def mended(self, deltas: list[Any]) -> list[dict[str, Any]]:
        """Give each delta its index, and its id, type and name once."""
        return [self._mended(delta) for delta in deltas if isinstance(delta, dict)]

    def _mended(self, delta: dict[str, Any]) -> dict[str, Any]:
        given = delta.get("index")
        given = given if isinstance(given, int) else None
        function = delta.get("function")
        function = dict(function) if isinstance(function, dict) else {}
        call_id = text_or(delta.get("id"), "")
        name = text_or(function.pop("name", None), "")
        if function.get("arguments") is not None:
            function["arguments"] = arguments_text(function["arguments"])
        index = self._known(given, call_id, name)
        kept = {k: v for k, v in delta.items() if k not in ("id", "type")}
        if "function" in delta:
            kept["function"] = function
        if index is not None:
            return {**kept, "index": index}
        index = len(self.ids)
        self._begin(call_id or minted_call_id(f"{self._seed}/{index}"), given)
        begun = {**kept, "index": index, "id": self.ids[index]}
        if "custom" in delta:
            # The SDK's type for a stream knows functions alone.
            return begun
        function.setdefault("arguments", "")
        return {**begun, "type": "function", "function": {"name": name, **function}}

    def _begin(self, call_id: str, given: int | None) -> None:
        if given is not None:
            self._by_given[given] = len(self.ids)
        self.ids.append(call_id)

    def _known(self, given: int | None, call_id: str, name: str) -> int | None:
        """Find the call that a delta goes on with. None: it begins one.

        Some providers leave the index out or write 0 for every call; another
        id tells the calls apart there.
        """
        if call_id in self.ids:
            return self.ids.index(call_id)
        if given is None:
            return None if call_id or name or not self.ids else len(self.ids) - 1
        known = self._by_given.get(given)
        return None if call_id and name else known
