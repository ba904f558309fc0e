"""What holds for any schema and any answer: what is delivered fits, and only that."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast_executor.chat import Chat
from holdfast_executor.structured.apart import Apart, Finding, Job
from holdfast_executor.structured.checker import Checker
from holdfast_executor.structured.wish import wish_of


class Untouched(Apart):
    """Fails a test that has anything checked apart."""

    async def check(self, job: Job) -> Finding:
        raise AssertionError(job)


CHECKER = Checker(Untouched())
NAMES = st.sampled_from(["a", "b", "c"])

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(["", "x", "{", "```"])
)
values = st.recursive(
    scalars,
    lambda below: (
        st.lists(below, max_size=2) | st.dictionaries(NAMES, below, max_size=2)
    ),
    max_leaves=5,
)
schemas = st.recursive(
    st.one_of(
        st.sampled_from(
            [{"type": each} for each in ("null", "boolean", "integer", "string")]
        ),
        st.builds(lambda listed: {"enum": listed}, st.lists(scalars, min_size=1)),
        st.just({}),
    ),
    lambda below: st.one_of(
        st.builds(lambda each: {"type": "array", "items": each}, below),
        st.builds(
            lambda some: {"anyOf": some}, st.lists(below, min_size=1, max_size=2)
        ),
        st.builds(
            lambda named, needed, closed: {
                "type": "object",
                "properties": named,
                "required": needed,
                **({"additionalProperties": False} if closed else {}),
            },
            st.dictionaries(NAMES, below, max_size=2),
            st.lists(NAMES, max_size=1),
            st.booleans(),
        ),
    ),
    max_leaves=4,
)
noise = st.sampled_from(["", "Sure! ", "\n\n", "As you (surely) know: ", "```json\n"])
after = st.sampled_from(["", "\n", "\nAnything else?", "\n```", "\n```\nThat is all."])

_TYPES: dict[str, Any] = {
    "null": type(None),
    "boolean": bool,
    "string": str,
    "array": list,
    "object": dict,
}


def same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def fits(schema: Any, value: Any) -> bool:
    """Tell whether a value fits, by as much of the standard as is drawn here."""
    kind = schema.get("type")
    if kind == "integer" and (isinstance(value, bool) or not isinstance(value, int)):
        return False
    if kind in _TYPES and not isinstance(value, _TYPES[kind]):
        return False
    if "enum" in schema and not any(same(each, value) for each in schema["enum"]):
        return False
    if "anyOf" in schema and not any(fits(each, value) for each in schema["anyOf"]):
        return False
    if isinstance(value, list) and "items" in schema:
        return all(fits(schema["items"], each) for each in value)
    if kind == "object":
        named = schema["properties"]
        closed = schema.get("additionalProperties") is False
        return (
            all(name in value for name in schema["required"])
            and not (closed and value.keys() - named.keys())
            and all(fits(named[n], each) for n, each in value.items() if n in named)
        )
    return True


@settings(max_examples=300, deadline=None)
@given(schemas, values, noise, after)
async def test_what_is_delivered_is_the_answer_and_fits(
    schema: Any, value: Any, before: str, behind: str
) -> None:
    """And what does not fit is never delivered, whatever stands around it."""
    named = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    body = {"model": "m", "messages": [], "response_format": named}
    wish = wish_of(Chat.parse(json.dumps(body).encode()))
    assert wish is not None
    await CHECKER.prepare(wish)
    text = json.dumps(value)

    bare = await CHECKER.check(wish, text)
    wrapped = await CHECKER.check(wish, before + text + behind)

    assert (bare == text) is fits(schema, value)
    if isinstance(wrapped, str):
        assert fits(schema, json.loads(wrapped))
    if isinstance(value, dict | list) and fits(schema, value):
        assert wrapped == text
