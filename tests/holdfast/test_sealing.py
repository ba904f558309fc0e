"""What is sealed is read by whoever has the key, and by nobody else."""

import pytest

from holdfast.sealing import SealBrokenError, SealingKeys
from holdfast.signing import PlanKey

OLD = PlanKey("k1", b"1" * 32)
NEW = PlanKey("k2", b"2" * 32)
PARTS = {"key": "s3cret", "scope": "ä"}


def test_what_is_sealed_is_opened_with_the_same_keys():
    """As it was, and twice sealed is not twice the same."""
    keys = SealingKeys([OLD])

    first, second = (keys.seal(PARTS, "custom:a/m") for _ in "ab")

    assert keys.open(first, "custom:a/m") == keys.open(second, "custom:a/m") == PARTS
    assert first != second
    assert b"s3cret" not in first


def test_keys_rotate():
    """What an older key sealed is still opened; the first one seals."""
    sealed = SealingKeys([OLD]).seal(PARTS, "custom:a/m")

    rotated = SealingKeys([NEW, OLD])

    assert rotated.open(sealed, "custom:a/m") == PARTS
    with pytest.raises(SealBrokenError):
        SealingKeys([OLD]).open(rotated.seal(PARTS, "custom:a/m"), "custom:a/m")


def test_what_is_sealed_opens_under_its_own_name_alone():
    """One organization's credential is of no use in another's plan."""
    keys = SealingKeys([OLD])

    with pytest.raises(SealBrokenError):
        keys.open(keys.seal(PARTS, "custom:a/m"), "custom:b/m")


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: b"",
        lambda _: b"k1:",
        lambda sealed: sealed[:-1],
        lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]),
        lambda sealed: b"k9" + sealed[2:],
        lambda sealed: b"\xff" + sealed,
    ],
)
def test_what_was_altered_is_not_opened(broken):
    """Not a byte of it."""
    keys = SealingKeys([OLD])

    with pytest.raises(SealBrokenError):
        keys.open(broken(keys.seal(PARTS, "custom:a/m")), "custom:a/m")


@pytest.mark.parametrize("keys", [[], [PlanKey("k", b"short")]])
def test_keys_that_are_none_are_refused(keys):
    """When the process starts, not when something is to be opened."""
    with pytest.raises(ValueError, match="32 bytes"):
        SealingKeys(keys)
