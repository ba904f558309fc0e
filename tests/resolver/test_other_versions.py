"""What is kept is read by versions that know more, and by those that know less."""

from datetime import UTC, datetime

import msgspec
import pytest

from fakes.tenancy import BY_API
from holdfast.control.resources import KINDS, Policy
from holdfast.control.resources import Any as AnyResource
from holdfast_resolver.control.records import Kept, Unreadable, read, write

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class LaterPolicy(Policy, frozen=True, kw_only=True):
    """A policy as a later version may have it."""

    most_steps: int | None = None


def kept(kind: str, resource: AnyResource) -> Kept:
    """Have a resource that was edited."""
    return Kept(kind, resource, generation=7, created_at=NOW, updated_at=NOW)


@pytest.mark.parametrize("resource", BY_API)
def test_what_is_kept_is_what_was_made(resource: AnyResource) -> None:
    """Whatever of it is not written because it says nothing."""
    (kind,) = [kind for kind, struct in KINDS.items() if struct is type(resource)]

    assert read(write(kept(kind, resource))) == kept(kind, resource)


def test_a_step_back_reads_what_does_not_use_what_is_new() -> None:
    """An edit by a newer replica costs nobody who is behind it anything."""
    policy = LaterPolicy(organization="acme", geographies=("eu",))

    found = read(write(kept("policy", policy)))

    assert found == kept("policy", Policy(organization="acme", geographies=("eu",)))


def test_a_rule_that_is_not_known_is_not_passed_over() -> None:
    """It may forbid something: what it is part of is not read at all."""
    policy = LaterPolicy(organization="acme", most_steps=1)

    assert read(write(kept("policy", policy))) == Unreadable()


def test_an_edit_of_a_later_version_is_read_without_what_is_new() -> None:
    """What an edit is called by is added to, and never a reason to read nothing."""
    written = msgspec.json.decode(write(kept("policy", Policy(organization="acme"))))

    found = read(msgspec.json.encode({**written, "weather": "fair"}))

    assert found == kept("policy", Policy(organization="acme"))
