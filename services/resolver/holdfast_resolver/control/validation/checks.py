"""Which checks are made of which kind, of what is made, changed and deleted."""

from collections.abc import Callable, Mapping
from typing import Any

from holdfast_resolver.control.validation.amounts import check_amount
from holdfast_resolver.control.validation.guardrails import (
    check_judge,
    check_projects,
    check_usable,
)
from holdfast_resolver.control.validation.keys import check_end
from holdfast_resolver.control.validation.names import (
    check_free,
    check_targets,
    check_unused,
)
from holdfast_resolver.control.validation.scopes import check_empty, check_scope
from holdfast_resolver.control.validation.world import World

Check = Callable[[str, Any, World], None]
"""Holds a resource of a kind against everything else, and raises what it has against
it."""

KEEPING: Mapping[str, tuple[Check, ...]] = {
    "organization": (check_amount,),
    "project": (check_amount,),
    "key": (check_scope, check_end, check_amount),
    "policy": (check_scope, check_amount),
    "budget": (check_scope, check_amount),
    "alias": (check_free, check_targets, check_amount),
    "custom_model": (check_free, check_amount),
    "guardrail": (check_usable, check_projects, check_judge, check_amount),
}
"""Of what is made or changed."""

DELETING: Mapping[str, tuple[Check, ...]] = {
    "organization": (check_empty,),
    "project": (check_empty,),
    "alias": (check_unused,),
    "custom_model": (check_unused,),
}
"""Of what is deleted."""

RENAMING: Mapping[str, tuple[Check, ...]] = {
    "alias": (check_unused,),
    "custom_model": (check_unused,),
}
"""Of what was called otherwise before."""
