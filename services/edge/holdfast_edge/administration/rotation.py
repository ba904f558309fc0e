"""POST /v2/projects/{project}/keys/{id}/rotate: another secret for a key."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from starlette.types import Receive, Scope, Send

from holdfast.control.administration import Administration
from holdfast_edge.administration.asking import Asking
from holdfast_edge.administration.preconditions import etag_header
from holdfast_edge.administration.views import shown
from holdfast_edge.body import read_json_body
from holdfast_edge.decoding import decode
from holdfast_edge.reply import send_json

LONGEST_OVERLAP_S = 30 * 24 * 3600
"""Thirty days: a secret that is to live longer is another key."""


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a key is rotated.

    Attributes:
        overlap_s: For how many seconds the secret before stays good.
    """

    overlap_s: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_OVERLAP_S)] = 0


_decoder = msgspec.json.Decoder(Rotation)


@dataclass(frozen=True, slots=True)
class Rotate:
    """Gives a key another secret, and shows it this once."""

    administration: Administration
    surface: str = "keys"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Without a body there is no overlap."""
        asking = Asking.of(scope)
        body = await read_json_body(asking.head, receive)
        rotation = decode(_decoder, body) if body.strip() else Rotation()
        rotated = await self.administration.rotate(
            asking.principal,
            asking.path["project"],
            asking.path["id"],
            organization=asking.organization,
            overlap_s=rotation.overlap_s,
        )
        await send_json(send, shown(rotated), headers=[etag_header(rotated.etag)])
