"""What must not get in or out of a model, and what was found."""

from dataclasses import dataclass

GUARDRAIL_STAGES = ("input", "output")
"""What a guardrail may look into: what goes to a provider, and what comes back."""

GUARDRAIL_ACTIONS = ("flag", "block", "redact")
"""What a guardrail may do with what it finds."""

JUDGE_FAILURES = ("block", "allow")
"""What may happen to a text whose judge gives no verdict."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression in RE2's syntax, and what it is called.

    Attributes:
        flags: Letters: `i` for either case, `m` for `^` and `$` at each line, `s`
            for a dot that takes line ends, `x` for space and comments in it.
    """

    name: str
    regex: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that is asked whether a text is to be stopped.

    Attributes:
        model: Any name that the caller's project may call.
        prompt: What it is to look for, in words.
        on_error: One of `JUDGE_FAILURES`. None: `block` where the guardrail blocks,
            else `allow`.
    """

    model: str
    prompt: str
    on_error: str | None = None


@dataclass(frozen=True, slots=True)
class Guardrail:
    """What to look for in requests and answers, and what to do with it.

    Attributes:
        applies_to: Of `GUARDRAIL_STAGES`.
        action: One of `GUARDRAIL_ACTIONS`.
        presets: Names of ready-made patterns, of `holdfast.guardrails.presets`.
        replacement: What stands in place of what is redacted.
        projects: Where it holds. Empty: in all of the organization.
    """

    name: str
    applies_to: frozenset[str]
    action: str
    presets: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    replacement: str = "***"
    judge: Judge | None = None
    projects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GuardrailResult:
    """What one guardrail found in a request or its answer. Never the text.

    Attributes:
        stage: `input` or `output`.
        action: What was done: `flag`, `block` or `redact`.
        match_count: How often it matched.
        matched: The presets and patterns that matched, by name.
    """

    guardrail: str
    stage: str
    action: str
    match_count: int = 1
    matched: tuple[str, ...] = ()
