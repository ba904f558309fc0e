"""Which of a source's rows become deployments, and of which model.

A row that is not certain to be a plain model, open to anyone and spoken to in a
known way is left out: a pool with a stranger in it is worse than a smaller one.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from holdfast.catalog.curation import CuratedProvider, Curation, matches
from holdfast.catalog.names import canonical_name
from holdfast.catalog.source import Source, SourceModel, SourceProvider
from holdfast.model import RESPONSES_DIALECT

_AS_THE_SOURCE_SAYS = CuratedProvider()

_PLAIN = re.compile(r"[a-z0-9][a-z0-9.-]*")

_NOT_AN_ID = re.compile(r"[^a-z0-9]+")

_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Row:
    """One model of one provider, as the source has it and as it is called here.

    Attributes:
        provider_id: What the provider is called here.
        spelling: What the provider calls the model.
    """

    provider_id: str
    provider: SourceProvider
    curated: CuratedProvider
    spelling: str
    model: str
    facts: SourceModel
    embeds: bool
    dialect: str
    auth: str
    base_uri: str


def select(source: Source, curation: Curation) -> Iterator[Row]:
    """Pick the rows that become deployments, in the source's order."""
    lab_names = frozenset(canonical_name(name) for name in source.models)
    for source_id, provider in source.providers.items():
        curated = curation.provider.get(source_id, _AS_THE_SOURCE_SAYS)
        if curated.leave_out is not None:
            continue
        provider_id = curated.id or _NOT_AN_ID.sub("-", source_id.lower())
        for spelling, facts in provider.models.items():
            model = model_name(spelling, facts.base_model, lab_names)
            embeds = matches(curation.embeddings.names, model)
            spoken = _spoken(provider, curated, facts, curation)
            if spoken is None or not _wanted(spelling, model, facts, curation):
                continue
            dialect, auth, base_uri = spoken
            if matches(curation.responses.only, model):
                if provider_id not in curation.responses.providers:
                    continue
                dialect = RESPONSES_DIALECT
            yield Row(
                provider_id=provider_id,
                provider=provider,
                curated=curated,
                spelling=spelling,
                model=model,
                facts=facts,
                embeds=embeds,
                dialect=dialect,
                auth=auth,
                base_uri=base_uri,
            )


def model_name(
    spelling: str, base_model: str | None, lab_names: Collection[str]
) -> str:
    """Return what a model is called here.

    The spelling decides. What the source says it is based on counts only where
    the spelling is short for it (`nemotron-3-nano-omni`) and is no model's own
    name: sources also name the base of a faster, distilled or older kind.
    """
    name = canonical_name(spelling)
    if base_model is None or name in lab_names:
        return name
    base = canonical_name(base_model)
    return base if base.startswith(f"{name}-") else name


def _wanted(spelling: str, model: str, facts: SourceModel, curation: Curation) -> bool:
    out = curation.leave_out
    return not (
        facts.status == "deprecated"
        or "text" not in facts.modalities.input
        or "text" not in facts.modalities.output
        or _PLAIN.fullmatch(model) is None
        or matches(out.names + out.not_chat, model)
        or matches(out.spellings, spelling.lower())
    )


def _spoken(
    provider: SourceProvider,
    curated: CuratedProvider,
    facts: SourceModel,
    curation: Curation,
) -> tuple[str, str, str] | None:
    """Return dialect, auth and base URI, or None if it cannot be called."""
    own = facts.provider
    npm = provider.npm if own is None or own.npm is None else own.npm
    client = curation.clients.get(npm)
    api = provider.api if own is None or own.api is None else own.api
    # What is curated holds for the provider's usual client, not for the odd row.
    if npm == provider.npm:
        dialect = curated.dialect or (client.dialect if client else "")
        auth = curated.auth or (client.auth if client else "")
        api = curated.base_uri or api
    else:
        dialect, auth = (client.dialect, client.auth) if client else ("", "")
        api = api or curated.base_uri
    if own is not None and own.shape == "responses" and dialect == "openai-chat":
        dialect = RESPONSES_DIALECT
    if not dialect or not api:
        return None
    base_uri = _VARIABLE.sub(r"{\1}", api).rstrip("/")
    if client is not None and client.without and base_uri != curated.base_uri:
        base_uri = base_uri.removesuffix(client.without)
    return (dialect, auth, base_uri) if base_uri.startswith("https://") else None
