"""What can be done with an organization's resources, whoever keeps them.

Each method takes the digest of the API key that asks: who may do what is decided
where the resources are kept, and nowhere before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from holdfast.control.resources import Any


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as it is kept.

    Attributes:
        kind: One of `resources.KINDS`.
        source: Whether the configuration file declares it, or the API made it.
        etag: Names this state of it: changes with each edit. Of a file's, fixed.
        generation: The generation that last changed it. 0 for a file's.
        secret: A key's secret, in the answer that made it and never again.
        shadowed: Whether the configuration file declares the same by now, so that
            this one counts for nothing.
    """

    kind: str
    resource: Any
    source: Literal["file", "api"]
    etag: str
    generation: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    secret: str = field(default="", repr=False)
    shadowed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What one edit did to one resource. What is withheld is in neither state.

    Attributes:
        path: What tells it from others of its kind, `ORGANIZATION/...`.
        before: None if it was made.
        after: None if it was deleted.
    """

    kind: str
    path: str
    before: Any | None
    after: Any | None


@dataclass(frozen=True, slots=True)
class Generation:
    """One state of everything, and the edit that led to it.

    Attributes:
        number: From 1, each one more than the last.
        actor: The key that made the edit, `ORGANIZATION/PROJECT/KEY`.
        action: `create`, `update`, `delete`, `rotate` or `roll_back`.
    """

    number: int
    at: datetime
    actor: str
    action: str
    changes: Sequence[Change]


class Administration(Protocol):
    """Makes, shows, changes and deletes resources.

    Every method raises ApiKeyUnknownError, AdminKeyRequiredError (the key may not),
    ResourceNotFoundError (nothing of that name that the key may see) or
    ServiceUnavailableError (etcd is away: reads go on, edits fail).
    """

    async def create(
        self, principal: bytes, kind: str, resource: Any, *, credential: str = ""
    ) -> Stored:
        """Make a resource.

        Args:
            principal: The digest of the key that asks.
            kind: One of `resources.KINDS`.
            resource: As it is to be. An empty `organization` is the key's own. Ids of
                aliases and custom models, an organization's `parent` and what is
                withheld are not for the caller to say.
            credential: A custom model's, in plain text; it is sealed here. A key as
                its provider wrote it; for Bedrock also a JSON object of
                `access_key_id` and `secret_access_key`; for Vertex the JSON of a
                service account.

        Raises:
            RequestMalformedError: A field is wrong; it says which and what to do.
            AliasTargetUnknownError: An alias names what does not exist.
            AliasNestedError: An alias names an alias.
            ResourceExistsError: There is one, or the name is taken otherwise.
        """

    async def get(
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        *,
        organization: str = "",
    ) -> Stored:
        """Show one, by what `resources.NAMED_BY` says.

        Aliases and custom models are found by their name, too, here and wherever else
        names are taken. Of an organization there are no names: `organization` is its.
        """

    async def list(
        self, principal: bytes, kind: str, *, organization: str = "", project: str = ""
    ) -> Sequence[Stored]:
        """Show all of a kind, in order of their names. Empty project: of all projects.

        What the file declares and what the API made; of one name the API's is shown
        as `shadowed`. Organizations: the key's own, and those that it has made.
        """

    async def replace(  # noqa: PLR0913 - each is one thing about the edit
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        resource: Any,
        *,
        etag: str = "",
        credential: str | None = None,
    ) -> Stored:
        """Change one.

        Args:
            principal: The digest of the key that asks.
            kind: One of `resources.KINDS`.
            names: What it is called now.
            resource: As it is to be; what is withheld stays as it was.
            etag: What it must be at; empty: whatever it is at.
            credential: A custom model's new one. None leaves it, empty takes it away.

        Raises:
            RequestMalformedError: A field is wrong, or a credential would be shown to
                another host than it was given for.
            ResourceExistsError: Its new name is taken.
            ResourceInUseError: Something goes by its old name, or it is the key that
                asks and would be shut.
            EditConflictError: Somebody has changed it since.
            DeclaredInFileError: The configuration file declares it.
        """

    async def delete(
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        *,
        organization: str = "",
        etag: str = "",
    ) -> None:
        """Delete one; see `replace` for what is raised, and ResourceInUseError."""

    async def rotate(
        self,
        principal: bytes,
        project: str,
        key: str,
        *,
        organization: str = "",
        overlap_s: float = 0,
    ) -> Stored:
        """Give a key another secret; the one before stays good for a while."""

    async def generations(
        self, principal: bytes, *, organization: str = "", limit: int = 100
    ) -> Sequence[Generation]:
        """Show the last edits, newest first: the audit trail too."""

    async def compare(
        self, principal: bytes, first: int, second: int, *, organization: str = ""
    ) -> Sequence[Change]:
        """Say what differs between two generations.

        Raises:
            GenerationGoneError: One is older than what is kept, or not there yet.
        """

    async def roll_back(
        self, principal: bytes, to: int, *, organization: str = ""
    ) -> Generation:
        """Make an organization's resources what they were: a new generation.

        No secret, no disabled key and no credential becomes good again by it.

        Raises:
            GenerationGoneError: It is older than what is kept, or not there yet.
            RequestMalformedError: It would change too much at once, or the
                organization itself was not there then.
            ResourceInUseError: The key that asks would be shut.
        """
