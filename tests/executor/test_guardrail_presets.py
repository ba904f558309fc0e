"""What each preset finds, and what it leaves alone though it looks alike."""

import pytest

from fakes.guardrail_examples import FOUND, LEFT_ALONE
from fakes.guardrails import guardrail
from holdfast.guardrails.presets import PRESETS
from holdfast_executor.guardrails.search import Found, Watch

AROUND = ["{}", "see {}.", "({})", "{}, and so on", "key: {}\nnext", '"{}"', "a\n{}\n"]


def redacted(preset: str, text: str) -> str:
    watch = Watch((guardrail("redact", preset),))
    hits = watch.hits(text.encode(), 0, Found())
    encoded = text.encode()
    return watch.redacted(encoded, 0, len(encoded), hits).decode()


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize(("preset", "text"), FOUND)
def test_a_preset_finds_all_of_it(preset, text, around):
    """Whatever stands around it, and nothing of that."""
    assert redacted(preset, around.format(text)) == around.format("***")


@pytest.mark.parametrize("around", ["{}", "see {} there"])
@pytest.mark.parametrize(("preset", "text"), LEFT_ALONE)
def test_a_preset_leaves_alone_what_only_looks_alike(preset, text, around):
    """A wrong check digit, another kind of number, words."""
    assert redacted(preset, around.format(text)) == around.format(text)


@pytest.mark.parametrize(
    ("preset", "text", "left"),
    [
        ("credit_card", "4111 1111 1111 1111 12", "*** 12"),
        ("credit_card", "12 4111 1111 1111 1111", "12 ***"),
        ("iban", "DE89 3704 0044 0532 0130 00 IS MINE", "*** IS MINE"),
        ("email", "a@b.com and c@d.org", "*** and ***"),
        ("email", "mail a@b.com.", "mail ***."),
    ],
)
def test_what_stands_beside_it_is_not_part_of_it(preset, text, left):
    """Groups of digits and words that would fit its shape."""
    assert redacted(preset, text) == left


def test_every_preset_is_in_the_table():
    """One that is added gets its examples."""
    rows = {row.name for each in PRESETS.values() for row in each}

    assert {preset for preset, _ in FOUND} == rows
    assert {preset for preset, _ in LEFT_ALONE} >= rows - {
        *("gitlab_token", "huggingface_token", "npm_token", "sendgrid_key")
    }


def test_keys_of_all_kinds_have_one_name():
    """`api_key` finds what each of its rows finds."""
    for preset, text in FOUND:
        if preset in {row.name for row in PRESETS["api_key"]}:
            assert redacted("api_key", f"use {text} now") == "use *** now"
