"""The document of policies says what the rules say, and its examples can be used."""

import re
from pathlib import Path

import pytest

from fakes.plans import deployment
from holdfast import config_file
from holdfast.model import ScopedPolicy
from holdfast.policy import RULES, broken_promise, objection

TEXT = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
PLACE = deployment("groq/m-us", model_id="gpt-5", retention_days=30)
EU = {"geographies": frozenset({"eu"})}
BEDROCK = {"dialect": "bedrock-converse", "provider_model": "us.lab.m"}


def said(place=PLACE, **rules) -> str:
    """Say why a policy does not allow a place, without whose policy it is."""
    why = objection([ScopedPolicy("project web", **rules)], place)
    assert why is not None
    return why.removeprefix("project web policy: ")


WORDS = [
    said(allowed_providers=frozenset({"aws", "gcp"})),
    said(denied_providers=frozenset({"groq"})),
    said(allowed_models=frozenset({"gpt-oss-120b"})),
    said(denied_models=frozenset({"gpt-5"})),
    said(**EU),
    said(deployment("a/m"), **EU),
    said(deployment("a/m-eu", **BEDROCK), **EU),
    said(deployment("a/m", trains_on_data=True), denies_training=True),
    said(denies_training=True),
    said(max_retention_days=0),
    said(deployment("a/m"), max_retention_days=0),
]


@pytest.mark.parametrize("words", WORDS)
def test_every_objection_is_there_in_its_words(words: str) -> None:
    """So that who was refused finds the rule by what it said."""
    assert f"`{words}`" in TEXT


def test_a_broken_promise_is_there_in_its_words() -> None:
    """It is no rule of a policy alone."""
    policy = ScopedPolicy("project web", **EU)
    words = broken_promise([policy], deployment("a/m-eu"), lambda _: "us")

    assert words is not None
    assert f"`{words.removeprefix('project web policy: ')}`" in TEXT


def test_every_rule_has_its_row() -> None:
    """One more rule is one more row."""
    section = TEXT.partition("\n## The rules\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\w[\w ]*) \|", section, re.MULTILINE)[1:]

    # And one for a broken promise, which is asked apart.
    assert len(rows) == len(RULES) + 1


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_each_example_can_be_used(example: str) -> None:
    """As it stands, and without a warning but of credentials."""
    keys = {"WEB_KEY": "w", "HEALTH_KEY": "h", "ANTHROPIC_API_KEY": "a"}

    loaded = config_file.parse(example, Path("gateway.yaml"), environ=keys)

    assert loaded.warnings == ()
