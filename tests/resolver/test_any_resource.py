"""Whatever is sent as a resource is kept, or refused in words."""

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from fakes.control import ADMIN, Room
from fakes.tenancy import BY_API
from fakes.tenancy import KINDS as OF
from holdfast.control.resources import KINDS
from holdfast.errors import GatewayError
from holdfast.model import Caller
from holdfast.rpc.resources import resource_from_wire, resource_to_wire
from holdfast_resolver.expansion import expand

TEXTS = st.one_of(
    st.sampled_from(
        ["", "web", "acme", "sonnet", "a/opus", "eu", "openai/x", "1.5", "credit_card"]
    ),
    st.sampled_from(
        ["https://x.example/v1", "http://127.0.0.1", "tools", "deny", "x+"]
    ),
    st.text(max_size=20),
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(-2, 200), st.sampled_from([2**31, 2**63])
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | TEXTS,
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3)
    ),
    max_leaves=6,
)


def of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Make whatever a field's type admits."""
    match kind:
        case inspect.StructType(fields=fields):
            needed = {f.encode_name: of(f.type) for f in fields if f.required}
            more = {f.encode_name: of(f.type) for f in fields if not f.required}
            return st.fixed_dictionaries(needed, optional=more)
        case inspect.UnionType(types=types):
            return st.one_of(*map(of, types))
        case inspect.VarTupleType(item_type=item):
            return st.lists(of(item), max_size=3)
        case inspect.DictType():
            return st.dictionaries(
                st.sampled_from(["api_base", "region", "retention_days", "x"]),
                JSON,
                max_size=3,
            )
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.DateTimeType():
            return st.sampled_from(
                [
                    "2027-01-01T00:00:00Z",
                    "0001-01-01T00:00:00+23:59",
                    "2027-01-01T00:00:00",
                ]
            )
    simple = {
        inspect.StrType: TEXTS,
        inspect.IntType: NUMBERS,
        inspect.FloatType: st.floats() | NUMBERS,
        inspect.BoolType: st.booleans(),
        inspect.NoneType: st.none(),
    }
    return simple[type(kind)]


def _sound() -> dict[str, list[dict[str, Any]]]:
    """Return resources of each kind that there is nothing wrong with."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for resource in BY_API:
        kind = OF[type(resource)]
        content = msgspec.to_builtins(resource)
        if kind != "organization":
            content["organization"] = "acme"
        if content.get("key") == "key":
            content["key"] = "app"
        if kind == "alias":
            content["fallback_models"] = ["sonnet", "opus"]
        found[kind].append(content)
    return found


SOUND = _sound()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), credential=TEXTS, over_grpc=st.booleans())
def test_it_is_kept_or_refused(kind, data, credential, over_grpc):
    """And afterwards callers are served, all resources shown, and the edit undone."""
    base = data.draw(st.sampled_from(SOUND[kind]))
    drawn = data.draw(of(inspect.type_info(KINDS[kind])))
    changed = data.draw(st.sets(st.sampled_from([*KINDS[kind].__struct_fields__])))
    content = base | {name: drawn[name] for name in changed & drawn.keys()}

    async def edit() -> None:
        room = Room()
        try:
            resource = msgspec.convert(content, KINDS[kind])
        except msgspec.ValidationError:
            return
        with contextlib.suppress(GatewayError):
            if over_grpc:
                _, resource = resource_from_wire(resource_to_wire(kind, resource))
            given = credential if kind == "custom_model" else ""
            made = await room.administration.create(
                ADMIN, kind, resource, credential=given
            )
            assert resource_from_wire(resource_to_wire(kind, made.resource))
        member = room.directory.member(Caller("acme", "web"))
        for name in (*member.names.aliases, *member.names.custom_models):
            expand(name, member.names)
            member.defaults_for(name)
        await room.administration.list(ADMIN, kind)
        await room.administration.roll_back(ADMIN, 0)
        assert not list(room.store.state.everything("acme"))

    asyncio.run(edit())
