"""What is surely checked soon, and what is not."""

import json
from typing import Any

import pytest

from holdfast_executor.structured.bounds import Bounds, bounds_of
from holdfast_executor.structured.pattern_states import states_of

DEEPEST = 100


def bounds(schema: Any) -> Bounds:
    return bounds_of(schema, DEEPEST)


def doubling(keyword: str, times: int) -> dict[str, Any]:
    """Refer twice to what refers twice, and so on."""
    named: dict[str, Any] = {"a0": {"type": "string"}}
    for each in range(1, times):
        reference = {"$ref": f"#/$defs/a{each - 1}"}
        named[f"a{each}"] = {keyword: [reference, reference]}
    return {"$defs": named, "$ref": f"#/$defs/a{times - 1}"}


LIST = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
        }
    },
    "$ref": "#/$defs/node",
}
TREE = {
    "$defs": {
        "tree": {"anyOf": [{"$ref": f"#/$defs/{kind}"} for kind in "abc"]},
        **{
            kind: {
                "properties": {
                    "left": {"$ref": "#/$defs/tree"},
                    "right": {"$ref": "#/$defs/tree"},
                    "kind": {"const": kind},
                }
            }
            for kind in "abc"
        },
    },
    "$ref": "#/$defs/tree",
}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Z][a-z]{1,40}$"},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}},
    },
}
MANY_TAGS = json.dumps({"name": "Bo", "tags": ["a"] * 5_000})


@pytest.mark.parametrize(
    ("schema", "text", "deepest"),
    [
        ({}, "{}", 1),
        (PERSON, MANY_TAGS, 2),
        (LIST, "{" * 50, 50),
        (TREE, "{" * 5, 5),
        (doubling("anyOf", 12), '"x"', 1),
    ],
    ids=["any", "person", "list", "tree", "a-few-thousand"],
)
def test_what_people_write_is_checked_in_place(
    schema: Any, text: str, deepest: int
) -> None:
    """Wide answers, lists that refer to themselves, and trees that are not deep."""
    assert bounds(schema).allow(text, deepest)


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_references_that_multiply_are_not(keyword: str) -> None:
    """A few lines of schema may ask for a billion steps."""
    assert not bounds(doubling(keyword, 40)).allow('"x"', 1)


def test_a_tree_is_checked_in_place_only_as_deep_as_that_is_quick() -> None:
    """Each level multiplies, for all that is known without looking."""
    of_tree = bounds(TREE)

    assert of_tree.allow("{" * 4, 4)
    assert not of_tree.allow("{" * 30, 30)


def test_a_chain_that_is_long_and_an_answer_that_is_deep_are_too_much_together() -> (
    None
):
    """Each takes room on the stack for each of the other."""
    named: dict[str, Any] = {
        f"a{each}": {"$ref": f"#/$defs/a{each + 1}"} for each in range(1_000)
    }
    named["a1000"] = {"items": {"$ref": "#/$defs/a0"}}
    of_chain = bounds({"$defs": named, "$ref": "#/$defs/a0"})

    assert of_chain.allow("[[[", 3)
    assert not of_chain.allow("[" * 90, 90)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#named"},
        {"properties": {"a": {"$id": "b"}}},
        {"items": {"$dynamicRef": "#a"}},
        {"pattern": "(a{1000}){1000}"},
        {"pattern": "a{12345678}"},
    ],
)
def test_what_is_not_known_is_checked_apart(schema: Any) -> None:
    """References that may lead anywhere, schemas of themselves, huge patterns."""
    assert not bounds(schema).is_known


def test_a_long_text_and_a_pattern_of_many_states_are_too_much_together() -> None:
    """A pattern takes as long as both multiplied."""
    of_pattern = bounds({"pattern": "(a|b)*a(a|b){2000}"})

    assert of_pattern.allow('"' + "a" * 100 + '"', 1)
    assert not of_pattern.allow('"' + "a" * 10_000 + '"', 1)


def test_a_schema_of_many_parts_takes_no_longer_than_it_may() -> None:
    """What cannot be looked through in time is not known."""
    wide = {f"p{each}": {"type": "string"} for each in range(30_000)}
    there = {f"a{n}": {"items": {"$ref": f"#/$defs/b{n}"}} for n in range(3_000)}
    back = {f"b{n}": {"items": {"$ref": f"#/$defs/a{n}"}} for n in range(3_000)}
    cyclic = {
        "$defs": there | back,
        "allOf": [{"$ref": f"#/$defs/{name}"} for name in there],
    }

    assert bounds({"properties": wide}).is_known
    assert not bounds(cyclic).is_known


def test_what_is_wrong_is_told_in_place_where_there_is_little_of_it() -> None:
    """Telling takes longer than seeing that something is wrong."""
    of_person = bounds(PERSON)

    assert of_person.allow_telling('{"name": 7}', 1)
    assert not of_person.allow_telling(MANY_TAGS, 2)


def test_what_is_wrong_with_a_long_text_is_told_in_place_if_it_is_one_thing() -> None:
    """Each thing that is wrong quotes all of it."""
    text = '"' + "a" * 100_000 + '"'
    many = {"allOf": [{"maxLength": length} for length in range(1_000)]}

    assert bounds({"maxLength": 7}).allow_telling(text, 1)
    assert bounds(many).allow(text, 1)
    assert not bounds(many).allow_telling(text, 1)


def test_a_long_text_and_many_formats_are_too_much_together() -> None:
    """Each of them reads all of it."""
    formats = bounds({"allOf": [{"format": "uri"}] * 1_000})

    assert formats.allow('"' + "a" * 100 + '"', 1)
    assert not formats.allow('"' + "a" * 100_000 + '"', 1)


def unevaluated(keyword: str, times: int) -> dict[str, Any]:
    """Ask what is left unevaluated of what asks the same of others, and so on."""
    schema = doubling("anyOf", times)
    for each in schema["$defs"].values():
        each[keyword] = False
    return schema


@pytest.mark.parametrize("keyword", ["unevaluatedItems", "unevaluatedProperties"])
def test_asking_what_is_left_unevaluated_multiplies(keyword: str) -> None:
    """Twenty lines of it take minutes to compile: that is done apart."""
    extended = {
        "allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}],
        "properties": {"b": {"type": "integer"}},
        keyword: False,
    }

    assert bounds(extended).allow('{"a": "x", "b": 1}', 1)
    assert not bounds(unevaluated(keyword, 8)).is_known
    assert not bounds(unevaluated(keyword, 500)).is_known


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        ("", 1, 1),
        ("abc", 3, 5),
        ("^[0-9a-f]{8}-[0-9a-f]{4}$", 12, 60),
        (r"^\p{L}{1,50}$", 10_000, 20_000),
        (r"[\p{L}\p{N}]", 600, 700),
        (".{1,100}", 400, 500),
        ("(ab){100}", 200, 250),
        ("((a{10}){10}){10}", 1_000, 1_100),
        (r"a\{99\}", 5, 8),
        ("[a{99}]", 1, 6),
        (")(", 1, 5),
    ],
)
def test_the_states_of_a_pattern_are_counted(
    pattern: str, least: int, most: int
) -> None:
    """About, and never far too few."""
    assert least <= states_of(pattern) <= most
