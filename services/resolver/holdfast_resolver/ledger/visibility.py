"""Who may see what of the ledger: the scope of each question is cut to that."""

import re
from collections.abc import Callable, Collection, Mapping

from holdfast.api.common.v1 import caller_pb2
from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.api.ledger.v1 import trace_pb2
from holdfast.api.routing.v1 import attempt_pb2
from holdfast.errors import (
    AdminKeyRequiredError,
    RequestMalformedError,
    ResourceNotFoundError,
)
from holdfast.model import Caller, Outcome
from holdfast.rpc.messages import principal_from_wire
from holdfast_resolver.directory import Membership
from holdfast_resolver.ledger.scope import Scope, Span, Wanted
from holdfast_resolver.sessions import session_key
from holdfast_resolver.words import OUTCOMES

_SESSION_KEY = re.compile(r"[0-9a-f]{24}")

_ANSWERED = {
    trace_pb2.TRACE_STATE_SUCCEEDED: True,
    trace_pb2.TRACE_STATE_FAILED: False,
}

Members = Callable[[bytes | Caller], Membership]
"""Says who asks. Raises ApiKeyUnknownError."""

Administered = Callable[[str], Mapping[str, Collection[str]]]
"""Says which organizations a key that administers one may see, and their projects."""


class Visibility:
    """Says what each principal may see."""

    def __init__(self, members: Members, administered: Administered) -> None:
        """Go by what is known of keys.

        Args:
            members: Says who asks.
            administered: Says what a key that administers may see.
        """
        self._members = members
        self._administered = administered

    def require_admin(self, principal: caller_pb2.Principal) -> None:
        """Refuse a key that does not administer.

        Raises:
            ApiKeyUnknownError: The principal is none.
            AdminKeyRequiredError: It does not administer.
        """
        if not self._members(principal_from_wire(principal)).admin:
            raise AdminKeyRequiredError(
                "Only a key that administers may delete traces. Use one of those."
            )

    def scope(
        self, principal: caller_pb2.Principal, organization: str = "", project: str = ""
    ) -> Scope:
        """Say whose requests a principal may see, of those that it asks about.

        Raises:
            ApiKeyUnknownError: The principal is none.
            ResourceNotFoundError: It may not see the project or organization.
        """
        member = self._members(principal_from_wire(principal))
        own = member.caller
        visible = (
            frozenset(self._administered(own.organization_id))
            if member.admin
            else frozenset({own.organization_id})
        )
        if organization and organization not in visible:
            raise _not_found("organization", organization)
        if member.admin:
            projects = frozenset({project} if project else ())
        elif project in ("", own.project_id):
            projects = frozenset({own.project_id})
        else:
            raise _not_found("project", project)
        return Scope(frozenset({organization}) if organization else visible, projects)

    def session_keys(self, scope: Scope, session_id: str) -> frozenset[str]:
        """Say what a session may be called: a name is hashed with its project's."""
        if not session_id:
            return frozenset()
        named = {
            session_key(organization, project, session_id)
            for organization in scope.organizations
            for project in scope.projects
            or self._administered(organization).get(organization, ())
        }
        if _SESSION_KEY.fullmatch(session_id):
            named.add(session_id)
        return frozenset(named) or frozenset({session_id})

    def wanted(self, request: pb.ListTracesRequest) -> Wanted:
        """Say which requests are meant, of those that the principal may see.

        Raises:
            ApiKeyUnknownError: The principal is none.
            ResourceNotFoundError: It may not see the project or organization.
            RequestMalformedError: The state is none that can be listed.
        """
        asked = request.filter
        scope = self.scope(request.principal, asked.organization_id, asked.project_id)
        if asked.state == trace_pb2.TRACE_STATE_RUNNING:
            raise RequestMalformedError(
                "Requests that run are not listed; ask for one by its trace.",
                field="state",
            )
        has = asked.HasField
        return Wanted(
            scope,
            asked.api_key_id,
            asked.model,
            asked.requested_model,
            asked.deployment_id,
            asked.provider_id,
            OUTCOMES[Outcome(asked.outcome)]
            if asked.outcome != attempt_pb2.ATTEMPT_OUTCOME_UNSPECIFIED
            else "",
            _ANSWERED.get(asked.state),
            asked.error_reason,
            self.session_keys(scope, asked.session_id),
            dict(asked.tags),
            Span(
                asked.start_time.ToMilliseconds() if has("start_time") else None,
                asked.end_time.ToMilliseconds() if has("end_time") else None,
            ),
            asked.fell_back,
        )


def _not_found(kind: str, name: str) -> ResourceNotFoundError:
    return ResourceNotFoundError(
        f"There is no {kind} {name!r} that this key may see.", kind=kind, name=name
    )
