"""A process does not mind secrets that are missing and another's."""

from pathlib import Path

import pytest

from holdfast.config_file import ConfigurationError, parse
from holdfast.config_file.known import ALL_SECRETS, API_KEYS, CREDENTIALS, STORES

TEXTS = {
    API_KEYS: """
organizations: [{id: a, projects: [{id: p, keys: [{id: k, key: {env: NONE}}]}]}]
""",
    CREDENTIALS: """
providers: {openai: {credential: {env: NONE}}}
""",
    STORES: """
ledger: {url: {env: NONE}}
""",
}


def said_of(text: str, **more: object) -> list[str]:
    """Return what is said of a file: its faults and its warnings."""
    try:
        loaded = parse(text, Path("holdfast.yaml"), environ={}, **more)
    except ConfigurationError as error:
        return [fault.field for fault in error.faults]
    return [warning.field for warning in loaded.warnings]


@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_its_own_and_missing_is_said(kind):
    """The operator mounts it where it is needed."""
    assert len(said_of(TEXTS[kind])) == 1
    assert len(said_of(TEXTS[kind], given={kind})) == 1


@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_another_s_and_missing_is_not(kind):
    """It is no fault to have no secret that one does not need."""
    assert said_of(TEXTS[kind], given=ALL_SECRETS - {kind}) == []
