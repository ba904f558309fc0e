"""What providers' refusals lead to, as a table: codes, wordings, statuses.

A refusal that is misjudged is one line here, with the words it came in.
"""

import re
from dataclasses import dataclass

from holdfast.model import Outcome


@dataclass(frozen=True, slots=True)
class Rule:
    """What some refusals lead to: those with a code of these, or these words.

    Attributes:
        codes: Whole codes, in lower case, from wherever the provider puts them.
        words: Found in the message, in lower case.
        statuses: Under which alone it holds. Empty: under any.
    """

    outcome: Outcome
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    statuses: frozenset[int] = frozenset()

    def matches(self, status: int, codes: frozenset[str], text: str) -> bool:
        """Whether a refusal is one of these; a status of zero is unknown."""
        if self.statuses and status and status not in self.statuses:
            return False
        if not self.codes.isdisjoint(codes):
            return True
        return self.words is not None and self.words.search(text) is not None


def _any_of(*wordings: str) -> re.Pattern[str]:
    return re.compile("|".join(wordings))


_REFUSED = frozenset({400, 403, 404, 413, 422, 429})
_MALFORMED = frozenset({400, 404, 422})

RULES = (
    Rule(
        Outcome.FILTERED,
        codes=frozenset(
            {
                "content_filter",
                "content_policy_violation",
                "contentfiltered",
                "data_inspection_failed",
                "invalid_prompt",
                "responsibleaipolicyviolation",
            }
        ),
        words=_any_of(
            r"content management policy",
            r"content exists risk",
            r"flagged (?:as potentially|by (?:our|the) (?:content|moderation))",
            r"input was flagged",
            r"blocked by .{0,40}(?:safety|guardrail|content filter)",
        ),
        statuses=_REFUSED,
    ),
    Rule(
        Outcome.TOO_LONG,
        codes=frozenset(
            {
                "context_length_exceeded",
                "exceed_context_size_error",
                "model_context_window_exceeded",
                "prompt_too_long",
                "too_many_prompt_tokens",
                "too_many_tokens",
            }
        ),
        words=_any_of(
            r"prompt (?:is )?too long",
            r"input (?:is )?too long",
            r"input tokens? exceed",
            r"input token count .{0,40}exceed",
            r"input length .{0,60}exceed",
            r"maximum (?:context|prompt|input) length",
            r"maximum (?:allowed )?(?:number of )?input tokens",
            r"request payload size exceeds",
            r"expected maxlength: \d+, actual: \d+",
            r"exceed\w* (?:the |its |this |available |model'?s? |max\w* )*"
            r"context (?:length|window|size|limit)",
            r"context (?:length|window|size|limit) (?:has been |was |is )?exceeded",
        ),
        statuses=_REFUSED | {500},
    ),
    Rule(
        Outcome.PARSE_FAILED,
        codes=frozenset(
            {
                "json_validate_failed",
                "malformed_model_output",
                "malformed_tool_use",
                "output_parse_failed",
                "tool_use_failed",
            }
        ),
        words=_any_of(r"invalid sequence as part of tooluse"),
    ),
    Rule(
        Outcome.UNUSABLE,
        codes=frozenset(
            {
                "access_terminated",
                "account_deactivated",
                "api_key_invalid",
                "authentication_error",
                "billing_error",
                "billing_hard_limit_reached",
                "billing_not_active",
                "credit_limit_reached",
                "deploymentnotfound",
                "expiredtokenexception",
                "failed_precondition",
                "insufficient_quota",
                "invalid_api_key",
                "invalid_authentication",
                "invalid_model",
                "invalidsignatureexception",
                "incompletesignatureexception",
                "model_decommissioned",
                "model_not_active",
                "model_not_found",
                "not_found_error",
                "payment_required",
                "permission_denied",
                "permission_error",
                "accessdeniedexception",
                "missingauthenticationtokenexception",
                "resourcenotfoundexception",
                "servicequotaexceededexception",
                "unauthenticated",
                "unknownoperationexception",
                "unrecognizedclientexception",
            }
        ),
        words=_any_of(
            r"model identifier is invalid",
            r"on-demand throughput isn.?t supported",
            r"^operation not allowed",
            r"account is not authorized",
            r"too many tokens per day",
            r"(?:incorrect|invalid) (?:x-)?api[- ]?key",
            r"api[- ]?key (?:is )?(?:not valid|invalid|expired)",
            r"api key expired",
            r"credit balance is too low",
            r"reached your specified api usage limits",
            r"organization has been disabled",
            r"not allowed to use publisher model",
            r"user location is not supported",
            r"(?:requests|tokens)perday",
            r"is not found for api version",
            r"model .{0,200}(?:does not exist|not found|is deprecated"
            r"|has been deprecated|has been decommissioned|is retired)",
            r"(?:unknown|no such|invalid) model\b",
            r"\blimit: 0\b",
        ),
        statuses=_MALFORMED | {401, 402, 403, 429},
    ),
    Rule(
        Outcome.RATE_LIMITED,
        codes=frozenset(
            {
                "rate_limit_error",
                "rate_limit_exceeded",
                "ratelimitexceeded",
                "ratelimitreached",
                "resource_exhausted",
                "throttlingexception",
                "toomanyrequests",
                "too_many_requests",
            }
        ),
    ),
    Rule(
        Outcome.SERVER_ERROR,
        codes=frozenset(
            {
                "api_error",
                "internal_error",
                "internal_server_error",
                "internalserverexception",
                "modelerrorexception",
                "modelnotreadyexception",
                "modelstreamerrorexception",
                "modeltimeoutexception",
                "overloaded_error",
                "server_error",
                "service_unavailable",
                "serviceunavailableexception",
                "timeout_error",
                "unavailable",
            }
        ),
        statuses=frozenset({400, 408, 409, 424, 429}),
    ),
    Rule(
        Outcome.CAPABILITY_MISSING,
        codes=frozenset(
            {
                "extra_forbidden",
                "invalid_encrypted_content",
                "unsupported_content_type",
                "unsupported_parameter",
                "unsupported_value",
            }
        ),
        words=_any_of(
            r"\b(?:do|does)(?: not|n.t) (?:currently )?support",
            r"\b(?:is|are|not) (?:currently |yet )?(?:un|not )supported",
            r"\bnot supported\b",
            r"\bunsupported\b",
            r"endpoints found that support",
            r"extra inputs are not permitted",
            r"invalid schema for response_format",
            r"is not enabled for (?:this model|models/)",
            r"unknown name .{0,200}cannot find field",
            r"cannot fetch content from the provided url",
            r"thought[_ ]?signature",
            r"only works in thinking mode",
            r"thinking (?:budget|level) .{0,60}invalid",
            r"too many states for serving",
            r"\b(?:response_(?:json_)?schema|function_declarations\[\d+\])",
            r"candidatecount .{0,40}(?:must be 1|supported range)",
            r"conversation must end with a user message",
            r"maximum tokens you requested exceeds",
        ),
        statuses=_MALFORMED | {405, 501},
    ),
)
"""The first that matches decides."""

BY_STATUS = {
    401: Outcome.UNUSABLE,
    402: Outcome.UNUSABLE,
    403: Outcome.UNUSABLE,
    404: Outcome.UNUSABLE,
    405: Outcome.UNUSABLE,
    408: Outcome.SERVER_ERROR,
    409: Outcome.SERVER_ERROR,
    410: Outcome.UNUSABLE,
    421: Outcome.SERVER_ERROR,
    424: Outcome.SERVER_ERROR,
    425: Outcome.SERVER_ERROR,
    429: Outcome.RATE_LIMITED,
    498: Outcome.SERVER_ERROR,
    499: Outcome.SERVER_ERROR,
}
"""What a 4xx leads to whose body says nothing. Any other is the caller's fault;
whatever is no 4xx is the provider's. 498 is Groq's lack of capacity, 499 a
proxy's word for a call that was cut off."""

STATUS_OF_CODE = {
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "overloaded_error": 529,
    "service_unavailable": 503,
    "unavailable": 503,
    "authentication_error": 401,
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "validationexception": 400,
    "badrequesterror": 400,
}
"""What a failure in a body of success would have had as a status."""
