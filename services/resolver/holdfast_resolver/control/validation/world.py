"""What a resource is held against, as of one generation."""

from dataclasses import dataclass
from datetime import datetime

from holdfast.control.resources import Any as AnyResource
from holdfast_resolver.control.declared import Declared
from holdfast_resolver.control.records import Kept
from holdfast_resolver.control.state import State
from holdfast_resolver.organization import Organization


@dataclass(frozen=True, slots=True)
class World:
    """All that there is beside the resource.

    Attributes:
        organization: Whose it is to be. None for an organization that is made.
        before: What it is so far. None: it is made.
        now: When it is edited.
    """

    state: State
    declared: Declared
    organization: Organization | None
    before: Kept | None
    now: datetime

    def was(self, resource: AnyResource, field: str) -> bool:
        """Tell whether a field is as it was before."""
        return self.before is not None and getattr(
            self.before.resource, field
        ) == getattr(resource, field)
