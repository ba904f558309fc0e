"""The fields of `organizations`."""

from holdfast.config_file.credentials import OneSecret
from holdfast.config_file.kinds import Flag
from holdfast.config_file.schema.defaults import DEFAULTS
from holdfast.config_file.schema.names import ID
from holdfast.config_file.schema.own_models import ALIAS, CUSTOM_MODEL
from holdfast.config_file.schema.rules import BUDGET, GUARDRAIL, POLICY, RETENTION
from holdfast.config_file.structure import Field, ListOf, Section

KEY = Section(
    "organizations[].projects[].keys[]",
    "An API key of the project. No two may be the same.",
    (
        Field("id", ID, "Its name in traces and usage. No other key's.", None),
        Field("key", OneSecret(), "The key. It must be there at start.", None),
        Field("admin", Flag(), "Whether it may administrate.", "false"),
    ),
)

PROJECT = Section(
    "organizations[].projects[]",
    "A project of the organization.",
    (
        Field("id", ID, "Its name. No other project's of the organization.", None),
        Field("policy", POLICY, "What it may use of that.", "no limit"),
        Field("defaults", DEFAULTS, "What holds for it.", "the organization's"),
        Field("budget", BUDGET, "What it may spend. Not acted on yet.", "no limit"),
        Field("retention", RETENTION, "What is kept. Not acted on yet.", "nothing"),
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
        Field("budget", BUDGET, "What it may spend. Not acted on yet.", "no limit"),
        Field("aliases", ListOf(ALIAS), "Names of its own.", "none"),
        Field("custom_models", ListOf(CUSTOM_MODEL), "Endpoints of its own.", "none"),
        Field("guardrails", ListOf(GUARDRAIL), "Not acted on yet.", "none"),
        Field("projects", ListOf(PROJECT), "Its projects.", "none"),
    ),
)
