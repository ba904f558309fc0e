"""GET /v1/models and /v1/models/{id}: every name that the caller may call."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.errors import ModelNotFoundError
from holdfast.ports import Resolver
from holdfast_edge.auth import api_key_digest
from holdfast_edge.headers import Head
from holdfast_edge.listing import Listing, listing
from holdfast_edge.messages.errors import ANTHROPIC_VERSION
from holdfast_edge.messages.models import model_of, page_of
from holdfast_edge.reply import send_json

_CREATED = 0
"""OpenAI's `created` must be a number, and a catalog knows no such moment."""

_ALIAS_OWNER = "organization"


@dataclass(frozen=True, slots=True)
class Models:
    """The list of models, as OpenAI has it, or Anthropic for its own clients."""

    resolver: Resolver
    surface: str = "models"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with every name the caller may call."""
        head = Head.of(scope)
        listed = await listing(
            self.resolver, api_key_digest(head), include_excluded=False
        )
        names = list(_by_id(listed).values())
        if ANTHROPIC_VERSION in head.headers:
            await send_json(send, page_of(names, scope["query_string"]))
        else:
            await send_json(send, {"object": "list", "data": names})


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the list of models, likewise."""

    resolver: Resolver
    surface: str = "models"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the name in the path."""
        head = Head.of(scope)
        listed = await listing(
            self.resolver, api_key_digest(head), include_excluded=False
        )
        names = _by_id(listed)
        name = scope["path_params"]["id"]
        if name not in names:
            raise _not_found(name, names)
        entry = names[name]
        asks_anthropic = ANTHROPIC_VERSION in head.headers
        await send_json(send, model_of(entry) if asks_anthropic else entry)


def _by_id(listed: Listing) -> dict[str, dict[str, Any]]:
    """Return the entries by what a caller writes, each name once."""
    entries: dict[str, dict[str, Any]] = {}
    for entry in _entries(listed):
        entries.setdefault(entry["id"], entry)
    return entries


def _entries(listed: Listing) -> Iterator[dict[str, Any]]:
    """Yield aliases, then plain names and custom models, then pinned ids."""
    for alias in listed.aliases:
        yield _entry(
            alias.alias_id,
            _ALIAS_OWNER,
            targets=list(alias.targets),
            description=alias.description,
        )
    for model in listed.models:
        windows = (each.deployment.context_window_tokens for each in model.deployments)
        owner = _ALIAS_OWNER if model.custom else model.lab_id
        yield _entry(
            model.model_id,
            owner or "unknown",
            display_name=model.display_name,
            context_length=max(windows, default=0),
        )
    for model in listed.models:
        for each in model.deployments:
            yield _pinned(each)


def _pinned(listed: catalog_pb.ListedDeployment) -> dict[str, Any]:
    deployment = listed.deployment
    return _entry(
        deployment.deployment_id,
        deployment.provider_id,
        model=deployment.model_id,
        geography=deployment.geography,
        region=deployment.region,
        context_length=deployment.context_window_tokens,
    )


def _entry(model_id: str, owner: str, **more: Any) -> dict[str, Any]:
    """Write an entry as OpenAI does, and beside it what is known."""
    return {
        "id": model_id,
        "object": "model",
        "created": _CREATED,
        "owned_by": owner,
        **{key: value for key, value in more.items() if value},
    }


def _not_found(name: str, names: dict[str, dict[str, Any]]) -> ModelNotFoundError:
    near = difflib.get_close_matches(name, names, n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return ModelNotFoundError(
        f"{name!r} is no model, alias or deployment that this key may use.{hint}",
        model=name,
    )
