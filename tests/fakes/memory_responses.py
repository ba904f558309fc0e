"""Responses that are kept in memory, so that tests see what is kept and looked for."""

from holdfast.ports import Recalled


class MemoryResponses:
    """Keeps responses, and counts how often it is asked for some."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.looks = 0
        self._previous: dict[str, str] = {}

    async def recall(self, principal: bytes, response_id: str) -> Recalled:
        self.looks += 1
        chain: list[bytes] = []
        while response_id in self.kept:
            chain.insert(0, self.kept[response_id])
            response_id = self._previous[response_id]
        return Recalled(keeps=True, chain=chain)

    async def keep(
        self, principal: bytes, response_id: str, previous_id: str, record: bytes
    ) -> None:
        self.kept[response_id] = record
        self._previous[response_id] = previous_id

    async def forget(self, principal: bytes, response_id: str) -> bool:
        return self.kept.pop(response_id, None) is not None
