"""Organizations and all that is theirs, described: every kind alike."""

from collections.abc import Mapping
from typing import Any

from holdfast_edge.administration.kinds import KEYS, KINDS, Kind, Place
from holdfast_edge.administration.rotation import LONGEST_OVERLAP_S
from holdfast_edge.openapi.resources import (
    changed_by,
    made_from,
    replaced_by,
    schemas,
    shown_as,
)
from holdfast_edge.openapi.words import (
    PAGE,
    STRING,
    body_of,
    listed,
    ok,
    operation,
    parameter,
    ref,
)

_ABOUT_KINDS = {
    "alias": ("Aliases", "Ordered lists of models under one name."),
    "custom_model": ("Custom models", "An organization's own endpoints."),
    "organization": ("Organizations", "Tenants."),
    "project": ("Projects", "Parts of an organization, with keys of their own."),
    "key": ("Keys", "What callers show to be let in."),
    "policy": ("Policies", "What a scope may use. A lower scope only narrows."),
    "budget": ("Budgets", "What a scope may spend in a calendar month, in UTC."),
    "guardrail": ("Guardrails", "What must not get in or out."),
}

_HISTORY = "History"

_ANY_KEY = ("alias", "custom_model")
"""What keys that are no admin keys may see and edit too."""

TAGS = [
    *(
        {
            "name": name,
            "description": said
            if kind in _ANY_KEY
            else f"{said} For admin keys alone.",
        }
        for kind, (name, said) in _ABOUT_KINDS.items()
    ),
    {"name": _HISTORY, "description": "What administrators did. For admin keys alone."},
]

_ORGANIZATION = parameter(
    "organization", "query", "string", "Another one that the key administers."
)

_IF_MATCH = parameter(
    "If-Match", "header", "string", "The etag that it must be at, or *."
)

_IF_NONE_MATCH = parameter(
    "If-None-Match", "header", "string", "The etag that the caller has."
)

_ETAG = {"ETag": {"description": "Names this state of it.", "schema": STRING}}

_UNCHANGED = {304: ok("It is at that etag still.", headers=_ETAG)}

_LOCATION = {"Location": {"description": "Where it is.", "schema": STRING}}

_GENERATION = {"type": "integer", "minimum": 0}

_STATE = {"type": ["object", "null"]}

SCHEMAS: dict[str, Any] = {
    **schemas(),
    "Change": {
        "description": "What one edit did to one resource.",
        "type": "object",
        "required": ["kind", "path", "before", "after"],
        "properties": {
            "kind": {"enum": [kind.name for kind in KINDS]},
            "path": {**STRING, "description": "`ORGANIZATION/...`."},
            "before": {**_STATE, "description": "Null if it was made."},
            "after": {**_STATE, "description": "Null if it was deleted."},
        },
    },
    "Generation": {
        "description": "An edit, and the state that it led to.",
        "type": "object",
        "required": ["generation", "at", "actor", "action", "changes"],
        "properties": {
            "generation": {"type": "integer", "minimum": 1},
            "at": {**STRING, "format": "date-time"},
            "actor": {**STRING, "description": "`ORGANIZATION/PROJECT/KEY`."},
            "action": {"enum": ["create", "update", "delete", "rotate", "roll_back"]},
            "changes": {"type": "array", "items": ref("Change")},
        },
    },
}

_SEEN = ("RESOURCE_NOT_FOUND",)
_MADE = (*_SEEN, "RESOURCE_EXISTS")
_EDITED = (*_SEEN, "DECLARED_IN_FILE", "EDIT_CONFLICT")
_ALIAS = ("ALIAS_TARGET_UNKNOWN", "ALIAS_NESTED")


def _operation(
    kind: Kind,
    summary: str,
    answers: Mapping[int, Any],
    *failures: str,
    **more: Any,
) -> dict[str, Any]:
    also = _ALIAS if kind.name == "alias" and "body" in more else ()
    more["parameters"] = [
        *more.get("parameters", ()),
        *(() if kind.name == "organization" else (_ORGANIZATION,)),
    ]
    return operation(
        _ABOUT_KINDS[kind.name][0],
        summary,
        answers,
        failures=[*failures, *also, "ADMIN_KEY_REQUIRED"],
        v2=True,
        **more,
    )


def _collection(kind: Kind) -> dict[str, Any]:
    in_path = _path_parameters(kind.collection)
    project = [parameter("project", "query", "string", "Of one project alone.")]
    scoped = project if "project" in kind.identity and not in_path else []
    location = {"headers": {**_ETAG, **_LOCATION}}
    item: dict[str, Any] = {
        "get": _operation(
            kind,
            f"List {_ABOUT_KINDS[kind.name][0].lower()}",
            {200: ok("A page, in order of their names.", listed(ref(shown_as(kind))))},
            *_SEEN,
            parameters=[*PAGE, *scoped],
        ),
        "post": _operation(
            kind,
            f"Make {_a(kind)}",
            {kind.created: ok("It was made.", ref(shown_as(kind)), **location)},
            *_MADE,
            body=body_of(ref(made_from(kind))),
        ),
    }
    return {**item, **({"parameters": in_path} if in_path else {})}


def _item(kind: Kind, place: Place) -> dict[str, Any]:
    resource = ref(shown_as(kind))
    shown = ok("It.", resource, headers=_ETAG)
    by = " by its name" if place.by_name else ""
    item: dict[str, Any] = {
        "get": _operation(
            kind,
            f"Show {_a(kind)}{by}",
            {200: shown, **({} if kind.is_live else _UNCHANGED)},
            *_SEEN,
            parameters=[] if kind.is_live else [_IF_NONE_MATCH],
        )
    }
    if not place.by_name:
        item |= _edits(kind, shown)
    in_path = _path_parameters(_template(place.path))
    return {**item, **({"parameters": in_path} if in_path else {})}


def _edits(kind: Kind, shown: dict[str, Any]) -> dict[str, Any]:
    made = {kind.created: ok("There was none; it was made.", ref(shown_as(kind)))}
    return {
        "patch": _operation(
            kind,
            f"Change fields of {_a(kind)}",
            {200: shown},
            *_EDITED,
            "RESOURCE_EXISTS",
            parameters=[_IF_MATCH],
            body=body_of(ref(changed_by(kind))),
        ),
        "put": _operation(
            kind,
            f"Replace {_a(kind)}",
            {200: shown, **(made if kind.put_makes else {})},
            *_EDITED,
            "RESOURCE_EXISTS",
            parameters=[_IF_MATCH],
            body=body_of(ref(replaced_by(kind))),
        ),
        "delete": _operation(
            kind,
            f"Delete {_a(kind)}",
            {204: ok("It is gone.")},
            *_EDITED,
            "RESOURCE_IN_USE",
            parameters=[_IF_MATCH],
        ),
    }


def _a(kind: Kind) -> str:
    return f"an {kind.word}" if kind.word[0] in "aeiou" else f"a {kind.word}"


def _template(path: str) -> str:
    return path.replace(":path}", "}")


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [parameter(name, "path", "string", f"Its {name}.") for name in names]


def _rotation() -> dict[str, Any]:
    path = f"{KEYS.places[0].path}/rotate"
    seconds = {"type": "number", "minimum": 0, "maximum": LONGEST_OVERLAP_S}
    body = body_of(
        {
            "type": "object",
            "properties": {
                "overlap_s": {
                    **seconds,
                    "default": 0,
                    "description": "For how many seconds the secret before stays good.",
                }
            },
            "additionalProperties": False,
        },
        required=False,
    )
    rotated = ok("The key, with its new secret.", ref(shown_as(KEYS)), headers=_ETAG)
    return {
        path: {
            "post": _operation(
                KEYS, "Give a key another secret", {200: rotated}, *_EDITED, body=body
            ),
            "parameters": _path_parameters(path),
        }
    }


def _history() -> dict[str, Any]:
    def described(summary: str, answer: Any, *failures: str, **more: Any) -> Any:
        more["parameters"] = [*more.get("parameters", ()), _ORGANIZATION]
        return operation(
            _HISTORY,
            summary,
            {200: answer},
            failures=["ADMIN_KEY_REQUIRED", "RESOURCE_NOT_FOUND", *failures],
            v2=True,
            **more,
        )

    differences = {
        "type": "object",
        "required": ["first", "second", "changes"],
        "properties": {
            "first": _GENERATION,
            "second": _GENERATION,
            "changes": {"type": "array", "items": ref("Change")},
        },
    }
    numbers = {
        name: {**parameter(name, "path", "integer", said), "schema": _GENERATION}
        for name, said in (
            ("first", "The number of one."),
            ("second", "The number of another."),
            ("generation", "The number of the one to go back to."),
        )
    }
    at = "/v2/generations"
    return {
        at: {
            "get": described(
                "List the last edits, newest first",
                ok("A page.", listed(ref("Generation"))),
                parameters=PAGE,
            )
        },
        f"{at}/{{first}}/compare/{{second}}": {
            "get": described(
                "Say what differs between two generations",
                ok("What changed from the first to the second.", differences),
                "GENERATION_GONE",
                parameters=[numbers["first"], numbers["second"]],
            )
        },
        f"{at}/{{generation}}/rollback": {
            "post": described(
                "Make everything what it was",
                ok("The generation that this made.", ref("Generation")),
                "GENERATION_GONE",
                parameters=[numbers["generation"]],
            )
        },
    }


PATHS: dict[str, Any] = {
    **{kind.collection: _collection(kind) for kind in KINDS},
    **{
        _template(place.path): _item(kind, place)
        for kind in KINDS
        for place in kind.places
    },
    **_rotation(),
    **_history(),
}
