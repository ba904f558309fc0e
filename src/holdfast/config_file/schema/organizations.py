"""The fields of `organizations`."""

from holdfast.config_file.amounts import integer
from holdfast.config_file.credentials import OneSecret
from holdfast.config_file.kinds import Choice, Flag
from holdfast.config_file.schema.defaults import DEFAULTS
from holdfast.config_file.schema.guardrails import GUARDRAIL
from holdfast.config_file.schema.names import ID
from holdfast.config_file.schema.own_models import ALIAS, CUSTOM_MODEL
from holdfast.config_file.schema.rules import BUDGET, POLICY, RETENTION
from holdfast.config_file.structure import Field, ListOf, Section

MOST_A_MINUTE = 1_000_000_000
"""More than anybody sends, and within what the contract between services carries."""

KEY = Section(
    "organizations[].projects[].keys[]",
    "An API key of the project. No two may be the same.",
    (
        Field("id", ID, "Its name in traces and usage. No other key's.", None),
        Field("key", OneSecret(), "The key. It must be there at start.", None),
        Field("admin", Flag(), "Whether it may administrate.", "false"),
        Field("policy", POLICY, "What it may use of its project's.", "no limit"),
        Field("budget", BUDGET, "What it may spend.", "no limit"),
        Field(
            "requests_per_minute",
            integer(1, MOST_A_MINUTE),
            "Calls of models that it may make in a minute.",
            "no limit",
        ),
        Field(
            "tokens_per_minute",
            integer(1, MOST_A_MINUTE),
            "Tokens that they may take, input and output.",
            "no limit",
        ),
    ),
)

PROJECT = Section(
    "organizations[].projects[]",
    "A project of the organization.",
    (
        Field("id", ID, "Its name. No other project's of the organization.", None),
        Field("policy", POLICY, "What it may use of that.", "no limit"),
        Field("defaults", DEFAULTS, "What holds for it.", "the organization's"),
        Field("budget", BUDGET, "What it may spend.", "no limit"),
        Field("retention", RETENTION, "What is kept.", "nothing"),
        Field("keys", ListOf(KEY), "Its API keys.", "none"),
    ),
)

ORGANIZATION = Section(
    "organizations[]",
    "Who uses the gateway.",
    (
        Field("id", ID, "Its name. No other organization's.", None),
        Field("policy", POLICY, "What its projects may use.", "no limit"),
        Field("defaults", DEFAULTS, "What holds for its projects.", "the file's"),
        Field("budget", BUDGET, "What it may spend.", "no limit"),
        Field("aliases", ListOf(ALIAS), "Names of its own.", "none"),
        Field("custom_models", ListOf(CUSTOM_MODEL), "Endpoints of its own.", "none"),
        Field(
            "aliases_by",
            Choice(("any_key", "admin_key")),
            "Which of its keys may edit its aliases and custom models by the API.",
            "`any_key`",
        ),
        Field(
            "guardrails",
            ListOf(GUARDRAIL),
            "What requests and answers pass through. See [guardrails](guardrails.md).",
            "none",
        ),
        Field("projects", ListOf(PROJECT), "Its projects.", "none"),
    ),
)
