"""What a guardrail may look for, and whether it can be used.

Enforcing it is the executor's: it is the one that sees prompts and answers.
"""

from collections.abc import Iterator

from holdfast.guardrails import patterns
from holdfast.guardrails.presets import PRESETS
from holdfast.model import (
    GUARDRAIL_ACTIONS,
    GUARDRAIL_STAGES,
    JUDGE_FAILURES,
    Guardrail,
    Judge,
)

MOST_PATTERNS = 64
"""Of one guardrail. Each is run on every text."""

MOST_REPLACEMENT = 256
"""Characters of a replacement: it may stand in a text a thousand times."""

MOST_PROMPT = 10_000
"""Characters of what a judge is told: 2,500 tokens, paid for with each request."""


def guardrail_fault(guardrail: Guardrail) -> tuple[str, str] | None:
    """Say which field of a guardrail cannot be used and why, None if all can.

    Returns:
        A field as in `patterns[0].regex`, and what is wrong with it.
    """
    return next(_faults(guardrail), None)


def _faults(guardrail: Guardrail) -> Iterator[tuple[str, str]]:
    if not guardrail.applies_to or not guardrail.applies_to <= {*GUARDRAIL_STAGES}:
        yield "applies_to", f"is not one or more of {', '.join(GUARDRAIL_STAGES)}"
    if guardrail.action not in GUARDRAIL_ACTIONS:
        yield "action", f"is none of {', '.join(GUARDRAIL_ACTIONS)}"
    if len(guardrail.replacement) > MOST_REPLACEMENT:
        yield "replacement", f"is longer than {MOST_REPLACEMENT} characters"
    yield from _faults_of_patterns(guardrail)
    if guardrail.judge is not None:
        yield from _faults_of_judge(guardrail.judge, guardrail.action)
    elif not guardrail.presets and not guardrail.patterns:
        yield "presets", "are missing, and so are patterns and a judge"


def _faults_of_patterns(guardrail: Guardrail) -> Iterator[tuple[str, str]]:
    for index, name in enumerate(guardrail.presets):
        if name not in PRESETS:
            yield f"presets[{index}]", f"{name!r} is no preset"
    if len(guardrail.patterns) > MOST_PATTERNS:
        yield "patterns", f"are more than {MOST_PATTERNS}"
    for index, pattern in enumerate(guardrail.patterns):
        if why := patterns.fault(pattern.regex, pattern.flags):
            yield f"patterns[{index}].regex", why


def _faults_of_judge(judge: Judge, action: str) -> Iterator[tuple[str, str]]:
    if action == "redact":
        yield "judge", "cannot redact: it says whether, and not where"
    if not judge.model:
        yield "judge.model", "is missing"
    if not judge.prompt.strip():
        yield "judge.prompt", "is missing"
    if len(judge.prompt) > MOST_PROMPT:
        yield "judge.prompt", f"is longer than {MOST_PROMPT} characters"
    if judge.on_error not in {None, *JUDGE_FAILURES}:
        yield "judge.on_error", f"is none of {', '.join(JUDGE_FAILURES)}"
