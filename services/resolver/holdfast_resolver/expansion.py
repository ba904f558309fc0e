"""A name to the deployments behind it."""

from dataclasses import dataclass

from holdfast.catalog import canonical_name, near_names
from holdfast.errors import ModelNotFoundError
from holdfast.model import Deployment
from holdfast_resolver.directory import Names


@dataclass(frozen=True, slots=True)
class Member:
    """What one word of a name stands for: a pool of deployments to choose from.

    Attributes:
        response_model: What the answer says its model is, if it is served here.
        pinned: Whether the word names its one deployment itself.
    """

    response_model: str
    deployments: tuple[Deployment, ...]
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a name stands for: the members of an alias in order, else one member."""

    members: tuple[Member, ...]
    is_alias: bool = False


def expand(name: str, names: Names) -> Expansion:
    """Look a name up: alias, pinned id, custom model, plain name, in this order.

    Raises:
        ModelNotFoundError: It is none of them, or an alias none of whose
            members is.
    """
    alias = names.aliases.get(name)
    if alias is None:
        member = _member(name, names)
        if member is None:
            raise _not_found(name, names)
        return Expansion((member,))
    members = [_member(target, names) for target in alias.fallback_models]
    found = tuple(member for member in members if member is not None)
    if not found:
        raise ModelNotFoundError(
            f"No member of alias {name!r} is a model: "
            f"{', '.join(alias.fallback_models)}.",
            model=name,
        )
    return Expansion(_without_repeats(found), is_alias=True)


def _member(word: str, names: Names) -> Member | None:
    if (deployment := names.deployments.get(word)) is not None:
        return Member(word, (deployment,), pinned=True)
    model = names.custom_models.get(word) or names.models.get(word)
    if model is None and "/" not in word:
        # Only a word that names no provider: one that does asks for a place.
        model = names.models.get(canonical_name(word))
    return None if model is None else Member(word, model.deployments)


def _without_repeats(members: tuple[Member, ...]) -> tuple[Member, ...]:
    seen: set[str] = set()
    kept = []
    for member in members:
        fresh = tuple(d for d in member.deployments if d.id not in seen)
        seen.update(d.id for d in fresh)
        if fresh:
            kept.append(Member(member.response_model, fresh, member.pinned))
    return tuple(kept)


def _not_found(name: str, names: Names) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"There is no model, alias or deployment named {name!r}."
        f"{nearest(name, names)} GET /v1/models lists what this key may use.",
        model=name,
    )


def nearest(name: str, names: Names) -> str:
    """Say in a sentence which names are near one that is unknown, if any are."""
    known = [
        *names.aliases,
        *names.custom_models,
        *names.models,
        *(names.deployments if "/" in name else ()),
    ]
    near = near_names(name, known)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def is_known(word: str, names: Names) -> bool:
    """Tell whether a word may be a member of an alias."""
    return _member(word, names) is not None
