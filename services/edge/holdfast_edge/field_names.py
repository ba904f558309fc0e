"""What an API calls the fields of a chat, so that an error names what was sent."""

import re
from collections.abc import Mapping
from typing import Any

from holdfast_edge.errors import Response, Shape

_REST = r"((?:[.\[].*)?)"
"""What stands below a field, e.g. `.schema`. It is called the same."""


class FieldNames:
    """One API's names.

    Args:
        names: Its own by a pattern of a chat's field, the narrower ones first. What is
            below a field stays as it is.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = [
            (re.compile(pattern + _REST), own) for pattern, own in names.items()
        ]

    def own(self, field: str) -> str:
        """Return what a chat's field is called; one that has no other name itself."""
        for pattern, own in self._names:
            if found := pattern.fullmatch(field):
                return found.expand(own) + found[pattern.groups]
        return field

    def told(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return what a caller is told of an error, with the caller's own field."""
        field = fields["param"]
        if not field or (own := self.own(field)) == field:
            return fields
        message = fields["message"].replace(f"`{field}`", f"`{own}`")
        return {**fields, "param": own, "message": message}

    def shaping(self, shape: Shape) -> Shape:
        """Return a shape of errors in which fields have these names."""

        def own(fields: dict[str, Any], response: Response) -> Any:
            return shape(self.told(fields), response)

        return own
