"""Guardrails: each can be enforced, and holds where there is something to guard."""

from holdfast.control.resources import Guardrail
from holdfast.guardrails import guardrail_fault
from holdfast.scopes import enforced_guardrail
from holdfast_resolver.control.validation.shape import malformed
from holdfast_resolver.control.validation.world import World
from holdfast_resolver.expansion import is_known, nearest


def check_usable(_: str, guardrail: Guardrail, __: World) -> None:
    """Check that executors can enforce a guardrail.

    Raises:
        RequestMalformedError: They cannot.
    """
    if (fault := guardrail_fault(enforced_guardrail(guardrail))) is not None:
        raise malformed(*fault)


def check_judge(_: str, guardrail: Guardrail, world: World) -> None:
    """Check that the model that judges exists.

    Raises:
        RequestMalformedError: It does not; it says what is near.
    """
    if world.organization is None or guardrail.judge is None:
        return
    model, names = guardrail.judge.model, world.organization.names
    if model not in names.aliases and not is_known(model, names):
        raise malformed(
            "judge.model",
            f"names no model, alias or deployment: {model!r}.{nearest(model, names)}",
        )


def check_projects(_: str, guardrail: Guardrail, world: World) -> None:
    """Check that the projects that a guardrail holds in are there.

    Raises:
        RequestMalformedError: One is not.
    """
    if world.organization is None:
        return
    for place, project in enumerate(guardrail.projects):
        if project not in world.organization.projects:
            raise malformed(
                f"projects[{place}]",
                f"names no project of organization {guardrail.organization}",
            )
