"""The kinds of resources, and the paths that each is served at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from holdfast.control import resources


@dataclass(frozen=True, slots=True)
class Place:
    """Where one resource of a kind is.

    Attributes:
        path: The parameters in it are called as the resource's fields are.
        fields: Which these are.
        by_name: Whether it is found by its name there, and only shown.
    """

    path: str
    fields: tuple[str, ...] = ()
    by_name: bool = False

    def of(self, values: Mapping[str, str]) -> str:
        """Return the path of one resource."""
        written = self.path
        for each in self.fields:
            value = quote(values[each], safe="")
            written = written.replace(f"{{{each}}}", value)
            written = written.replace(f"{{{each}:path}}", value)
        return written


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource, as HTTP has it.

    Attributes:
        name: As in `resources.KINDS`.
        surface: What its requests are counted as.
        collection: Where all of them are.
        places: Where one of them is.
        created: The status of an answer that made one.
        put_makes: Whether PUT makes one where there is none.
        is_renamed: Whether what it is called in its address may be changed.
        is_live: Whether what is shown of it changes without its being edited.
        read_only: Fields that are shown, and left alone in what is sent.
        written_only: Fields that are taken, and never shown.
        is_null_if_empty: Fields that are shown as null where they are empty.
    """

    name: str
    surface: str
    collection: str
    places: Sequence[Place]
    created: int = 201
    put_makes: bool = False
    is_renamed: bool = False
    is_live: bool = False
    read_only: frozenset[str] = frozenset()
    written_only: frozenset[str] = frozenset()
    is_null_if_empty: frozenset[str] = frozenset()
    struct: type[resources.Resource] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "struct", resources.KINDS[self.name])

    @property
    def word(self) -> str:
        """What one is called in a sentence."""
        return self.name.replace("_", " ")

    @property
    def identity(self) -> tuple[str, ...]:
        """The fields that tell one from all others of an organization."""
        return resources.NAMED_BY[self.name] or ("organization",)

    def names(self, values: Mapping[str, str], place: Place) -> tuple[str, ...]:
        """Return what one is called, by the parameters of its path."""
        if place.by_name:
            return tuple(values[each] for each in place.fields)
        return tuple(values.get(each, "") for each in resources.NAMED_BY[self.name])

    def location(self, resource: resources.Resource) -> str:
        """Return the path of one."""
        values = {each: getattr(resource, each) for each in self.identity}
        given = {each for each, value in values.items() if value}
        return next(place for place in self.places if given <= set(place.fields)).of(
            values
        )


def _of_models(collection: str) -> tuple[Place, ...]:
    return (
        Place(f"{collection}/{{id}}", ("id",)),
        Place(f"{collection}/by-name/{{name:path}}", ("name",), by_name=True),
    )


def _of_scopes(collection: str) -> tuple[Place, ...]:
    return (
        Place(f"{collection}/organization"),
        Place(f"{collection}/projects/{{project}}", ("project",)),
        Place(f"{collection}/projects/{{project}}/keys/{{key}}", ("project", "key")),
    )


_CREATED = 200
"""What making an alias or a custom model is answered with: the API that callers come
from answers so, and its SDK takes nothing else."""

KEYS = Kind(
    "key",
    "keys",
    "/v2/projects/{project}/keys",
    (Place("/v2/projects/{project}/keys/{id}", ("project", "id")),),
    read_only=frozenset({"secret", "secrets"}),
)

KINDS = (
    Kind(
        "alias",
        "aliases",
        "/v2/models/aliases",
        _of_models("/v2/models/aliases"),
        created=_CREATED,
        read_only=frozenset({"id"}),
        is_null_if_empty=frozenset({"description"}),
    ),
    Kind(
        "custom_model",
        "custom_models",
        "/v2/models/custom",
        _of_models("/v2/models/custom"),
        created=_CREATED,
        read_only=frozenset({"id"}),
        written_only=frozenset({"api_key"}),
    ),
    Kind(
        "organization",
        "organizations",
        "/v2/organizations",
        (Place("/v2/organizations/{organization}", ("organization",)),),
    ),
    Kind(
        "project",
        "projects",
        "/v2/projects",
        (Place("/v2/projects/{id}", ("id",)),),
    ),
    KEYS,
    Kind(
        "policy",
        "policies",
        "/v2/policies",
        _of_scopes("/v2/policies"),
        put_makes=True,
    ),
    Kind(
        "budget",
        "budgets",
        "/v2/budgets",
        _of_scopes("/v2/budgets"),
        put_makes=True,
        is_live=True,
        read_only=frozenset({"this_month"}),
    ),
    Kind(
        "guardrail",
        "guardrails",
        "/v2/guardrails",
        (Place("/v2/guardrails/{name:path}", ("name",)),),
        is_renamed=True,
    ),
)
"""Every kind there is."""

ABOUT = frozenset(
    {"source", "etag", "generation", "created_at", "updated_at", "shadowed"}
)
"""What is said of a resource beside its own fields; left alone in what is sent."""
