"""Whether an answer fits, however long it takes to find out."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from holdfast.errors import RequestMalformedError
from holdfast_executor.chat import Chat
from holdfast_executor.structured.apart import Apart, Finding, Job, TooLongError
from holdfast_executor.structured.checker import Checker
from holdfast_executor.structured.violations import Unfit
from holdfast_executor.structured.wish import Wish, wish_of


class Untouched(Apart):
    """Fails a test that has anything checked apart."""

    async def check(self, job: Job) -> Finding:
        raise AssertionError(job)


class Refusing(Apart):
    """Never finds anything out."""

    async def check(self, job: Job) -> Finding:
        raise TooLongError


class Slow(Apart):
    """Takes too long for answers, however short."""

    checked = 0

    async def check(self, job: Job) -> Finding:
        if job.text is None:
            return Finding()
        self.checked += 1
        raise TooLongError


OBJECT = {"type": "json_object"}


def patient() -> Checker:
    """Give one that finds out on a busy machine, too."""
    return Checker(Apart(time_limit_s=60))


def wish(schema: Any, *, strict: bool = True) -> Wish:
    named = {"name": "n", "schema": schema, "strict": strict}
    return formed({"type": "json_schema", "json_schema": named})


def formed(wanted: Any) -> Wish:
    body = {"model": "m", "messages": [], "response_format": wanted}
    found = wish_of(Chat.parse(json.dumps(body).encode()))
    assert found is not None
    return found


async def read(
    schema: Any, text: str, checker: Checker | None = None, *, strict: bool = True
) -> str | Unfit:
    checker = checker or Checker(Untouched())
    wanted = wish(schema, strict=strict)
    await checker.prepare(wanted)
    return await checker.check(wanted, text)


async def checked(
    schema: Any, value: Any, checker: Checker | None = None, *, strict: bool = True
) -> str | Unfit:
    return await read(schema, json.dumps(value), checker, strict=strict)


def keywords(found: str | Unfit) -> list[tuple[str, str]]:
    assert isinstance(found, Unfit), found
    return [(each.path, each.keyword) for each in found.violations]


DRAFT_7 = "http://json-schema.org/draft-07/schema#"
TREE = {
    "$defs": {
        "tree": {"anyOf": [{"$ref": f"#/$defs/{kind}"} for kind in "abc"]},
        **{
            kind: {
                "type": "object",
                "properties": {
                    "kind": {"const": kind},
                    "left": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
                },
                "required": ["kind", "left"],
            }
            for kind in "abc"
        },
    },
    "$ref": "#/$defs/tree",
}


def tree(depth: int, leaf: Any = None) -> Any:
    value = leaf
    for _ in range(depth):
        value = {"kind": "c", "left": value}
    return value


def doubling(times: int) -> dict[str, Any]:
    named: dict[str, Any] = {"a0": {"type": "string"}}
    for each in range(1, times):
        reference = {"$ref": f"#/$defs/a{each - 1}"}
        named[f"a{each}"] = {"anyOf": [reference, reference]}
    return {"$defs": named, "$ref": f"#/$defs/a{times - 1}"}


@pytest.mark.parametrize(
    ("schema", "good", "bad", "keyword"),
    [
        ({"type": "integer", "minimum": 3}, 3, 2, "minimum"),
        ({"enum": ["a", 1, None]}, None, "b", "enum"),
        ({"type": "array", "items": {"type": "string"}}, ["a"], ["a", 1], "type"),
        ({"pattern": "^(a+)+$"}, "aaa", "a" * 30 + "b", "pattern"),
        ({"oneOf": [{"type": "integer"}, {"minimum": 3}]}, 2, 5, "oneOf"),
        ({"$schema": DRAFT_7, "items": [{"type": "null"}]}, [None], [1], "type"),
        (True, 7, None, ""),
    ],
)
async def test_a_schema_is_kept(schema: Any, good: Any, bad: Any, keyword: str) -> None:
    """In place, by all that draft 2020-12 says."""
    if schema is True:
        schema = {}
    assert await checked(schema, good) == json.dumps(good)
    if keyword:
        assert keyword in [each for _, each in keywords(await checked(schema, bad))]


@pytest.mark.parametrize(("strict", "fits"), [(True, False), (False, True)])
async def test_formats_are_kept_where_the_caller_is_strict(
    strict: bool, fits: bool
) -> None:
    """Else they say what is meant, as the standard has it."""
    found = await checked({"type": "string", "format": "date"}, "soon", strict=strict)

    assert isinstance(found, str) is fits


async def test_nothing_is_fetched_for_a_schema() -> None:
    """Not even from this machine."""
    callers: list[asyncio.StreamWriter] = []

    async def called(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer)
        writer.close()

    server = await asyncio.start_server(called, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for checker in (Checker(Untouched()), Checker()):
        with pytest.raises((RequestMalformedError, AssertionError)):
            await checked({"$ref": f"http://127.0.0.1:{port}/a"}, 1, checker)
    server.close()
    await server.wait_closed()

    assert callers == []


async def test_names_that_the_model_made_up_are_not_told() -> None:
    """A path holds the caller's words and numbers, and nothing else."""
    schema = {"properties": {"known": {"additionalProperties": {"type": "integer"}}}}

    found = await checked(schema, {"known": {"secret": "x"}})

    assert keywords(found) == [("/known/*", "type")]


@pytest.mark.parametrize(
    ("schema", "value"),
    [(TREE, tree(40)), (doubling(26), "x")],
    ids=["recursive", "multiplying"],
)
async def test_what_may_take_long_is_checked_apart(schema: Any, value: Any) -> None:
    """With the same finding."""
    assert await checked(schema, value, Checker()) == json.dumps(value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [(TREE, tree(40, "leaf")), (doubling(26), 1)],
    ids=["recursive", "multiplying"],
)
async def test_a_check_that_does_not_end_is_ended(schema: Any, value: Any) -> None:
    """And what cannot be found out does not fit."""
    checker = Checker(Apart(time_limit_s=1.0))

    assert keywords(await checked(schema, value, checker)) == [("", "time")]


async def test_patterns_that_look_around_are_matched_apart() -> None:
    """Under a limit, by an engine that can."""
    schema = {"type": "string", "pattern": r"^(?=.*\d)(?=.*[a-z]).{4,}$"}
    checker = Checker()

    assert await checked(schema, "abc1", checker) == '"abc1"'
    assert keywords(await checked(schema, "abcd", checker)) == [("", "pattern")]


async def test_a_schema_that_takes_too_long_to_compile_is_refused() -> None:
    """By its name."""
    with pytest.raises(RequestMalformedError) as raised:
        await checked(doubling(2) | {"$ref": "#"}, 1, Checker(Refusing()))

    assert raised.value.metadata["field"] == "response_format.json_schema.schema"


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("[" * 101 + "]" * 101, "depth"),
        ("[" * 40_000 + "]" * 40_000, "json"),
        ('"\\ud800"', "json"),
        ("NaN", "json"),
        ('{"a": 1,}', "json"),
        ("x" * 2_000_001, "size"),
        (" \n", "empty"),
    ],
    ids=["deep", "deeper", "surrogate", "nan", "comma", "long", "blank"],
)
async def test_what_is_no_json_that_can_be_used_does_not_fit(
    text: str, keyword: str
) -> None:
    """Strictly by the standard, and of a depth that programs take."""
    assert keywords(await read({}, text)) == [("", keyword)]


HOSTILE = (
    *("```", "``` ", "[", "{", '{"', "```\n", "<think>", "```json\n{\n"),
    "```\n{}\n```\n",
)


async def test_hostile_words_around_an_answer_are_searched_in_time() -> None:
    """Fences and brackets without end take no longer than they are long."""
    checker = Checker(Untouched())
    for noise in HOSTILE:
        text = noise * 40_000

        assert isinstance(await read({"type": "object"}, text, checker), Unfit)


async def test_blocks_without_end_are_no_answer() -> None:
    """Each of them would be checked."""
    text = "```\n{}\n```\n"

    assert await read({"type": "object"}, text * 16) == "{}"
    assert keywords(await read({"type": "object"}, text * 17)) == [("", "json")]


async def test_who_takes_too_long_is_not_asked_again_of_the_same_answer() -> None:
    """Not for every block of it."""
    apart = Slow()
    wanted = wish({"pattern": "(?=a)"})
    checker = Checker(apart)
    await checker.prepare(wanted)

    found = await checker.check(wanted, "```\n{}\n```\n" * 9)

    assert keywords(found) == [("", "time")]
    assert apart.checked == 1


@pytest.mark.parametrize(
    "wanted",
    [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"schema": {}}}],
    ids=["object", "schema"],
)
async def test_an_answer_of_very_many_parts_is_checked_apart(wanted: Any) -> None:
    """Others need not wait until it is looked through."""
    wide = '{"a": [' + ",".join(["[]"] * 60_000) + "]}"
    deep = '{"b": ' + "[" * 100 + "]" * 100 + "," + wide[1:]
    asked = formed(wanted)
    checker = patient()
    await checker.prepare(asked)

    assert await checker.check(asked, f"```json\n{wide}\n```") == wide
    assert keywords(await checker.check(asked, wide[:-1])) == [("", "json")]
    assert keywords(await checker.check(asked, deep)) == [("", "depth")]
    assert keywords(await Checker(Slow()).check(formed(OBJECT), wide)) == [("", "time")]


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "xml", "xml": {"root": "answer"}},
        {
            "type": "json_schema",
            "json_schema": {
                "schema": {"items": {"anyOf": [{"type": "integer"}] * 9}},
                "via": "xml",
            },
        },
    ],
    ids=["xml", "by-way-of-xml"],
)
async def test_xml_of_very_many_elements_is_read_apart(wanted: Any) -> None:
    """With the same finding."""
    asked = formed(wanted)
    few = "<answer>" + "<item>7</item>" * 3 + "</answer>"
    many = "<answer>" + "<item>7</item>" * 20_000 + "</answer>"
    checker = patient()
    hasty = Checker(Slow())
    await checker.prepare(asked)

    is_json = asked.via_xml
    assert await checker.check(asked, f"So: {many}") == (
        json.dumps([7] * 20_000, separators=(",", ":")) if is_json else many
    )
    assert await hasty.check(asked, few) == ("[7,7,7]" if is_json else few)
    assert keywords(await hasty.check(asked, many)) == [("", "time")]
    assert keywords(await checker.check(asked, many[:-1])) == [("", "xml")]


async def test_schemas_are_kept_as_long_as_there_is_room() -> None:
    """One that has gone is compiled again when it is needed."""
    checker = Checker(Untouched())
    large = {"enum": ["x" * 200_000]}
    first = wish({**large, "title": "0"})
    await checker.prepare(first)

    for each in range(100):
        await checker.prepare(wish({**large, "title": str(each)}))

    assert await checker.check(first, f'"{"x" * 200_000}"')


async def test_numbers_keep_the_spelling_that_they_came_in() -> None:
    """The text is the model's own: 1.0 is not 1."""
    for text in ("1.0", "1e2", "123456789012345678901234567890", "0.1000"):
        assert await read({"type": "number"}, text) == text


@pytest.mark.parametrize(
    ("before", "after"),
    list(itertools.product(["", "Sure:\n", "```json\n"], ["", "\n```", "\nOr (so)."])),
)
async def test_what_stands_around_an_answer_changes_nothing(
    before: str, after: str
) -> None:
    """Before it, after it, or both."""
    assert await read({"type": "object"}, before + '{"a": [1]}' + after) == (
        '{"a": [1]}'
    )
