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

from holdfast import convert
from holdfast.api.routing.v1 import plan_pb2 as pb
from holdfast.errors import PlanRefusedError
from holdfast.model import Plan

PLAN_LIFE_S = 120
"""A plan is executed at once; two minutes forgive a slow hop and clocks apart."""


@dataclass(frozen=True, slots=True)
class PlanKey:
    """One key, with the name that a signed plan bears."""

    id: str
    secret: bytes = field(repr=False)


class SignedPlan:
    """A plan and the proof that the resolver made it, as the edge passes it on.

    Args:
        wire: Both as they came from another process.
    """

    __slots__ = ("_wire",)

    def __init__(self, wire: pb.SignedPlan) -> None:
        self._wire = wire

    @property
    def wire(self) -> pb.SignedPlan:
        """Both as they go to another process."""
        return self._wire


class _OwnPlan(SignedPlan):
    """A plan in the process that made it, which is the proof.

    Most plans are carried out where they were made: they are written and signed
    only if they leave.
    """

    __slots__ = ("expire_s", "keys", "plan")

    def __init__(self, plan: Plan, expire_s: int, keys: "PlanKeys") -> None:
        self.plan = plan
        self.expire_s = expire_s
        self.keys = keys

    @property
    def wire(self) -> pb.SignedPlan:
        """Both as they go to another process."""
        return self.keys.write(self.plan, self.expire_s)


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

    def sign(self, plan: Plan) -> SignedPlan:
        """Say that a plan is the resolver's, for as long as plans are good."""
        return _OwnPlan(plan, int(self._now()) + PLAN_LIFE_S, self)

    def write(self, plan: Plan, expire_s: int) -> pb.SignedPlan:
        """Write and sign a plan that expires then, in Unix seconds."""
        message = convert.plan_to_wire(plan)
        message.expire_time.seconds = expire_s
        written = message.SerializeToString()
        signature = _signature(self._first.secret, written)
        return pb.SignedPlan(plan=written, signature=signature, key_id=self._first.id)

    def verify(self, signed: SignedPlan) -> Plan:
        """Return the plan.

        Raises:
            PlanRefusedError: It is altered, expired or of an unknown key.
        """
        if isinstance(signed, _OwnPlan) and signed.keys is self:
            plan, expire_s, key_id = signed.plan, signed.expire_s, self._first.id
        else:
            message = self._read(signed.wire)
            expire_s, key_id = message.expire_time.seconds, signed.wire.key_id
            plan = convert.plan_from_wire(message)
        if expire_s < self._now():
            raise PlanRefusedError(
                "The plan has expired; resolve the model again.", key_id=key_id
            )
        return plan

    def _read(self, signed: pb.SignedPlan) -> pb.Plan:
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
        return pb.Plan.FromString(signed.plan)


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
