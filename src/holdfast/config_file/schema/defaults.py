"""The fields of `defaults`."""

from holdfast.config_file.amounts import integer, seconds, share
from holdfast.config_file.kinds import Choice, Flag
from holdfast.config_file.structure import Field, Section

_DAY = 86_400
"""Seconds. Longer than any provider keeps an answer open."""

_MONTH = 30 * _DAY
"""Seconds. Longer than any provider keeps a prompt cache."""

ATTEMPT = Section(
    "defaults.attempt",
    "How long one attempt may take, by what it is waiting for.",
    (
        Field(
            "connect_timeout_s",
            seconds(_DAY),
            "For connecting to the provider, TLS included.",
            "5",
        ),
        Field(
            "first_token_timeout_s",
            seconds(_DAY),
            "From sending the request to the first content of the answer.",
            "30",
        ),
        Field(
            "idle_timeout_s",
            seconds(_DAY),
            "Between two pieces of an answer.",
            "30",
        ),
    ),
)

HEDGE = Section(
    "defaults.hedge",
    "When a second deployment is asked beside one that shows nothing. Whichever "
    "answers first serves; the other one is called off, and what it used is the "
    "request's. Absent, nobody is asked twice. An answer that is not streamed shows "
    "nothing until it is whole.",
    (
        Field(
            "after_s",
            seconds(_DAY),
            "How long the first attempt has shown nothing by then. Only before its "
            "first content, and only where the plan's next deployment is healthy.",
            "2",
        ),
        Field(
            "max_share",
            share(),
            "The most of a project's requests that are hedged. 0 for none.",
            "0.02",
        ),
    ),
)

DEFAULTS = Section(
    "defaults",
    "What holds for a request. Stands at the top of the file and below an "
    "organization, a project and an alias; each field that is given at the "
    "narrower place holds there.",
    (
        Field("attempt", ATTEMPT, "How long one attempt may take.", "as below"),
        Field(
            "request_timeout_s",
            seconds(_DAY),
            "For the whole request, if the caller names no time.",
            "600",
        ),
        Field(
            "retries_per_deployment",
            integer(0, 100),
            "Extra tries on the same deployment before moving on. One that is "
            "pinned gets two at least where the fault may pass.",
            "0",
        ),
        Field(
            "retry_after_cap_s",
            seconds(_DAY),
            "The longest wish of a provider to be left alone that is believed.",
            "60",
        ),
        Field(
            "max_attempts",
            integer(1, 100),
            "Attempts of one request, the first one included.",
            "6",
        ),
        Field(
            "hedge",
            HEDGE,
            "A second attempt beside one that shows nothing.",
            "none",
        ),
        Field(
            "session_ttl_s",
            integer(1, _MONTH),
            "How long a session stays on its deployment after its last turn.",
            "1800",
        ),
        Field(
            "derived_sessions",
            Flag(),
            "Whether a request that names no session gets one from its content.",
            "true",
        ),
        Field(
            "midstream",
            Choice(("rescue", "error")),
            "What becomes of a stream that breaks after its first content. "
            "`rescue`: another deployment goes on with it, or repeats it in silence "
            "up to where it broke, where the caller then holds one whole answer; "
            "else, and with `error`, it ends with an error.",
            "`rescue`",
        ),
        Field(
            "on_content_filter",
            Choice(("return", "fallback")),
            "Whether a content filter's refusal is the answer, or the next "
            "deployment is asked.",
            "`return`",
        ),
        Field(
            "parse_retries",
            integer(0, 100),
            "How often a deployment is told what is wrong with an answer that does "
            "not fit `response_format`, and asked again, before the next. Counted "
            "apart from `max_attempts`.",
            "2",
        ),
    ),
)
