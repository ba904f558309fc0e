"""The call the gateway exists for, as an application makes it."""

from pathlib import Path

import pytest

from fakes.gateway import Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

MESSAGES = [{"role": "user", "content": "Hello"}]


def test_plain_name_and_pinned_id_differ_in_the_model_line_alone(
    sim: SimulatedProviders, tmp_path: Path, separate: bool
) -> None:
    """A pinned id gets its deployment, a plain name any that runs the model."""
    config = configuration(
        sim,
        {
            "claude-sonnet-4-5": [
                {"id": "aws/claude-sonnet-4-5-eu", "provider": "aws"},
                {"id": "anthropic/claude-sonnet-4-5", "provider": "anthropic"},
            ]
        },
        dialects={"anthropic": "anthropic-messages"},
    )
    with Gateway(config, tmp_path, separate=separate) as gateway:
        client = gateway.openai()
        sim.fail("aws", "503")

        plain = client.chat.completions.with_raw_response.create(
            model="claude-sonnet-4-5", messages=MESSAGES
        )
        sim.recover()
        pinned = client.chat.completions.with_raw_response.create(
            model="aws/claude-sonnet-4-5-eu", messages=MESSAGES
        )

    assert plain.headers["x-holdfast-deployment"] == "anthropic/claude-sonnet-4-5"
    assert plain.parse().model == "claude-sonnet-4-5"
    assert pinned.headers["x-holdfast-deployment"] == "aws/claude-sonnet-4-5-eu"
    assert pinned.parse().model == "aws/claude-sonnet-4-5-eu"
