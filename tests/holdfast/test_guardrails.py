"""Whether a guardrail can be used, and what its patterns mean."""

import pytest

from fakes.guardrails import guardrail, judged
from holdfast.guardrails import (
    MOST_PATTERNS,
    MOST_PROMPT,
    MOST_REPLACEMENT,
    guardrail_fault,
)
from holdfast.guardrails.patterns import MOST_CHARACTERS, PatternError, compiled, fault
from holdfast.model import Judge, Pattern


@pytest.mark.parametrize(
    "usable",
    [
        guardrail("redact", "credit_card", "api_key"),
        guardrail("block", patterns=("a", "b")),
        guardrail("flag", "email", stages=frozenset({"input"})),
        judged("block"),
        judged("flag", on_error="block"),
    ],
)
def test_a_guardrail_that_can_be_used_has_no_fault(usable):
    """Presets, patterns, a judge."""
    assert guardrail_fault(usable) is None


@pytest.mark.parametrize(
    ("unusable", "field"),
    [
        (guardrail("shout", "email"), "action"),
        (guardrail("flag", "email", stages=frozenset()), "applies_to"),
        (guardrail("flag", "email", stages=frozenset({"inside"})), "applies_to"),
        (guardrail("flag", "email", "shoe_size"), "presets[1]"),
        (guardrail("flag"), "presets"),
        (guardrail("flag", patterns=("a", "(")), "patterns[1].regex"),
        (guardrail("flag", patterns=("a(?=b)",)), "patterns[0].regex"),
        (guardrail("flag", patterns=(r"(a)\1",)), "patterns[0].regex"),
        (guardrail("flag", patterns=("a*",)), "patterns[0].regex"),
        (
            guardrail("flag", patterns=("x" * (MOST_CHARACTERS + 1),)),
            "patterns[0].regex",
        ),
        (guardrail("flag", patterns=(r"(?i)\pL{200}",)), "patterns[0].regex"),
        (guardrail("flag", patterns=("a",) * (MOST_PATTERNS + 1)), "patterns"),
        (
            guardrail("redact", "email", replacement="*" * (MOST_REPLACEMENT + 1)),
            "replacement",
        ),
        (judged("redact"), "judge"),
        (guardrail("flag", judge=Judge("", "Rude?")), "judge.model"),
        (guardrail("flag", judge=Judge("m", " ")), "judge.prompt"),
        (guardrail("flag", judge=Judge("m", "x" * (MOST_PROMPT + 1))), "judge.prompt"),
        (judged("flag", on_error="shrug"), "judge.on_error"),
    ],
)
def test_one_that_cannot_says_which_field_and_why(unusable, field):
    """As a path into it, and in words that do without it."""
    found = guardrail_fault(unusable)

    assert found is not None
    assert found[0] == field
    assert found[1]


@pytest.mark.parametrize(
    ("regex", "flags", "text", "is_found"),
    [
        ("a.b", "", "a\nb", False),
        ("a.b", "s", "a\nb", True),
        ("^b", "", "a\nb", False),
        ("^b", "m", "a\nb", True),
        ("ab", "", "AB", False),
        ("ab", "i", "AB", True),
        ("a b", "", "ab", False),
        ("a b", "x", "ab", True),
        ("a b # and more\n c", "x", "abc", True),
        (r"a\ b", "x", "a b", True),
        ("a[ #]b", "x", "a#b", True),
        ("a[[:alpha:] ]b", "x", "a b", True),
        (r"a\Q b#\E c", "x", "a b#c", True),
        ("A . B", "imsx", "a\nb", True),
        (r"\pL+é", "", "日é", True),
    ],
)
def test_flags_mean_what_they_mean_elsewhere(regex, flags, text, is_found):
    """Case, lines, dots, and layout."""
    assert bool(compiled(regex, flags).search(text.encode())) is is_found


def test_a_flag_that_is_none_is_told():
    """By its letter."""
    assert "'g' is no flag" in (fault("a", "gi") or "")
    with pytest.raises(PatternError):
        compiled("a", "u")


def test_what_matches_nothing_but_a_place_is_no_fault():
    """It is never found: there is nothing to redact."""
    assert guardrail_fault(guardrail("flag", patterns=(r"\b",))) is None


def test_an_expression_that_takes_others_for_ever_takes_no_time():
    """What makes other engines go back and try again."""
    text = b"a" * 50_000 + b"!"

    assert compiled("(a+)+$").search(text) is None
    assert compiled("(a|aa)+$").search(text) is None


def test_patterns_are_values():
    """Two that say the same are one, so that each is compiled once."""
    assert Pattern("p", "a", "i") == Pattern("p", "a", "i")
    assert compiled("a", "i") is compiled("a", "i")
