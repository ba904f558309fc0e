"""Etcd: what belongs together is given together."""

from holdfast.config_file.known import STORES, Known
from holdfast.config_file.values import Record

_PAIRS = ("cert_file", "key_file"), ("username", "password")


def pairs(root: Record) -> None:
    """Report halves: a certificate without its key, a user without a password."""
    etcd = root.section("etcd")
    for record, (one, other) in zip((etcd.section("tls"), etcd), _PAIRS, strict=True):
        for given, missing in ((one, other), (other, one)):
            value = record.at(given)
            if value is not None and missing not in record.given:
                value.fault(f"stands without {missing}", f"add {missing}")


def password(root: Record, known: Known) -> None:
    """Warn of a password that is not there."""
    if STORES not in known.given:
        return
    value = root.section("etcd").at("password")
    if value is not None and value.content.read(known.environ) is None:
        value.warn(
            f"{value.content.origin} holds no password",
            "set it: until then etcd lets nobody in",
        )
