"""The schemas of resources, as they are shown, made and changed.

Generated from the structs, so that they are what is served. What the structs'
docstrings say of a field is its description.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from holdfast.control import resources
from holdfast_edge.administration.kinds import KINDS, Kind

_REFS = "#/components/schemas/{name}"

_WHEN = {"type": ["string", "null"], "format": "date-time"}

_ABOUT: Mapping[str, Any] = {
    "source": {
        "enum": ["file", "api"],
        "description": "The configuration file declares it, or the API made it.",
    },
    "etag": {"type": "string", "description": "Names this state of it, for If-Match."},
    "generation": {
        "type": "integer",
        "minimum": 0,
        "description": "The generation that last changed it. 0: a file's.",
    },
    "created_at": _WHEN,
    "updated_at": _WHEN,
    "shadowed": {
        "type": "boolean",
        "description": "Whether the configuration file declares the same by now, so "
        "that this one counts for nothing.",
    },
}

_MORE_SHOWN: Mapping[str, Any] = {
    "organization": {"id": {"type": "string", "description": "Its own id."}},
    "budget": {
        "this_month": {
            "description": "How it stands: US dollars, as text. Only where it is "
            "looked at, and null where nobody knows.",
            "type": ["object", "null"],
            "required": ["spent_usd", "reserved_usd", "left_usd", "resets_at"],
            "properties": {
                "spent_usd": {"type": "string"},
                "reserved_usd": {
                    "type": "string",
                    "description": "What calls under way may yet cost.",
                },
                "left_usd": {"type": "string"},
                "resets_at": {"type": "string", "format": "date-time"},
                "warns": {
                    "type": "boolean",
                    "description": "Whether as much is spent as `warn_at` says.",
                },
                "is_current": {
                    "type": "boolean",
                    "description": "Whether that is what all replicas know.",
                },
            },
        }
    },
    "key": {
        "secrets": {
            "description": "What callers send: the last characters of each, and when "
            "it stops being good, if before the key does.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["hint", "expires_at"],
                "properties": {"hint": {"type": "string"}, "expires_at": _WHEN},
            },
        }
    },
}

_SOMETIMES = frozenset({"this_month"})
"""What is not in every answer that shows one."""

_ONCE_SHOWN: Mapping[str, Any] = {
    "key": {
        "secret": {
            "type": "string",
            "description": "What a caller sends. Shown here, and never again.",
        }
    },
}

_MORE_TAKEN: Mapping[str, Any] = {
    "organization": {"id": {"type": "string", "description": "Its own id."}},
    "custom_model": {
        "api_key": {
            "type": ["string", "null"],
            "description": "Kept sealed, and shown to nobody.",
        }
    },
}


_EXAMPLES: Mapping[str, Any] = {
    "alias": {
        "name": "default-llm",
        "fallback_models": ["claude-sonnet-4-5", "gpt-oss-120b"],
        "description": "Sonnet, then open weights",
    },
    "custom_model": {
        "name": "acme/tuned",
        "identifier": "openai/tuned-7b",
        "api_key": "sk-...",
        "extra": {"api_base": "https://models.example.com/v1", "region": "eu"},
        "pricing": {"input": "0.10", "output": "0.30"},
    },
    "organization": {"id": "acme-labs", "name": "Acme Labs"},
    "project": {"id": "web", "name": "The web shop"},
    "key": {"id": "web-2", "requests_per_minute": 600},
    "policy": {"project": "web", "geographies": ["eu"]},
    "budget": {"project": "web", "monthly_usd": "100", "warn_at": 0.8},
    "guardrail": {
        "name": "no-cards",
        "action": "redact",
        "applies_to": ["input", "output"],
        "presets": ["credit_card"],
    },
}
"""One to make of each kind."""


def shown_as(kind: Kind) -> str:
    """Return the name of the schema of a resource that is shown."""
    return kind.struct.__name__


def made_from(kind: Kind) -> str:
    """Return the name of the schema of what a resource is made from."""
    return f"{kind.struct.__name__}Made"


def replaced_by(kind: Kind) -> str:
    """Return the name of the schema of what a resource is replaced by."""
    return f"{kind.struct.__name__}Replacement"


def changed_by(kind: Kind) -> str:
    """Return the name of the schema of a change."""
    return f"{kind.struct.__name__}Change"


def schemas() -> dict[str, Any]:
    """Return every schema of every kind, and of what they hold, by name."""
    structs = [kind.struct for kind in KINDS]
    _, found = msgspec.json.schema_components(
        structs,
        ref_template=_REFS,
        schema_hook=lambda _: {"description": "Any JSON."},
    )
    tops = {struct.__name__ for struct in structs}
    written: dict[str, Any] = {
        name: _described(schema)
        if name in _in_lists(found)
        else _nullable(_described(schema))
        for name, schema in found.items()
        if name not in tops and name != resources.KeySecret.__name__
    }
    for kind in KINDS:
        schema = _described(found[kind.struct.__name__])
        withheld = resources.WITHHELD.get(kind.name, frozenset())
        properties = {
            name: field
            for name, field in schema["properties"].items()
            if name not in withheld
        }
        written[shown_as(kind)] = _shown(kind, schema, properties)
        required = _required(kind, schema)
        made = _made(
            kind,
            schema,
            properties,
            [n for n in required if f"{{{n}}}" not in kind.collection],
        )
        written[made_from(kind)] = {**made, "example": _EXAMPLES[kind.name]}
        # What tells it from others is in its address.
        written[replaced_by(kind)] = _made(
            kind,
            schema,
            properties,
            [name for name in required if name not in (*kind.identity, "id")],
        )
        written[changed_by(kind)] = _changed(kind, properties)
    return written


def _in_lists(found: Mapping[str, Any]) -> set[str]:
    """Return what lists hold: a list is taken as it is, and null is null in it."""
    return {
        field["items"]["$ref"].rpartition("/")[2]
        for schema in found.values()
        for field in schema["properties"].values()
        if "$ref" in field.get("items", ())
    }


def _shown(
    kind: Kind, schema: Mapping[str, Any], properties: Mapping[str, Any]
) -> dict[str, Any]:
    shown = {**_MORE_SHOWN.get(kind.name, {}), **properties, **_ABOUT}
    for name in kind.is_null_if_empty:
        shown[name] = {**shown[name], "type": ["string", "null"]}
    return {
        "description": schema["description"],
        "type": "object",
        "required": [name for name in shown if name not in _SOMETIMES],
        "properties": {**shown, **_ONCE_SHOWN.get(kind.name, {})},
    }


def _required(kind: Kind, schema: Mapping[str, Any]) -> list[str]:
    """Return the fields that have to be given, in the body or the address."""
    own = ["id"] if kind.name == "organization" else []
    return [*own, *(name for name in schema["required"] if name != "organization")]


def _made(
    kind: Kind,
    schema: Mapping[str, Any],
    properties: Mapping[str, Any],
    required: Sequence[str],
) -> dict[str, Any]:
    return _nullable(
        {
            "description": schema["description"],
            "type": "object",
            "required": list(required),
            "properties": _taken(kind, properties),
            "additionalProperties": False,
        }
    )


def _changed(kind: Kind, properties: Mapping[str, Any]) -> dict[str, Any]:
    taken = _taken(kind, properties)
    return _nullable(
        {
            "description": "What is to change, as RFC 7396 has it. Null takes a field "
            "back to what it is without being given.",
            "type": "object",
            "properties": {name: _partial(field) for name, field in taken.items()},
            "additionalProperties": False,
        }
    )


def _taken(kind: Kind, properties: Mapping[str, Any]) -> dict[str, Any]:
    own = {
        name: field for name, field in properties.items() if name not in kind.read_only
    }
    whose = {**own.pop("organization"), "description": "The key's own, if left out."}
    if kind.name != "organization":
        own["organization"] = whose
    return {**_MORE_TAKEN.get(kind.name, {}), **own}


def _partial(field: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a change of a field: of an object, any part."""
    options = field.get("anyOf", [field])
    whole = next((each["$ref"] for each in options if "$ref" in each), None)
    if whole is None:
        return dict(field)
    said = f"Any part of `{whole.rpartition('/')[2]}`."
    return {"type": "object", "description": said}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Let null stand for what need not be given."""
    properties = {
        name: field if name in schema.get("required", ()) else _or_null(field)
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _or_null(field: Mapping[str, Any]) -> dict[str, Any]:
    options = field.get("anyOf", ())
    if {"type": "null"} in options or "null" in field.get("type", ""):
        return dict(field)
    about = {key: field[key] for key in ("description", "default") if key in field}
    rest = {key: value for key, value in field.items() if key not in about}
    return {"anyOf": [*(options or [rest]), {"type": "null"}], **about}


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Take a struct's docstring apart into what it says of each field."""
    said, _, attributes = schema.get("description", "").partition("Attributes:")
    texts = dict(_attributes(attributes))
    properties = {
        name: {**field, "description": texts[name]} if name in texts else dict(field)
        for name, field in schema["properties"].items()
    }
    written = {
        **schema,
        "properties": properties,
        "description": " ".join(said.split()),
    }
    written.pop("title", None)
    return written


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", text, re.MULTILINE):
        yield found[1], " ".join(found[2].split())
