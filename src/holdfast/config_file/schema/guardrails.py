"""The fields of `guardrails`."""

from holdfast.config_file.kinds import Choice, Prose, Text, choice
from holdfast.config_file.schema.names import ID, MODEL, WORD
from holdfast.config_file.structure import Field, ListOf, Section
from holdfast.guardrails import MOST_PROMPT, MOST_REPLACEMENT
from holdfast.guardrails.patterns import FLAGS, MOST_CHARACTERS
from holdfast.guardrails.presets import PRESETS
from holdfast.model import GUARDRAIL_ACTIONS, GUARDRAIL_STAGES, JUDGE_FAILURES

PATTERN = Section(
    "organizations[].guardrails[].patterns[]",
    "Something to look for.",
    (
        Field("name", WORD, "What results call it.", None),
        Field(
            "regex",
            Prose(MOST_CHARACTERS, f"RE2's syntax, {MOST_CHARACTERS} characters"),
            "What to look for, as far as it is 8 KiB long at most.",
            None,
        ),
        Field(
            "flags",
            Text("letters of `imsx`", f"[{FLAGS}]+", f"letters of {FLAGS}"),
            "`i`: in either case. `m`: `^` and `$` at each line. `s`: a dot takes line "
            "ends. `x`: space and comments in the pattern mean nothing.",
            "none",
        ),
    ),
)

JUDGE = Section(
    "organizations[].guardrails[].judge",
    "A model that is asked too. It says whether, and not where, so that it cannot "
    "redact. A streamed answer that it may block is held back until it is whole.",
    (
        Field("model", MODEL, "Any name that the project may call.", None),
        Field("prompt", Prose(MOST_PROMPT), "What it is to stop, in words.", None),
        Field(
            "on_error",
            Choice(JUDGE_FAILURES),
            "What becomes of a text that it gives no verdict on.",
            "`block` where the guardrail blocks, else `allow`",
        ),
    ),
)

GUARDRAIL = Section(
    "organizations[].guardrails[]",
    "What to look for in requests and answers: presets, patterns, a judge, or several "
    "of them. See [guardrails](guardrails.md).",
    (
        Field("name", MODEL, "What errors and results call it.", None),
        Field(
            "applies_to",
            ListOf(Choice(GUARDRAIL_STAGES), least=1),
            "Requests, answers or both.",
            None,
        ),
        Field(
            "action",
            Choice(GUARDRAIL_ACTIONS),
            "Note what is found, refuse the request or the answer, or put something "
            "else in its place.",
            None,
        ),
        Field("presets", ListOf(choice(PRESETS)), "Ready-made patterns.", "none"),
        Field("patterns", ListOf(PATTERN), "Patterns of one's own.", "none"),
        Field(
            "replacement",
            Prose(MOST_REPLACEMENT),
            "What stands in place of what is redacted.",
            "`***`",
        ),
        Field("judge", JUDGE, "A model's opinion.", "none"),
        Field("projects", ListOf(ID), "Where it holds.", "all of the organization's"),
    ),
)
