"""The fields of `aliases` and `custom_models`."""

from holdfast.config_file.addresses import Uri
from holdfast.config_file.credentials import OneSecret
from holdfast.config_file.kinds import Choice, Flag, Prose, Text
from holdfast.config_file.schema.defaults import DEFAULTS
from holdfast.config_file.schema.models import (
    CAPABILITIES,
    CONTEXT_WINDOW,
    DATA,
    MAX_OUTPUT,
    PRICING_FIELD,
)
from holdfast.config_file.schema.names import ID, MODEL, WORD
from holdfast.config_file.structure import Field, ListOf, Section

ALIAS = Section(
    "organizations[].aliases[]",
    "An ordered list of models under one name of the organization's own.",
    (
        Field("name", MODEL, "What callers use. Not a model's name.", None),
        Field(
            "fallback_models",
            ListOf(MODEL, least=1),
            "Plain names, deployment ids and custom models, first choice first. "
            "No aliases.",
            None,
        ),
        Field("description", Prose(1000), "For people.", "empty"),
        Field(
            "defaults",
            DEFAULTS,
            "What holds for requests that name it.",
            "the project's",
        ),
    ),
)

EXTRA = Section(
    "organizations[].custom_models[].extra",
    "Where a custom model is.",
    (
        Field(
            "api_base",
            Uri(),
            "What the dialect's paths are appended to.",
            "the provider's `base_uri`, if it is a known provider",
        ),
        Field(
            "api_version",
            WORD,
            "Sent as the query's `api-version`, as Azure's classic endpoints want it.",
            "none",
        ),
        Field(
            "region",
            WORD,
            "Where it runs. A geography (`eu`, ...) promises that data stays "
            "there; any other region is of unknown geography.",
            "unknown",
        ),
    ),
)

CUSTOM_MODEL = Section(
    "organizations[].custom_models[]",
    "An endpoint of the organization's own.",
    (
        Field("name", MODEL, "What callers use. Not a model's name.", None),
        Field(
            "identifier",
            Text(
                "`PROVIDER/MODEL`",
                r"[^\s/]+/\S+",
                "a provider, a slash and the model's name there",
            ),
            "The provider, which decides the dialect, and the model name sent "
            "upstream. `openai-responses/MODEL` is one that is served over OpenAI's "
            "Responses alone.",
            None,
        ),
        Field("api_key", OneSecret(), "Its credential.", "none is sent"),
        Field(
            "type",
            Choice(("llm", "embedding", "image")),
            "What it does. `image` is not served yet.",
            "`llm`",
        ),
        Field("provider", ID, "In place of the identifier's.", "the identifier's"),
        Field("extra", EXTRA, "Where it is.", "the provider's"),
        PRICING_FIELD,
        CAPABILITIES,
        CONTEXT_WINDOW,
        MAX_OUTPUT,
        Field(
            "data",
            DATA,
            "How data is treated there.",
            "what the catalog knows of the provider, if it is called at the "
            "catalog's address",
        ),
        Field(
            "allow_private_network",
            Flag(),
            "Whether `api_base` may lead to a private address.",
            "false",
        ),
    ),
)
