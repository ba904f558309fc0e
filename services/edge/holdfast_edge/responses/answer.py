"""From a chat's whole answer to a Response."""

from typing import Any

import msgspec

from holdfast_edge.responses.items import Ended, Frame, output_of

_decode = msgspec.json.Decoder().decode


def response_of(body: bytes, frame: Frame) -> dict[str, Any]:
    """Write the Response that a chat completion is."""
    answer = _decode(body)
    choice = answer["choices"][0]
    return frame.response(
        created=answer["created"],
        model=answer["model"],
        output=output_of(choice["message"], frame),
        ended=Ended(choice.get("finish_reason"), answer.get("usage")),
    )
