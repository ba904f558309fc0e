"""Random policies, catalogs and requests by the hundred thousand, and what is allowed.

What policy allows is told here a second time, from bare facts and in other words than
the rules of the gateway: by what all scopes leave, and not by who objects.

    for world in worlds(seed=1, count=100_000):
        assert world.allowed == ...
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fakes.plans import deployment, membership, model, names
from holdfast.model import Deployment, ScopedPolicy
from holdfast_resolver.directory import Membership

_PROVIDERS = "abcd"
_MODELS = ("m", "n", "o")
_PLACES = ("", "eu", "us", "apac", "global")
_PROFILES = ("", "", "", "", "eu", "us", "global")
"""Where the address of a deployment says that it leads; mostly nothing."""

_SCOPES = ("organization acme", "project web", "key web-1")
_LIKELY = (0.5, 0.6, 0.35)
"""How often each scope has a policy."""

_VARIANTS = 2_000
_POLICIES = 2_000
_BOUND = frozenset({"eu", "us", "apac"})

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """A request that can be made, and what is known of whom it may reach.

    Attributes:
        asked: What the caller names.
        candidates: All that it stands for, each once.
        allowed: Those of them that policy allows, by their ids.
        strayed: Where deployments were seen, if not where they promise.
        resting: How long deployments rest, in seconds.
        bound: What the session is bound to. Empty: it is not.
    """

    asked: str
    member: Membership
    candidates: tuple[Deployment, ...]
    allowed: frozenset[str]
    strayed: Mapping[str, str]
    resting: Mapping[str, int]
    session: str
    bound: str
    rules: Sequence[Facts]
    facts: Mapping[str, Facts]


def worlds(seed: int, count: int) -> Iterator[World]:
    """Make worlds, the same ones for the same seed."""
    chance = random.Random(seed)
    places = [_place(chance) for _ in range(_VARIANTS)]
    policies = [[_policy(chance, scope) for _ in range(_POLICIES)] for scope in _SCOPES]
    for _ in range(count):
        yield _world(chance, places, policies)


def allows(rules: Sequence[Facts], facts: Facts, strayed: str = "") -> bool:
    """Say whether all scopes together leave a deployment."""
    names = {facts["model"], facts["id"]}
    for rule in rules:
        if rule["only_models"] and names.isdisjoint(rule["only_models"]):
            return False
    if any(names & rule["no_models"] for rule in rules):
        return False
    left = set(_PROVIDERS)
    for rule in rules:
        left &= rule["only_providers"] or left
        left -= rule["no_providers"]
    if facts["provider"] not in left:
        return False
    areas = [rule["areas"] for rule in rules if rule["areas"]]
    if areas:
        if not all(facts["area"] in each for each in areas) or strayed:
            return False
        if facts["leads_to"] and facts["area"] in _BOUND:
            return bool(facts["leads_to"] == facts["area"]) and _treats(rules, facts)
    return _treats(rules, facts)


def _treats(rules: Sequence[Facts], facts: Facts) -> bool:
    """Say whether a deployment treats data as all scopes want it."""
    if any(rule["no_training"] for rule in rules) and facts["trains"] is not False:
        return False
    limits = [rule["days"] for rule in rules if rule["days"] is not None]
    return not limits or (facts["days"] is not None and facts["days"] <= min(limits))


def _place(chance: random.Random) -> tuple[Deployment, Facts]:
    """Make a deployment, and say what it is."""
    provider, name = chance.choice(_PROVIDERS), chance.choice(_MODELS)
    area, profile = chance.choice(_PLACES), chance.choice(_PROFILES)
    facts = {
        "id": f"{provider}/{name}-{area}".rstrip("-"),
        "provider": provider,
        "model": name,
        "area": area,
        "leads_to": profile,
        "trains": chance.choice((None, False, False, True)),
        "days": chance.choice((None, 0, 0, 7, 30)),
    }
    made = deployment(
        facts["id"],
        dialect="bedrock-converse" if profile else "openai-chat",
        provider_model=f"{profile}.lab.{name}" if profile else name,
        trains_on_data=facts["trains"],
        retention_days=facts["days"],
    )
    return made, facts


def _policy(chance: random.Random, scope: str) -> tuple[ScopedPolicy, Facts]:
    """Make a policy, and say what it is."""
    ids = [
        f"{p}/{m}-{a}".rstrip("-") for p in _PROVIDERS for m in _MODELS for a in _PLACES
    ]

    def some(of: Sequence[str], often: float, most: int) -> frozenset[str]:
        if chance.random() > often:
            return frozenset()
        return frozenset(chance.sample(of, chance.randint(1, most)))

    facts = {
        "scope": scope,
        "only_providers": some(_PROVIDERS, 0.2, 3),
        "no_providers": some(_PROVIDERS, 0.25, 2),
        "only_models": some(_MODELS, 0.1, 2) | some(ids, 0.05, 20),
        "no_models": some(_MODELS, 0.1, 1) | some(ids, 0.2, 6),
        "areas": some(_PLACES[1:], 0.25, 3),
        "no_training": chance.random() < 0.15,
        "days": chance.choice((*[None] * 8, 0, 7, 30)),
    }
    made = ScopedPolicy(
        scope,
        facts["only_providers"],
        facts["no_providers"],
        facts["only_models"],
        facts["no_models"],
        facts["areas"],
        facts["no_training"],
        facts["days"],
    )
    return made, facts


def _world(
    chance: random.Random,
    places: Sequence[tuple[Deployment, Facts]],
    policies: Sequence[Sequence[tuple[ScopedPolicy, Facts]]],
) -> World:
    drawn = {
        made.id: (made, facts)
        for made, facts in chance.sample(places, chance.randint(2, 12))
    }
    pools: dict[str, list[Deployment]] = {}
    for made, _ in drawn.values():
        pools.setdefault(made.model_id, []).append(made)
    own, own_facts = drawn.popitem()[1] if len(drawn) > 3 else (None, None)
    if own is not None:
        pools[own.model_id].remove(own)
    models = [model(name, *pool) for name, pool in pools.items() if pool]
    known = [*(each.id for each in models), *drawn]
    facts = {each: told for each, (_, told) in drawn.items()}
    custom = []
    if own is not None and own_facts is not None:
        custom = [model(own.id, own, custom=True)]
        known.append(own.id)
        facts[own.id] = own_facts
    targets = chance.choices(known, k=chance.randint(1, 4))
    given = [
        chance.choice(of)
        for of, likely in zip(policies, _LIKELY, strict=True)
        if chance.random() < likely
    ]
    asked = "best" if chance.random() < 0.6 else chance.choice(known)
    member = membership(
        names(*models, aliases={"best": targets}, custom=custom),
        *(policy for policy, _ in given),
    )
    wanted = targets if asked == "best" else [asked]
    candidates = _stands_for(wanted, member)
    strayed = {each: "us" for each in facts if chance.random() < 0.05}
    rules = [rule for _, rule in given]
    return World(
        asked,
        member,
        candidates,
        frozenset(
            each.id
            for each in candidates
            if allows(rules, facts[each.id], strayed.get(each.id, ""))
        ),
        strayed,
        {each: chance.randint(0, 60) for each in facts if chance.random() < 0.2},
        chance.choice(("", "s1")),
        chance.choice(("", *facts)),
        rules,
        facts,
    )


def _stands_for(words: Sequence[str], member: Membership) -> tuple[Deployment, ...]:
    """Look names up as a reader of the contract would, each deployment once."""
    found: dict[str, Deployment] = {}
    for word in words:
        known = member.names
        if word in known.deployments:
            pool: Sequence[Deployment] = (known.deployments[word],)
        else:
            pool = (known.custom_models.get(word) or known.models[word]).deployments
        found.update({each.id: each for each in pool if each.id not in found})
    return tuple(found.values())
