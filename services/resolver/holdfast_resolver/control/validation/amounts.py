"""How many resources an organization may have."""

from collections.abc import Mapping

from holdfast.control.resources import Any as AnyResource
from holdfast.errors import RequestMalformedError
from holdfast_resolver.control.validation.world import World

MOST: Mapping[str, int] = {
    "project": 1_000,
    "key": 10_000,
    "policy": 11_001,
    "budget": 11_001,
    "alias": 1_000,
    "custom_model": 1_000,
    "guardrail": 100,
}
"""Of each kind: every replica has all of them in memory, some kilobytes each, and
reads them when it starts. Of policies and budgets one for each scope."""

MOST_ORGANIZATIONS = 10_000
"""That the API made, in all: likewise."""


def check_amount(kind: str, resource: AnyResource, world: World) -> None:
    """Check that there is room for one more.

    Raises:
        RequestMalformedError: There is not.
    """
    if world.before is not None:
        return
    if kind == "organization":
        many = sum(1 for each in world.state.organizations())
        most, whose = MOST_ORGANIZATIONS, "the gateway"
    else:
        many = len(world.state.of(kind, resource.organization))
        most, whose = MOST[kind], f"organization {resource.organization}"
    if many >= most:
        raise RequestMalformedError(
            f"There are {many} of kind {kind} in {whose}, which is the most. "
            "Delete one first.",
            field=kind,
        )
