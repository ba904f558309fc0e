"""A catalog, made from a source of facts and what is curated beside it.

Pure: the same source and curation give the same entries, in the same order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from holdfast.catalog.curation import Curation, DataRule, Place, PlaceRule, matches
from holdfast.catalog.entries import (
    CompiledCatalog,
    DeploymentEntry,
    Endpoint,
    ModelEntry,
    ProviderEntry,
)
from holdfast.catalog.membership import (
    Offers,
    without_doubles,
    without_small_windows,
    without_strangers,
)
from holdfast.catalog.names import shipped_rules
from holdfast.catalog.selection import Row, select
from holdfast.catalog.source import Source
from holdfast.model import Capability

_UNKNOWN_LAB = "other"

_HEAD = Place(name="")

_INPUTS = {
    "image": Capability.IMAGE_INPUT,
    "pdf": Capability.PDF_INPUT,
    "audio": Capability.AUDIO_INPUT,
    "video": Capability.VIDEO_INPUT,
}

_NOT_THE_MODELS = frozenset({Capability.RESPONSES})
"""What says more of who serves a model than of the model."""

_EMBEDDING_DIALECTS = frozenset(
    {"bedrock-converse", "bedrock-invoke", "gemini", "openai-chat"}
)
"""Those in which embeddings are asked for; nobody is listed who speaks another."""


def compile_catalog(source: Source, curation: Curation) -> CompiledCatalog:
    """Make a catalog from a source of facts and what is curated beside it."""
    by_provider: dict[str, list[Row]] = defaultdict(list)
    for row in select(source, curation):
        by_provider[row.provider_id].append(row)
    says_json = _json_schema_by_model(
        row for rows in by_provider.values() for row in rows
    )
    offers: Offers = {
        provider: without_doubles(
            entry for row in rows for entry in _entries(row, says_json, curation)
        )
        for provider, rows in sorted(by_provider.items())
    }
    offers = without_small_windows(
        without_strangers(offers), curation.leave_out.context_share
    )
    return CompiledCatalog(
        providers=tuple(
            _provider(provider, by_provider[provider], entries, curation)
            for provider, entries in offers.items()
            if entries
        ),
        models=tuple(_models(source, by_provider, offers)),
    )


def _json_schema_by_model(rows: Iterable[Row]) -> dict[str, bool]:
    """Say of each model whether most of those who know say it keeps to a schema.

    More than half of the source's rows do not say; taking silence for "no" would
    shut whole pools to structured output.
    """
    votes: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in rows:
        if row.facts.structured_output is not None:
            votes[row.model][row.facts.structured_output] += 1
    return {model: said[True] > said[False] for model, said in votes.items()}


def _entries(
    row: Row, says_json: dict[str, bool], curation: Curation
) -> Iterator[DeploymentEntry]:
    rule = _place_rule(row, curation)
    for place in (_HEAD,) if rule is None else rule.at:
        dialect = place.dialect or row.dialect
        if row.embeds and dialect not in _EMBEDDING_DIALECTS:
            continue
        yield DeploymentEntry(
            model=row.model,
            suffix=place.name if place.suffix is None else place.suffix,
            at=place.name,
            endpoint=Endpoint(
                dialect=dialect,
                auth=place.auth or row.auth,
                base_uri=place.base_uri or row.base_uri,
                geography=place.geography or row.curated.geography,
                region=place.region or row.curated.region,
                because=place.because or row.curated.because,
            ),
            provider_model=("" if rule is None else rule.prefix) + row.spelling,
            cost=row.facts.cost,
            context_window_tokens=row.facts.limit.context,
            max_output_tokens=0 if row.embeds else row.facts.limit.output,
            capabilities=_capabilities(row, dialect, says_json, curation),
            is_otherwise=rule is not None and rule.otherwise,
            **_treatment(
                each
                for each in curation.data
                if each.matches(row.provider_id, row.model)
            ),
        )


def _treatment(rules: Iterable[DataRule]) -> dict[str, Any]:
    """Say how data is treated: of each fact, what the first rule says that does."""
    known = list(rules)
    return {
        fact: next(
            (told for rule in known if (told := getattr(rule, fact)) is not None), None
        )
        for fact in ("trains_on_data", "retention_days")
    }


def _place_rule(row: Row, curation: Curation) -> PlaceRule | None:
    for rule in curation.places:
        if rule.provider == row.provider_id and rule.matches(row.model, row.spelling):
            return rule
    return None


def _capabilities(
    row: Row, dialect: str, says_json: dict[str, bool], curation: Curation
) -> frozenset[Capability]:
    if row.embeds:
        return frozenset({Capability.EMBEDDINGS})
    facts = row.facts
    keeps_to_schema = facts.structured_output
    if keeps_to_schema is None:
        keeps_to_schema = says_json.get(row.model, False)
    prefix, responses = curation.assistant_prefix, curation.responses
    found = {
        Capability.TOOLS: facts.tool_call,
        Capability.REASONING: facts.reasoning,
        Capability.JSON_SCHEMA: keeps_to_schema,
        Capability.PROMPT_CACHING: facts.cost is not None
        and facts.cost.read is not None,
        Capability.ASSISTANT_PREFIX: dialect in prefix.dialects
        and matches(prefix.models, row.model),
        Capability.RESPONSES: dialect == "openai-chat"
        and row.provider_id in responses.providers
        and matches(responses.models, row.model),
        **{each: kind in facts.modalities.input for kind, each in _INPUTS.items()},
    }
    return frozenset(
        each for each, has in found.items() if has and each not in row.curated.lacks
    )


def _provider(
    provider_id: str,
    rows: Sequence[Row],
    entries: Sequence[DeploymentEntry],
    curation: Curation,
) -> ProviderEntry:
    """Describe a provider; its head is how most rows without a client of their own are.

    The other rows get an endpoint named after its dialect.
    """
    first = rows[0]
    curated = first.curated
    ordinary = [row for row in rows if row.facts.provider is None] or rows
    spoken = Counter((row.dialect, row.auth, row.base_uri) for row in ordinary)
    usual = spoken.most_common(1)[0][0]
    head = Endpoint(*usual, curated.geography, curated.region, curated.because)
    data = [rule for rule in curation.data if rule.provider == provider_id]
    return ProviderEntry(
        id=provider_id,
        display_name=first.provider.name,
        documentation_uri=first.provider.doc or "",
        credential_env=_credential_env(first, entries),
        endpoint=head,
        deployments=_with_named_endpoints(entries, head),
        data_because=tuple(dict.fromkeys(rule.because for rule in data)),
        **_treatment(rule for rule in data if rule.is_of_all),
    )


def _with_named_endpoints(
    entries: Iterable[DeploymentEntry], head: Endpoint
) -> tuple[DeploymentEntry, ...]:
    named: list[DeploymentEntry] = []
    names: dict[Endpoint, str] = {}
    for entry in entries:
        if entry.at or entry.endpoint == head:
            named.append(entry)
            continue
        dialect = entry.endpoint.dialect
        taken = sum(name.startswith(dialect) for name in names.values())
        name = names.setdefault(
            entry.endpoint, f"{dialect}-{taken + 1}" if taken else dialect
        )
        named.append(replace(entry, at=name))
    return tuple(named)


def _credential_env(row: Row, entries: Sequence[DeploymentEntry]) -> tuple[str, ...]:
    if row.curated.credential_env is not None:
        return row.curated.credential_env
    addresses = " ".join(entry.endpoint.base_uri for entry in entries)
    return tuple(name for name in row.provider.env if f"{{{name}}}" not in addresses)


def _models(
    source: Source,
    by_provider: dict[str, list[Row]],
    offers: Offers,
) -> Iterator[ModelEntry]:
    rules = shipped_rules()
    lab_of: dict[str, str] = {}
    names: dict[str, str] = {}
    for key, lab_model in source.models.items():
        model = rules.canonical_name(key)
        lab_of.setdefault(model, key.partition("/")[0])
        names.setdefault(model, _display_name(lab_model.name))
    called: dict[str, Counter[str]] = defaultdict(Counter)
    for rows in by_provider.values():
        for row in rows:
            called[row.model][_display_name(row.facts.name)] += 1
    pools: dict[str, list[DeploymentEntry]] = defaultdict(list)
    for entries in offers.values():
        for entry in entries:
            pools[entry.model].append(entry)
    for model, pool in sorted(pools.items()):
        yield ModelEntry(
            id=model,
            lab=rules.lab(model) or lab_of.get(model, _UNKNOWN_LAB),
            display_name=names.get(model) or called[model].most_common(1)[0][0],
            context_window_tokens=_usual(e.context_window_tokens for e in pool),
            max_output_tokens=_usual(e.max_output_tokens for e in pool),
            capabilities=Counter(
                e.capabilities - _NOT_THE_MODELS for e in pool
            ).most_common(1)[0][0],
        )


def _usual(values: Iterable[int]) -> int:
    """Return the most common value, of several the largest."""
    counted = Counter(values)
    return max(counted, key=lambda value: (counted[value], value))


def _display_name(name: str) -> str:
    return name.removesuffix(" (latest)").partition(" (")[0].strip()
