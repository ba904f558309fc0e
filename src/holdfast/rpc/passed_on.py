"""What a caller has of a streamed answer, for when the executor that gives it is gone.

Another executor is then asked for the rest. Whether it has one that fits to the letter
is for that one to find out.
"""

import dataclasses

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.delivered import Delivered
from holdfast.ports import ExecuteRequest


class PassedOn:
    """One answer, as it goes by."""

    __slots__ = ("_delivered",)

    def __init__(self) -> None:
        """Begin with nothing."""
        self._delivered = Delivered()

    def add(self, message: executor_pb.ExecuteStreamResponse) -> None:
        """Take a message that goes to the caller now."""
        if events := message.chunks.events:
            self._delivered.add(events)

    def rest(self, request: ExecuteRequest) -> ExecuteRequest | None:
        """Return what to ask another executor; None if it could not go on with that."""
        held = self._delivered.read()
        if held.obstacle or held.is_finished:
            return None
        return dataclasses.replace(request, held=held)
