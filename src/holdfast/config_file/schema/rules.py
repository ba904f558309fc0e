"""The fields of `policy`, `budget` and `retention`."""

from decimal import Decimal

from holdfast.config_file.amounts import USD, Number, integer
from holdfast.config_file.kinds import Choice, choice
from holdfast.config_file.schema.models import LONGEST_RETENTION_DAYS
from holdfast.config_file.schema.names import ID, MODEL
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

DATA_HANDLING = Section(
    "policy.data",
    "How providers may treat data. `training: deny` with `max_retention_days: 0` "
    "leaves those alone that promise to keep nothing and to learn nothing.",
    (
        Field(
            "training",
            Choice(("allow", "deny")),
            "`deny`: nobody who trains on data, or of whom that is unknown.",
            "`allow`",
        ),
        Field(
            "max_retention_days",
            integer(0, LONGEST_RETENTION_DAYS),
            "For how many days data may be kept, 0 for not at all. Nobody of whom "
            "it is unknown.",
            "no limit",
        ),
    ),
)

POLICY = Section(
    "policy",
    "What may be used, for an organization, a project or a key. All three hold: "
    "each only narrows what is allowed above it. An empty list sets no limit. See "
    "[policy](policy.md).",
    (
        Field("providers", PROVIDER_ALLOWANCE, "Which providers.", "no limit"),
        Field("models", MODEL_ALLOWANCE, "Which models.", "no limit"),
        Field(
            "geographies",
            ListOf(choice(GEOGRAPHIES)),
            "Where data may go. A deployment of unknown geography is in none.",
            "no limit",
        ),
        Field("data", DATA_HANDLING, "How data may be treated.", "no limit"),
    ),
)

BUDGET = Section(
    "budget",
    "What may be spent, by an organization, a project or a key. All that are given "
    "hold: what a key spends counts for its project and its organization too. See "
    "[budgets](budgets.md).",
    (
        Field("monthly_usd", USD, "In a calendar month, UTC.", None),
        Field(
            "warn_at",
            Number("number, above 0 to 1", Decimal(1), above=Decimal(0)),
            "The share of it at which a warning is due.",
            "0.8",
        ),
        Field(
            "when_unreachable",
            Choice(("allow", "deny")),
            "What becomes of calls while etcd is away, so that nobody knows what "
            "others spend: each replica goes by what it knows, or they are refused.",
            "`allow`",
        ),
    ),
)

RETENTION = Section(
    "organizations[].projects[].retention",
    "What is kept of prompts and answers; of everything else all is.",
    (
        Field(
            "content_days",
            integer(0, 30),
            "Days that content is kept; 0 keeps metadata only.",
            None,
        ),
    ),
)
