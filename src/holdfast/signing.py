"""The proof that the resolver made a plan, and that nobody changed it since."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from holdfast.api.routing.v1 import plan_pb2 as pb
from holdfast.errors import PlanRefusedError

PLAN_LIFE_S = 120
"""A plan is executed at once; two minutes forgive a slow hop and clocks apart."""


@dataclass(frozen=True, slots=True)
class PlanKey:
    """One key, with the name that a signed plan bears."""

    id: str
    secret: bytes = field(repr=False)


class PlanKeys:
    """Signs with the first key and verifies with any, so that keys can rotate."""

    def __init__(
        self, keys: Sequence[PlanKey], *, now: Callable[[], float] = time.time
    ) -> None:
        if not keys:
            raise ValueError("at least one plan key is needed")
        self._first = keys[0]
        self._secrets = {key.id: key.secret for key in keys}
        self._now = now

    def sign(self, plan: pb.Plan) -> pb.SignedPlan:
        """Set when the plan expires, and sign it."""
        plan.expire_time.FromSeconds(int(self._now()) + PLAN_LIFE_S)
        written = plan.SerializeToString()
        signature = _signature(self._first.secret, written)
        return pb.SignedPlan(plan=written, signature=signature, key_id=self._first.id)

    def verify(self, signed: pb.SignedPlan) -> pb.Plan:
        """Return the plan.

        Raises:
            PlanRefusedError: It is altered, expired or of an unknown key.
        """
        secret = self._secrets.get(signed.key_id)
        if secret is None:
            raise PlanRefusedError(
                f"The plan is signed with key {signed.key_id!r}, which is unknown "
                "here; give resolver and executor the same plan keys.",
                key_id=signed.key_id,
            )
        if not hmac.compare_digest(_signature(secret, signed.plan), signed.signature):
            raise PlanRefusedError(
                "The plan's signature is wrong: it is not as the resolver made it.",
                key_id=signed.key_id,
            )
        plan = pb.Plan.FromString(signed.plan)
        if plan.expire_time.seconds < self._now():
            raise PlanRefusedError(
                "The plan has expired; resolve the model again.", key_id=signed.key_id
            )
        return plan


def _signature(secret: bytes, plan: bytes) -> bytes:
    return hmac.digest(secret, plan, hashlib.sha256)


def new_key() -> str:
    """Make a key in the form that `parse_keys` reads: `id:base64`."""
    return f"{secrets.token_hex(4)}:{base64.b64encode(os.urandom(32)).decode()}"


def parse_keys(text: str) -> list[PlanKey]:
    """Read keys written as `id:base64`, separated by commas or white space.

    Raises:
        ValueError: One is not of that form, shorter than 16 bytes, or named as
            another.
    """
    keys: list[PlanKey] = []
    for word in text.replace(",", " ").split():
        key_id, colon, encoded = word.partition(":")
        try:
            secret = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(f"plan key {key_id!r} is no base64") from error
        if not (key_id and colon and len(secret) >= 16):
            raise ValueError(
                "a plan key is written id:base64, with at least 16 bytes of secret"
            )
        if any(key.id == key_id for key in keys):
            raise ValueError(f"plan key {key_id!r} is given twice")
        keys.append(PlanKey(key_id, secret))
    return keys
