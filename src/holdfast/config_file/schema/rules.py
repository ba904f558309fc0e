"""The fields of `policy`, `budget`, `guardrails` and `retention`."""

from decimal import Decimal

from holdfast.config_file.amounts import USD, Number, integer
from holdfast.config_file.kinds import Choice, RegularExpression, choice
from holdfast.config_file.schema.names import ID, MODEL, WORD
from holdfast.config_file.structure import Field, ListOf, Section
from holdfast.model import GEOGRAPHIES

_ALLOWANCE_FIELDS = (
    ("allow", "Only these, if any is named."),
    ("deny", "None of these, whatever else is allowed."),
)
PROVIDER_ALLOWANCE = Section(
    "policy.providers",
    "Providers by id.",
    tuple(Field(name, ListOf(ID), doc, "no limit") for name, doc in _ALLOWANCE_FIELDS),
)
MODEL_ALLOWANCE = Section(
    "policy.models",
    "Models by plain name, deployments by id.",
    tuple(
        Field(name, ListOf(MODEL), doc, "no limit") for name, doc in _ALLOWANCE_FIELDS
    ),
)

POLICY = Section(
    "policy",
    "What may be used, for an organization or a project. Both hold: a project "
    "only narrows what its organization allows. An empty list sets no limit.",
    (
        Field("providers", PROVIDER_ALLOWANCE, "Which providers.", "no limit"),
        Field("models", MODEL_ALLOWANCE, "Which models.", "no limit"),
        Field(
            "geographies",
            ListOf(choice(GEOGRAPHIES)),
            "Where data may go. A deployment of unknown geography is in none.",
            "no limit",
        ),
    ),
)

BUDGET = Section(
    "budget",
    "What may be spent. Not acted on yet.",
    (
        Field("monthly_usd", USD, "In a calendar month, UTC.", None),
        Field(
            "warn_at",
            Number("number, above 0 to 1", Decimal(1), above=Decimal(0)),
            "The share of it at which a warning is due.",
            "0.8",
        ),
    ),
)

PATTERN = Section(
    "organizations[].guardrails[].patterns[]",
    "Something to look for.",
    (
        Field("name", WORD, "For people.", None),
        Field("regex", RegularExpression(), "What to look for.", None),
    ),
)

GUARDRAIL = Section(
    "organizations[].guardrails[]",
    "What to look for in prompts and answers. Not acted on yet.",
    (
        Field("name", MODEL, "For people.", None),
        Field(
            "applies_to",
            ListOf(Choice(("input", "output")), least=1),
            "Prompts, answers or both.",
            None,
        ),
        Field(
            "action",
            Choice(("flag", "block", "redact")),
            "What to do with what is found.",
            None,
        ),
        Field("presets", ListOf(ID), "Ready-made patterns by name.", "none"),
        Field("patterns", ListOf(PATTERN), "Patterns of one's own.", "none"),
    ),
)

RETENTION = Section(
    "organizations[].projects[].retention",
    "What is kept of prompts and answers. Not acted on yet: nothing is.",
    (
        Field(
            "content_days",
            integer(0, 30),
            "Days that content is kept; 0 keeps metadata only.",
            None,
        ),
    ),
)
