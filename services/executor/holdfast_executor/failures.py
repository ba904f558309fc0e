"""What a provider's failure means for the next attempt, whoever the provider is.

Status alone misleads: some providers answer 400 to a wrong key, 429 to a
request that will never fit, 404 to a missing feature. So the body is read
first, by the table `RULES`; the status decides what the body leaves open.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from holdfast.model import Outcome
from holdfast_executor.dialects import ProviderError
from holdfast_executor.error_bodies import ErrorBody, read_error
from holdfast_executor.failure_rules import BY_STATUS, RULES, STATUS_OF_CODE
from holdfast_executor.wait_hints import retry_after

_SEARCHED_CHARACTERS_MAX = 8192
"""How far into a message a rule looks. The longest real ones reach 1,000."""

_LIMIT_AND_REQUESTED = re.compile(r"limit:? (\d+),? requested:? (\d+)")
_QUOTA_OF_NOTHING = re.compile(rb'"quota(?:_limit_v|V)alue"\s*:\s*"0"')
_TOKEN_LIMIT = re.compile(r"token\w*, limit: (\d+)")


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime | None = None,
    input_tokens: int = 0,
) -> ProviderError:
    """Say what an answer without success leads to.

    Args:
        status: The HTTP status.
        headers: By lower-case name.
        body: Whatever came.
        now: Against which the moments in wait hints are measured. None: the
            clock of this machine.
        input_tokens: An estimate of the request's, which tells a token bucket
            that is empty from one that is too small. Zero if not estimated.
    """
    said = read_error(body, headers)
    return ProviderError(
        _outcome(status, said, body, input_tokens),
        said.message or f"The provider answered with HTTP status {status}.",
        http_status=status,
        code=said.code,
        param=said.param,
        retry_after=retry_after(status, headers, said.parsed, now or datetime.now(UTC)),
    )


def classify_in_band(error: dict[str, Any] | str | bytes) -> ProviderError:
    """Say what an error leads to that came in a body or event of success.

    Args:
        error: The value of `error`, or the body or event that is the error.
    """
    if isinstance(error, dict):
        body = msgspec.json.encode(error if "error" in error else {"error": error})
    else:
        body = error.encode() if isinstance(error, str) else error
    said = read_error(body, {})
    status = said.status or next(
        (STATUS_OF_CODE[code] for code in said.codes if code in STATUS_OF_CODE), 0
    )
    return ProviderError(
        _outcome(status, said, body, 0),
        said.message or "The provider reported an error in its answer.",
        http_status=200,
        code=said.code,
        param=said.param,
        retry_after=retry_after(status, {}, said.parsed, datetime.now(UTC)),
    )


def _outcome(status: int, said: ErrorBody, body: bytes, input_tokens: int) -> Outcome:
    if 300 <= status < 400 or (said.is_html and status == 400):
        # Redirects are off; and no model's API answers in HTML, a proxy does.
        return Outcome.SERVER_ERROR
    text = f"{said.message} {said.beside}"[:_SEARCHED_CHARACTERS_MAX].lower()
    if _never_fits(text, input_tokens):
        return Outcome.TOO_LONG
    if status == 429 and _QUOTA_OF_NOTHING.search(body):
        return Outcome.UNUSABLE
    for rule in RULES:
        if rule.matches(status, said.codes, text):
            return rule.outcome
    if 400 <= status < 500:
        return BY_STATUS.get(status, Outcome.REJECTED)
    return Outcome.SERVER_ERROR


def _never_fits(text: str, input_tokens: int) -> bool:
    """Whether a request is larger than the whole bucket it is drawn from.

    OpenAI and Groq then answer 429 or 413 with both sizes, and Gemini with the
    bucket's alone; waiting helps with none of them.
    """
    if found := _LIMIT_AND_REQUESTED.search(text):
        return int(found[2]) > int(found[1])
    found = _TOKEN_LIMIT.search(text)
    return found is not None and 0 < int(found[1]) < input_tokens
